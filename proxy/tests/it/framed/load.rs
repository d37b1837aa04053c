//! A service that can bear eight connections serves thousands of clients, and each answer is its own client's.

use std::time::Duration;

use penstock_bench::{Plan, Stop, Work, sources};
use penstock_origin::Options;

use crate::framed::given::{COUNTED, Tongue, all_errors, prefix};
use crate::support::stand::run_clean;

/// So many clients on eight connections; every sum and every text is checked by the generator.
fn eight_places(tongue: Tongue, clients: usize, rounds: u64, depth: usize) {
    let origin = tongue.origin_with(1, Options { legacy: Some(8), ..Options::default() });
    let (origin, proxy) = tongue
        .setup()
        .backend("links: { pipeline: 1024, max_per_member: 8, rescue_after: off }")
        .with(origin);
    let plan = Plan {
        clients,
        depth,
        work: Work::Mixed(vec![(3, Work::Add(String::new())), (1, Work::Say { sizes: vec![1, 100, 2000] })]),
        stop: Stop::Requests(rounds),
        timeout: Duration::from_secs(60),
        sources: sources("127.21.0.1-127.21.0.200").unwrap(),
        ..tongue.plan(&proxy)
    };
    let report = run_clean(&plan);
    assert_eq!(report.answered, clients as u64 * rounds);
    assert_eq!(report.connections, clients as u64, "nobody had to connect twice");
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_requests_total") as u64, report.answered);
    assert_eq!(s.sum("penstock_backend_requests_total") as u64, report.answered);
    let stats = origin.stats().total();
    assert_eq!(stats.requests, report.answered);
    assert!(stats.peak <= 8, "{stats:?}");
    assert_eq!(stats.accepted, s.sum("penstock_backend_connections_opened_total") as u64);
    assert_eq!(all_errors(&proxy), 0);
}

#[test]
fn eight_places_serve_two_thousand_clients_of_lines() {
    eight_places(Tongue::Lf, 2000, 5, 1);
}

#[test]
fn eight_places_serve_two_thousand_clients_of_counted_frames() {
    eight_places(COUNTED, 2000, 5, 1);
}

#[test]
fn clients_that_pipeline_are_answered_in_order() {
    eight_places(Tongue::Lf, 100, 100, 16);
    eight_places(Tongue::Crlf, 100, 100, 16);
    eight_places(COUNTED, 100, 100, 16);
}

#[test]
fn every_width_and_order_of_counts_is_understood() {
    for width in [2, 4, 8] {
        for (little, counts_header, offset) in
            [(false, false, 0), (true, false, 0), (false, true, 3), (true, true, 1), (false, false, 300)]
        {
            eight_places(Tongue::Counted(prefix(width, little, counts_header, offset)), 20, 20, 4);
        }
    }
}

/// A mixture of quick and slow requests, on few links, with clients that go away amid it.
#[test]
fn no_answer_goes_astray_while_clients_come_and_go() {
    for (tongue, more, seed) in
        [(Tongue::Lf, "", 51), (COUNTED, "", 52), (Tongue::Crlf, "repeatable: true", 53)]
    {
        let origin = tongue.origin_with(1, Options { threads: 2, ..Options::default() });
        let setup = tongue
            .setup_with(more)
            .backend("links: { pipeline: 1024, max_per_member: 8, rescue_budget: 100% }");
        let (_origin, proxy) = setup.with(origin);
        let parts = vec![
            (30, Work::Add(String::new())),
            (1, Work::Add("delay 30".to_owned())),
            (5, Work::Say { sizes: vec![1, 3000, 50_000] }),
        ];
        let plan = Plan {
            clients: 80,
            depth: 4,
            work: Work::Mixed(parts),
            stop: Stop::Requests(100),
            abort_one_in: Some(20),
            timeout: Duration::from_secs(60),
            seed,
            ..tongue.plan(&proxy)
        };
        println!("seed {seed}");
        let report = run_clean(&plan);
        assert!(report.aborted > 0);
        let errors = proxy.at_rest();
        let aborted = errors.sum_of("penstock_request_errors_total", &["cause=\"client_abort\""]);
        assert_eq!(aborted, all_errors(&proxy), "nothing else went wrong");
    }
}
