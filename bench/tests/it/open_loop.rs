//! Tests the open loop: a stall of the server shows in the latencies and not in the count.

use std::sync::Once;
use std::thread::sleep;
use std::time::Duration;

use penstock_bench::{Plan, Stop, Work};

use crate::server::{Server, honest};

#[test]
fn a_stall_shows_in_the_latencies_and_not_in_the_count() {
    let stall = Once::new();
    let server = Server::start(move |request| {
        if request.before == 20 {
            stall.call_once(|| sleep(Duration::from_millis(500)));
        }
        honest(request)
    });
    let plan =
        Plan { work: Work::Ids, rate: Some(200.0), stop: Stop::Requests(200), ..Plan::new(server.address) };
    let report = penstock_bench::run(&plan).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.answered, server.counts().1, report.unsent), (200, 200, 0));
    // A closed loop would have one slow exchange; here all that were due during the stall are slow, too.
    let slow = report.latency.count_between(100_000_000, u64::MAX);
    assert!(slow >= 50, "{slow} exchanges were slow");
}

#[test]
fn a_rate_that_is_no_rate_is_refused() {
    for rate in [0.0, -1.0, f64::NAN] {
        let plan = Plan { rate: Some(rate), ..Plan::new("127.0.0.1:9".parse().unwrap()) };
        let error = penstock_bench::run(&plan).unwrap_err().to_string();
        assert!(error.contains("rate"), "{error}");
    }
}
