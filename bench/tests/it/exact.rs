//! Tests that counts are equal to those of the other side.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use penstock_bench::{Plan, Report, Stop, Work, run, sources};

use crate::server::{Reply, Server, honest, ok};

fn works() -> Vec<Work> {
    let sizes = vec![0, 1, 250, 251, 252, 70_000];
    let all = vec![
        Work::Get("/json".to_owned()),
        Work::Ids,
        Work::Pattern { sizes: sizes.clone(), chunked: false },
        Work::Pattern { sizes: sizes.clone(), chunked: true },
        Work::Post { sizes },
    ];
    let mix = all.iter().map(|work| (1, work.clone())).collect();
    all.into_iter().chain([Work::Mixed(mix)]).collect()
}

fn agrees(report: &Report, server: &Server) {
    assert!(report.is_clean(), "{report:?}");
    let ours = (report.connections, report.answered, report.bytes_sent, report.bytes_received);
    assert_eq!(ours, server.counts(), "{report:?}");
    assert_eq!(report.requests, report.answered);
    assert_eq!(report.latency.len(), report.answered);
}

#[test]
fn every_kind_of_work_agrees_with_the_server_at_any_depth() {
    for depth in [1, 8] {
        for work in works() {
            let server = Server::start(honest);
            let stop = Stop::Requests(30);
            let plan = Plan { clients: 10, threads: 2, depth, work, stop, ..Plan::new(server.address) };
            let report = run(&plan).unwrap();
            agrees(&report, &server);
            assert_eq!((report.requests, report.connections), (300, 10), "{:?}", plan.work);
        }
    }
}

#[test]
fn a_body_larger_than_all_buffers_goes_both_ways() {
    let server = Server::start(honest);
    let work = Work::Post { sizes: vec![20_000_000] };
    let report = run(&Plan { clients: 2, work, ..Plan::new(server.address) }).unwrap();
    agrees(&report, &server);
    assert!(report.bytes_received > 40_000_000);
}

#[test]
fn a_duration_ends_with_nothing_in_flight() {
    let server = Server::start(honest);
    let stop = Stop::Duration(Duration::from_millis(200));
    let report =
        run(&Plan { clients: 20, depth: 4, work: Work::Ids, stop, ..Plan::new(server.address) }).unwrap();
    agrees(&report, &server);
    assert!(report.answered >= 20, "{report:?}");
}

#[test]
fn clients_come_from_their_sources_and_members_are_seen_by_source() {
    let last = |source: IpAddr| if let IpAddr::V4(v4) = source { v4.octets()[3] } else { 0 };
    let server = Server::start(move |request| {
        Reply::Send(ok(if last(request.source).is_multiple_of(3) { "a" } else { "b" }, b""))
    });
    let from = sources("127.9.0.1-127.9.0.30").unwrap();
    let plan =
        Plan { clients: 60, sources: from.clone(), stop: Stop::Requests(5), ..Plan::new(server.address) };
    let report = run(&plan).unwrap();
    agrees(&report, &server);
    let expected: BTreeMap<IpAddr, BTreeMap<String, u64>> = from
        .iter()
        .map(|ip| (IpAddr::V4(*ip), if ip.octets()[3].is_multiple_of(3) { "a" } else { "b" }))
        .map(|(ip, member)| (ip, BTreeMap::from([(member.to_owned(), 10)])))
        .collect();
    assert_eq!(report.members, expected);
    assert_eq!(report.most_members_per_source(), 1);
    assert_eq!(report.sources_by_member(), BTreeMap::from([("a".to_owned(), 10), ("b".to_owned(), 20)]));
}

#[test]
fn a_source_that_meets_two_members_shows() {
    let server = Server::start(|request| Reply::Send(ok(if request.before < 3 { "a" } else { "b" }, b"")));
    let report = run(&Plan { stop: Stop::Requests(5), ..Plan::new(server.address) }).unwrap();
    assert_eq!(report.most_members_per_source(), 2);
    let seen = &report.members[&IpAddr::from([127, 0, 0, 1])];
    assert_eq!(*seen, BTreeMap::from([("a".to_owned(), 3), ("b".to_owned(), 2)]));
}

#[test]
fn a_close_that_was_announced_costs_a_connection_and_no_error() {
    let length = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    let until_close = b"HTTP/1.1 200 OK\r\n\r\nas long as it takes";
    for wire in [&length[..], until_close] {
        let server = Server::start(|_| Reply::SendAndClose(wire.to_vec()));
        let report = run(&Plan { clients: 5, stop: Stop::Requests(4), ..Plan::new(server.address) }).unwrap();
        agrees(&report, &server);
        assert_eq!(report.connections, 20);
    }
}

#[test]
fn aborts_are_counted_apart_and_drawn_from_the_seed() {
    let tries = |seed, depth| {
        let server = Server::start(honest);
        let (work, stop) = (works().pop().unwrap(), Stop::Requests(40));
        let plan =
            Plan { clients: 20, seed, depth, abort_one_in: Some(5), work, stop, ..Plan::new(server.address) };
        let report = run(&plan).unwrap();
        assert!(report.is_clean(), "seed {seed}: {report:?}");
        assert_eq!(report.requests, 800);
        assert_eq!(report.requests, report.answered + report.aborted, "{report:?}");
        assert_eq!(report.connections, server.counts().0);
        report.aborted
    };
    let aborted = tries(7, 1);
    assert!((100..220).contains(&aborted), "{aborted} of 800, one in five expected");
    assert_eq!(aborted, tries(7, 1), "the same seed aborts the same exchanges");
    assert!(tries(8, 6) > aborted, "an abort takes those in flight beside it along");
}
