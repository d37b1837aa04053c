//! Lines: a frame ends with LF, or with CRLF and nothing less, and includes it.

use crate::cause::Cause;
use crate::config::Framing;
use crate::proto::framing::{BadFrame, Frame, Outcome, Pinning, refusal, request};

use crate::proto::tests::framing::given::{
    CRLF, LF, answers, first, frame, framing, malformed, request_ends, shared,
};

#[test]
fn a_line_ends_where_its_end_ends() {
    for (kind, input, len) in [
        (LF, "\n", 1),
        (LF, "add 2 3\n", 8),
        (LF, "add 2 3\r\nnext\n", 9),
        (LF, "a\rb\nc", 4),
        (CRLF, "\r\n", 2),
        (CRLF, "add 2 3\r\nnext\r\n", 9),
        (CRLF, "a\nb\rc\r\nd", 7),
        (CRLF, "\n\n\r\r\n\n", 5),
    ] {
        assert_eq!(frame(&framing(kind, 64), input.as_bytes(), Pinning::Free), shared(len), "{input:?}");
        let (ends, wrong) = answers(&framing(kind, 64), input.as_bytes());
        assert_eq!((ends[0], wrong), ((len, Outcome::Answer), None), "{input:?}");
    }
}

#[test]
fn a_line_without_end_is_nothing_yet() {
    for (kind, input) in [(LF, ""), (LF, "add 2 3\r"), (CRLF, "add 2 3\r"), (CRLF, "a\nb\r c")] {
        assert_eq!(first(&framing(kind, 64), input.as_bytes(), Pinning::Free).0, Ok(None), "{input:?}");
        assert_eq!(answers(&framing(kind, 64), input.as_bytes()), (Vec::new(), None), "{input:?}");
    }
}

#[test]
fn the_longest_line_is_taken_and_one_byte_more_is_known_at_once() {
    for (kind, longest, over, known) in [
        (LF, "1234567\n", "12345678\n", 8),
        (CRLF, "123456\r\n", "1234567\r\n", 7),
        (CRLF, "12345\r\r\n", "123456\r\r\n", 8),
        (CRLF, "12345\n\r\n", "123456\n\r\n", 7),
    ] {
        let framing = framing(kind, 8);
        assert_eq!(frame(&framing, longest.as_bytes(), Pinning::Free), shared(8));
        assert_eq!(answers(&framing, longest.as_bytes()), (vec![(8, Outcome::Answer)], None));
        assert_eq!(malformed(&framing, over.as_bytes()), (BadFrame::TooLong(9), known), "{over:?}");
        assert_eq!(answers(&framing, over.as_bytes()), (Vec::new(), Some(BadFrame::TooLong(9))), "{over:?}");
    }
}

#[test]
fn each_of_many_lines_may_be_the_longest() {
    let ends = (vec![(8, Outcome::Answer), (9, Outcome::Answer), (17, Outcome::Answer)], None);
    let input = b"1234567\n\n1234567\n123";
    assert_eq!(request_ends(&framing(LF, 8), input), ends);
    assert_eq!(answers(&framing(LF, 8), input), ends);
}

#[test]
fn whether_a_line_may_be_sent_twice_is_what_the_configuration_says() {
    let framing = Framing { repeatable: true, ..framing(LF, 8) };
    assert_eq!(request(&framing, b"a\n", Pinning::Free), Ok(Some(Frame { repeatable: true, ..shared(2) })));
}

#[test]
fn a_refusal_is_what_the_configuration_says_or_nothing() {
    assert_eq!(refusal(&framing(LF, 8), Cause::QueueFull), None);
    let framing = Framing { refusal: Some(b"busy\n".as_slice().into()), ..framing(LF, 8) };
    assert_eq!(refusal(&framing, Cause::QueueFull), Some(b"busy\n".to_vec()));
}
