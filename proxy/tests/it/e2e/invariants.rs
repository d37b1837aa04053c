//! Tests that the metrics agree with each other, and with the counts of the load generator and the origin.
//!
//! The invariants have numbers (I1 to I10); each assertion names its own.

use std::time::Duration;

use penstock_bench::{Clients, Plan, Report, Stop, Work, sources};
use penstock_origin::Origin;

use crate::support::scrape::Scrape;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, origin_with, run_clean};
use crate::support::wire::eventually;

/// I1, I2, I3, I6 and I8 hold whatever has happened.
#[track_caller]
pub(crate) fn hold(s: &Scrape) {
    let open = s.sum("penstock_client_connections");
    let accepted = s.sum("penstock_client_connections_accepted_total");
    assert_eq!(accepted - s.sum("penstock_client_connections_closed_total"), open, "I1");
    assert_eq!(s.sum("penstock_worker_connections"), open);
    let links = |state: &str| s.sum_of("penstock_backend_connections", &[state]);
    let standing = s.sum("penstock_backend_connections") - links("state=\"connecting\"");
    let opened = s.sum("penstock_backend_connections_opened_total");
    assert_eq!(opened - s.sum("penstock_backend_connections_closed_total"), standing, "I2");
    let attempts = s.sum("penstock_backend_requests_total");
    assert_eq!(acquired(s), attempts, "I3");
    let requests = s.sum("penstock_requests_total");
    assert_eq!(s.sum("penstock_request_duration_seconds_count"), requests, "I6");
    assert_eq!(s.sum("penstock_request_overhead_seconds_count"), requests, "I6 of what the proxy added");
    assert_eq!(s.sum("penstock_pool_wait_seconds_count"), acquired(s));
    assert_eq!(s.sum("penstock_member_sources"), s.sum("penstock_affinity_entries"), "I10");
    assert_eq!(s.sum("penstock_pool_waiting"), 0, "I8");
    assert_eq!(s.sum("penstock_requests_in_flight"), 0, "I8");
    assert_eq!(s.sum("penstock_backend_requests_in_flight"), 0, "I8");
}

fn acquired(s: &Scrape) -> i64 {
    let by = |result| s.sum_of("penstock_pool_acquires_total", &[result]);
    by("result=\"reused\"") + by("result=\"opened\"") + by("result=\"pipelined\"")
}

/// I4 where nothing was aborted: what went out is what was answered, and what was sent twice.
#[track_caller]
fn forwarded(s: &Scrape) {
    let sent_again = |why| s.sum_of("penstock_retries_total", &[why, "result=\"ok\""]);
    let retries = sent_again("reason=\"stale\"") + sent_again("reason=\"rescue\"");
    assert_eq!(s.sum("penstock_backend_requests_total"), s.sum("penstock_requests_total") + retries, "I4");
}

/// I5: generator, `/metrics` and origin counted the same bytes, both ways.
#[track_caller]
fn bytes(s: &Scrape, report: &Report, origin: &Origin) {
    let origin = origin.stats().total();
    assert_eq!(s.sum("penstock_client_received_bytes_total") as u64, report.bytes_sent, "I5 requests in");
    assert_eq!(s.sum("penstock_client_sent_bytes_total") as u64, report.bytes_received, "I5 answers out");
    assert_eq!(s.sum("penstock_backend_sent_bytes_total") as u64, origin.received_bytes, "I5 requests out");
    assert_eq!(s.sum("penstock_backend_received_bytes_total") as u64, origin.sent_bytes, "I5 answers in");
}

/// Load without any fault: everything is equal.
#[track_caller]
fn all_equal(origin: &Origin, proxy: &Proxy, report: &Report) {
    eventually("the origin has counted all bytes", || {
        let sent = proxy.sum("penstock_backend_sent_bytes_total") as u64;
        origin.stats().total().received_bytes >= sent
    });
    let s = proxy.at_rest();
    hold(&s);
    forwarded(&s);
    bytes(&s, report, origin);
    assert_eq!(s.sum("penstock_requests_total") as u64, report.answered);
    assert_eq!(s.sum_of("penstock_requests_total", &["code=\"2xx\""]) as u64, report.by_class[1]);
    assert_eq!(s.sum("penstock_backend_requests_total") as u64, origin.stats().total().requests);
    assert_eq!(s.sum("penstock_client_connections_accepted_total") as u64, report.connections);
    assert_eq!(s.sum("penstock_affinity_lookups_total") as u64, report.connections, "I9");
    assert_eq!(s.sum("penstock_client_connection_requests_sum") as u64, report.requests);
    assert_eq!(s.sum("penstock_backend_connections_opened_total") as u64, origin.stats().total().accepted);
    assert_eq!(s.sum("penstock_request_errors_total"), 0);
}

/// Nothing is sent twice because of a busy machine: what was taken off a link may not have reached the origin.
fn load(links: &str, change: impl FnOnce(Plan) -> Plan) {
    load_on(Setup::new(), links, change);
}

fn load_on(setup: Setup, links: &str, change: impl FnOnce(Plan) -> Plan) {
    let (origin, proxy) = setup.backend(&format!("links: {{ rescue_after: off, {links} }}")).with_origin(3);
    let from = sources("127.8.0.1-127.8.0.30").unwrap();
    let plan = Plan { clients: 60, sources: from, stop: Stop::Requests(30), ..proxy.plan() };
    let report = run_clean(&change(plan));
    all_equal(&origin, &proxy, &report);
}

#[test]
fn all_numbers_agree_after_keep_alive_load() {
    load("", |plan| plan);
    load_on(Setup::new().workers(3), "pipeline: 1, max_per_member: 2", |plan| plan);
}

#[test]
fn all_numbers_agree_after_pipelined_load() {
    load("", |plan| Plan { depth: 8, work: Work::Ids, ..plan });
    load("pipeline: 1", |plan| Plan { depth: 8, work: Work::Ids, ..plan });
}

#[test]
fn all_numbers_agree_after_posts() {
    let work = || Work::Post { sizes: vec![0, 1, 1000, 70_000] };
    load("", |plan| Plan { work: work(), ..plan });
    load("", |plan| Plan { work: work(), depth: 3, ..plan });
    load("pipeline_methods: all", |plan| Plan { work: work(), ..plan });
}

#[test]
fn all_numbers_agree_after_a_mix_with_long_answers() {
    let parts = vec![
        (3, Work::Ids),
        (1, Work::Post { sizes: vec![10, 50_000] }),
        (1, Work::Pattern { sizes: vec![0, 300_000], chunked: false }),
        (1, Work::Pattern { sizes: vec![1, 100_000], chunked: true }),
    ];
    load("", |plan| Plan { work: Work::Mixed(parts), depth: 4, ..plan });
}

#[test]
fn answers_that_are_not_2xx_are_counted_by_class() {
    let (origin, proxy) = Setup::new().with_origin(1);
    let mut client = proxy.client();
    for (status, times) in [(204, 1), (304, 2), (404, 3), (500, 4)] {
        for _ in 0..times {
            assert_eq!(client.get(&format!("/status/{status}")).status, status);
        }
    }
    drop(client);
    let s = proxy.at_rest();
    hold(&s);
    forwarded(&s);
    for (class, times) in [("2xx", 1), ("3xx", 2), ("4xx", 3), ("5xx", 4)] {
        let code = format!("code=\"{class}\"");
        assert_eq!(s.sum_of("penstock_requests_total", &[&code]), times);
        assert_eq!(s.sum_of("penstock_backend_requests_total", &[&code]), times);
    }
    assert_eq!(origin.stats().total().requests, 10);
}

#[test]
fn what_can_agree_does_after_clients_aborted() {
    for (seed, pipeline) in [(31, 1), (32, 32)] {
        let setup = Setup::new().backend(&format!("links: {{ max_per_member: 3, pipeline: {pipeline} }}"));
        let (origin, proxy) = setup.with_origin(2);
        let parts = vec![
            (4, Work::Ids),
            (1, Work::Post { sizes: vec![10, 90_000] }),
            (1, Work::Pattern { sizes: vec![200_000], chunked: true }),
        ];
        let plan = Plan {
            clients: 40,
            work: Work::Mixed(parts),
            stop: Stop::Requests(60),
            depth: 4,
            seed,
            abort_one_in: Some(9),
            sources: sources("127.9.0.1-127.9.0.20").unwrap(),
            ..proxy.plan()
        };
        let report = run_clean(&plan);
        assert!(report.aborted > 0);
        let s = proxy.at_rest();
        hold(&s);
        let answered = s.sum("penstock_requests_total") as u64;
        assert!(answered >= report.answered, "seed {seed}: {answered} counted, {} seen", report.answered);
        let aborted = s.sum_of("penstock_request_errors_total", &["cause=\"client_abort\""]) as u64;
        assert!(answered + aborted <= report.requests, "seed {seed}");
        assert!(s.sum("penstock_client_received_bytes_total") as u64 <= report.bytes_sent, "seed {seed}");
        assert!(s.sum("penstock_client_sent_bytes_total") as u64 >= report.bytes_received, "seed {seed}");
        assert_eq!(s.sum("penstock_client_connections_accepted_total") as u64, report.connections);
        assert_eq!(s.sum("penstock_affinity_entries"), 0, "seed {seed}");
        assert!(origin.stats().total().requests <= s.sum("penstock_backend_requests_total") as u64);
    }
}

#[test]
fn what_was_sent_twice_is_counted_as_a_retry() {
    // Every link answers once; its second request makes the member close it.
    let member = Script::start(|_, mut wire| {
        if wire.next_head().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            wire.next_head();
        }
    });
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").status, 200);
    }
    drop(client);
    let s = proxy.at_rest();
    hold(&s);
    forwarded(&s);
    assert_eq!(s.sum("penstock_requests_total"), 10);
    let sent_again = |why| s.sum_of("penstock_retries_total", &[why, "result=\"ok\""]);
    let retries = sent_again("reason=\"stale\"") + sent_again("reason=\"rescue\"");
    assert_eq!(retries, 9, "each but the first came on a link that had answered already");
}

#[test]
fn connections_that_rest_are_counted_where_they_are() {
    let options = penstock_origin::Options { threads: 2, ..penstock_origin::Options::default() };
    let (origin, proxy) = Setup::new().with(origin_with(2, options));
    let plan = Plan { clients: 70, timeout: Duration::from_secs(20), ..proxy.plan() };
    let mut clients = Clients::connect(&plan).unwrap();
    let round = clients.round().unwrap();
    assert!(round.is_clean(), "{round:?}");
    eventually("all are seen as idle", || {
        proxy.sum_of("penstock_client_connections", &["state=\"idle\""]) == 70
    });
    assert_eq!(proxy.sum("penstock_client_connections"), 70);
    let idle = proxy.sum_of("penstock_backend_connections", &["state=\"idle\""]);
    assert_eq!(idle as u64, origin.stats().total().open);
    assert_eq!(clients.idle().unwrap(), 70);
    clients.close().unwrap();
    hold(&proxy.at_rest());
}
