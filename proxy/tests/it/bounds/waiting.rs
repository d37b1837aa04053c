//! Tests that clients which ask and leave have no place in the wait queue, whatever they speak.
//!
//! However many come and go, an honest client is served.

use crate::bounds::member::Member;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};

/// Most who may wait.
const MOST: usize = 8;

/// `ask` is put to a member with one link, which another client has. More ask and leave than may wait, in two rounds: those of the
/// first while nobody else does, those of the second until the honest one has its answer.
fn come_and_go(setup: Setup, ask: &[u8], answer: &[u8], member: &Member) {
    let setup = setup.workers(1).backend(&format!("queue: {{ max: {MOST}, timeout: 5m }}"));
    let proxy = setup.before_one(member.address);
    let mut first = proxy.client();
    first.send(ask);
    eventually("the link is taken", || {
        proxy.sum_of("penstock_backend_connections", &["state=\"busy\""])
            + proxy.sum_of("penstock_backend_connections", &["state=\"tunnel\""])
            == 1
    });
    for _ in 0..4 {
        let mut gone = Vec::new();
        (0..MOST).for_each(|_| gone.push(asks(&proxy, ask)));
        eventually("they wait", || proxy.sum("penstock_pool_waiting") == MOST as i64);
        gone.into_iter().for_each(Wire::reset);
        eventually("they have left", || proxy.sum("penstock_client_connections") == 1);
    }
    let mut honest = asks(&proxy, ask);
    eventually("the honest one waits", || proxy.sum("penstock_client_connections") == 2);
    member.read();
    assert_eq!(first.take(answer.len()), answer);
    drop(first);
    assert_eq!(honest.take(answer.len()), answer);
    assert_eq!(proxy.errors("queue_full"), 0);
    drop(honest);
    proxy.at_rest();
}

fn asks(proxy: &Proxy, ask: &[u8]) -> Wire {
    let mut client = proxy.client();
    client.send(ask);
    client
}

const ONE_LINK: &str = "links: { max_per_member: 1, pipeline: 1 }";

fn at(end: u8) -> impl Fn(&[u8]) -> usize {
    move |new| new.iter().filter(|byte| **byte == end).count()
}

#[test]
fn of_http() {
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    // As long as what is sent again is (X-Forwarded-For and Via come between), the end is what counts.
    let member = Member::start(|_, new| new.windows(4).filter(|end| *end == b"\r\n\r\n").count(), ANSWER);
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    come_and_go(Setup::new().backend(ONE_LINK), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", head, &member);
}

#[test]
fn of_lines() {
    let member = Member::start(|_, new| at(b'\n')(new), b"ok\n");
    come_and_go(Setup::new().listener("protocol: lines").backend(ONE_LINK), b"hello\n", b"ok\n", &member);
}

#[test]
fn of_redis() {
    let member = Member::start(|_, new| at(b'*')(new), b"+OK\r\n");
    let setup = Setup::new().listener("protocol: resp").backend(ONE_LINK);
    come_and_go(setup, b"*1\r\n$4\r\nPING\r\n", b"+OK\r\n", &member);
}

#[test]
fn of_tcp() {
    let member = Member::start(|_, new| at(b'\n')(new), b"ok\n");
    let setup = Setup::new().listener("protocol: tcp").backend("links: { max_per_member: 1 }");
    come_and_go(setup, b"hello\n", b"ok\n", &member);
}
