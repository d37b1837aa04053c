//! Interim responses, switched protocols, and responses before their request was whole (RFC 9110 sections 15.2, 10.1.1).

use crate::smuggling::poison::{HALF, HALF_CHUNKS, OLD, POST, Poison, UPGRADE, poison};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

pub(crate) fn cases() -> Vec<Poison> {
    [interim(), switched(), early()].into_iter().flatten().collect()
}

/// RFC 9110 section 15.2: any number of them, and none ends the exchange.
fn interim() -> Vec<Poison> {
    let then = |name, about, before: &[u8]| poison(name, about, [before, OK].concat());
    let one = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    vec![
        then("continue-unasked", "RFC 9110 15.2.1", b"HTTP/1.1 100 Continue\r\n\r\n")
            .gets(200, "hello")
            .after(1)
            .kept(),
        then("hints", "RFC 8297", one).gets(200, "hello").after(1).kept(),
        then("flood", "any number", &one.repeat(500)).gets(200, "hello").after(500).kept(),
        then("unknown", "RFC 9110 15.2: every one", b"HTTP/1.1 199 X\r\n\r\n").gets(200, "hello").after(1),
        then("to-1.0", "RFC 9110 15.2: none to 1.0", one).to(OLD).later().gets(200, "hello").kept(),
        then("with-length", "RFC 9112 6.3 rule 1: no body", b"HTTP/1.1 103 X\r\nContent-Length: 0\r\n\r\n")
            .gets(200, "hello")
            .after(1)
            .kept(),
        then("with-body", "RFC 9112 6.3 rule 1", b"HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\nhello")
            .breaks(),
        then(
            "with-chunks",
            "RFC 9112 6.3 rule 1",
            b"HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        )
        .breaks(),
        poison("and-no-more", "RFC 9110 15.2", one).closes().breaks(),
        poison("and-reset", "RFC 9110 15.2", one).resets().breaks(),
        then("bad-behind-one", "RFC 9112 4", &[&one[..], b"HTTP/1.1 99 X\r\n\r\n"].concat()).breaks(),
        poison("behind-its-answer", "an interim answer to nobody", [OK, one].concat())
            .later()
            .gets(200, "hello"),
    ]
}

/// RFC 9110 section 15.2.2: what was not asked for does not switch.
fn switched() -> Vec<Poison> {
    let raw = b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
    let upgrade = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    vec![
        poison("101-unasked", "RFC 9110 15.2.2", upgrade),
        poison("101-and-raw", "RFC 9110 15.2.2", [&upgrade[..], raw].concat()),
        poison("101-and-answer", "RFC 9110 15.2.2", [&upgrade[..], OK].concat()),
        poison("101-without-upgrade", "RFC 9110 15.2.2", b"HTTP/1.1 101 X\r\n\r\n"),
        poison(
            "101-h2c",
            "RFC 9113 3.2",
            b"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\x00\x00\x00\x04",
        ),
        poison(
            "101-of-no-protocol",
            "RFC 9110 15.2.2: it says which",
            b"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n",
        )
        .to(UPGRADE)
        .later(),
        poison("200-instead-of-101", "RFC 9110 7.8: still HTTP", OK)
            .to(UPGRADE)
            .later()
            .gets(200, "hello")
            .kept(),
        poison("200-and-raw-instead", "RFC 9110 7.8: still HTTP", [OK, b"\x81\x05hello"].concat())
            .to(UPGRADE)
            .later()
            .gets(200, "hello"),
        poison(
            "400-and-another-instead",
            "RFC 9112 9.2",
            [b"HTTP/1.1 400 Bad\r\nContent-Length: 5\r\n\r\nhello", OK].concat(),
        )
        .to(UPGRADE)
        .later()
        .gets(400, "hello"),
        poison("101-to-a-post", "RFC 9110 15.2.2", upgrade).to(POST).later(),
    ]
}

/// ATS#12926, gorouter#418: the link still owes a body. What is sent next on it would be taken for that.
fn early() -> Vec<Poison> {
    let refusal = b"HTTP/1.1 413 Large\r\nContent-Length: 5\r\n\r\nhello";
    let closing = b"HTTP/1.1 413 Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    let answer = |name, about, bytes: &[u8]| poison(name, about, bytes);
    vec![
        answer("early-200", "RFC 9110 10.1.1", OK).early(HALF).gets(200, "hello"),
        answer("early-200-amid-chunks", "RFC 9110 10.1.1", OK).early(HALF_CHUNKS).gets(200, "hello"),
        answer("early-413", "RFC 9110 15.5.14", refusal).early(HALF).gets(413, "hello"),
        answer("early-413-amid-chunks", "RFC 9110 15.5.14", refusal).early(HALF_CHUNKS).gets(413, "hello"),
        answer("early-413-and-close", "RFC 9112 9.6", closing).early(HALF).closes().gets(413, "hello"),
        answer("early-hints-and-200", "RFC 8297", &[b"HTTP/1.1 103 X\r\n\r\n", OK].concat())
            .early(HALF)
            .gets(200, "hello")
            .after(1),
        answer("early-and-another", "CL.0: the second is for whoever is next", &[OK, OK].concat())
            .early(HALF)
            .gets(200, "hello"),
        answer("early-and-bad", "RFC 9112 4", b"HTTP/1.1 99 X\r\n\r\n").early(HALF),
        answer("early-101", "RFC 9110 15.2.2", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n").early(HALF),
        answer("early-and-gone", "RFC 9112 8", b"").early(HALF).closes(),
        answer("early-cut-off", "RFC 9112 8", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello")
            .early(HALF)
            .closes()
            .breaks(),
    ]
}
