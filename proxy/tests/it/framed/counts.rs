//! The clients' counts, the metrics and the origin's counts are the same numbers.

use penstock_bench::{Plan, Stop, Work, sources};

use crate::framed::given::{THREE, Tongue, all_errors};
use crate::support::script::Script;
use crate::support::stand::run_clean;
use crate::support::wire::eventually;

#[test]
fn all_numbers_agree_after_load() {
    for tongue in THREE {
        for (links, depth) in [("pipeline: 32", 1), ("pipeline: 32", 8), ("pipeline: 1", 8)] {
            let setup = tongue.setup().backend(&format!("links: {{ {links}, rescue_after: off }}"));
            let (origin, proxy) = setup.with(tongue.origin(3));
            let plan = Plan {
                clients: 60,
                depth,
                work: Work::Mixed(vec![
                    (1, Work::Add(String::new())),
                    (1, Work::Say { sizes: vec![1, 40_000] }),
                ]),
                stop: Stop::Requests(40),
                sources: sources("127.23.0.1-127.23.0.30").unwrap(),
                ..tongue.plan(&proxy)
            };
            let report = run_clean(&plan);
            let s = proxy.at_rest();
            eventually("the origin has counted all", || {
                origin.stats().total().sent_bytes as i64 == s.sum("penstock_backend_received_bytes_total")
            });
            let theirs = origin.stats().total();
            let sum = |name: &str| s.sum(&format!("penstock_{name}")) as u64;
            assert_eq!(sum("requests_total"), report.answered);
            assert_eq!(sum("backend_requests_total"), report.answered);
            assert_eq!(theirs.requests, report.answered);
            assert_eq!(sum("request_duration_seconds_count"), report.answered);
            assert_eq!(sum("client_connection_requests_sum"), report.requests);
            assert!(sum("backend_connection_requests_sum") <= report.answered);
            assert_eq!(sum("client_received_bytes_total"), report.bytes_sent);
            assert_eq!(sum("client_sent_bytes_total"), report.bytes_received);
            assert_eq!(sum("backend_sent_bytes_total"), report.bytes_sent, "nothing is added to frames");
            assert_eq!(sum("backend_received_bytes_total"), report.bytes_received);
            assert_eq!(theirs.received_bytes, report.bytes_sent);
            assert_eq!(sum("backend_connections_opened_total"), theirs.accepted);
            assert_eq!(sum("affinity_lookups_total"), report.connections);
            assert_eq!(all_errors(&proxy), 0);
        }
    }
}

#[test]
fn what_was_answered_by_nobody_was_counted_once() {
    let tongue = Tongue::Lf;
    let setup = tongue.setup_with("refusal: \"busy\\n\"").backend("response_timeout: 200ms");
    let (_origin, proxy) = setup.with(tongue.origin(1));
    let mut client = tongue.client(&proxy);
    for asked in ["add 1 2", "never", "echo b", "close", "echo c"] {
        client.ask(asked);
    }
    drop(client);
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_requests_total"), 5);
    assert_eq!(s.sum_of("penstock_requests_total", &["code=\"2xx\""]), 3);
    assert_eq!(s.sum_of("penstock_requests_total", &["code=\"5xx\""]), 2);
    assert_eq!(all_errors(&proxy), 2);
}

/// Every link answers once; its second request makes the member close it.
#[test]
fn only_what_is_repeatable_is_sent_twice() {
    let member = Script::start(|_, mut link| {
        assert_eq!(link.take(2).len(), 2);
        link.send("y\n");
        link.take(2);
    });
    for repeatable in [true, false] {
        let tongue = Tongue::Lf;
        let setup = tongue.setup_with(&format!("repeatable: {repeatable}, refusal: \"n\\n\"")).workers(1);
        let proxy = setup.before_one(member.address);
        let mut client = tongue.client(&proxy);
        let answers: String = (0..10).map(|_| client.ask("x")).collect();
        drop(client);
        let s = proxy.at_rest();
        let twice = s.sum_of("penstock_retries_total", &["result=\"ok\""]);
        if repeatable {
            assert_eq!((answers.as_str(), twice), ("yyyyyyyyyy", 9));
        } else {
            assert_eq!(answers, "ynynynynyn");
            assert_eq!((twice, proxy.errors("stale_nonidempotent") + proxy.errors("backend_reset")), (0, 5));
        }
    }
}
