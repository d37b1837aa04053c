//! Tests of D7, affinity: a source meets the same member, whatever else changes.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};

use penstock_origin::Origin;

use crate::rules::ground::{get, setup};
use crate::support::held::Held;
use crate::support::stand::{Proxy, Setup, member_at, origin};
use crate::support::wire::{Wire, eventually, request};

fn source(i: u8) -> [u8; 4] {
    [127, 40, 0, i]
}

/// The members that the first so many sources meet, each by a new client.
fn met(proxy: &Proxy, sources: u8) -> Vec<String> {
    (1..=sources).map(|i| proxy.client_from(source(i)).get("/hello").member()).collect()
}

/// Members that can be stopped one by one.
fn apart(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| member_at(name, ([127, 0, 0, 1], 0).into())).collect()
}

fn addresses(origins: &[Origin]) -> Vec<(String, SocketAddr)> {
    origins.iter().map(|origin| origin.addresses()[0].clone()).collect()
}

/// The address of whoever is connected is the key, not its port: many clients of one source meet one member.
#[test]
fn d7_a_source_meets_one_member_whatever_its_ports() {
    let (_origin, proxy) = Setup::new().with_origin(3);
    let first = met(&proxy, 12);
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "twelve sources met {first:?}");
    assert_eq!(met(&proxy, 12), first);
}

/// The source is the one behind trusted proxies: X-Forwarded-For of those who are trusted is the key.
#[test]
fn d7_the_source_is_the_one_behind_trusted_proxies() {
    let setup = setup().listener("trusted_proxies: 127.41.0.0/16");
    let (_origin, proxy) = setup.with_origin(3);
    let through = |edge: [u8; 4], i: u8| {
        proxy.client_from(edge).send(get(&format!("X-Forwarded-For: 127.40.0.{i}\r\n"))).answer().member()
    };
    let direct = met(&proxy, 12);
    assert_eq!(direct.iter().collect::<BTreeSet<_>>().len(), 3);
    for edge in [[127, 41, 0, 1], [127, 41, 0, 2]] {
        let through: Vec<_> = (1..=12).map(|i| through(edge, i)).collect();
        assert_eq!(through, direct);
    }
    let stranger: BTreeSet<_> = (1..=12).map(|i| through([127, 42, 0, 1], i)).collect();
    assert_eq!(stranger.len(), 1, "what a stranger says is no key");
}

/// One connection of a trusted proxy carries requests of many sources: each meets its own member.
#[test]
fn d7_each_request_of_a_trusted_proxy_has_its_own_source() {
    let setup = setup().listener("trusted_proxies: 127.41.0.0/16");
    let (_origin, proxy) = setup.with_origin(3);
    let direct = met(&proxy, 12);
    let mut edge = proxy.client_from([127, 41, 0, 1]);
    for _ in 0..2 {
        let lines = |i: u8| format!("X-Forwarded-For: 127.40.0.{i}\r\n");
        let one_by_one: Vec<_> = (1..=12).map(|i| edge.send(get(&lines(i))).answer().member()).collect();
        assert_eq!(one_by_one, direct);
        edge.send((1..=12).map(|i| get(&lines(i))).collect::<String>());
        let pipelined: Vec<_> = (1..=12).map(|_| edge.answer().member()).collect();
        assert_eq!(pipelined, direct);
    }
}

/// RFC 4291 section 2.5.5.2: an IPv4 source is the same through an IPv6 socket.
#[test]
fn d7_a_mapped_source_is_its_ipv4_source() {
    if TcpListener::bind("[::]:0").is_err() {
        println!("SKIPPED: this machine has no [::]");
        return;
    }
    let origin = origin(3);
    let plain = setup().before(origin.addresses());
    let mapped = setup().listener("bind: \"[::ffff:127.0.0.1]:0\"").before(origin.addresses());
    let to = SocketAddr::from(([127, 0, 0, 1], mapped.address().port()));
    let met_mapped: Vec<_> =
        (1..=12).map(|i| Wire::connect_from(source(i).into(), to).get("/hello").member()).collect();
    assert_eq!(met_mapped, met(&plain, 12));
}

/// The mask: neighbours of one network are one source.
#[test]
fn d7_a_mask_makes_neighbours_one_source() {
    let (_origin, proxy) = setup().backend("affinity: { key: source/24 }").with_origin(3);
    let mut all = BTreeSet::new();
    for net in 0..12 {
        let members: BTreeSet<_> =
            [1, 100, 254].map(|host| proxy.client_from([127, 43, net, host]).get("/hello").member()).into();
        assert_eq!(members.len(), 1, "127.43.{net}.0/24 met {members:?}");
        all.extend(members);
    }
    assert_eq!(all.len(), 3);
}

/// Rendezvous: who goes moves only its own sources; neither order nor addresses of members matter, only their names.
#[test]
fn d7_a_change_of_members_moves_only_the_sources_of_what_changed() {
    let three = apart(&["a", "b", "c"]);
    let all = addresses(&three);
    let before = met(&setup().before(&all), 40);
    let swapped: Vec<_> = all.iter().rev().cloned().collect();
    assert_eq!(met(&setup().before(&swapped), 40), before, "order");
    let without: Vec<_> = all.iter().filter(|(name, _)| name != "b").cloned().collect();
    for (before, after) in before.iter().zip(met(&setup().before(&without), 40)) {
        assert!(before == "b" || *before == after, "{before} stayed, yet its source moved to {after}");
    }
    let elsewhere = apart(&["a", "b", "c"]);
    assert_eq!(met(&setup().before(&addresses(&elsewhere)), 40), before, "addresses");
    assert!(before.iter().any(|member| member == "b"));
}

/// A weight is a share of the sources, and a change of it moves only as many as that.
#[test]
fn d7_a_weight_is_a_share_of_the_sources() {
    let three = apart(&["a", "b", "c"]);
    let plain = met(&setup().before(&addresses(&three)), 100);
    let text = setup().text(&addresses(&three));
    let address = three[1].addresses()[0].1;
    let short = format!("      b: \"{address}\"\n");
    assert!(text.contains(&short));
    let heavy = text.replace(&short, &format!("      b: {{ address: \"{address}\", weight: 4 }}\n"));
    let weighed = met(&Proxy::run(&heavy), 100);
    for (before, after) in plain.iter().zip(&weighed) {
        assert!(before == after || after == "b", "moved from {before} to {after}, which did not change");
    }
    let count = |met: &[String]| met.iter().filter(|member| *member == "b").count();
    assert!(count(&weighed) > count(&plain), "4 of 6 rather than 1 of 3");
}

/// A member that is down is stood in for by the next in rank, and met again when it is back.
#[test]
fn d7_a_member_that_is_down_is_stood_in_for_until_it_is_back() {
    let mut three = apart(&["a", "b", "c"]);
    let all = addresses(&three);
    let proxy = setup().before(&all);
    let before = met(&proxy, 20);
    drop(three.remove(1));
    let during = met(&proxy, 20);
    for (before, during) in before.iter().zip(&during) {
        assert!(during != "b" && (before == "b" || before == during), "{before} became {during}");
    }
    assert_eq!(met(&proxy, 20), during);
    let _back = member_at("b", all[1].1);
    eventually("all are at home again", || met(&proxy, 20) == before);
}

/// A client keeps its member for the life of its connection.
#[test]
fn d7_a_client_keeps_its_member() {
    let (_origin, proxy) = setup().backend("affinity: { key: none }").with_origin(3);
    let mut clients: Vec<_> = (0..9).map(|_| proxy.client()).collect();
    let first: Vec<_> = clients.iter_mut().map(|client| client.get("/hello").member()).collect();
    for _ in 0..3 {
        let again: Vec<_> = clients.iter_mut().map(|client| client.post("/echo", b"x").member()).collect();
        assert_eq!(again, first);
    }
}

/// Affinity goes before load: while its member is at its cap a source waits, and goes nowhere else.
#[test]
fn d7_affinity_goes_before_load() {
    let (one, other) = (Held::start(), Held::start());
    let setup = setup().backend("links: { max_per_member: 1, pipeline: 1 }");
    let proxy = setup.before(&[("a".to_owned(), one.address()), ("b".to_owned(), other.address())]);
    let mut first = proxy.client();
    first.send(request("GET", "/slow"));
    let at = |held: &Held, line: &str| !held.links_of(line).is_empty();
    eventually("it is with its member", || at(&one, "GET /slow") || at(&other, "GET /slow"));
    let (home, idle) = if at(&one, "GET /slow") { (&one, &other) } else { (&other, &one) };
    let mut second = proxy.client();
    second.send(request("GET", "/next"));
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    assert!(!at(home, "GET /next"));
    home.let_go("/slow");
    assert_eq!((first.answer().text(), second.answer().text()), ("/slow", "/next"));
    assert!(at(home, "GET /next") && !at(idle, "GET /next"));
}

/// What is remembered of sources is as much as there are clients.
#[test]
fn d7_what_is_remembered_of_sources_is_bounded_by_the_clients() {
    let (_origin, proxy) = setup().with_origin(3);
    let mut clients: Vec<_> = (1..=50).map(|i| proxy.client_from(source(i))).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.get("/hello").status, 200));
    assert_eq!(proxy.sum("penstock_affinity_entries"), 50);
    drop(clients);
    eventually("they are forgotten", || proxy.sum("penstock_affinity_entries") == 0);
}
