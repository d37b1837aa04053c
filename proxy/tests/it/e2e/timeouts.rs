//! A client has so much time for each of its steps, and is told which one took too long.

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, request};

fn timeouts(which: &str) -> (penstock_origin::Origin, Proxy) {
    Setup::new().workers(1).listener(&format!("timeouts: {{ {which} }}")).with_origin(1)
}

#[track_caller]
fn closed(proxy: &Proxy, reason: &str) {
    let reason = format!("reason=\"{reason}\"");
    eventually("the client is counted as closed", || {
        proxy.sum_of("penstock_client_connections_closed_total", &[&reason]) == 1
    });
    assert_eq!(proxy.sum("penstock_client_connections_closed_total"), 1);
}

#[test]
fn an_idle_client_is_closed_without_a_word() {
    let (_origin, proxy) = timeouts("idle: 100ms");
    let mut client = proxy.client();
    assert_eq!(client.get("/hello").status, 200);
    client.is_over();
    closed(&proxy, "idle_timeout");
}

#[test]
fn a_client_that_never_says_anything_is_closed() {
    let (_origin, proxy) = timeouts("idle: 100ms");
    proxy.client().is_over();
    closed(&proxy, "idle_timeout");
}

#[test]
fn a_busy_client_is_not_idle() {
    let (_origin, proxy) = timeouts("idle: 500ms, head: 500ms, body: 500ms, write: 500ms");
    let mut client = proxy.client();
    assert_eq!(client.get("/delay/1200").status, 200);
    assert_eq!(client.get("/hello").status, 200, "its time begins when its answer has ended");
}

#[test]
fn a_head_that_does_not_end_is_a_408() {
    let (_origin, proxy) = timeouts("head: 150ms");
    let mut client = proxy.client();
    for piece in ["GET /hello HTTP/1.1\r\n", "Host: h\r\n"] {
        client.send(piece);
    }
    let answer = client.answer();
    assert_eq!((answer.cause(), answer.closes()), ((408, "head_timeout"), true));
    client.is_over();
    closed(&proxy, "head_timeout");
    assert_eq!(proxy.errors("head_timeout"), 1);
}

#[test]
fn a_head_that_trickles_gets_no_more_time() {
    let (_origin, proxy) = timeouts("head: 200ms");
    let mut client = proxy.client();
    let mut writer = client.stream.try_clone().unwrap();
    std::thread::spawn(move || {
        use std::io::Write;
        // It fails once the proxy has closed, which ends it.
        while writer.write_all(b"G").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
}

#[test]
fn a_body_that_stops_is_a_408() {
    let (_origin, proxy) = timeouts("body: 150ms");
    let mut client = proxy.client();
    client.send("POST /add HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf");
    let answer = client.answer();
    assert_eq!((answer.cause(), answer.closes()), ((408, "body_timeout"), true));
    client.is_over();
    closed(&proxy, "slow_body");
    assert_eq!(proxy.errors("body_timeout"), 1);
    assert_eq!(proxy.client().get("/hello").status, 200);
}

#[test]
fn a_client_that_does_not_read_is_closed_and_its_link_goes_on_without_it() {
    let (_origin, proxy) = timeouts("write: 200ms");
    let mut client = Wire::connect_narrow(proxy.address());
    client.send(request("GET", "/bytes/30000000"));
    eventually("it is given up", || proxy.sum("penstock_client_connections") == 0);
    closed(&proxy, "error");
    assert_eq!(proxy.client().get("/hello").status, 200);
    proxy.at_rest();
}

#[test]
fn many_idle_clients_are_all_closed() {
    let (_origin, proxy) = timeouts("idle: 200ms");
    let plan = penstock_bench::Plan { clients: 300, ..proxy.plan() };
    let mut clients = penstock_bench::Clients::connect(&plan).unwrap();
    assert!(clients.round().unwrap().is_clean());
    eventually("the last is closed", || proxy.sum("penstock_client_connections") == 0);
    assert_eq!(clients.idle().unwrap(), 0);
}

#[test]
fn a_client_that_waits_for_a_member_has_all_its_time() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        std::thread::sleep(std::time::Duration::from_millis(400));
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        wire.next_head();
    });
    let setup = Setup::new().workers(1).listener("timeouts: { idle: 100ms, body: 100ms }");
    let proxy = setup.before_one(member.address);
    assert_eq!(proxy.client().post("/", b"all of it").text(), "ok");
}
