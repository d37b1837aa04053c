//! Tests upgrades and CONNECT: what is offered on, and when a connection has become a tunnel.

use crate::cause::Cause;
use crate::config::Upgrades;
use crate::proto::http::{BodyFraming, Method};
use crate::proto::http1::{BodyEncoder, Outgoing};

use crate::proto::tests::http1::given::{
    CONNECT, DATED, GET, HEAD, UPGRADE, Verdict, Way, forwarded, relayed, request, request_by, response,
    seen, status_by,
};

const WEBSOCKET: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";

fn get(lines: &str) -> String {
    format!("GET /w HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

fn only(names: &[&str]) -> Way {
    let names = names.iter().map(|name| (*name).into()).collect();
    Way::silent().ruled(|rules| rules.upgrades = Upgrades::Only(names))
}

fn any() -> Way {
    Way::silent().ruled(|rules| rules.upgrades = Upgrades::Any)
}

fn upgrades(head: &str, way: &Way) -> bool {
    let (said, asked) = seen(head, way, |request| (request.upgrade, request.ask().upgrade));
    assert_eq!(said, asked);
    said
}

/// RFC 9110 section 7.8, RFC 6455 section 4.
#[test]
fn d5_s7_8_an_allowed_upgrade_is_offered_on() {
    let key = "Sec-WebSocket-Key: x\r\nSec-WebSocket-Protocol: p\r\n";
    let head = get(&format!("{WEBSOCKET}{key}"));
    assert!(upgrades(&head, &Way::silent()), "websocket is allowed unless said otherwise");
    let expected = get(&format!("{key}Upgrade: websocket\r\nConnection: Upgrade\r\n"));
    assert_eq!(forwarded(&head, &Way::silent()), expected);
}

/// RFC 9110 section 7.8: only of HTTP/1.1, and only with the connection option; never with Expect; websocket and h2c
/// never with a body.
#[test]
fn d5_s7_8_other_requests_are_ordinary_and_leave_upgrade_behind() {
    for (head, why) in [
        (get("Upgrade: websocket\r\n"), "no option"),
        (get("Connection: upgrade\r\n"), "no field"),
        (get("Connection: upgrade\r\nUpgrade: ,\r\n"), "no protocol"),
        (get(&format!("{WEBSOCKET}Content-Length: 1\r\n")), "a body"),
        (get(&format!("{WEBSOCKET}Transfer-Encoding: chunked\r\n")), "a body"),
        (get("Connection: upgrade\r\nUpgrade: WebSocket/13, H2C\r\nContent-Length: 1\r\n"), "a body"),
        (get("Connection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 1\r\nExpect: 100-continue\r\n"), "both"),
        (get(&format!("{WEBSOCKET}Expect: 100-continue\r\n")), "an expectation"),
        (get(WEBSOCKET).replace("HTTP/1.1", "HTTP/1.0"), "HTTP/1.0"),
        (get("Connection: upgrade\r\nUpgrade: web socket\r\n"), "no token"),
    ] {
        assert!(!upgrades(&head, &any()), "{why}");
        let sent = forwarded(&head, &any()).to_ascii_lowercase();
        assert!(!sent.contains("upgrade"), "{why}: {sent}");
    }
}

/// RFC 9113 section 3.1: what passes through h2c is other requests, which nobody would route or log.
#[test]
fn d5_only_allowed_protocols_are_offered() {
    for (asked, way, offered) in [
        ("websocket", Way::silent(), Some("websocket")),
        ("WebSocket", Way::silent(), Some("WebSocket")),
        ("h2c, websocket", Way::silent(), Some("websocket")),
        ("h2c", Way::silent(), None),
        ("websocket", Way::silent().ruled(|rules| rules.upgrades = Upgrades::Off), None),
        ("websocket", only(&["chat"]), None),
        ("chat/2, x, websocket/13", only(&["chat", "websocket"]), Some("chat/2, websocket/13")),
        ("chat/2", only(&["chat/1"]), None),
        ("Chat/1", only(&["chat/1"]), Some("Chat/1")),
        ("x, H2C, h2c/1, TLS/1.0", any(), Some("x, TLS/1.0")),
        ("H2c", any(), None),
    ] {
        let head = get(&format!("Connection: upgrade\r\nUpgrade: {asked}\r\n"));
        assert_eq!(upgrades(&head, &way), offered.is_some(), "{asked}");
        let lines = offered.map(|o| format!("Upgrade: {o}\r\nConnection: Upgrade\r\n")).unwrap_or_default();
        assert_eq!(forwarded(&head, &way), get(&lines), "{asked}");
    }
    let two_lines = get("Upgrade: a\r\nConnection: upgrade\r\nUpgrade: b\r\n");
    assert_eq!(forwarded(two_lines, &any()), get("Upgrade: a, b\r\nConnection: Upgrade\r\n"));
}

/// RFC 9110 section 7.8: docker attaches to a container by a POST with a JSON body and `Upgrade: tcp`.
#[test]
fn d5_s7_8_an_upgrade_may_follow_content() {
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        for (asked, way, offered) in [
            ("tcp", any(), Some("tcp")),
            ("websocket, tcp, h2c", any(), Some("tcp")),
            ("tcp", only(&["tcp"]), Some("tcp")),
            ("tcp", Way::silent(), None),
            ("websocket", only(&["websocket"]), None),
            ("h2c", only(&["h2c"]), None),
        ] {
            let head = get(&format!("Connection: upgrade\r\nUpgrade: {asked}\r\n{framing}\r\n"));
            assert_eq!(upgrades(&head, &way), offered.is_some(), "{asked}");
            let sent = forwarded(&head, &way);
            let line = offered.map(|offered| format!("Upgrade: {offered}\r\nConnection: Upgrade\r\n"));
            assert_eq!(sent.contains("pgrade"), line.is_some(), "{sent}");
            assert!(line.is_none_or(|line| sent.contains(&line)), "{sent}");
        }
    }
}

/// RFC 7540 section 3.2.1: h2c where it is named takes its settings along, and nothing else does.
#[test]
fn d5_the_settings_of_h2c_travel_with_it_alone() {
    let settings = "HTTP2-Settings: AAMAAABk\r\n";
    let asks =
        |asked: &str| get(&format!("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: {asked}\r\n{settings}"));
    let h2c =
        get(&format!("Upgrade: h2c\r\nConnection: Upgrade\r\nConnection: HTTP2-Settings\r\n{settings}"));
    assert_eq!(forwarded(asks("h2c"), &only(&["h2c"])), h2c);
    assert!(!forwarded(asks("websocket"), &only(&["h2c", "websocket"])).contains("Settings"));
}

/// RFC 9110 section 15.2.2, CVE-2026-2833: raw only after a 101 that was asked for and says to what.
#[test]
fn d5_s15_2_2_a_101_switches_only_who_asked() {
    let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Accept: y\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n";
    let Verdict::Response { switches, keep, body, .. } = response(head, UPGRADE) else { panic!() };
    assert_eq!((switches, keep, body), (true, false, BodyFraming::None));
    let (sent, outgoing) = relayed(head, UPGRADE, true);
    let expected = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\n\
                    Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    assert_eq!(sent, expected);
    assert_eq!(outgoing, Outgoing { encoder: BodyEncoder::None, close: false });
    for (head, ask) in [
        (head, GET),
        (head, HEAD),
        (head, CONNECT),
        ("HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n", UPGRADE),
        ("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: ,\r\n\r\n", UPGRADE),
    ] {
        let Verdict::Reject(reject) = response(head, ask) else { panic!("{head:?} to {ask:?}") };
        assert_eq!(reject.cause, Cause::BadResponse);
    }
}

/// RFC 9110 section 7.8: without 101 the connection goes on as HTTP.
#[test]
fn d5_s7_8_any_other_answer_goes_on_as_http() {
    for status in [200, 404, 426] {
        let head = format!(
            "HTTP/1.1 {status} X\r\nDate: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\n"
        );
        let Verdict::Response { switches, keep, body, .. } = response(&head, UPGRADE) else { panic!() };
        assert_eq!((switches, keep, body), (false, true, BodyFraming::Length(2)));
        // RFC 9110 section 15.5.22: a 426 says what to ask for, but not to whom nothing was offered.
        let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
        let told = if status == 426 { upgrade } else { "" };
        let expected = format!("HTTP/1.1 {status} X\r\nDate: x\r\nContent-Length: 2\r\n{told}\r\n");
        assert_eq!(relayed(&head, UPGRADE, false).0, expected);
        assert!(!relayed(&head, GET, false).0.contains("Upgrade"));
    }
}

fn connect() -> Way {
    Way::silent().ruled(|rules| rules.connect = true)
}

/// RFC 9110 section 9.3.6, RFC 9112 section 3.2.3: where it is allowed, to a host and a port, without content.
#[test]
fn d2_s9_3_6_connect_is_authority_form_alone() {
    let head = |target: &str, lines: &str| format!("CONNECT {target} HTTP/1.1\r\nHost: other\r\n{lines}\r\n");
    for (target, expected) in [
        ("a:443", 200),
        ("[::1]:443", 200),
        ("a", 400),
        ("a:", 400),
        ("a:0", 400),
        ("a:65536", 400),
        ("a:x", 400),
        (":443", 400),
        ("/", 400),
        ("*", 400),
        ("http://a:443/", 400),
        ("u@a:443", 400),
        ("a:443/", 400),
        ("a:443#x", 400),
    ] {
        assert_eq!(status_by(head(target, ""), &connect()), expected, "{target}");
        assert!(matches!(request(head(target, "")), Verdict::Reject(reject) if reject.status == 405));
    }
    for lines in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        assert_eq!(status_by(head("a:443", lines), &connect()), 400);
    }
    for method in ["GET", "OPTIONS", "POST"] {
        assert_eq!(status_by(format!("{method} a:443 HTTP/1.1\r\nHost: a\r\n\r\n"), &connect()), 400);
    }
    let sent = forwarded(head("a:443", "A: b\r\nUpgrade: x\r\nConnection: upgrade\r\n"), &connect());
    assert_eq!(sent, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nA: b\r\n\r\n");
    let Verdict::Request { ask, .. } = request_by(head("a:443", ""), &connect()) else { panic!() };
    assert_eq!((ask.method, ask.upgrade), (Method::Connect, true));
    assert_eq!(
        seen(head("a:443", ""), &connect(), |r| r.host().map(<[u8]>::to_vec)),
        Some(b"a:443".to_vec())
    );
}

/// RFC 9110 section 9.3.6, RFC 9112 section 6.3 rule 2: 2xx to CONNECT has no body, whatever it says.
#[test]
fn d4_m6_3_a_2xx_to_connect_switches() {
    for lines in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let Verdict::Response { switches, keep, body, .. } = response(&head, CONNECT) else { panic!() };
        assert_eq!((switches, keep, body), (true, false, BodyFraming::None));
        let (sent, outgoing) = relayed(&head, CONNECT, true);
        assert_eq!(sent, format!("HTTP/1.1 200 OK\r\n{DATED}\r\n"));
        assert_eq!(outgoing, Outgoing { encoder: BodyEncoder::None, close: false });
    }
    for status in [302, 403, 502] {
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\n");
        let Verdict::Response { switches, body, .. } = response(&head, CONNECT) else { panic!() };
        assert_eq!((switches, body), (false, BodyFraming::Length(5)));
    }
}
