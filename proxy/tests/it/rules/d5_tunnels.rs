//! Tests of D5, upgrades: raw bytes both ways, but only after 101, and only where the listener allows it.
//!
//! `d2_target_and_host` has CONNECT.

use std::io::{Read, Write};
use std::sync::mpsc;

use crate::rules::ground::{Ground, OK, answer, get, ok, say, setup};
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{PATIENCE, Wire, eventually, fields};

const ASK: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const AGREE: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX: 1\r\n\r\n";

/// A member that agrees to whatever it is asked, echoes what comes then, and hands the heads to the test.
fn echo() -> (Script, mpsc::Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            let ordinary = fields(&head, "upgrade").is_empty();
            _ = tell.send(head);
            if ordinary {
                wire.send(OK);
                continue;
            }
            wire.send(AGREE);
            let mut byte = [0; 1];
            while let Ok(1) = wire.stream.read(&mut byte) {
                wire.send(byte);
            }
            return;
        }
    });
    (member, heard)
}

/// A client that is one end of a tunnel.
fn switched(proxy: &Proxy) -> Wire {
    let mut client = proxy.client();
    let head = client.send(ASK).head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

#[track_caller]
fn echoes(client: &mut Wire, bytes: &[u8]) {
    assert_eq!(client.send(bytes).take(bytes.len()), bytes);
}

/// How a member sees this request, which it may upgrade.
#[track_caller]
fn seen(setup: &Setup, request: &str) -> Vec<String> {
    let ground = Ground::both(setup, |asked| {
        let wants = !asked.fields("upgrade").is_empty();
        if wants { say("HTTP/1.1 426 Not This\r\nContent-Length: 0\r\n\r\n") } else { ok(asked) }
    });
    let mut client = ground.client();
    client.send(request).answer();
    let asked = ground.last();
    ["upgrade", "connection"].map(|name| asked.fields(name).join(", ")).to_vec()
}

/// RFC 9110 section 7.8: an upgrade is of one hop; what is enabled is offered on, as ours.
#[test]
fn s7_8_an_upgrade_that_is_enabled_is_offered_on() {
    let both = |lines: &str| get(lines);
    let yes = |upgrade: &str, connection: &str| vec![upgrade.to_owned(), connection.to_owned()];
    let asked = |setup: &Setup, lines: &str| {
        let seen = seen(setup, &both(lines));
        vec![seen[0].to_ascii_lowercase(), seen[1].to_ascii_lowercase()]
    };
    let line = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(asked(&setup(), line), yes("websocket", "upgrade"), "the default");
    assert_eq!(
        asked(&setup(), "Connection: upgrade\r\nUpgrade: foo/2, WebSocket\r\n"),
        yes("websocket", "upgrade")
    );
    let any = setup().listener("upgrades: any");
    assert_eq!(asked(&any, "Connection: upgrade\r\nUpgrade: foo/2, bar\r\n"), yes("foo/2, bar", "upgrade"));
    assert_eq!(
        asked(&any, "Connection: upgrade\r\nUpgrade: h2c, bar\r\n"),
        yes("bar", "upgrade"),
        "never h2c unasked"
    );
    let named = setup().listener("upgrades: [foo/2]");
    assert_eq!(
        asked(&named, "Connection: upgrade\r\nUpgrade: foo/2, websocket\r\n"),
        yes("foo/2", "upgrade")
    );
}

/// RFC 9110 section 7.8: what is not enabled, or not asked for in order, is left behind; the request is an ordinary one.
#[test]
fn s7_8_an_upgrade_that_is_not_enabled_is_left_behind() {
    let left = |setup: &Setup, request: &str| assert_eq!(seen(setup, request), ["", ""], "{request:?}");
    let off = setup().listener("upgrades: off");
    left(&off, ASK);
    left(&setup(), &get("Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"));
    left(&setup().listener("upgrades: any"), &get("Connection: upgrade\r\nUpgrade: h2c\r\n"));
    left(&setup(), &get("Upgrade: websocket\r\n"));
    left(&setup(), &get("Connection: upgrade\r\n"));
    left(&setup(), &get("Connection: upgrade\r\nUpgrade: foo\r\n"));
}

/// RFC 9110 section 7.8, RFC 6455 section 4.1: HTTP/1.0 cannot, and a request that has a body, or waits for a 100, does not.
#[test]
fn s7_8_an_upgrade_of_http_1_0_or_with_a_body_is_ignored() {
    let old = "GET / HTTP/1.0\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(seen(&setup(), old), ["", ""]);
    let lines = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(seen(&setup(), &(get(&format!("{lines}Content-Length: 2\r\n")) + "hi")), ["", ""]);
    let chunks = get(&format!("{lines}Transfer-Encoding: chunked\r\n")) + "0\r\n\r\n";
    assert_eq!(seen(&setup(), &chunks), ["", ""]);
    assert_eq!(
        seen(&setup(), &(get(&format!("{lines}Expect: 100-continue\r\nContent-Length: 2\r\n")) + "hi")),
        ["", ""]
    );
}

/// RFC 9110 section 15.2.2: after 101 all bytes pass as they are, both ways; the link has left the pool for good.
#[test]
fn s15_2_2_after_101_all_bytes_pass() {
    let (member, _heard) = echo();
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    let head = client.send(ASK).head();
    assert_eq!((fields(&head, "upgrade"), fields(&head, "x")), (vec!["websocket"], vec!["1"]));
    assert!(fields(&head, "connection")[0].eq_ignore_ascii_case("upgrade"), "{head}");
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\xff\r\n", &[b'x'; 100_000]] {
        let mut writer = client.stream.try_clone().unwrap();
        let bytes = bytes.to_vec();
        let sent = bytes.clone();
        let sender = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert!(client.take(bytes.len()) == bytes);
        sender.join().unwrap();
    }
    let tunnels = |name| proxy.sum_of(name, &["state=\"tunnel\""]);
    assert_eq!(tunnels("penstock_client_connections"), 1);
    assert_eq!(tunnels("penstock_backend_connections"), 1);
    assert_eq!(proxy.client().get("/").text(), "ok", "others go elsewhere");
    assert_eq!(member.connections(), 2);
    client.finish().is_over();
    eventually("the tunnel is over", || tunnels("penstock_client_connections") == 0);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

/// RFC 9110 section 7.8: bytes that the client sends early are kept until 101; the member does not see them before.
#[test]
fn s7_8_early_bytes_wait_for_101() {
    let (tell, heard) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut wire| {
        wire.next_head();
        wire.stream.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
        let early = wire.stream.read(&mut [0; 100]);
        _ = tell.send(early.is_err());
        wire.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let () = gate.lock().unwrap().recv().unwrap();
        wire.send(AGREE);
        let said = wire.take(5);
        wire.send(said);
    });
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    client.send(ASK).send("early");
    assert!(heard.recv().unwrap(), "nothing came before the 101");
    go.send(()).unwrap();
    client.head();
    assert_eq!(client.take(5), b"early");
}

/// RFC 9110 section 7.8: what the member says right behind its 101 is for the client.
#[test]
fn s7_8_bytes_right_behind_101_are_the_clients() {
    let ground = Ground::saying(AGREE.to_owned() + "hello");
    let mut client = ground.client();
    client.send(ASK).head();
    assert_eq!(client.take(5), b"hello");
}

/// RFC 9110 section 7.8: an upgrade behind other requests waits for their answers, and nothing is sent behind it.
#[test]
fn s7_8_an_upgrade_behind_other_requests_waits_for_their_answers() {
    let (member, heard) = echo();
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    let raw = "GET /raw HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send(get("") + &get("") + ASK + raw);
    assert_eq!((client.answer().text(), client.answer().text()), ("ok", "ok"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.take(raw.len()), raw.as_bytes(), "what came behind it is raw");
    assert_eq!(heard.try_iter().count(), 3);
}

/// RFC 9110 section 7.8: without 101 the connection goes on as HTTP, and what came early is a request, not raw bytes.
#[test]
fn s7_8_without_101_the_connection_goes_on_as_http() {
    let refusal = answer("Upgrade: websocket\r\nContent-Length: 3\r\n", "no!");
    let ground = Ground::answering(
        move |asked| if asked.target() == "/chat" { say(refusal.clone()) } else { ok(asked) },
    );
    let mut client = ground.client();
    client.send(ASK.to_owned() + "GET /trace HTTP/1.1\r\nHost: h\r\nX_Raw: 1\r\nKeep-Alive: 1\r\n\r\n");
    assert_eq!(client.answer().text(), "no!");
    assert_eq!(client.answer().text(), "ok");
    let second = &ground.asked()[1];
    second.lacks("keep-alive");
    assert_eq!(second.fields("via").len(), 1, "it went through the proxy as a request");
    assert_eq!(client.get("/on").text(), "ok");
    let sum = ground.proxy.sum_of("penstock_client_connections", &["state=\"tunnel\""]);
    assert_eq!(sum, 0);
}

/// RFC 9110 section 15.2.2: 101 that nobody asked for, or that does not say to what, is no answer.
#[test]
fn s15_2_2_101_unasked_or_without_upgrade_is_502() {
    let ground = Ground::saying(AGREE);
    assert_eq!(ground.client().get("/").cause(), (502, "bad_response"));
    let off = Ground::both(&setup().listener("upgrades: off"), |_| say(AGREE));
    assert_eq!(off.client().send(ASK).answer().cause(), (502, "bad_response"));
    let silent = Ground::saying("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n");
    assert_eq!(silent.client().send(ASK).answer().cause(), (502, "bad_response"));
    for ground in [ground, off, silent] {
        ground.closed_links("desync", 1);
    }
}

/// RFC 6455 section 4: all that the two ends agree on passes, and is theirs to judge.
#[test]
fn rfc6455_the_fields_of_a_handshake_pass() {
    let agreed = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: chat\r\n\
                  Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let ground = Ground::saying(AGREE.replace("X: 1\r\n", agreed));
    let asked = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Extensions: permessage-deflate; x\r\nOrigin: http://h\r\n";
    let mut client = ground.client();
    let head = client.send(ASK.replace("\r\n\r\n", &format!("\r\n{asked}\r\n"))).head();
    assert!(agreed.lines().all(|line| head.contains(line)), "{head}");
    let seen = ground.last().head;
    assert!(asked.lines().all(|line| seen.contains(line)), "{seen}");
}

/// RFC 9110 section 7.8: a tunnel ends as its two ends end it: FIN by FIN, and a reset by a reset.
#[test]
fn s7_8_a_tunnel_ends_as_its_ends_do() {
    let (member, _heard) = echo();
    let proxy = setup().before_one(member.address);
    let mut client = switched(&proxy);
    echoes(&mut client, b"hello");
    client.finish().is_over();
    let mut client = switched(&proxy);
    echoes(&mut client, b"hello");
    client.reset();
    eventually("it is gone", || proxy.sum("penstock_client_connections") == 0);
    let closing = Ground::answering(|_| crate::rules::ground::say_and_reset(AGREE));
    let mut client = switched(&closing.proxy);
    assert!(client.rest_and_reset().0.is_empty());
}

/// A tunnel in which nothing moves, or that is old, is closed; one that moves is not idle.
#[test]
fn s7_8_tunnels_have_limits_of_their_own() {
    let (member, _heard) = echo();
    let proxy = setup()
        .listener("timeouts: { idle: 100ms }")
        .listener("tunnel: { idle_timeout: 600ms }")
        .before_one(member.address);
    let mut client = switched(&proxy);
    for _ in 0..8 {
        std::thread::sleep(std::time::Duration::from_millis(100)); // longer than its client may be idle as one of HTTP
        echoes(&mut client, b"still here");
    }
    assert!(client.rest_and_reset().0.is_empty());
    eventually("its end is counted", || {
        proxy.sum_of("penstock_client_connections_closed_total", &["reason=\"idle_timeout\""]) == 1
    });
    let proxy = setup().listener("tunnel: { max_age: 100ms }").before_one(member.address);
    assert!(switched(&proxy).rest_and_reset().0.is_empty());
    eventually("its end is counted", || {
        proxy.sum_of("penstock_client_connections_closed_total", &["reason=\"max_age\""]) == 1
    });
}

/// So many links of a member may be tunnels; one more is 503, and is free again when a tunnel has ended.
#[test]
fn s7_8_tunnels_are_bounded() {
    let (member, _heard) = echo();
    let proxy = setup().backend("links: { max_tunnels: 1 }").before_one(member.address);
    let mut client = switched(&proxy);
    let mut other = proxy.client();
    assert_eq!(other.send(ASK).answer().cause(), (503, "tunnel_limit"));
    assert_eq!(proxy.errors("tunnel_limit"), 1);
    assert_eq!(proxy.client().get("/").text(), "ok", "who asks for none is served");
    echoes(&mut client, b"hello");
    client.finish().is_over();
    eventually("there is a place again", || {
        let mut client = proxy.client();
        client.send(ASK).head().starts_with("HTTP/1.1 101 ")
    });
}
