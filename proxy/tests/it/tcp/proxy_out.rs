//! Members are told who the client is, by a PROXY header before all else, and nothing else is changed.

use std::collections::BTreeSet;

use crate::support::headers::{AUTHORITY, LOCAL, PROXY, UNIQUE_ID, take_v1, take_v2, v1, v2};
use crate::support::own_address::own_address;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually};
use crate::tcp::given::{are_one, pair, says, stand, tcp};

fn telling(version: &str) -> Setup {
    tcp().backend(&format!("proxy_protocol: {version}"))
}

fn believing(setup: Setup) -> Setup {
    setup.listener("proxy_protocol: required").listener("trusted: any")
}

fn ends(proxy: &Proxy, client: &Wire) -> (String, String) {
    (client.stream.local_addr().unwrap().to_string(), proxy.address().to_string())
}

#[test]
fn version_1_tells_both_ends_of_the_clients_connection() {
    let (proxy, member) = stand(&telling("v1"));
    for i in 1..=20 {
        let mut client = proxy.client_from([127, 30, 0, i]);
        let mut link = member.next();
        let (source, destination) = ends(&proxy, &client);
        assert_eq!(take_v1(&mut link), v1(&source, &destination));
        are_one(&mut client, &mut link);
    }
}

#[test]
fn version_2_tells_them_too_and_names_each_connection() {
    let (proxy, member) = stand(&telling("v2"));
    let mut ids = BTreeSet::new();
    for i in 1..=20 {
        let mut client = proxy.client_from([127, 30, 0, i]);
        let mut link = member.next();
        let said = take_v2(&mut link);
        let (source, destination) = ends(&proxy, &client);
        assert_eq!(said.command, PROXY);
        assert_eq!(
            (said.source.unwrap().to_string(), said.destination.unwrap().to_string()),
            (source, destination)
        );
        assert_eq!(said.tlv(AUTHORITY), None);
        ids.insert(said.tlv(UNIQUE_ID).unwrap().to_vec());
        are_one(&mut client, &mut link);
    }
    assert_eq!(ids.len(), 20, "ids are unique");
    assert!(ids.iter().all(|id| (1..=128).contains(&id.len())));
}

#[test]
fn the_header_comes_though_the_client_is_silent_and_before_what_it_says() {
    for version in ["v1", "v2"] {
        let (proxy, member) = stand(&telling(version));
        let mut client = proxy.client();
        client.send("said at once").finish();
        let mut link = member.next();
        let length = take_any(&mut link);
        assert_eq!(link.rest(), b"said at once");
        link.send("220 banner").finish();
        assert_eq!(client.rest(), b"220 banner");
        let s = proxy.at_rest();
        assert_eq!(s.sum("penstock_client_received_bytes_total"), 12);
        assert_eq!(s.sum("penstock_backend_sent_bytes_total"), 12 + length as i64, "I5, with the header");
    }
}

fn take_any(link: &mut Wire) -> usize {
    let mut first = [0];
    link.stream.peek(&mut first).unwrap();
    if first == *b"P" { take_v1(link).len() } else { take_v2(link).len }
}

#[test]
fn a_warm_link_begins_with_the_header_of_the_client_that_gets_it() {
    let (proxy, member) = stand(&telling("v1").backend("links: { warm: 1 }"));
    let mut link = member.next();
    eventually("it is warm", || proxy.sum_of("penstock_backend_connections", &["state=\"idle\""]) == 1);
    says_nothing(&link);
    let mut client = proxy.client_from([127, 30, 1, 1]);
    let (source, destination) = ends(&proxy, &client);
    assert_eq!(take_v1(&mut link), v1(&source, &destination));
    says(&mut client, "hello", &mut link);
}

fn says_nothing(link: &Wire) {
    link.stream.set_nonblocking(true).unwrap();
    assert!(link.stream.peek(&mut [0]).is_err(), "something was said before anybody came");
    link.stream.set_nonblocking(false).unwrap();
}

#[test]
fn a_chain_hands_on_who_the_client_was() {
    let (last, member) = stand(&believing(telling("v2")));
    let first = telling("v2").before_one(last.address());
    let mut client = first.client_from([127, 30, 2, 7]);
    let mut link = member.next();
    let said = take_v2(&mut link);
    let (source, destination) = ends(&first, &client);
    assert_eq!(
        (said.source.unwrap().to_string(), said.destination.unwrap().to_string()),
        (source, destination)
    );
    are_one(&mut client, &mut link);
}

#[test]
fn what_another_proxy_told_is_handed_on() {
    let (proxy, member) = stand(&believing(telling("v2")));
    let mut client = proxy.client();
    let tlvs: &[(u8, &[u8])] = &[(AUTHORITY, b"db.example"), (UNIQUE_ID, b"id-of-the-first")];
    client.send(v2(PROXY, "198.51.100.7:4711", "203.0.113.9:5432", tlvs)).send("hello");
    let mut link = member.next();
    let said = take_v2(&mut link);
    assert_eq!(said.source, Some("198.51.100.7:4711".parse().unwrap()));
    assert_eq!(said.destination, Some("203.0.113.9:5432".parse().unwrap()));
    assert_eq!(said.tlv(AUTHORITY), Some(&b"db.example"[..]));
    assert_eq!(said.tlv(UNIQUE_ID), Some(&b"id-of-the-first"[..]));
    assert_eq!(link.take(5), b"hello");
}

#[test]
fn a_version_is_translated_into_the_other() {
    let (source, destination) = ("198.51.100.7:4711", "203.0.113.9:5432");
    let (proxy, member) = stand(&believing(telling("v1")));
    let mut client = proxy.client();
    client.send(v2(PROXY, source, destination, &[]));
    assert_eq!(take_v1(&mut member.next()), v1(source, destination));

    let (proxy, member) = stand(&believing(telling("v1")));
    let mut client = proxy.client();
    client.send(v1("[2001:db8::7]:4711", "[2001:db8::9]:5432"));
    assert_eq!(take_v1(&mut member.next()), v1("[2001:db8::7]:4711", "[2001:db8::9]:5432"));
}

/// Who only asks whether we are there is a client of its own address.
#[test]
fn what_is_told_of_nobody_leaves_the_connections_own_ends() {
    let local = v2(LOCAL, "198.51.100.7:4711", "203.0.113.9:5432", &[]);
    for header in [local, b"PROXY UNKNOWN\r\n".to_vec(), b"PROXY UNKNOWN ffff::1 ::2 1 2\r\n".to_vec()] {
        let (proxy, member) = stand(&believing(telling("v1")));
        let mut client = proxy.client_from([127, 30, 3, 9]);
        client.send(header);
        let (source, destination) = ends(&proxy, &client);
        let mut link = member.next();
        assert_eq!(take_v1(&mut link), v1(&source, &destination));
        are_one(&mut client, &mut link);
    }
}

#[test]
fn the_member_that_stands_in_is_told_too() {
    let member = crate::tcp::given::Member::start();
    let named = [("a".to_owned(), own_address()), member.named("b")];
    let proxy = telling("v1").workers(1).before(&named);
    for i in 1..=10 {
        let client = proxy.client_from([127, 30, 4, i]);
        let (source, destination) = ends(&proxy, &client);
        assert_eq!(take_v1(&mut member.next()), v1(&source, &destination));
    }
}

#[test]
fn without_it_a_member_hears_the_client_only() {
    let (proxy, member) = stand(&telling("off"));
    let (client, link) = pair(&proxy, &member);
    drop(client);
    let mut link = link;
    link.is_over();
}
