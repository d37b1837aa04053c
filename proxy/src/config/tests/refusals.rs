//! The option for what is sent in place of a response: the bytes that are accepted, and those that are no whole frame.

use crate::config::tests::framing::{FRAMED, LINES, PREFIXED, RESP, framing, told_of, with};
use crate::config::tests::mistakes::told;

#[test]
fn refusals() {
    for (protocol, options, bytes) in [
        (LINES, r#"refusal: "ERR busy\n""#, &b"ERR busy\n"[..]),
        (LINES, r#"refusal: "\n""#, b"\n"),
        (LINES, r#"refusal: "a\r\n""#, b"a\r\n"),
        (LINES, "refusal: hex:fF0a", b"\xff\n"),
        (LINES, r#"terminator: crlf, refusal: "a\rb\nc\r\n""#, b"a\rb\nc\r\n"),
        (LINES, r#"refusal: "${SET:-closed}\n""#, b"closed\n"),
        (PREFIXED, "refusal: hex:00000000", b"\0\0\0\0"),
        (PREFIXED, r#"refusal: "\0\0\0\x02no""#, b"\0\0\0\x02no"),
        (PREFIXED, "byte_order: little, refusal: hex:0100000061", b"\x01\0\0\0a"),
        (PREFIXED, "length_bytes: 1, length_offset: 1, refusal: hex:ff0161", b"\xff\x01a"),
        (
            PREFIXED,
            "length_bytes: 2, length_offset: 1, length_includes_header: true, refusal: hex:ff000461",
            b"\xff\0\x04a",
        ),
        (PREFIXED, "length_bytes: 8, max_length: 9, refusal: hex:000000000000000161", b"\0\0\0\0\0\0\0\x01a"),
        (RESP, r#"refusal: "-ERR busy\r\n""#, b"-ERR busy\r\n"),
        (RESP, r#"refusal: "$-1\r\n""#, b"$-1\r\n"),
        (RESP, r#"refusal: "$0\r\n\r\n""#, b"$0\r\n\r\n"),
        (RESP, r#"refusal: "$2\r\n\r\n\r\n""#, b"$2\r\n\r\n\r\n"),
        (RESP, r#"refusal: "*2\r\n*1\r\n:-1\r\n+OK\r\n""#, b"*2\r\n*1\r\n:-1\r\n+OK\r\n"),
        (RESP, r#"refusal: "*0\r\n""#, b"*0\r\n"),
    ] {
        assert_eq!(framing(protocol, options).refusal.as_deref(), Some(bytes), "{protocol}: {options}");
    }
    for protocol in FRAMED {
        assert_eq!(framing(protocol, "refusal: auto").refusal, None);
    }
    for protocol in [LINES, PREFIXED] {
        assert_eq!(framing(protocol, "refusal: close").refusal, None);
    }
    // `auto` tells the cause there, so no bytes at all stand for closing.
    assert_eq!(framing(RESP, "refusal: close").refusal.as_deref(), Some(&b""[..]));
}

#[test]
fn refusals_that_are_no_line() {
    let lf = "does not end with LF, so clients would wait for the rest of the line; write it in quotes, as in \"ERR busy\\n\"";
    told_of(LINES, "refusal: ERR busy", lf);
    told_of(LINES, "refusal: 'ERR busy\\n'", lf);
    told_of(LINES, "refusal: hex:0d", lf);
    told_of(
        LINES,
        r#"refusal: "a\nb\n""#,
        "is 2 lines; a request is answered with one, as in \"ERR busy\\n\"",
    );
    let crlf = |text: &str| with(LINES, &format!("refusal: {text}, terminator: crlf"));
    told(
        &crlf(r#""busy\n""#),
        &[
            "6:25: listeners.app.framing.refusal: does not end with CR LF, so clients would wait for the rest of the line; write it in quotes, as in \"ERR busy\\r\\n\"",
        ],
    );
    told(
        &crlf(r#""\r\n\r\n""#),
        &[
            "6:25: listeners.app.framing.refusal: is 2 lines; a request is answered with one, as in \"ERR busy\\r\\n\"",
        ],
    );
}

#[test]
fn refusals_that_are_no_counted_frame() {
    told_of(
        PREFIXED,
        "refusal: hex:000000",
        "has 3 bytes, and the header alone has 4; write a whole frame, its header included",
    );
    told_of(
        PREFIXED,
        "refusal: hex:0000000261",
        "is not one whole frame: its header counts 2, and 1 byte is there to be counted",
    );
    told_of(
        PREFIXED,
        "refusal: hex:0000000000000000",
        "is not one whole frame: its header counts 0, and 4 bytes are there to be counted",
    );
    told_of(
        PREFIXED,
        "refusal: BUSY",
        "is not one whole frame: its header counts 1112888153, and 0 bytes are there to be counted",
    );
    let all = with(PREFIXED, "refusal: hex:0000000161, length_includes_header: true");
    told(
        &all,
        &[
            "6:25: listeners.app.framing.refusal: is not one whole frame: its header counts 1, and 5 bytes are there to be counted",
        ],
    );
}

#[test]
fn refusals_that_are_no_reply() {
    for text in [
        "-ERR busy",
        r#""-ERR busy\n""#,
        r#""ERR busy\r\n""#,
        r#""\r\n""#,
        r#""+A\r\n+B\r\n""#,
        r#""$3\r\nab\r\n""#,
        r#""$1\r\nab\r\n""#,
        r#""$+1\r\na\r\n""#,
        r#""$99999999999999999999\r\n""#,
        r#""$18446744073709551615\r\n""#,
        r#""$-2\r\n""#,
        r#""*2\r\n+A\r\n""#,
        r#""*18446744073709551615\r\n*18446744073709551615\r\n""#,
        r#"":one\r\n""#,
        r#""%1\r\n+a\r\n+b\r\n""#,
        "hex:2d0a",
    ] {
        let why = "is not one whole reply of Redis, so clients would wait or lose count; one is \"-ERR busy\\r\\n\"";
        told_of(RESP, &format!("refusal: {text}"), why);
    }
}

#[test]
fn refusals_that_cannot_be_read() {
    for protocol in FRAMED {
        told_of(
            protocol,
            "refusal: hex:0",
            "`hex:0` has an odd number of digits (1); a byte has two (or `auto`)",
        );
        told_of(protocol, "refusal: 'hex:'", "`hex:` has no digits; a byte has two (or `auto`)");
        told_of(
            protocol,
            "refusal: hex:0x0a",
            "`hex:0x0a` has `x` among its digits; the digits are 0 to 9 and a to f (or `auto`)",
        );
        told_of(
            protocol,
            "refusal: ''",
            "expected `close`, text such as \"ERR busy\\n\" in quotes, or bytes such as `hex:00ff`, not `` (or `auto`)",
        );
    }
    told(
        &with(LINES, r#"max_length: 8, refusal: "ERR busy\n""#),
        &["6:40: listeners.app.framing.refusal: has 9 bytes, and `max_length` allows 8"],
    );
}
