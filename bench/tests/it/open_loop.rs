//! Tests the open loop: a stall of the server shows in the latencies and not in the count.

use std::sync::Once;
use std::thread::sleep;
use std::time::Duration;

use penstock_bench::{Plan, Stop, Work, run, run_watched};

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
    let report = run(&plan).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.answered, server.counts().1, report.unsent), (200, 200, 0));
    // A closed loop would have one slow exchange; here all that were due during the stall are slow, too.
    let slow = report.latency.count_between(100_000_000, u64::MAX);
    assert!(slow >= 50, "{slow} exchanges were slow");
}

#[test]
fn a_free_client_starts_near_the_intended_time_and_the_error_is_counted() {
    let server = Server::start(honest);
    let plan = Plan {
        clients: 20,
        threads: 2,
        work: Work::Ids,
        rate: Some(400.0),
        stop: Stop::Duration(Duration::from_millis(1500)),
        ..Plan::new(server.address)
    };
    let report = run(&plan).unwrap();
    assert!(report.is_clean(), "{report:?}");
    // Some starts may find their client busy on a loaded machine; the others are counted.
    assert!((1..=report.answered).contains(&report.lateness.len()), "{report:?}");
    // A client whose timetable begins late has fewer before the end.
    assert!(report.answered + report.unsent <= 600, "{report:?}");
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_measured() {
    let server = Server::start(honest);
    for rate in [None, Some(50.0)] {
        let stop = Stop::Duration(Duration::from_secs(3600));
        let plan = Plan { clients: 3, work: Work::Ids, rate, stop, ..Plan::new(server.address) };
        let mut seen = 0;
        let report = run_watched(&plan, &mut |progress| {
            let shown = progress.report();
            assert!(shown.answered >= seen, "{shown:?}");
            seen = shown.answered;
            seen < 10
        });
        let report = report.unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(report.answered >= 10 && report.elapsed < Duration::from_secs(1800), "{report:?}");
        assert_eq!(report.requests, report.answered);
    }
}

#[test]
fn a_rate_that_is_no_rate_is_refused() {
    for rate in [0.0, -1.0, f64::NAN] {
        let plan = Plan { rate: Some(rate), ..Plan::new("127.0.0.1:9".parse().unwrap()) };
        let error = run(&plan).unwrap_err().to_string();
        assert!(error.contains("rate"), "{error}");
    }
}
