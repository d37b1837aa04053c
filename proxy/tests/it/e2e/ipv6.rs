//! Tests IPv6 on both sides: listeners, members, and the source that the member is told.
//!
//! The tests say so where the machine has no IPv6.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::sync::mpsc;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::Wire;

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

fn has_ipv6() -> bool {
    let has = TcpListener::bind(ANY_PORT).is_ok();
    if !has {
        println!("SKIPPED: this machine has no [::1]");
    }
    has
}

/// A proxy bound here before a member on [::1], which hands the heads it gets to the test.
fn heard(bind: &str, lines: &[&str]) -> (Script, Proxy, mpsc::Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let answer = move |_: usize, mut wire: Wire| {
        while let Some(head) = wire.next_head() {
            let _ = tell.send(head);
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    };
    let member = Script::start_at(ANY_PORT, answer);
    let mut setup = Setup::new().workers(1).listener(&format!("bind: \"{bind}\""));
    for line in lines {
        setup = setup.listener(line);
    }
    let proxy = setup.before_one(member.address);
    (member, proxy, heard)
}

#[test]
fn a_source_is_told_in_both_ways_of_writing() {
    if !has_ipv6() {
        return;
    }
    let (_member, proxy, heard) = heard("[::1]:0", &["forwarded: both"]);
    assert_eq!(Wire::connect(proxy.address()).get("/").status, 200);
    let head = heard.recv().unwrap();
    assert!(head.contains("\r\nX-Forwarded-For: ::1\r\n"), "{head}");
    assert!(head.contains("\r\nForwarded: for=\"[::1]\";proto=http\r\n"), "{head}");
}

#[test]
fn a_client_of_ipv4_is_one_also_on_a_socket_for_both() {
    if !has_ipv6() {
        return;
    }
    let (_member, proxy, heard) = heard("[::]:0", &[]);
    let port = proxy.address().port();
    for (to, source) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
        let to = SocketAddr::new(to.parse().unwrap(), port);
        assert_eq!(Wire::connect(to).get("/").status, 200);
        let head = heard.recv().unwrap();
        assert!(head.contains(&format!("\r\nX-Forwarded-For: {source}\r\n")), "{head}");
    }
}
