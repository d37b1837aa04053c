//! Affinity, limits and PROXY headers hold for clients of frames as for those of HTTP.

use std::collections::BTreeSet;

use penstock_bench::{Plan, Stop, Work, sources};
use penstock_origin::Options;

use crate::framed::given::{COUNTED, THREE, Tongue, all_errors};
use crate::support::headers::{PROXY, v1, v2};
use crate::support::script::Script;
use crate::support::stand::run_clean;
use crate::support::wire::{Wire, eventually};

/// `id` is answered with the name of the member.
fn member(answer: &str) -> String {
    answer.split(' ').next().unwrap().to_owned()
}

#[test]
fn a_source_meets_its_own_member() {
    for tongue in THREE {
        let (_origin, proxy) = tongue.setup().with(tongue.origin(2));
        let mut met = BTreeSet::new();
        for last in 1..=30 {
            let its: BTreeSet<_> =
                (0..3).map(|_| member(&tongue.client_from([127, 0, 3, last], &proxy).ask("id"))).collect();
            assert_eq!(its.len(), 1, "127.0.3.{last} met {its:?}");
            met.extend(its);
        }
        assert_eq!(met.len(), 2, "{met:?}");
        let s = proxy.at_rest();
        assert_eq!(s.sum("penstock_affinity_lookups_total"), 90);
        assert_eq!(s.sum("penstock_affinity_moves_total"), 0);
    }
}

/// However slow it is, and however many ask: the member itself counts.
#[test]
fn a_member_never_has_more_links_than_it_may() {
    for cap in [1, 3, 8] {
        for tongue in THREE {
            let links = format!("links: {{ pipeline: 1024, max_per_member: {cap}, idle_timeout: 100ms }}");
            let (origin, proxy) = tongue.setup().backend(&links).with(tongue.origin(2));
            let parts = vec![(3, Work::Add(String::new())), (1, Work::Add("delay 3".to_owned()))];
            let plan = Plan {
                clients: 100,
                work: Work::Mixed(parts),
                stop: Stop::Requests(10),
                sources: sources("127.22.0.1-127.22.0.50").unwrap(),
                timeout: std::time::Duration::from_secs(60),
                ..tongue.plan(&proxy)
            };
            run_clean(&plan);
            for listener in origin.stats().listeners {
                assert!(listener.peak <= cap, "{tongue:?}, {cap}: {listener:?}");
            }
        }
    }
}

#[test]
fn clients_over_the_limit_are_closed_at_once() {
    let tongue = Tongue::Lf;
    let (_origin, proxy) = tongue.setup().listener("max_connections: 3").with(tongue.origin(1));
    let mut open: Vec<_> = (0..3).map(|_| tongue.client(&proxy)).collect();
    open.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
    for _ in 0..3 {
        tongue.client(&proxy).is_over();
    }
    assert_eq!(proxy.sum_of("penstock_client_connections_rejected_total", &["reason=\"max\""]), 3);
    drop(open.pop());
    eventually("one has left", || proxy.sum("penstock_client_connections") == 2);
    assert_eq!(tongue.client(&proxy).ask("add 1 2"), "3");
    open.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
}

#[test]
fn the_source_is_that_of_the_proxy_header() {
    for tongue in THREE {
        let setup = tongue.setup().listener("proxy_protocol: required").listener("trusted: any");
        let (_origin, proxy) = setup.with(tongue.origin(2));
        let mut met = BTreeSet::new();
        for last in 1..=30 {
            let source = format!("198.51.100.{last}:4711");
            let its: BTreeSet<_> =
                [v1(&source, "203.0.113.9:80").into_bytes(), v2(PROXY, &source, "203.0.113.9:80", &[])]
                    .into_iter()
                    .map(|header| {
                        let mut client = tongue.client(&proxy);
                        // Header and request in one piece.
                        client.wire.send([header, tongue.frame("id")].concat());
                        member(&client.answer())
                    })
                    .collect();
            assert_eq!(its.len(), 1, "{source} met {its:?}");
            met.extend(its);
        }
        assert_eq!(met.len(), 2);
        let mut client = tongue.client(&proxy);
        client.say("id").is_over();
    }
}

#[test]
fn a_link_carries_so_many_requests_and_no_more() {
    let (origin, proxy) = COUNTED
        .setup()
        .backend("links: { pipeline: 1024, max_requests: 5, rescue_after: off }")
        .with(COUNTED.origin(1));
    let mut client = COUNTED.client(&proxy);
    for i in 0..50 {
        assert_eq!(client.ask(&format!("add 0 {i}")), i.to_string());
    }
    client.say_all(&["echo x"; 50]);
    (0..50).for_each(|_| assert_eq!(client.answer(), "x"));
    assert_eq!(origin.stats().total().requests, 100);
    assert!(origin.stats().total().accepted >= 20, "{:?}", origin.stats().total());
    assert_eq!(all_errors(&proxy), 0);
}

/// Clients that are idle cost no link, and are closed in their time.
#[test]
fn idle_clients_have_no_link_and_are_closed() {
    let tongue = Tongue::Lf;
    let setup = tongue
        .setup()
        .listener("timeouts: { idle: 300ms }")
        .backend("links: { pipeline: 1024, idle_timeout: 50ms }");
    let (_origin, proxy) = setup.with(tongue.origin_with(1, Options { threads: 2, ..Options::default() }));
    let mut clients: Vec<_> = (0..50).map(|_| tongue.client(&proxy)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
    eventually("the links are gone", || proxy.sum("penstock_backend_connections") == 0);
    clients.iter_mut().for_each(crate::framed::given::Client::is_over);
    let s = proxy.at_rest();
    let closed = s.sum_of("penstock_client_connections_closed_total", &["reason=\"idle_timeout\""]);
    assert_eq!((closed, all_errors(&proxy)), (50, 0));
}

#[test]
fn who_does_not_read_holds_up_nobody_for_long() {
    let tongue = Tongue::Lf;
    let setup = tongue
        .setup_with("max_length: 64MiB")
        .backend("links: { pipeline: 1024, max_per_member: 2 }")
        .workers(1);
    let (_origin, proxy) = setup.with(tongue.origin(1));
    let narrow = Wire::connect_narrow(proxy.address());
    let mut narrow = crate::framed::given::Client { wire: narrow, tongue };
    narrow.say("size 30000000");
    let mut moved = -1;
    eventually("it is stuck", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = proxy.sum("penstock_backend_received_bytes_total");
        std::mem::replace(&mut moved, now) == now && now > 0
    });
    assert!(moved < 20_000_000, "{moved} bytes were taken for a client that reads none");
    let mut others: Vec<_> = (0..50).map(|_| tongue.client(&proxy)).collect();
    others.iter_mut().for_each(|client| assert_eq!(client.ask("add 1 2"), "3"));
    assert_eq!(narrow.wire.take(30_000_001).len(), 30_000_001);
    assert_eq!(narrow.ask("echo read"), "read");
}

/// A member without an answer to anybody: nobody waits in a queue for ever.
#[test]
fn a_slow_member_gets_as_many_links_as_it_may_have() {
    let member = Script::start(|_, mut link| drop(link.rest_and_reset()));
    let tongue = Tongue::Lf;
    let setup = tongue.setup().backend("links: { max_per_member: 6, pipeline: 1 }").workers(2);
    let proxy = setup.before_one(member.address);
    let mut clients: Vec<_> = (0..30).map(|_| tongue.client(&proxy)).collect();
    for client in &mut clients {
        client.say("echo x");
    }
    eventually("the others wait", || proxy.sum("penstock_pool_waiting") == 24);
    assert_eq!(member.connections(), 6);
}
