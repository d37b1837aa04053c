//! Answers cut short, and links that end when they should not (RFC 9112 sections 8 and 9.6).

use crate::smuggling::poison::{HEAD, OLD, POST, Poison, Row, poison, table};

pub(crate) fn cases() -> Vec<Poison> {
    let mut all = table(SHORT, |poison| poison.closes().breaks());
    all.extend(table(SHORT, |poison| poison.resets().breaks()));
    all.extend(whole());
    all.extend(others());
    all
}

/// However the link ends, this is no whole answer.
const SHORT: &[Row] = &[
    ("nothing", "RFC 9112 8", b""),
    ("letter", "RFC 9112 8", b"H"),
    ("status-line", "RFC 9112 8", b"HTTP/1.1 200 OK\r\n"),
    ("half-a-head", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
    ("head-but-cr", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r"),
    ("no-body", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    ("half-a-body", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
    ("body-but-a-byte", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello"),
    (
        "half-a-body-keep-alive",
        "said, and not kept",
        b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 50\r\n\r\nhello",
    ),
    ("half-a-body-of-1.0", "RFC 9112 8", b"HTTP/1.0 200 OK\r\nContent-Length: 50\r\n\r\nhello"),
    (
        "greatest-length",
        "RFC 9112 8",
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nhello",
    ),
    ("no-chunk", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("no-last-chunk", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("half-a-chunk", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nhello"),
    (
        "last-chunk-but-crlf",
        "RFC 9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ),
    (
        "last-chunk-but-lf",
        "RFC 9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r",
    ),
    (
        "half-a-trailer",
        "RFC 9112 8",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n",
    ),
    ("interim-alone", "RFC 9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n"),
];

/// Whole, and the last of its link.
fn whole() -> Vec<Poison> {
    let close = |name, about, bytes: &[u8]| poison(name, about, bytes).closes().gets(200, "hello");
    vec![
        close("keep-alive-and-gone", "said, and not kept", b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"),
        close("close", "RFC 9112 9.6", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"),
        close("chunks-and-gone", "RFC 9112 7.1", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        close("1.0", "RFC 9112 9.3", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        close("1.0-no-length", "RFC 9112 6.3 rule 8", b"HTTP/1.0 200 OK\r\n\r\nhello"),
        close("no-length-to-1.0", "RFC 9112 6.3 rule 8", b"HTTP/1.1 200 OK\r\n\r\nhello").to(OLD).later(),
        poison("close-and-not-gone", "RFC 9112 9.6", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello")
            .gets(200, "hello"),
        poison("close-and-more", "RFC 9112 9.6", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
            .gets(200, "hello"),
        poison("1.0-and-not-gone", "RFC 9112 9.3", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello").gets(200, "hello"),
    ]
}

/// An end that may be taken for the end of the body, where it is none.
fn others() -> Vec<Poison> {
    let until_close = b"HTTP/1.1 200 OK\r\n\r\nhello";
    vec![
        poison("no-length-reset", "RFC 9112 8: a reset is no end", until_close).resets().breaks(),
        poison("no-length-reset-of-1.0", "RFC 9112 8", b"HTTP/1.0 200 OK\r\n\r\nhello").resets().breaks(),
        poison("no-length-reset-to-1.0", "RFC 9112 8", until_close).to(OLD).later().resets().breaks(),
        poison("half-a-body-to-1.0", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
            .to(OLD)
            .later()
            .closes()
            .breaks(),
        poison("nothing-to-a-post", "RFC 9110 9.2.2: not sent twice", b"").to(POST).later().closes(),
        poison("half-a-head-to-a-post", "RFC 9110 9.2.2", b"HTTP/1.1 200").to(POST).later().closes(),
        poison("half-a-head-to-a-head", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nX: y\r\n")
            .to(HEAD)
            .closes()
            .breaks(),
    ]
}
