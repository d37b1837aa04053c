//! The same source always meets the same member, and all members get their share of the sources.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use penstock_bench::{Plan, Stop, Work, sources};
use penstock_origin::Origin;

use crate::support::own_address::own_address;
use crate::support::stand::{Proxy, Setup, member_at, origin, run_clean};
use crate::support::wire::{eventually, members_of};

#[test]
fn a_source_always_sees_the_same_member() {
    let (_origin, proxy) = Setup::new().with_origin(3);
    let from = sources("127.2.0.1-127.2.0.40").unwrap();
    let plan = Plan { clients: 200, sources: from, stop: Stop::Requests(10), ..proxy.plan() };
    let mut all = run_clean(&plan);
    all.add(&run_clean(&Plan { work: Work::Post { sizes: vec![100] }, depth: 3, ..plan }));
    assert_eq!(all.members.len(), 40);
    assert_eq!(all.most_members_per_source(), 1, "{all:?}");
}

#[test]
fn a_thousand_sources_spread_evenly_over_three_members() {
    let (_origin, proxy) = Setup::new().with_origin(3);
    let from = sources("127.1.0.1-127.1.3.232").unwrap();
    assert_eq!(from.len(), 1000);
    let report = run_clean(&Plan { clients: 1000, sources: from, ..proxy.plan() });
    let spread = report.sources_by_member();
    assert_eq!(spread.values().sum::<u64>(), 1000);
    for (member, count) in &spread {
        assert!((284..=383).contains(count), "{member} has {count} of 1000: {spread:?}");
    }
}

#[test]
fn the_addresses_of_a_class_c_are_one_source() {
    let (_origin, proxy) = Setup::new().backend("affinity: { key: source/24 }").with_origin(3);
    let mut met = BTreeSet::new();
    for net in 0..20 {
        let members = |host: u8| proxy.client_from([127, 3, net, host]).get("/hello").member();
        let members: BTreeSet<_> = [1, 77, 254].map(members).into();
        assert_eq!(members.len(), 1, "127.3.{net}.0/24 met {members:?}");
        met.extend(members);
    }
    assert_eq!(met.len(), 3, "twenty networks met only {met:?}");
}

#[test]
fn without_affinity_clients_go_where_the_fewest_are() {
    let (_origin, proxy) = Setup::new().workers(1).backend("affinity: { key: none }").with_origin(3);
    let mut clients: Vec<_> = (0..30).map(|_| proxy.client()).collect();
    let members: Vec<_> = clients.iter_mut().map(|client| client.get("/hello").member()).collect();
    for member in ["a", "b", "c"] {
        assert_eq!(members.iter().filter(|m| *m == member).count(), 10, "{members:?}");
    }
    let again: Vec<_> = clients.iter_mut().map(|client| client.get("/hello").member()).collect();
    assert_eq!(members, again, "a client keeps its member for the life of its connection");
}

/// A proxy whose clients have no member of their own, before members of these weights.
fn without_affinity(workers: usize, members: &[(String, SocketAddr)], weights: [u32; 3]) -> Proxy {
    let mut text = Setup::new().workers(workers).backend("affinity: { key: none }").text(members);
    for ((name, address), weight) in members.iter().zip(weights) {
        let with_weight = format!("{name}: {{ address: \"{address}\", weight: {weight} }}");
        text = text.replace(&format!("{name}: \"{address}\""), &with_weight);
    }
    Proxy::run(&text)
}

/// What is equally loaded takes turns: members of a worker, and workers.
#[test]
fn without_affinity_clients_that_come_one_after_the_other_spread_by_weight() {
    let origin = origin(3);
    for (weights, expected) in [([1, 1, 1], [100, 100, 100]), ([1, 2, 3], [50, 100, 150])] {
        for workers in [1, 3] {
            let proxy = without_affinity(workers, origin.addresses(), weights);
            let mut counts = [0_i32; 3];
            for _ in 0..300 {
                let mut client = proxy.client();
                let member = client.get("/hello").member();
                counts[usize::from(member.as_bytes()[0] - b'a')] += 1;
                client.finish().is_over();
            }
            // Each worker may be in the middle of a round at the end.
            let off = counts.iter().zip(expected).map(|(count, expected)| (count - expected).abs()).max();
            assert!(off.unwrap() <= 2 * workers as i32, "{weights:?}, {workers} workers: {counts:?}");
        }
    }
}

/// Each worker that has a client opens a link of its own, and uses it for the next one, too.
#[test]
fn clients_that_come_one_after_the_other_spread_over_the_workers() {
    let (origin, proxy) = Setup::new().workers(3).with_origin(1);
    for _ in 0..30 {
        let mut client = proxy.client();
        client.get("/hello");
        client.finish().is_over();
    }
    assert_eq!(origin.stats().total().accepted, 3);
}

/// Nobody has a home at a member that is down, so nobody moves when it is up again; and it is owed no turns.
#[test]
fn without_affinity_a_member_that_comes_back_takes_its_turns_from_then_on() {
    let origins: Vec<_> = ["a", "b"].map(|name| member_at(name, ([127, 0, 0, 1], 0).into())).into();
    let nowhere = own_address();
    let members: Vec<_> =
        origins.iter().map(|o| o.addresses()[0].clone()).chain([("c".to_owned(), nowhere)]).collect();
    let proxy = without_affinity(1, &members, [1, 1, 1]);
    let down = || proxy.sum_of("penstock_member_state", &["state=\"down\""]);
    let asks = || {
        let mut client = proxy.client();
        let member = client.get("/hello").member();
        client.finish().is_over();
        member
    };
    for _ in 0..30 {
        assert_ne!(asks(), "c");
    }
    eventually("it is seen to be down", || down() == 1);
    let mut stays: Vec<_> = (0..10).map(|_| proxy.client()).collect();
    let before = members_of(&mut stays);
    let _c = member_at("c", nowhere);
    eventually("it is up", || down() == 0);
    assert_eq!(members_of(&mut stays), before);
    drop(stays);
    proxy.at_rest();
    let mut counts = std::collections::BTreeMap::new();
    (0..60).for_each(|_| *counts.entry(asks()).or_insert(0) += 1);
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [20, 20, 20]);
}

#[test]
fn many_clients_of_one_source_are_one_source_at_one_member() {
    let (origin, proxy) = Setup::new().with_origin(3);
    let mut clients: Vec<_> = (0..50).map(|_| proxy.client_from([127, 4, 0, 9])).collect();
    let members: BTreeSet<_> = clients.iter_mut().map(|client| client.get("/hello").member()).collect();
    assert_eq!(members.len(), 1);
    assert_eq!(origin.stats().listeners.iter().filter(|l| l.requests > 0).count(), 1);
    assert_eq!(proxy.sum("penstock_member_sources"), 1);
    assert_eq!(proxy.sum("penstock_affinity_entries"), 1);
    assert_eq!(proxy.sum("penstock_affinity_lookups_total"), 50);
    drop(clients);
    let rest = proxy.at_rest();
    assert_eq!((rest.sum("penstock_member_sources"), rest.sum("penstock_affinity_entries")), (0, 0));
}

/// Three members that can be stopped one by one, and a proxy in front of them.
fn apart() -> (Vec<Option<Origin>>, Vec<(String, SocketAddr)>, Proxy) {
    let start = |name| member_at(name, ([127, 0, 0, 1], 0).into());
    let origins: Vec<_> = ["a", "b", "c"].map(start).into();
    let addresses: Vec<_> = origins.iter().map(|o| o.addresses()[0].clone()).collect();
    let proxy = Setup::new().before(&addresses);
    (origins.into_iter().map(Some).collect(), addresses, proxy)
}

#[test]
fn a_member_that_is_down_is_stood_in_for_and_met_again_when_it_answers() {
    let (mut origins, addresses, proxy) = apart();
    let mut clients: Vec<_> = (1..=30).map(|i| proxy.client_from([127, 6, 0, i])).collect();
    let before = members_of(&mut clients);
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3);

    origins[1].take();
    let during = members_of(&mut clients);
    for (before, during) in before.iter().zip(&during) {
        assert_ne!(during, "b");
        assert!(before == "b" || before == during, "{before} was up, yet its source met {during}");
    }
    assert_eq!(during, members_of(&mut clients), "those who stand in are always the same");
    let stand_ins: BTreeSet<_> =
        before.iter().zip(&during).filter(|(b, _)| *b == "b").map(|(_, d)| d).collect();
    assert_eq!(stand_ins.len(), 2, "the sources of b spread over the others");
    let state = |state: &str| proxy.sum_of("penstock_member_state", &["member=\"b\"", state]);
    assert_eq!((state("state=\"up\""), state("state=\"down\"")), (0, 1));

    origins[1] = Some(member_at("b", addresses[1].1));
    eventually("all are at home again", || members_of(&mut clients) == before);
    assert_eq!((state("state=\"up\""), state("state=\"down\"")), (1, 0));
    let fresh: Vec<_> = (1..=30).map(|i| proxy.client_from([127, 6, 0, i]).get("/hello").member()).collect();
    assert_eq!(fresh, before, "and so are new clients");
}

#[test]
fn a_new_client_meets_the_next_in_rank_where_its_member_never_was_up() {
    let (mut origins, _, proxy) = apart();
    let homes: Vec<_> = (1..=12).map(|i| proxy.client_from([127, 7, 0, i]).get("/hello").member()).collect();
    origins[0].take();
    for (i, home) in (1..).zip(&homes) {
        let met = proxy.client_from([127, 7, 0, i]).get("/hello").member();
        assert!(met != "a" && (home == "a" || *home == met), "127.7.0.{i} left {home} for {met}");
    }
}

#[test]
fn a_request_that_was_not_sent_goes_to_the_next_member_whatever_it_is() {
    let (mut origins, _, proxy) = apart();
    let at_home = |i: u8| proxy.client_from([127, 8, 1, i]).get("/hello").member() == "c";
    let source = (1..=255).find(|i| at_home(*i)).unwrap();
    eventually("its links are seen as closed", || {
        origins[2].take();
        proxy.sum_of("penstock_backend_connections", &["member=\"c\""]) == 0
    });
    let mut client = proxy.client_from([127, 8, 1, source]);
    let answer = client.post("/echo", b"unsent");
    assert_eq!((answer.status, answer.text()), (200, "unsent"));
    assert_ne!(answer.member(), "c");
    assert_eq!(proxy.sum_of("penstock_retries_total", &["reason=\"connect\"", "result=\"ok\""]), 1);
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}
