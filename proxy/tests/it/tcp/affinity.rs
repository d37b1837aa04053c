//! A source always meets the same member, the one it meets over HTTP, too.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::support::stand::{Proxy, Setup, origin};
use crate::support::wire::Wire;
use crate::tcp::given::{Member, are_one, members, next_of, tcp};

/// The place of the member that a client from `source` meets.
fn met(proxy: &Proxy, members: &[Member], source: Ipv4Addr) -> usize {
    let mut client = proxy.client_from(source.octets());
    let (member, mut link) = next_of(members);
    are_one(&mut client, &mut link);
    member
}

fn source(net: u8, i: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 20, net, i)
}

#[test]
fn a_source_meets_the_same_member_each_time() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().workers(2).before(&named);
    let first: Vec<_> = (1..=40).map(|i| met(&proxy, &members, source(0, i))).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3, "{first:?}");
    for _ in 0..3 {
        let again: Vec<_> = (1..=40).map(|i| met(&proxy, &members, source(0, i))).collect();
        assert_eq!(first, again);
    }
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_affinity_lookups_total"), 160, "I9");
    assert_eq!(s.sum("penstock_affinity_moves_total"), 0);
    assert_eq!((s.sum("penstock_affinity_entries"), s.sum("penstock_member_sources")), (0, 0));
}

#[test]
fn a_source_meets_the_member_that_it_meets_over_http() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().before(&named);
    let (_origin, http) = Setup::new().with(origin(3));
    for i in 1..=40 {
        let over_tcp = ["a", "b", "c"][met(&proxy, &members, source(1, i))];
        let over_http = http.client_from(source(1, i).octets()).get("/hello").member();
        assert_eq!(over_tcp, over_http, "{}", source(1, i));
    }
}

#[test]
fn a_network_may_be_one_source() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().backend("affinity: { key: source/24 }").before(&named);
    let mut all = BTreeSet::new();
    for net in 10..30 {
        let met: BTreeSet<_> = (1..=5).map(|i| met(&proxy, &members, source(net, i * 50))).collect();
        assert_eq!(met.len(), 1, "127.20.{net}.0/24 met {met:?}");
        all.extend(met);
    }
    assert_eq!(all.len(), 3);
}

#[test]
fn without_affinity_clients_spread_evenly() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().workers(1).backend("affinity: { key: none }").before(&named);
    let mut counts = [0; 3];
    let open: Vec<(Wire, Wire)> = (0..30)
        .map(|_| {
            let client = proxy.client();
            let (member, link) = next_of(&members);
            counts[member] += 1;
            (client, link)
        })
        .collect();
    assert_eq!(counts, [10, 10, 10]);
    drop(open);
    assert_eq!(proxy.at_rest().sum_of("penstock_affinity_lookups_total", &["result=\"none\""]), 30);
}

#[test]
fn without_affinity_clients_that_come_one_after_the_other_spread_evenly() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().workers(1).backend("affinity: { key: none }").before(&named);
    let mut counts = [0; 3];
    for _ in 0..300 {
        let mut client = proxy.client();
        let (member, mut link) = next_of(&members);
        counts[member] += 1;
        client.finish();
        link.is_over();
        link.finish();
        client.is_over();
    }
    assert_eq!(counts, [100, 100, 100]);
}

#[test]
fn sources_are_counted_where_they_are_while_they_are_there() {
    let (members, named) = members(["a", "b", "c"]);
    let proxy = tcp().before(&named);
    let mut per_member = [0; 3];
    let mut open = Vec::new();
    for i in 1..=30 {
        // Two clients of each source.
        for _ in 0..2 {
            let client = proxy.client_from(source(2, i).octets());
            let (member, link) = next_of(&members);
            per_member[member] += 1;
            open.push((client, link));
        }
    }
    let s = proxy.scrape();
    for (name, clients) in ["a", "b", "c"].iter().zip(per_member) {
        let label = format!("member=\"{name}\"");
        assert_eq!(s.sum_of("penstock_member_sources", &[&label]) * 2, clients, "{name}");
        assert_eq!(s.sum_of("penstock_backend_connections", &[&label, "state=\"tunnel\""]), clients);
    }
    assert_eq!(s.sum("penstock_affinity_entries"), 30, "I10");
    let lookups = |result: &str| s.sum_of("penstock_affinity_lookups_total", &[result]);
    assert_eq!((lookups("result=\"new\""), lookups("result=\"hit\"")), (30, 30));
    drop(open);
    let s = proxy.at_rest();
    assert_eq!((s.sum("penstock_affinity_entries"), s.sum("penstock_member_sources")), (0, 0));
}
