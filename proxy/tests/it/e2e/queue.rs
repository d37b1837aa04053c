//! A request that cannot be served waits, within the limits of time and number, and is told what was missing.

use penstock_bench::{Plan, Stop};

use crate::support::own_address::own_address;
use crate::support::stand::{Proxy, Setup, mute, run_clean};
use crate::support::wire::{Answer, Wire, eventually, occupy, release, request};

fn one_link(queue: &str) -> Setup {
    let setup =
        Setup::new().workers(1).backend("links: { max_per_member: 1, pipeline: 1, connect_timeout: 200ms }");
    setup.backend(&format!("queue: {{ {queue} }}"))
}

/// A client whose request occupies the only link.
fn busy(proxy: &Proxy) -> Wire {
    // An answer is seen a moment before its exchange is counted as ended.
    eventually("nothing is in flight", || proxy.sum("penstock_backend_requests_in_flight") == 0);
    let client = occupy(proxy.address());
    eventually("it is on the link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    client
}

#[track_caller]
fn is_unavailable(answer: &Answer, cause: &str) {
    assert_eq!(answer.cause(), (503, cause));
    let after: u32 = answer.field("retry-after").unwrap().parse().unwrap();
    assert!(after > 0);
    assert!(!answer.closes());
}

#[test]
fn more_than_may_wait_are_refused() {
    let (_origin, proxy) = one_link("max: 2").with_origin(1);
    let mut first = busy(&proxy);
    let mut waiting: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    waiting.iter_mut().for_each(|client| {
        client.send(request("GET", "/hello"));
    });
    eventually("two wait", || proxy.sum("penstock_pool_waiting") == 2);
    let mut over = proxy.client();
    is_unavailable(&over.get("/hello"), "queue_full");
    is_unavailable(&over.post("/echo", b"with a body"), "queue_full");
    release(&mut first);
    waiting.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
    assert_eq!(over.get("/hello").status, 200, "the refused one can try again");
    assert_eq!(proxy.errors("queue_full"), 2);
    assert_eq!(proxy.sum_of("penstock_pool_acquires_total", &["result=\"rejected\""]), 2);
}

#[test]
fn none_waits_where_none_may() {
    let (_origin, proxy) = one_link("max: 0").with_origin(1);
    let mut client = proxy.client();
    assert_eq!(client.get("/hello").status, 200, "what waits for its own new link is not in the queue");
    let mut busy = busy(&proxy);
    is_unavailable(&client.get("/hello"), "queue_full");
    release(&mut busy);
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn who_waits_too_long_is_told_so() {
    let (_origin, proxy) = one_link("timeout: 200ms").with_origin(1);
    let mut first = busy(&proxy);
    let mut second = proxy.client();
    is_unavailable(&second.get("/hello"), "queue_timeout");
    release(&mut first);
    assert_eq!(second.get("/hello").status, 200);
    assert_eq!(proxy.errors("queue_timeout"), 1);
    assert_eq!(proxy.sum_of("penstock_pool_acquires_total", &["result=\"timeout\""]), 1);
    assert_eq!(proxy.sum("penstock_pool_waiting"), 0);
}

#[test]
fn who_leaves_the_queue_is_not_served_and_not_counted_as_waiting() {
    let (origin, proxy) = one_link("max: 10").with_origin(1);
    let mut first = busy(&proxy);
    let mut leaver = proxy.client();
    leaver.send(request("GET", "/hello"));
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    leaver.reset();
    release(&mut first);
    assert_eq!(proxy.client().get("/json").status, 200);
    drop(first);
    let rest = proxy.at_rest();
    assert_eq!(rest.sum("penstock_request_errors_total"), proxy.errors("client_abort"));
    assert_eq!((proxy.errors("client_abort"), origin.stats().total().requests), (1, 2));
}

#[test]
fn those_who_wait_are_served_in_their_order() {
    let (_origin, proxy) = one_link("max: 1000").with_origin(1);
    let report = run_clean(&Plan { clients: 200, stop: Stop::Requests(10), ..proxy.plan() });
    assert_eq!(report.answered, 2000);
    let mut first = busy(&proxy);
    let mut waiting = Vec::new();
    for i in 0..5 {
        let mut client = proxy.client();
        client.send(request("GET", &format!("/delay/{}", 5 * i)));
        eventually("it waits", || proxy.sum("penstock_pool_waiting") == i + 1);
        waiting.push(client);
    }
    release(&mut first);
    waiting.iter_mut().for_each(|client| assert_eq!(client.answer().status, 200));
}

#[test]
fn a_backend_that_nobody_serves_is_a_503() {
    let members = ["a", "b", "c"].map(|name| (name.to_owned(), own_address()));
    let proxy = Setup::new().backend("links: { connect_timeout: 200ms }").before(&members);
    let mut client = proxy.client();
    for _ in 0..5 {
        is_unavailable(&client.get("/"), "connect_refused");
    }
    assert_eq!(client.post("/", b"too").cause(), (503, "connect_refused"));
    assert_eq!(proxy.sum_of("penstock_member_state", &["state=\"down\""]), 3);
    assert!(proxy.sum_of("penstock_backend_connect_errors_total", &["cause=\"refused\""]) >= 3);
}

#[test]
fn a_member_that_does_not_answer_connects_is_a_504() {
    let (_listener, _filling, address) = mute();
    let mut proxy = one_link("max: 10").before_one(address);
    proxy.shares_its_members();
    let answer = proxy.client().get("/");
    assert_eq!(answer.cause(), (504, "connect_timeout"));
    assert_eq!(proxy.sum_of("penstock_backend_connect_errors_total", &["cause=\"timeout\""]), 1);
}
