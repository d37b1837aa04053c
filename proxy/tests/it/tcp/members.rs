//! A member that does not answer is stood in for; where nobody does, the client is reset, and the cause counted.

use std::net::SocketAddr;

use crate::support::own_address::own_address;
use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{Full, Member, are_one, is_reset, members, next_of, pair, stand, tcp};

fn named(name: &str, address: SocketAddr) -> (String, SocketAddr) {
    (name.to_owned(), address)
}

fn state(proxy: &Proxy, member: &str) -> &'static str {
    let is = |state| {
        let labels = [&*format!("member=\"{member}\""), &*format!("state=\"{state}\"")];
        proxy.sum_of("penstock_member_state", &labels) == 1
    };
    match (is("up"), is("down")) {
        (true, false) => "up",
        (false, true) => "down",
        _ => "torn",
    }
}

fn retries(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_retries_total", &["reason=\"connect\""])
}

fn connect_errors(proxy: &Proxy, cause: &str) -> i64 {
    proxy.sum_of("penstock_backend_connect_errors_total", &[&format!("cause=\"{cause}\"")])
}

#[test]
fn a_client_whose_only_member_refuses_is_reset() {
    let proxy = tcp().backend("links: { connect_timeout: 300ms }").before_one(own_address());
    let mut client = proxy.client();
    is_reset(&mut client);
    assert_eq!(proxy.errors("connect_refused"), 1);
    assert_eq!(state(&proxy, "a"), "down");
    is_reset(&mut proxy.client());
    assert_eq!(proxy.errors("connect_refused"), 2);
    assert!(connect_errors(&proxy, "refused") > 2, "it was tried again and again");
    let s = proxy.at_rest();
    assert_eq!(s.sum_of("penstock_client_connections_closed_total", &["reason=\"error\""]), 2);
    assert_eq!((s.sum("penstock_backend_connections_opened_total"), retries(&proxy)), (0, 0));
}

#[test]
fn the_next_member_serves_where_one_refuses() {
    let (up, dead) = (Member::start(), own_address());
    let proxy = tcp().workers(1).before(&[named("a", dead), up.named("b")]);
    for i in 1..=20 {
        let (mut client, mut link) = (proxy.client_from([127, 21, 0, i]), up.next());
        are_one(&mut client, &mut link);
    }
    assert_eq!((state(&proxy, "a"), state(&proxy, "b")), ("down", "up"));
    assert_eq!(retries(&proxy), 1, "who comes later knows that it is down");
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
    assert_eq!(s.sum_of("penstock_affinity_moves_total", &["reason=\"member_down\""]), 1);
}

#[test]
fn clients_stay_where_they_are_and_new_ones_come_home() {
    let (mut all, named) = {
        let (all, named) = members(["a", "b"]);
        (Vec::from(all), named)
    };
    let proxy = tcp().before(&named);
    let home = |proxy: &Proxy, all: &[Member], i: u8| {
        let client = proxy.client_from([127, 22, 0, i]);
        let (member, link) = next_of(all);
        (member, client, link)
    };
    let mut at_a = (1..=255).map(|i| (i, home(&proxy, &all, i))).find(|(_, (met, ..))| *met == 0).unwrap();
    let source = at_a.0;

    let address = all.remove(0).address;
    let (_, mut client, mut link) = home(&proxy, &all, source);
    are_one(&mut client, &mut link);
    assert_eq!(state(&proxy, "a"), "down");
    are_one(&mut at_a.1.1, &mut at_a.1.2);

    all.insert(0, Member::at(address));
    eventually("it is seen to be back", || state(&proxy, "a") == "up");
    eventually("what looked for it has gone", || {
        while all[0].waiting().is_some() {}
        proxy.sum_of("penstock_backend_connections", &["state=\"idle\""]) == 0
    });
    are_one(&mut client, &mut link);
    let (met, mut new, mut its_link) = home(&proxy, &all, source);
    assert_eq!(met, 0, "a new client goes home");
    are_one(&mut new, &mut its_link);
    are_one(&mut client, &mut link);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
    drop((client, link, new, its_link, at_a));
    let s = proxy.at_rest();
    assert_eq!((s.sum("penstock_affinity_entries"), s.sum("penstock_member_sources")), (0, 0), "I10");
}

#[test]
fn a_member_that_does_not_answer_in_time_is_stood_in_for() {
    let (full, up) = (Full::new(), Member::start());
    let setup = tcp().workers(1).backend("links: { connect_timeout: 200ms }");
    let mut alone = setup.before_one(full.address());
    alone.shares_its_members();
    is_reset(&mut alone.client());
    assert_eq!((alone.errors("connect_timeout"), connect_errors(&alone, "timeout")), (1, 1));
    assert_eq!(state(&alone, "a"), "down");

    let mut proxy = setup.before(&[named("a", full.address()), up.named("b")]);
    proxy.shares_its_members();
    for i in 1..=20 {
        let (mut client, mut link) = (proxy.client_from([127, 23, 0, i]), up.next());
        are_one(&mut client, &mut link);
    }
    assert_eq!((retries(&proxy), proxy.sum("penstock_request_errors_total")), (1, 0));
}

#[test]
fn what_a_client_says_meanwhile_reaches_the_member_that_stands_in() {
    let (full, up) = (Full::new(), Member::start());
    let setup = tcp().workers(1).backend("links: { connect_timeout: 300ms }");
    let mut proxy = setup.before(&[named("a", full.address()), up.named("b")]);
    proxy.shares_its_members();
    let mut clients: Vec<_> = (1..=10).map(|i| proxy.client_from([127, 24, 0, i])).collect();
    for client in &mut clients {
        client.send("said before anybody heard").finish();
    }
    for _ in 0..10 {
        assert_eq!(up.next().rest(), b"said before anybody heard");
    }
}

#[test]
fn where_all_refuse_each_was_tried_once() {
    let all = ["a", "b", "c"].map(|name| named(name, own_address()));
    let proxy = tcp().workers(1).backend("links: { connect_timeout: 300ms }").before(&all);
    is_reset(&mut proxy.client());
    assert_eq!((proxy.errors("connect_refused"), retries(&proxy)), (1, 2));
    assert!(["a", "b", "c"].iter().all(|name| state(&proxy, name) == "down"));
    is_reset(&mut proxy.client());
    assert_eq!((proxy.errors("connect_refused"), retries(&proxy)), (2, 2));
    let s = proxy.at_rest();
    assert_eq!((s.sum("penstock_affinity_entries"), s.sum("penstock_member_sources")), (0, 0), "I10");
}

#[test]
fn who_leaves_while_its_member_is_connected_to_is_not_waited_for() {
    let full = Full::new();
    let mut proxy = tcp().backend("links: { connect_timeout: 10m }").before_one(full.address());
    proxy.shares_its_members();
    let connecting = || proxy.sum_of("penstock_backend_connections", &["state=\"connecting\""]);
    let clients: [Wire; 5] = std::array::from_fn(|_| proxy.client());
    eventually("all are being connected", || connecting() == 5);
    clients.into_iter().for_each(Wire::reset);
    let s = proxy.at_rest();
    assert_eq!(s.sum_of("penstock_request_errors_total", &["cause=\"client_abort\""]), 5);
    assert_eq!((s.sum("penstock_backend_connections_opened_total"), state(&proxy, "a")), (0, "up"));
}

#[test]
fn a_member_that_resets_at_once_has_answered() {
    let (proxy, member) = stand(&tcp());
    for i in 1..=20 {
        let (mut client, link) = pair(&proxy, &member);
        link.reset();
        is_reset(&mut client);
        eventually("it is counted", || proxy.errors("backend_reset") == i);
    }
    assert_eq!((state(&proxy, "a"), retries(&proxy)), ("up", 0), "nobody knows what it had read already");
}

/// Clients whose only member is away wait for it, as long as one attempt to connect may take, and what they said is not lost.
#[test]
fn clients_wait_until_the_only_member_is_back() {
    let address = own_address();
    let proxy = tcp().backend("links: { connect_timeout: 60s }").before_one(address);
    let mut clients: Vec<_> = (0..20).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(|client| _ = client.send("said before it was back").finish());
    eventually("they wait", || proxy.sum("penstock_pool_waiting") == 20);
    let member = Member::at(address);
    let mut heard = 0;
    while heard < clients.len() {
        let mut link = member.next();
        match &*link.rest() {
            b"said before it was back" => heard += 1,
            rest => assert_eq!(rest, b"", "from the one who looked whether it is back"),
        }
    }
    drop(clients);
    assert_eq!(proxy.at_rest().sum("penstock_request_errors_total"), 0);
}

#[test]
fn clients_that_wait_go_to_the_first_member_that_is_back() {
    let addresses = [own_address(), own_address()];
    for first in [0, 1] {
        let named = [named("a", addresses[0]), named("b", addresses[1])];
        let proxy = tcp().backend("links: { connect_timeout: 60s }").before(&named);
        let mut clients: Vec<_> = (1..=20).map(|i| proxy.client_from([127, 25, 0, i])).collect();
        clients.iter_mut().for_each(|client| _ = client.send("hello").finish());
        eventually("they wait", || proxy.sum("penstock_pool_waiting") == 20);
        let member = Member::at(addresses[first]);
        let mut heard = 0;
        while heard < clients.len() {
            heard += usize::from(member.next().rest() == b"hello");
        }
    }
}

#[test]
fn no_more_clients_wait_for_a_member_than_may() {
    let setup = tcp().backend("links: { connect_timeout: 4s }").backend("queue: { max: 3 }");
    let proxy = setup.before_one(own_address());
    let mut clients: Vec<_> = (0..10).map(|_| proxy.client()).collect();
    clients.iter_mut().for_each(is_reset);
    assert_eq!((proxy.errors("queue_full"), proxy.errors("connect_refused")), (7, 3));
    assert_eq!(proxy.at_rest().sum("penstock_pool_waiting"), 0);
}
