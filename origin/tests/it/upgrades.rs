//! Tests connections that are HTTP no more (WebSockets, other upgrades, tunnels), and those that stay HTTP.

use penstock_origin::Origin;

use crate::wire::{Answer, Wire, both_ways, pattern, request};

/// The example of RFC 6455 section 1.2, but for the target.
fn handshake(more: &str) -> String {
    format!(
        "GET /websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn upgrade(protocol: &str) -> String {
    format!("POST /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: {protocol}\r\n\r\n")
}

fn switched(answer: &Answer, protocol: &str) {
    let seen = (answer.status, answer.field("connection"), answer.field("upgrade"));
    assert_eq!(seen, (101, Some("Upgrade"), Some(protocol)));
}

#[test]
fn a_websocket_talks_until_it_is_closed() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let answer = wire.send(handshake("Sec-WebSocket-Protocol: chat, superchat\r\n")).answer();
        switched(&answer, "websocket");
        assert_eq!(answer.field("sec-websocket-accept"), Some(ACCEPT));
        assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
        // "Hello" in two frames, a ping between them; then the end.
        wire.send(b"\x01\x83\0\0\0\0Hel\x89\x81\0\0\0\0p\x80\x82\0\0\0\0lo");
        assert_eq!(wire.take(12), b"\x01\x03Hel\x8a\x01p\x80\x02lo");
        wire.send(b"\x88\x82\0\0\0\0\x03\xe8");
        assert_eq!(wire.rest(), b"\x88\x02\x03\xe8");
        assert_eq!(origin.stats().total().requests, 1);
    }
}

#[test]
fn large_messages_come_back_while_they_arrive() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        // What comes in one piece with the handshake is for the socket, too.
        wire.send([handshake("").as_bytes(), b"\x81\x81\0\0\0\0x"].concat());
        assert_eq!(wire.answer().field("sec-websocket-protocol"), None);
        assert_eq!(wire.take(3), b"\x81\x01x");
        let payload = pattern(3 << 20);
        let head = [b"\x82\xff", (payload.len() as u64).to_be_bytes().as_slice()].concat();
        let masked: Vec<u8> =
            payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(b, key)| b ^ key).collect();
        let mut writer = wire.stream.try_clone().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                use std::io::Write;
                writer.write_all(&[head.as_slice(), &[1, 2, 3, 4], &masked].concat()).unwrap();
            });
            assert_eq!(
                wire.take(10),
                [b"\x82\x7f", (payload.len() as u64).to_be_bytes().as_slice()].concat()
            );
            assert!(wire.take(payload.len()) == payload);
        });
        wire.send(b"\x81\x01x");
        assert_eq!(wire.rest(), b"\x88\x02\x03\xea", "what is not masked is an error");
    }
}

#[test]
fn who_does_not_ask_properly_stays_with_http() {
    let good = handshake("");
    let cases = [
        good.replace("keep-alive, Upgrade", "keep-alive"),
        good.replace("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ"),
        good.replace("dGhlIHNhbXBsZSBub25jZQ==", "aGVsbG8="),
        good.replace("Version: 13", "Version: 8"),
        handshake("Content-Length: 2\r\n") + "hi",
        request("GET", "/websocket"),
        request("GET", "/upgrade"),
        upgrade("a b"),
        upgrade("raw").replace("Connection: upgrade", "Connection: other"),
    ];
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for text in &cases {
            let answer = wire.send(text).answer();
            let version = text.contains("/websocket").then_some("13");
            assert_eq!((answer.status, answer.field("sec-websocket-version")), (426, version), "{text}");
            assert!(answer.field("upgrade").is_some() && answer.field("connection") == Some("Upgrade"));
        }
        assert_eq!(wire.ask("POST", "/websocket").status, 405);
        wire.send("GET /upgrade HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n");
        assert_eq!(wire.answer().status, 426, "HTTP/1.0 knows no upgrade");
    }
}

/// Bytes come back, also after the client has shut its side.
fn echoes(wire: &mut Wire) {
    let bytes = pattern(200_000);
    assert_eq!(wire.send("not HTTP\n").line(), "not HTTP");
    assert_eq!(wire.send("GET / HTTP/1.1\r\n\r\n").line(), "GET / HTTP/1.1\r");
    assert_eq!(wire.line(), "\r");
    let mut writer = wire.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            writer.write_all(&bytes).unwrap();
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        assert!(wire.rest() == bytes);
    });
}

#[test]
fn any_protocol_is_an_echo_of_bytes() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.get("/hello").status, 200);
        switched(&wire.send(upgrade("raw/2, other")).answer(), "raw/2");
        echoes(&mut wire);
        assert_eq!(origin.stats().total().requests, 2);
    }
}

#[test]
fn connect_is_an_echo_of_bytes() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let answer =
            wire.send("CONNECT somewhere:443 HTTP/1.1\r\nHost: somewhere:443\r\n\r\n").answer_to("HEAD");
        assert_eq!((answer.status, answer.field("content-length")), (200, None));
        echoes(&mut wire);
    }
}

fn title(origin: &Origin) -> String {
    let page = Wire::to(origin).get("/websocket.html");
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text();
    let (_, rest) = text.split_once("<title>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[test]
fn the_page_has_no_result_before_it_runs() {
    both_ways().iter().for_each(|origin| assert_eq!(title(origin), "running"));
}
