//! Chunks and trailers of responses (RFC 9112 section 7.1): the head may be out when they break.

use crate::smuggling::poison::{OLD, Poison, Row, poison, table};

fn chunked(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body].concat()
}

pub(crate) fn cases() -> Vec<Poison> {
    let body = |poison: Poison| Poison { bytes: chunked(&poison.bytes), ..poison };
    let mut all = table(FAULTS, |poison| body(poison).breaks());
    all.extend(table(TAKEN, |poison| body(poison).gets(200, "hello").kept()));
    all.extend(trailers());
    all.extend(to_old_clients());
    all
}

const FAULTS: &[Row] = &[
    ("minus", "RFC 9112 7.1", b"-5\r\nhello\r\n0\r\n\r\n"),
    ("plus", "RFC 9112 7.1", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("0x", "RFC 9112 7.1", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("no-size", "RFC 9112 7.1", b"\r\nhello\r\n0\r\n\r\n"),
    ("over-64-bits", "wraps to 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("size-lf", "errata 7633", b"5\nhello\r\n0\r\n\r\n"),
    ("size-cr", "RFC 9112 2.2", b"5\rhello\r\n0\r\n\r\n"),
    ("space-before", "RFC 9112 7.1", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("space-inside", "RFC 9112 7.1", b"5 5\r\nhello\r\n0\r\n\r\n"),
    ("space-behind-and-lf", "errata 7633", b"5 \nhello\r\n0\r\n\r\n"),
    ("lf-in-extension", "CVE-2025-22871 kin", b"5;x\nhello\r\n0\r\n\r\n"),
    ("longer", "RFC 9112 7.1", b"5\r\nhello!\r\n0\r\n\r\n"),
    ("shorter", "RFC 9112 7.1", b"5\r\nhell\r\n0\r\n\r\n"),
    ("no-crlf", "RFC 9112 7.1", b"5\r\nhello0\r\n\r\n"),
    ("lf-behind", "RFC 9112 7.1", b"5\r\nhello\n0\r\n\r\n"),
    ("second-is-bad", "RFC 9112 7.1", b"5\r\nhello\r\nx\r\n"),
    ("last-lf", "errata 7633", b"5\r\nhello\r\n0\n\n"),
    ("last-cr", "RFC 9112 7.1", b"5\r\nhello\r\n0\r\n\rX"),
    ("answer-inside", "response splitting", b"5\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"),
    ("answer-as-trailer", "response splitting", b"5\r\nhello\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ("trailer-folded", "RFC 9112 5.2", b"5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    ("trailer-lf", "RFC 9112 2.2", b"5\r\nhello\r\n0\r\nX: y\nZ: z\r\n\r\n"),
    ("trailer-nul", "RFC 9110 5.5", b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n"),
    ("not-chunks", "a coding that is not there", b"hello"),
];

const TAKEN: &[Row] = &[
    ("extensions", "RFC 9112 7.1.1: not passed on", b"5;x=\"y\"\r\nhello\r\n0;z\r\n\r\n"),
    ("space-behind", "padding of old servers", b"5 \r\nhello\r\n0 \t \r\n\r\n"),
    ("leading-zeros", "RFC 9112 7.1", b"0005\r\nhello\r\n000\r\n\r\n"),
    ("trailer-length", "RFC 9110 6.5.1", b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
    ("trailer-coding", "RFC 9110 6.5.1", b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailer-connection", "RFC 9110 7.6.1", b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n"),
];

fn trailers() -> Vec<Poison> {
    let end = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 5\r\nY: 2\r\n\r\n";
    vec![
        poison("trailers", "RFC 9112 7.1.2", chunked(end))
            .gets(200, "hello")
            .trailers(b"X-Sum: 1\r\nY: 2\r\n")
            .kept(),
    ]
}

/// To HTTP/1.0 the end of the connection is the end of the body: an orderly one would make half an answer whole.
fn to_old_clients() -> Vec<Poison> {
    let old = |name, body: &[u8]| poison(name, "RFC 9112 8", chunked(body)).to(OLD).later();
    vec![
        old("whole-to-1.0", b"5\r\nhello\r\n0\r\n\r\n").gets(200, "hello").kept(),
        old("cut-off-to-1.0", b"5\r\nhello\r\n").closes().breaks(),
        old("cut-off-by-reset-to-1.0", b"5\r\nhello\r\n").resets().breaks(),
        old("cut-off-in-a-chunk-to-1.0", b"50\r\nhello").closes().breaks(),
        old("bad-to-1.0", b"5\r\nhello\r\nx\r\n").breaks(),
        old("bad-behind-much-to-1.0", &[b"2000\r\n", &[b'x'; 0x2000][..], b"\r\nx\r\n"].concat()).breaks(),
    ]
}
