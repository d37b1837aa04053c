//! Content-Length and Transfer-Encoding of responses (RFC 9112 sections 6.1 and 6.3).

use crate::smuggling::poison::{HEAD, Poison, Row, poison, table};

fn with(fields: &[u8], body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n", fields, b"\r\n", body].concat()
}

pub(crate) fn cases() -> Vec<Poison> {
    let hello = |poison: Poison| Poison { bytes: with(&poison.bytes, b"hello"), ..poison };
    let chunked =
        |poison: Poison| Poison { bytes: with(&poison.bytes, b"5\r\nhello\r\n0\r\n\r\n"), ..poison };
    let mut all = table(FAULTS, hello);
    all.extend(table(CODINGS, chunked));
    all.extend(table(AGREED, |poison| hello(poison).gets(200, "hello").kept()));
    all.extend(table(BOTH, |poison| chunked(poison).gets(200, "hello")));
    all.extend(table(PLAIN, |poison| chunked(poison).gets(200, "hello").kept()));
    all.extend(until_close());
    all.extend(without_bodies());
    all
}

/// RFC 9112 section 6.3 rule 5: which of them it is, nobody knows.
const FAULTS: &[Row] = &[
    ("lengths-differ", "CL.CL", b"Content-Length: 5\r\nContent-Length: 50\r\n"),
    ("lengths-differ-other-case", "CL.CL", b"Content-Length: 50\r\ncontent-length: 5\r\n"),
    ("list-differs", "CL.CL", b"Content-Length: 5, 50\r\n"),
    ("list-and-line-differ", "CL.CL", b"Content-Length: 5, 5\r\nContent-Length: 6\r\n"),
    ("plus", "RFC 9110 8.6", b"Content-Length: +5\r\n"),
    ("minus", "RFC 9110 8.6", b"Content-Length: -5\r\n"),
    ("hex", "RFC 9110 8.6", b"Content-Length: 0x5\r\n"),
    ("word", "RFC 9110 8.6", b"Content-Length: five\r\n"),
    ("empty", "RFC 9110 8.6", b"Content-Length:\r\n"),
    ("unit", "RFC 9110 8.6", b"Content-Length: 5B\r\n"),
    ("space-inside", "RFC 9110 8.6", b"Content-Length: 5 5\r\n"),
    ("over-64-bits", "wraps to 5", b"Content-Length: 18446744073709551621\r\n"),
    ("space-behind-name", "RFC 9112 5.1", b"Content-Length : 5\r\n"),
    ("named-by-connection", "RFC 9110 7.6.1", b"Content-Length: 5\r\nConnection: content-length\r\n"),
];

const CODINGS: &[Row] = &[
    ("chunked-twice", "RFC 9112 6.1", b"Transfer-Encoding: chunked, chunked\r\n"),
    ("chunked-on-two-lines", "RFC 9112 6.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("chunked-not-final", "RFC 9112 6.1", b"Transfer-Encoding: chunked, gzip\r\n"),
    ("xchunked", "no coding", b"Transfer-Encoding: xchunked\r\n"),
    ("xchunked-chunked", "no coding", b"Transfer-Encoding: xchunked, chunked\r\n"),
    ("gzip-unasked", "RFC 9110 10.1.4", b"Transfer-Encoding: gzip, chunked\r\n"),
    ("vertical-tab", "RFC 9110 5.5", b"Transfer-Encoding: \x0bchunked\r\n"),
    ("space-behind-coding", "RFC 9112 5.1", b"Transfer-Encoding : chunked\r\n"),
    ("folded", "RFC 9112 5.2", b"Transfer-Encoding:\r\n chunked\r\n"),
    ("bare-lf", "RFC 9112 2.2", b"X: y\nTransfer-Encoding: chunked\r\n"),
    (
        "coding-named-by-connection",
        "RFC 9110 7.6.1",
        b"Transfer-Encoding: chunked\r\nConnection: transfer-encoding\r\n",
    ),
];

/// RFC 9110 section 8.6: the same number, however often, is that number.
const AGREED: &[Row] = &[
    ("length", "RFC 9112 6.3", b"Content-Length: 5\r\n"),
    ("lengths-agree", "RFC 9110 8.6", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    ("list-agrees", "RFC 9110 8.6", b"Content-Length: 5, 5\r\n"),
    ("zeros-agree", "RFC 9110 8.6", b"Content-Length: 5\r\nContent-Length: 005\r\n"),
];

/// RFC 9112 section 6.1: the coding counts, and the link is not used again.
const BOTH: &[Row] = &[
    ("both", "TE.CL", b"Transfer-Encoding: chunked\r\nContent-Length: 500\r\n"),
    ("both-other-order", "CL.TE", b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
    ("both-zero", "CL.TE", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
];

const PLAIN: &[Row] = &[
    ("chunked", "RFC 9112 7.1", b"Transfer-Encoding: chunked\r\n"),
    ("chunked-capital", "RFC 9112 7", b"TRANSFER-ENCODING:CHUNKED\r\n"),
    ("chunked-empty-elements", "RFC 9110 5.6.1", b"Transfer-Encoding: , chunked ,\r\n"),
];

/// RFC 9112 section 6.3 rules 4 and 8: the end of the link is the end of the answer.
fn until_close() -> Vec<Poison> {
    let until =
        |name, about, fields: &[u8]| poison(name, about, with(fields, b"hello")).closes().gets(200, "hello");
    vec![
        until("no-framing", "RFC 9112 6.3 rule 8", b""),
        until("no-framing-keep-alive", "RFC 9112 6.3 rule 8", b"Connection: keep-alive\r\n"),
        until("identity", "RFC 9112 6.3 rule 4", b"Transfer-Encoding: identity\r\n"),
        // No coding, so the length counts, also where the member does not close; nothing behind it is an answer.
        until("identity-and-length", "RFC 2616 3.6", b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n")
            .gets(200, "he"),
        poison(
            "identity-and-length-kept",
            "a hang",
            with(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello"),
        )
        .gets(200, "hello"),
        poison("205-without-length-kept", "a hang", b"HTTP/1.1 205 R\r\n\r\n").gets(205, ""),
        poison(
            "1.0-keep-alive-no-length",
            "RFC 9112 9.3",
            b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nhello",
        )
        .closes()
        .gets(200, "hello"),
        poison(
            "1.0-chunked",
            "RFC 9112 6.1: faulty",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        .closes()
        .gets(200, "hello"),
    ]
}

/// RFC 9112 section 6.3 rule 1: no body, whatever the fields say.
fn without_bodies() -> Vec<Poison> {
    vec![
        poison("204", "RFC 9110 15.3.5", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n").gets(204, ""),
        poison("304", "RFC 9110 15.4.5", b"HTTP/1.1 304 Not\r\nContent-Length: 5\r\n\r\n")
            .gets(304, "")
            .kept(),
        poison("304-chunked", "RFC 9110 15.4.5", b"HTTP/1.1 304 Not\r\nTransfer-Encoding: chunked\r\n\r\n")
            .gets(304, "")
            .kept(),
        poison("head", "RFC 9110 9.3.2", with(b"Content-Length: 5\r\n", b"")).to(HEAD).gets(200, "").kept(),
        poison("head-chunked", "RFC 9110 9.3.2", with(b"Transfer-Encoding: chunked\r\n", b""))
            .to(HEAD)
            .gets(200, "")
            .kept(),
        poison("head-without", "RFC 9110 9.3.2", with(b"", b"")).to(HEAD).gets(200, "").kept(),
    ]
}
