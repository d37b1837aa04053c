//! What is upgraded becomes a tunnel (RFC 9110 sections 7.8 and 9.3.6): raw after 101 and not before, out of the pool,
//! with limits and a gauge of its own.

use std::io::Write;

use crate::script::Script;
use crate::stand::{Proxy, Setup};
use crate::wire::{Wire, eventually, request};

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: x\r\n\r\n";
const SWITCHED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A member that agrees to upgrades and then repeats what it hears, with FIN answered by FIN; answers all else.
fn echo() -> Script {
    Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            if head.contains("Upgrade: websocket") {
                wire.send(SWITCHED);
                let mut stream = wire.stream.try_clone().unwrap();
                stream.write_all(&wire.buffered()).unwrap();
                std::io::copy(&mut wire.stream, &mut stream).ok();
                stream.shutdown(std::net::Shutdown::Write).ok();
                return;
            }
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
        }
    })
}

/// Long enough for idle clients to be told to go.
const SHORT: std::time::Duration = std::time::Duration::from_millis(300);

fn tunnels(proxy: &Proxy) -> (i64, i64) {
    let state = ["state=\"tunnel\""];
    let of = |name| proxy.sum_of(name, &state);
    (of("penstock_client_connections"), of("penstock_backend_connections"))
}

fn upgraded(proxy: &Proxy) -> Wire {
    let mut client = proxy.client();
    client.send(UPGRADE);
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    client
}

#[test]
fn after_101_bytes_go_both_ways_until_both_have_said_all() {
    let member = echo();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = upgraded(&proxy);
    eventually("both sides are shown", || tunnels(&proxy) == (1, 1));
    for size in [1, 1000, 300_000] {
        let bytes = vec![b'x'; size];
        let mut writer = client.stream.try_clone().unwrap();
        let sent = bytes.clone();
        let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
        assert_eq!(client.take(size), bytes);
        writing.join().unwrap();
    }
    client.send("GET / HTTP/1.1\r\n\r\n"); // is no request any more
    assert_eq!(client.take(18), b"GET / HTTP/1.1\r\n\r\n");
    client.finish();
    client.is_over();
    let at_rest = proxy.at_rest();
    assert_eq!(at_rest.sum_of("penstock_requests_total", &["code=\"1xx\""]), 1);
    assert_eq!(at_rest.sum("penstock_request_errors_total"), 0);
    eventually("nobody has a tunnel", || tunnels(&proxy) == (0, 0));
}

#[test]
fn what_comes_early_waits_for_101() {
    let member = echo();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.send(format!("{UPGRADE}early bytes"));
    assert!(client.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(client.take(11), b"early bytes");
}

#[test]
fn without_101_it_stays_http_and_what_came_early_is_a_request() {
    let member = Script::always("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", false);
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.send(UPGRADE.to_owned() + &request("GET", "/next"));
    assert_eq!(client.answer().text(), "no");
    assert_eq!(client.answer().text(), "no");
    assert_eq!(client.get("/third").text(), "no");
    assert_eq!(member.connections(), 1, "its link stayed in the pool");
    assert_eq!(proxy.at_rest_after(client).sum("penstock_requests_total"), 3);
}

#[test]
fn the_link_of_a_tunnel_is_not_in_the_pool() {
    let member = echo();
    let proxy = Setup::new().workers(1).backend("links: { max_per_member: 1 }").before_one(member.address);
    let mut tunnel = upgraded(&proxy);
    let mut other = proxy.client();
    assert_eq!(other.get("/").text(), "plain", "the only place is free again");
    tunnel.send("ping");
    assert_eq!(tunnel.take(4), b"ping");
    assert_eq!(member.connections(), 2);
}

#[test]
fn only_what_is_allowed_is_offered_on() {
    let member = echo();
    let cases = [
        ("upgrades: [websocket]", "websocket", true),
        ("upgrades: off", "websocket", false),
        ("upgrades: [websocket]", "spdy", false),
        ("upgrades: any", "websocket", true),
        ("upgrades: any", "h2c", false),
    ];
    for (allowed, asked, switches) in cases {
        let proxy = Setup::new().workers(1).listener(allowed).before_one(member.address);
        let mut client = proxy.client();
        client.send(UPGRADE.replace("websocket", asked));
        assert_eq!(client.head().contains(" 101 "), switches, "{allowed}, {asked}");
    }
}

#[test]
fn only_so_many_links_of_a_member_become_tunnels() {
    let member = echo();
    let proxy = Setup::new().workers(1).backend("links: { max_tunnels: 2 }").before_one(member.address);
    let (one, _other) = (upgraded(&proxy), upgraded(&proxy));
    let mut third = proxy.client();
    assert_eq!(third.send(UPGRADE).answer().cause(), (503, "tunnel_limit"));
    assert_eq!(third.get("/").text(), "plain", "it stays a client");
    drop(one);
    eventually("its place is free", || tunnels(&proxy).1 == 1);
    upgraded(&proxy);
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    let member = echo();
    let proxy = Setup::new().workers(1).listener("tunnel: { idle_timeout: 50ms }").before_one(member.address);
    let mut client = upgraded(&proxy);
    client.is_over();
    let closed = |reason: &str| {
        proxy.sum_of("penstock_client_connections_closed_total", &[&format!("reason=\"{reason}\"")])
    };
    eventually("it is counted", || closed("idle_timeout") == 1);

    let proxy = Setup::new().workers(1).listener("tunnel: { max_age: 50ms }").before_one(member.address);
    let mut client = upgraded(&proxy);
    while client.stream.write_all(b"x").is_ok() && client.try_take(1).is_some() {}
    let closed = || proxy.sum_of("penstock_client_connections_closed_total", &["reason=\"max_age\""]);
    eventually("it is counted", || closed() == 1);
}

#[test]
fn a_drain_leaves_tunnels_alone_until_its_end() {
    let member = echo();
    let mut proxy = Setup::new().workers(1).top("drain_timeout: 20s").before_one(member.address);
    let mut client = upgraded(&proxy);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let draining = runtime.block_on(async { tokio::time::timeout(SHORT, proxy.running_mut().drain()).await });
    assert!(draining.is_err(), "it waits for the tunnel");
    client.send("still here");
    assert_eq!(client.take(10), b"still here");
    drop(proxy); // as when the time for the drain is over
    client.rest_and_reset();
}

#[test]
fn a_reset_passes_through() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        wire.head();
        wire.send(SWITCHED);
        let (_, reset) = wire.rest_and_reset();
        sender.send(reset).unwrap();
    });
    let proxy = Setup::new().workers(1).before_one(member.address);
    upgraded(&proxy).reset();
    assert!(receiver.recv().unwrap(), "the member was reset, too");
    eventually("it has a cause", || proxy.errors("client_abort") == 1);
}

#[test]
fn connect_is_a_tunnel_where_it_is_allowed() {
    let member = Script::start(|_, mut wire| {
        let head = wire.head();
        assert!(head.starts_with("CONNECT db:5432 HTTP/1.1\r\n"), "{head}");
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nhello");
        let asked = wire.take(3);
        wire.send(asked);
    });
    let connect = "CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n";
    let proxy = Setup::new().workers(1).listener("connect: true").before_one(member.address);
    let mut client = proxy.client();
    client.send(connect);
    assert!(client.head().starts_with("HTTP/1.1 200 "));
    assert_eq!(client.take(5), b"hello");
    assert_eq!(client.send("SQL").take(3), b"SQL");
    client.is_over();

    let proxy = Setup::new().workers(1).before_one(member.address);
    assert_eq!(proxy.client().send(connect).answer().cause(), (405, "unsupported"));
}
