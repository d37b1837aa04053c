//! A service that can bear few connections serves thousands of clients through the proxy.

use std::time::Duration;

use penstock_bench::{Plan, Stop, sources};
use penstock_origin::Options;

use crate::support::stand::{Setup, origin_with, run_clean};

fn both_ways(limit: usize, clients: usize, rounds: u64) {
    let origin = origin_with(1, Options { legacy: Some(limit), ..Options::default() });
    let direct = Plan {
        clients,
        stop: Stop::Requests(rounds),
        timeout: Duration::from_secs(1),
        ..Plan::new(origin.addresses()[0].1)
    };
    let alone = penstock_bench::run(&direct).unwrap();
    assert!(!alone.is_clean(), "{limit} places served {clients} clients: {alone:?}");
    assert!(origin.stats().total().refused > 0);

    // The clients that were served directly may be leaving still.
    crate::support::wire::eventually("all have left", || origin.stats().total().open == 0);
    let refused = origin.stats().total().refused;
    let setup = Setup::new().backend(&format!("links: {{ max_per_member: {limit} }}"));
    let (origin, proxy) = setup.with(origin);
    let from = sources("127.12.0.1-127.12.0.200").unwrap();
    let plan = Plan { to: proxy.address(), sources: from, timeout: Duration::from_secs(30), ..direct };
    let report = run_clean(&plan);
    assert_eq!(report.answered, clients as u64 * rounds);
    assert_eq!(report.connections, clients as u64, "nobody had to connect twice");
    let stats = origin.stats().total();
    assert_eq!(stats.refused, refused, "no link was one too many");
    assert!(stats.peak <= limit as u64);
}

#[test]
fn eight_places_serve_four_hundred_keep_alive_clients() {
    both_ways(8, 400, 5);
}

#[test]
fn sixty_four_places_serve_two_thousand_keep_alive_clients() {
    both_ways(64, 2000, 3);
}
