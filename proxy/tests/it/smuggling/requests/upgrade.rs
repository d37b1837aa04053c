//! Upgrade and CONNECT: raw only after the member has agreed, and never before the whole request (RFC 9110 sections 7.8, 9.3.6).

use crate::smuggling::case::{Case, HIDDEN, Wanted, ask, case, get, post};

/// A request for an upgrade, with these lines besides, and what follows it at once.
fn upgrade(name: &str, about: &'static str, line: &str, lines: &str, then: &[u8]) -> Case {
    let head = format!("{line} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\n{lines}\r\n");
    case(name, about, [head.as_bytes(), then].concat())
}

const WEBSOCKET: &str = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n";

/// What is asked for travels on.
fn offered(target: &str, status: u16) -> Wanted {
    get(target).answered(status).line("upgrade: websocket")
}

/// It was an ordinary request.
fn ordinary(wanted: Wanted) -> Wanted {
    wanted.lacks("upgrade").lacks("connection")
}

pub(crate) fn cases() -> Vec<Case> {
    [agreed(), declined(), left_behind(), unnamed()].into_iter().flatten().collect()
}

/// What is behind the head is the tunnel's, whatever it looks like.
fn agreed() -> Vec<Case> {
    let tunnel = |name: &str, raw: &'static [u8]| {
        upgrade(name, "RFC 9110 7.8", "GET /ws/101", WEBSOCKET, raw).sees(offered("/ws/101", 101)).tunnel(raw)
    };
    vec![
        tunnel("frames-behind", b"\x81\x85\x00\x00\x00\x00hello"),
        tunnel("request-behind", b"GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"),
        tunnel("noise-behind", b"\0\r\n\r\n\xff HTTP/1.1 200 OK\r\n\r\n"),
    ]
}

/// CVE-2026-2833: without a 101, what is behind the head are requests, read as strictly as any.
fn declined() -> Vec<Case> {
    let declined = |name: &str, about, status: u16| {
        let target = format!("/ws/{status}");
        upgrade(name, about, &format!("GET {target}"), WEBSOCKET, HIDDEN)
            .sees(offered(&target, status))
            .sees(get("/hidden"))
    };
    let then = |name: &str, then: &[u8]| {
        upgrade(name, "CVE-2026-2833", "GET /ws/200", WEBSOCKET, then).sees(offered("/ws/200", 200))
    };
    vec![
        declined("answered-200", "RFC 9110 7.8: it may ignore it", 200),
        declined("answered-400", "RFC 6455 4.2.1", 400),
        declined("answered-403", "RFC 6455 4.2.2", 403),
        declined("answered-426", "Egorov 2019: a version that the member does not speak", 426),
        then("bad-request-behind", b"GET /hidden HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n").refused(400),
        then("frame-behind", b"\x81\x85\x00\x00\x00\x00hello\r\n").refused(400),
    ]
}

/// The contract: Upgrade is offered on only with HTTP/1.1, `Connection: upgrade` and no Expect, and websocket without
/// a body.
fn left_behind() -> Vec<Case> {
    let with_length = format!("{WEBSOCKET}Content-Length: 5\r\n");
    let with_chunks = format!("{WEBSOCKET}Transfer-Encoding: chunked\r\n");
    let with_expect = format!("{WEBSOCKET}Expect: 100-continue\r\n");
    let hidden_in_body = format!("{WEBSOCKET}Content-Length: {}\r\n", HIDDEN.len());
    let old = format!("GET /ws/101 HTTP/1.0\r\nHost: h\r\nConnection: Upgrade\r\n{WEBSOCKET}\r\n");
    let unnamed = format!("GET /ws/101 HTTP/1.1\r\nHost: h\r\n{WEBSOCKET}\r\n");
    let about = "RFC 9110 7.8: an ordinary request";
    vec![
        upgrade("with-a-body", about, "POST /ws/101", &with_length, b"hello")
            .sees(ordinary(post("/ws/101", "hello"))),
        upgrade("with-chunks", about, "POST /ws/101", &with_chunks, b"5\r\nhello\r\n0\r\n\r\n")
            .sees(ordinary(post("/ws/101", "hello"))),
        upgrade("with-a-request-in-its-body", about, "GET /ws/101", &hidden_in_body, HIDDEN)
            .sees(ordinary(get("/ws/101").body(HIDDEN))),
        upgrade("with-expect", about, "GET /ws/101", &with_expect, HIDDEN)
            .sees(ordinary(get("/ws/101")))
            .sees(get("/hidden")),
        case("of-1.0", "RFC 9110 7.8: ignored", old).sees(ordinary(get("/ws/101"))).closes(),
        case("not-named-by-connection", "RFC 9110 7.8", unnamed).sees(ordinary(get("/ws/101"))),
        upgrade(
            "with-both-lengths",
            "RFC 9112 6.1",
            "POST /ws/101",
            &format!("{with_length}Transfer-Encoding: chunked\r\n"),
            b"0\r\n\r\n",
        )
        .refused(400),
    ]
}

/// What the listener does not name, h2c before all: what passes through it could not be looked at.
fn unnamed() -> Vec<Case> {
    let h2c = "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    let both = "Upgrade: h2c, websocket\r\n";
    vec![
        upgrade("h2c", "BishopFox 2020", "GET /ws/101", h2c, HIDDEN)
            .sees(ordinary(get("/ws/101")).lacks("http2-settings"))
            .sees(get("/hidden")),
        upgrade("h2c-capital", "BishopFox 2020", "GET /ws/101", "Upgrade: H2C\r\n", b"")
            .sees(ordinary(get("/ws/101"))),
        upgrade("h2c-beside", "BishopFox 2020", "GET /ws/200", both, b"").sees(offered("/ws/200", 200)),
        upgrade("tls", "RFC 2817", "OPTIONS /ws/101", "Upgrade: TLS/1.0\r\n", b"")
            .sees(ordinary(ask("OPTIONS", "/ws/101"))),
        upgrade("nonsense", "RFC 9110 7.8", "GET /ws/101", "Upgrade: x\r\n", b"")
            .sees(ordinary(get("/ws/101"))),
        upgrade("empty", "RFC 9110 7.8", "GET /ws/101", "Upgrade:\r\n", b"").sees(ordinary(get("/ws/101"))),
        upgrade("nul", "RFC 9110 5.5", "GET /ws/101", "Upgrade: websocket\0\r\n", b"").refused(400),
    ]
}

/// For a listener with `connect: true`.
pub(crate) fn connects() -> Vec<Case> {
    let connect = |name: &str, about, target: &str, lines: &str, then: &[u8]| {
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{lines}\r\n");
        case(name, about, [head.as_bytes(), then].concat())
    };
    let refused = |name: &str, about, target: &str| {
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        case(name, about, [head.as_bytes(), HIDDEN].concat()).refused(400)
    };
    let asked = |target: &str, status| ask("CONNECT", target).answered(status);
    vec![
        connect("accepted", "RFC 9110 9.3.6", "t200:443", "", b"\x16\x03\x01hello")
            .sees(asked("t200:443", 200).host("t200:443"))
            .tunnel(b"\x16\x03\x01hello"),
        connect("accepted-request-behind", "RFC 9110 9.3.6", "t200:443", "", HIDDEN)
            .sees(asked("t200:443", 200).host("t200:443"))
            .tunnel(HIDDEN),
        connect("declined", "RFC 9110 9.3.6: still HTTP", "t403:443", "", HIDDEN)
            .sees(asked("t403:443", 403).host("t403:443"))
            .sees(get("/hidden")),
        connect("declined-noise-behind", "RFC 9110 9.3.6", "t403:443", "", b"\x16\x03\x01\r\n\r\n")
            .sees(asked("t403:443", 403).host("t403:443"))
            .refused(400),
        connect("with-length", "RFC 9110 9.3.6: no content", "t200:443", "Content-Length: 5\r\n", b"hello")
            .refused(400),
        connect(
            "with-chunks",
            "RFC 9110 9.3.6: no content",
            "t200:443",
            "Transfer-Encoding: chunked\r\n",
            b"0\r\n\r\n",
        )
        .refused(400),
        refused("path", "RFC 9112 3.2.3", "/c"),
        refused("absolute", "RFC 9112 3.2.3", "http://h/"),
        refused("no-port", "RFC 9112 3.2.3", "h"),
        refused("empty-port", "RFC 9112 3.2.3", "h:"),
        refused("userinfo", "RFC 9112 3.2.3", "u@h:1"),
        refused("asterisk", "RFC 9112 3.2.3", "*"),
    ]
}
