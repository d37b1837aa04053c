//! Bytes that nobody asked for: behind a response, or on a link that carries nothing (RFC 9112 section 9.2).
//!
//! A second response that is well formed, behind one whose follower has been sent already, cannot be told from the
//! follower's by anybody. So those come while nobody is behind; what is no response comes at both places.

use crate::smuggling::poison::{HEAD, POST, Poison, Row, poison, table};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const EVIL: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

pub(crate) fn cases() -> Vec<Poison> {
    let behind =
        |poison: Poison| Poison { bytes: [OK, &poison.bytes[..]].concat(), ..poison }.gets(200, "hello");
    let mut all = table(NOISE, behind);
    all.extend(table(ANSWERS, |poison| behind(poison).later()));
    all.extend(bodies_of_none());
    all.extend(table(UNASKED, Poison::idle));
    all
}

/// Behind the end of an answer, and the beginning of none.
const NOISE: &[Row] = &[
    ("empty-line", "what old servers added", b"\r\n"),
    ("lf", "what old servers added", b"\n"),
    ("one-byte", "RFC 9112 9.2", b"X"),
    ("nul", "RFC 9112 9.2", b"\0"),
    ("more-body", "a length that was too short", b" world"),
    ("last-chunk", "a length, and chunks as well", b"0\r\n\r\n"),
    ("status-99", "RFC 9112 4", b"HTTP/1.1 099 OK\r\n\r\n"),
    ("empty-line-and-answer", "RFC 9112 2.2", b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    ("101", "RFC 9110 15.2.2", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"),
    ("frame-of-2", "RFC 9113 4.1", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n"),
];

/// Response queue poisoning (Kettle 2022): one answer too many.
const ANSWERS: &[Row] = &[
    ("another", "RFC 9112 9.2", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    (
        "another-that-closes",
        "RFC 9112 9.2",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 6\r\n\r\npoison",
    ),
    ("another-of-1.0", "RFC 9112 9.2", b"HTTP/1.0 200 OK\r\n\r\npoison"),
    (
        "another-chunked",
        "RFC 9112 9.2",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n",
    ),
    ("beginning-of-another", "the next answer would be its fields", b"HTTP/1.1 200 OK\r\nX-Poison: "),
    (
        "status-line-alone",
        "the next answer would be its fields",
        b"HTTP/1.1 302 Found\r\nLocation: http://evil/\r\nX:",
    ),
    ("head-alone", "the next answer would be its body", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    ("interim", "RFC 9110 15.2", b"HTTP/1.1 103 X\r\nLink: </evil>\r\n\r\n"),
    ("timeout", "RFC 9110 15.5.9", b"HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    ("letter-of-another", "a part of a version", b"H"),
];

/// Bodies where there may be none (RFC 9112 section 6.3 rule 1).
fn bodies_of_none() -> Vec<Poison> {
    let head = |status: &str| format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n").into_bytes();
    let with = |status: &str, body: &[u8]| [&head(status)[..], body].concat();
    vec![
        poison("204-with-body", "RFC 9110 15.3.5", with("204", b"hello")).gets(204, ""),
        poison("204-with-answer", "RFC 9110 15.3.5", with("204", EVIL)).gets(204, "").later(),
        poison("304-with-body", "RFC 9110 15.4.5", with("304", b"hello")).gets(304, ""),
        poison("304-with-answer", "RFC 9110 15.4.5", with("304", EVIL)).gets(304, "").later(),
        poison("head-with-body", "RFC 9110 9.3.2", with("200", b"hello")).to(HEAD).gets(200, ""),
        poison("head-with-answer", "Kettle 2022: HEAD as a gadget", with("200", EVIL))
            .to(HEAD)
            .gets(200, "")
            .later(),
        poison("zero-with-body", "RFC 9112 6.3", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nhello")
            .gets(200, ""),
        poison("post-and-another", "RFC 9112 9.2", [OK, EVIL].concat()).to(POST).later().gets(200, "hello"),
        poison(
            "chunks-and-empty-line",
            "RFC 9112 7.1",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n\r\n",
        )
        .gets(200, "hello"),
        poison(
            "chunks-and-another",
            "RFC 9112 9.2",
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", EVIL].concat(),
        )
        .later()
        .gets(200, "hello"),
    ]
}

/// On a link that carries nothing.
const UNASKED: &[Row] = &[
    ("idle-answer", "RFC 9112 9.2", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    (
        "idle-answers",
        "RFC 9112 9.2",
        b"HTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
    ),
    (
        "idle-timeout",
        "RFC 9110 15.5.9",
        b"HTTP/1.1 408 Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    ),
    ("idle-continue", "RFC 9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ("idle-101", "RFC 9110 15.2.2", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n"),
    ("idle-beginning", "the next answer would be its fields", b"HTTP/1.1 200 OK\r\nX-Poison: "),
    ("idle-head", "the next answer would be its body", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    ("idle-byte", "RFC 9112 9.2", b"X"),
    ("idle-h", "a part of a version", b"H"),
    ("idle-empty-line", "RFC 9112 9.2", b"\r\n"),
    ("idle-last-chunk", "RFC 9112 9.2", b"0\r\n\r\n"),
    ("idle-request", "a member that asks", b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"),
];
