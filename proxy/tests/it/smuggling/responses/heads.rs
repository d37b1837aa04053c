//! Heads of responses that are none, or that another reader would end elsewhere (RFC 9112 sections 2, 4 and 5).

use crate::smuggling::poison::{Poison, Row, poison, table};

pub(crate) fn cases() -> Vec<Poison> {
    let lined = |poison: Poison| Poison {
        bytes: [&poison.bytes[..], b"\r\nContent-Length: 5\r\n\r\nhello"].concat(),
        ..poison
    };
    let headed = |poison: Poison| {
        let bytes = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", &poison.bytes[..], b"\r\nhello"].concat();
        Poison { bytes, ..poison }
    };
    let mut all = table(LINES, lined);
    all.extend(table(FIELDS, headed));
    all.extend(table(NOISE, |poison| poison));
    all.extend(large());
    all.extend(table(TAKEN, |poison| lined(poison).gets(200, "hello").kept()));
    all
}

const LINES: &[Row] = &[
    ("version-2", "RFC 9112 2.3", b"HTTP/2.0 200 OK"),
    ("version-2-short", "RFC 9112 2.3", b"HTTP/2 200 OK"),
    ("version-0.9", "RFC 9112 2.3", b"HTTP/0.9 200 OK"),
    ("version-1.2", "RFC 9112 2.3", b"HTTP/1.2 200 OK"),
    ("version-1.12", "RFC 9112 2.3", b"HTTP/1.12 200 OK"),
    ("version-lower-case", "RFC 9112 2.3", b"http/1.1 200 OK"),
    ("icy", "SHOUTcast", b"ICY 200 OK"),
    ("two-spaces", "RFC 9112 4", b"HTTP/1.1  200 OK"),
    ("tab", "RFC 9112 4", b"HTTP/1.1\t200 OK"),
    ("space-first", "RFC 9112 4", b" HTTP/1.1 200 OK"),
    ("status-of-two-digits", "RFC 9112 4", b"HTTP/1.1 20 OK"),
    ("status-of-four-digits", "RFC 9112 4", b"HTTP/1.1 2000 OK"),
    ("status-99", "RFC 9110 15", b"HTTP/1.1 099 OK"),
    ("status-600", "RFC 9110 15", b"HTTP/1.1 600 OK"),
    ("status-word", "RFC 9112 4", b"HTTP/1.1 abc OK"),
    ("status-signed", "RFC 9112 4", b"HTTP/1.1 +20 OK"),
    ("no-status", "RFC 9112 4", b"HTTP/1.1 OK"),
    ("reason-with-cr", "RFC 9112 2.2", b"HTTP/1.1 200 OK\rX: y"),
    ("reason-with-nul", "RFC 9112 4", b"HTTP/1.1 200 O\0K"),
    ("lf", "RFC 9112 2.2", b"HTTP/1.1 200 OK\nX: y"),
    ("empty-line-first", "RFC 9112 2.2 allows for it before requests", b"\r\nHTTP/1.1 200 OK"),
    ("lf-first", "RFC 9112 2.2", b"\nHTTP/1.1 200 OK"),
    ("request-line", "an answer that asks", b"GET /hidden HTTP/1.1"),
];

const FIELDS: &[Row] = &[
    ("folded", "RFC 9112 5.2", b"X: y\r\n z\r\n"),
    ("folded-by-tab", "RFC 9112 5.2", b"X: y\r\n\tz\r\n"),
    ("space-behind-name", "RFC 9112 5.1", b"X : y\r\n"),
    ("no-colon", "RFC 9112 5", b"X\r\n"),
    ("no-name", "RFC 9112 5", b": y\r\n"),
    ("lf-in-value", "CWE-113: response splitting", b"X: y\nSet-Cookie: a=b\r\n"),
    ("lf-lf-in-value", "CWE-113", b"X: y\n\nHTTP/1.1 200 OK\r\n"),
    ("cr-in-value", "CWE-113", b"X: y\rSet-Cookie: a=b\r\n"),
    ("cr-cr-lf", "RFC 9112 2.2", b"X: y\r\r\n"),
    ("nul-in-value", "RFC 9110 5.5", b"X: y\0\r\n"),
    ("escape-in-value", "RFC 9110 5.5", b"X: \x1b[2J\r\n"),
    ("nul-in-name", "RFC 9110 5.1", b"X\0: y\r\n"),
    ("names-host", "RFC 9110 7.6.1", b"Connection: close, content-type\r\n"),
];

const NOISE: &[Row] = &[
    ("http-0.9", "no status line", b"<html>hello</html>\r\n\r\n"),
    (
        "settings-of-2",
        "RFC 9113 6.5",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\r\n\r\n",
    ),
    ("preface-of-2", "RFC 9113 3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("tls-alert", "RFC 8446 6", b"\x15\x03\x01\x00\x02\x02\x50\r\n\r\n"),
    ("ssh", "another protocol", b"SSH-2.0-OpenSSH_9.9\r\n"),
    ("smtp", "another protocol", b"220 mail ESMTP\r\n"),
    ("zeros", "no text at all", b"\0\0\0\0\0\0\0\0\r\n\r\n"),
    ("empty-lines", "nothing at all", b"\r\n\r\n"),
    ("lf-only", "RFC 9112 2.2, we are strict", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
    ("lf-end", "RFC 9112 2.2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
    ("cr-end", "RFC 9112 2.2", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\rhello"),
    ("cr-only", "RFC 9112 2.2", b"HTTP/1.1 200 OK\rContent-Length: 5\r\rhello"),
];

/// More than the limits of an answer's head.
fn large() -> Vec<Poison> {
    let large = |name, about, fields: String| {
        poison(name, about, format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello"))
    };
    vec![
        large("line-too-long", "16 KiB", format!("X: {}\r\n", "y".repeat(20_000))),
        large("head-too-large", "32 KiB", format!("X: {}\r\n", "y".repeat(10_000)).repeat(4)),
        large("fields-too-many", "100", "X: y\r\n".repeat(150)),
        poison("endless", "32 KiB and no end", format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(100_000))),
    ]
}

const TAKEN: &[Row] = &[
    ("no-reason", "RFC 9112 4: may be empty", b"HTTP/1.1 200 "),
    ("no-space-behind-status", "RFC 9112 4: common", b"HTTP/1.1 200"),
    ("reason-like-a-head", "text", b"HTTP/1.1 200 Content-Length: 50"),
    ("named-cookie", "RFC 9110 7.6.1", b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nConnection: set-cookie"),
];
