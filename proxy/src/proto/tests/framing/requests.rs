//! Requests of Redis: where they end, and what is none.

use crate::cause::Cause;
use crate::config::FrameKind;
use crate::proto::framing::{BadFrame, Frame, Need, Pinning, least, refusal};

use crate::proto::tests::framing::given::{bad_byte, bad_length, first, frame, framing, malformed, resp};

const NOTHING: Need = Need::Here { answer: b"", close: false };

#[test]
fn a_request_ends_after_its_last_word() {
    for (input, len) in [
        ("*1\r\n$4\r\nPING\r\n", 14),
        ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\nb\n\r\n*1\r\n", 31),
        ("*2\r\n$3\r\nGET\r\n$0\r\n\r\n", 19),
        ("PING\r\nPING\r\n", 6),
        ("PING\nPING\n", 5),
        ("  set\tk v \r\n", 12),
    ] {
        assert_eq!(frame(&resp(), input.as_bytes(), Pinning::Free).len, len, "{input:?}");
    }
}

#[test]
fn what_has_no_words_is_answered_with_nothing_as_redis_does() {
    for pinning in [Pinning::Free, Pinning::Watching, Pinning::Multi] {
        for (input, len) in [
            ("*0\r\n", 4),
            ("*-1\r\n*1\r\n", 5),
            ("*-7\r\n", 5),
            ("\r\nPING\r\n", 2),
            ("\n", 1),
            (" \t \r\n", 5),
        ] {
            let nothing = Frame { len, need: NOTHING, pinning, repeatable: false, class: 0, speaks: None };
            assert_eq!(frame(&resp(), input.as_bytes(), pinning), nothing, "{input:?}");
        }
    }
}

#[test]
fn what_is_no_request_is_known_at_its_first_wrong_byte() {
    let digit = "not a digit of a length";
    let lf = "not the LF after a length";
    let end = "not the CRLF after a word";
    for (good, wrong, why) in [
        ("*", '\r', bad_byte(digit, b'\r')),
        ("*", '+', bad_byte(digit, b'+')),
        ("*", ' ', bad_byte(digit, b' ')),
        ("*0", '1', bad_byte(digit, b'1')),
        ("*-", '0', bad_byte(digit, b'0')),
        ("*-", '-', bad_byte(digit, b'-')),
        ("*1", '-', bad_byte(digit, b'-')),
        ("*1", '\n', bad_byte(digit, b'\n')),
        ("*-1234567890123456", '\0', bad_byte(digit, 0)),
        ("*-123456789012345678", '9', bad_byte(digit, b'9')),
        ("*1\r", '$', bad_byte(lf, b'$')),
        ("*1\r\n", '+', bad_byte("not the `$` of a word", b'+')),
        ("*1\r\n", '*', bad_byte("not the `$` of a word", b'*')),
        ("*1\r\n$", '\r', bad_byte(digit, b'\r')),
        ("*1\r\n$0", '1', bad_byte(digit, b'1')),
        ("*1\r\n$4\r", '\r', bad_byte(lf, b'\r')),
        ("*1\r\n$4\r\nPING", '\n', bad_byte(end, b'\n')),
        ("*1\r\n$4\r\nPING\r", '\r', bad_byte(end, b'\r')),
        ("*2\r\n$4\r\nECHO\r\n", '1', bad_byte("not the `$` of a word", b'1')),
        ("PI", '\0', bad_byte("neither a `*` nor a line of text", 0)),
    ] {
        let input = format!("{good}{wrong}more\r\n\r\n");
        assert_eq!(malformed(&resp(), input.as_bytes()), (why, good.len() + 1), "{input:?}");
    }
}

#[test]
fn what_is_too_much_for_redis_or_for_the_limit_is_known_with_its_length() {
    let wide = framing(FrameKind::Resp, 1 << 31);
    let words = "too many words in a request";
    let length = "not a length of a word";
    for (framing, input, why) in [
        (&wide, "*1048577\r\n", bad_length(words, 1_048_577)),
        (&wide, "*999999999999999999\r\n", bad_length(words, 999_999_999_999_999_999)),
        (&wide, "*1\r\n$536870913\r\n", bad_length(length, 536_870_913)),
        (&wide, "*1\r\n$-1\r\n", bad_length(length, -1)),
        (&wide, "*5\r\n$999999999999999999\r\n", bad_length(length, 999_999_999_999_999_999)),
        (&resp(), "*1048576\r\n", BadFrame::TooLong(10 + 6 * 1_048_576)),
        (&resp(), "*1\r\n$1048576\r\n", BadFrame::TooLong(4 + 10 + 1_048_576 + 2)),
        (&resp(), "*2\r\n$1048556\r\n", BadFrame::TooLong(4 + 10 + 1_048_556 + 2 + 6)),
    ] {
        let more = format!("{input}more");
        assert_eq!(malformed(framing, more.as_bytes()), (why, input.len()), "{input:?}");
    }
    assert_eq!(first(&wide, b"*1048576\r\n", Pinning::Free).0, Ok(None));
    assert_eq!(first(&wide, b"*1\r\n$536870912\r\n", Pinning::Free).0, Ok(None));
}

#[test]
fn a_request_may_be_as_long_as_the_limit() {
    let input = b"*2\r\n$4\r\nECHO\r\n$3\r\nabc\r\n";
    assert_eq!(frame(&framing(FrameKind::Resp, input.len()), input, Pinning::Free).len, input.len());
    let (why, known) = malformed(&framing(FrameKind::Resp, input.len() - 1), input);
    assert_eq!((why, known), (BadFrame::TooLong(input.len() as u64), 18));
}

#[test]
fn a_line_is_no_longer_than_redis_takes_it() {
    let framing = framing(FrameKind::Resp, 1 << 20);
    let mut line = vec![b'a'; 64 << 10];
    assert_eq!(malformed_of_long_line(&framing, &line), Some(BadFrame::TooLong((64 << 10) + 1)));
    line[(64 << 10) - 1] = b'\n';
    assert_eq!(malformed_of_long_line(&framing, &line), None);
    let short = crate::proto::tests::framing::given::framing(FrameKind::Resp, 8);
    assert_eq!(frame(&short, b"ECHO ab\n", Pinning::Free).len, 8);
    assert_eq!(malformed(&short, b"ECHO abc\n"), (BadFrame::TooLong(9), 8));
}

fn malformed_of_long_line(framing: &crate::config::Framing, line: &[u8]) -> Option<BadFrame> {
    assert_eq!(crate::proto::framing::request(framing, &line[..line.len() - 1], Pinning::Free), Ok(None));
    crate::proto::framing::request(framing, line, Pinning::Free).err()
}

/// Redis undoes quotes and escapes: it may say anything, so nobody else uses that link.
#[test]
fn a_line_with_quotes_gets_a_link_for_good() {
    for input in
        ["set k \"a b\"\r\n", "'get' k\n", "\"\\x4dULTI\"\r\n", "set k \"\r\n", "get\x0bk\n", "get\x0ck\n"]
    {
        let found = frame(&resp(), input.as_bytes(), Pinning::Multi);
        assert_eq!((found.len, found.pinning), (input.len(), Pinning::Forever), "{input:?}");
    }
    let found = frame(&resp(), b"*2\r\n$3\r\nGET\r\n$3\r\n\"a'\r\n", Pinning::Free);
    assert_eq!((found.need, found.pinning), (Need::Shared, Pinning::Free), "an array has no quotes to undo");
}

#[test]
fn a_long_request_says_how_long_to_wait() {
    for (input, expected) in [
        ("", 1),
        ("*3\r\n", 4 + 3 * 6),
        ("*3\r\n$3\r\n", 4 + 9 + 2 * 6),
        ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n", 20 + 6),
        ("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\nabc", 20 + 9 + 100_000 + 2),
        ("*1\r\n$4\r\nPING", 14),
        ("GET k", 6),
    ] {
        assert_eq!(least(&resp(), input.as_bytes()), expected, "{input:?}");
    }
}

/// Whoever asks again only when it is worth it reads a long request of many short words a few times.
#[test]
fn a_long_request_in_many_pieces_is_read_a_few_times() {
    let words = 20_000;
    let input = format!("*{words}\r\n{}", "$10\r\n0123456789\r\n".repeat(words));
    let (mut have, mut asked) = (1, 0);
    while first_is_partial(&input.as_bytes()[..have]) {
        asked += 1;
        have = least(&resp(), &input.as_bytes()[..have]);
    }
    assert_eq!(have, input.len());
    assert!(asked < 40, "{asked} times");
}

fn first_is_partial(input: &[u8]) -> bool {
    crate::proto::framing::request(&resp(), input, Pinning::Free) == Ok(None)
}

#[test]
fn a_refusal_is_an_error_reply_that_names_the_cause() {
    assert_eq!(refusal(&resp(), Cause::QueueFull).unwrap(), b"-ERR penstock: queue_full\r\n");
}

#[test]
fn what_is_wrong_is_said_with_what_was_found() {
    for (input, said) in [
        ("*1\r\n+", "not the `$` of a word: byte '+' (0x2b)"),
        ("*1\r\n$\r", "not a digit of a length: byte '\\r' (0x0d)"),
        ("*1\r\n$-1\r\n", "not a length of a word: -1"),
        ("*1\r\n$2000000\r\n", "frame too long: 2000016 bytes or more"),
    ] {
        assert_eq!(malformed(&resp(), input.as_bytes()).0.to_string(), said);
    }
}
