//! Tests the admin server's responses, as raw bytes over a real socket.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use super::pages::Page;
use super::server::start_with;
use super::*;
use crate::metrics::Registry;

fn serve() -> (Admin, ReadyState) {
    let ready = ReadyState::default();
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let admin = start(bind, Registry::new(1), ready.clone()).expect("a free port");
    (admin, ready)
}

/// Sends one request and returns the whole answer.
fn ask(addr: SocketAddr, method: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(addr).expect("it listens");
    let head = format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes()).expect("it reads");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("it answers text");
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn metrics_are_text_that_prometheus_takes() {
    let (admin, _) = serve();
    let answer = ask(admin.addr(), "GET", "/metrics");
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("content-type: text/plain; version=0.0.4\r\n"), "{answer}");
    assert!(body(&answer).contains("\npenstock_workers 1\n"), "{answer}");
}

#[test]
fn health_is_ok_while_the_process_lives() {
    let (admin, ready) = serve();
    ready.set(Readiness::Draining);
    let answer = ask(admin.addr(), "GET", "/healthz");
    assert_eq!((status(&answer), body(&answer)), ("200", "ok\n"));
}

#[test]
fn readiness_is_what_was_told() {
    let (admin, ready) = serve();
    let readyz = || {
        let answer = ask(admin.addr(), "GET", "/readyz");
        format!("{} {}", status(&answer), body(&answer))
    };
    assert_eq!(readyz(), "503 starting\n");
    ready.set(Readiness::Ready);
    assert_eq!(readyz(), "200 ready\n");
    ready.set(Readiness::Draining);
    assert_eq!(readyz(), "503 draining\n");
}

#[test]
fn head_is_get_without_the_body() {
    let (admin, _) = serve();
    let answer = ask(admin.addr(), "HEAD", "/healthz");
    assert_eq!((status(&answer), body(&answer)), ("200", ""));
    assert!(answer.contains("content-length: 3\r\n"), "{answer}");
}

#[test]
fn other_methods_and_paths_are_refused() {
    let (admin, _) = serve();
    for path in ["/", "/metrics", "/healthz", "/readyz"] {
        let answer = ask(admin.addr(), "POST", path);
        assert_eq!(status(&answer), "405", "{path}");
        assert!(answer.to_ascii_lowercase().contains("allow: get,head\r\n"), "{answer}");
    }
    assert_eq!(status(&ask(admin.addr(), "GET", "/nothing")), "404");
}

#[test]
fn the_index_names_each_page_and_added_ones_answer() {
    let page = Page { path: "/extra", about: "one more", route: axum::routing::get(async || "here") };
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let admin = start_with(bind, Registry::new(1), ReadyState::default(), vec![page]).expect("a free port");
    let index = ask(admin.addr(), "GET", "/");
    for path in ["/metrics", "/healthz", "/readyz", "/extra"] {
        assert!(body(&index).lines().any(|line| line.starts_with(path)), "{index}");
    }
    assert_eq!(body(&ask(admin.addr(), "GET", "/extra")), "here");
}

#[test]
fn the_address_is_free_after_stop_though_a_connection_is_open() {
    let (admin, _) = serve();
    let addr = admin.addr();
    let mut half = TcpStream::connect(addr).expect("it listens");
    half.write_all(b"GET /met").expect("it reads");
    assert_eq!(status(&ask(addr, "GET", "/healthz")), "200");
    drop(admin);
    TcpListener::bind(addr).expect("nobody holds the address");
}

#[test]
fn an_address_in_use_is_an_error() {
    let (admin, _) = serve();
    let again = start(admin.addr(), Registry::new(1), ReadyState::default());
    assert_eq!(again.err().map(|e| e.kind()), Some(std::io::ErrorKind::AddrInUse));
}

/// A new client is answered even if many connections are silent; those silent for longest are closed.
#[test]
fn silent_connections_keep_nobody_out() {
    let (admin, _) = serve();
    let silent: Vec<_> = (0..300).map(|_| TcpStream::connect(admin.addr()).expect("it listens")).collect();
    for _ in 0..3 {
        assert_eq!(status(&ask(admin.addr(), "GET", "/metrics")), "200");
    }
    let is_open = |socket: &TcpStream| {
        socket.set_nonblocking(true).expect("a socket");
        matches!((&*socket).read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    };
    eventually("those before the last are closed", || {
        silent.iter().filter(|socket| is_open(socket)).count() <= MOST_CONNECTIONS
    });
    assert!(!is_open(&silent[0]));
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let (admin, _) = serve();
    let answer = ask(admin.addr(), "GET", &format!("/{}", "x".repeat(40_000)));
    assert!(["414", "431"].contains(&status(&answer)), "{answer}");
    assert_eq!(status(&ask(admin.addr(), "GET", "/healthz")), "200");
}

/// Covers half a head, silence after an answer, and an answer that is not read.
#[test]
fn who_takes_too_long_is_closed() {
    let large =
        Page { path: "/large", about: "much", route: axum::routing::get(async || "x".repeat(50 << 20)) };
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let admin = start_with(bind, Registry::new(1), ReadyState::default(), vec![large]).expect("a free port");
    let connect = |said: &str| {
        let mut socket = TcpStream::connect(admin.addr()).expect("it listens");
        socket.write_all(said.as_bytes()).expect("it reads");
        socket
    };
    let half = connect("GET /healthz HTTP/1.1\r\nHost: ad");
    let idle = connect("GET /healthz HTTP/1.1\r\nHost: admin\r\n\r\n");
    let deaf = connect("GET /large HTTP/1.1\r\nHost: admin\r\n\r\n");
    for mut socket in [half, idle] {
        socket.set_read_timeout(Some(std::time::Duration::from_secs(60))).expect("a socket");
        let mut said = String::new();
        socket.read_to_string(&mut said).expect("it is closed");
    }
    eventually("it is closed, and may not end well", || {
        deaf.set_nonblocking(true).expect("a socket");
        (&deaf).write_all(b"x").is_err() // a reset, as it was closed with something unread
    });
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "never: {what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
