//! Expect, with bodies that hide requests (RFC 9110 section 10.1.1; Kettle 2025, "HTTP/1.1 must die").

use crate::smuggling::case::{CHUNKED_END, Case, HIDDEN, Row, case, get, post, table, with};

pub(crate) fn cases() -> Vec<Case> {
    let hides = |case: Case| {
        let fields = [&case.bytes[..], format!("Content-Length: {}\r\n", HIDDEN.len()).as_bytes()].concat();
        Case { bytes: with(fields, HIDDEN), ..case }
    };
    let mut all = table(UNKNOWN, |case| hides(case).refused(417));
    all.extend(table(FAULTS, |case| hides(case).refused(400)));
    all.extend(table(TAKEN, |case| hides(case).sees(post("/c", HIDDEN))));
    all.extend(others());
    all
}

/// 417: nobody knows whether there will be a body.
const UNKNOWN: &[Row] = &[
    ("word-before", "0.CL by Expect, Kettle 2025", b"Expect: y 100-continue\r\n"),
    ("word-behind", "Kettle 2025", b"Expect: 100-continue y\r\n"),
    ("list", "RFC 9110 10.1.1", b"Expect: 100-continue, the-moon\r\n"),
    ("parameter", "RFC 9110 10.1.1", b"Expect: 100-continue;x=y\r\n"),
    ("quoted", "RFC 9110 10.1.1", b"Expect: \"100-continue\"\r\n"),
    ("other", "RFC 9110 10.1.1", b"Expect: the-moon\r\n"),
    ("prefix", "RFC 9110 10.1.1", b"Expect: 100-cont\r\n"),
    ("number", "RFC 9110 10.1.1", b"Expect: 100\r\n"),
    ("other-on-a-second-line", "RFC 9110 10.1.1", b"Expect: 100-continue\r\nExpect: the-moon\r\n"),
];

const FAULTS: &[Row] = &[
    ("lf-first", "CL.0 by Expect, Kettle 2025", b"Expect: \n 100-continue\r\n"),
    ("folded", "RFC 9112 5.2", b"Expect:\r\n 100-continue\r\n"),
    ("nul", "RFC 9110 5.5", b"Expect: 100-continue\0\r\n"),
    ("space-behind-name", "RFC 9112 5.1", b"Expect : 100-continue\r\n"),
    ("with-both-lengths", "RFC 9112 6.1", b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
];

const TAKEN: &[Row] = &[
    ("continue", "RFC 9110 10.1.1", b"Expect: 100-continue\r\n"),
    ("continue-capital", "RFC 9110 10.1.1: no case", b"Expect: 100-Continue\r\n"),
    ("continue-no-space", "RFC 9112 5", b"Expect:100-continue\r\n"),
];

fn others() -> Vec<Case> {
    let head = "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n";
    vec![
        case(
            "no-body",
            "RFC 9110 10.1.1",
            [&b"GET /c HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"[..], HIDDEN].concat(),
        )
        .sees(get("/c"))
        .sees(get("/hidden")),
        case("chunks", "RFC 9110 10.1.1", with(head, [b"5\r\nhello\r\n", CHUNKED_END].concat()))
            .sees(post("/c", "hello"))
            .sees(get("/hidden")),
        case("bad-chunk", "RFC 9112 7.1", with(head, b"5\r\nhelloX\r\n0\r\n\r\n")).broken(400),
        case("short", "RFC 9112 8", with("Expect: 100-continue\r\nContent-Length: 1000\r\n", HIDDEN))
            .unfinished(),
        case(
            "of-1.0",
            "RFC 9110 10.1.1: ignored",
            "POST /c HTTP/1.0\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        )
        .sees(post("/c", "hello").lacks("expect"))
        .closes(),
    ]
}
