//! Every client gets its own answers, each once and in order, whatever shares a link with them.
//! Fifty thousand exchanges with unique ids; each run says its seed where it fails.

use penstock_bench::{Plan, Stop, Work, sources};

use crate::stand::{Setup, run_clean};

fn work() -> Work {
    Work::Mixed(vec![
        (12, Work::Ids),
        (3, Work::Post { sizes: vec![0, 30, 3000] }),
        (2, Work::Pattern { sizes: vec![0, 1, 20_000], chunked: false }),
        (2, Work::Pattern { sizes: vec![1, 5000], chunked: true }),
    ])
}

/// 16,700 exchanges.
fn exchange(setup: &Setup, seed: u64, abort_one_in: Option<u32>) {
    let (_origin, proxy) = setup.with_origin(3);
    let plan = Plan {
        clients: 100,
        sources: sources("127.10.0.1-127.10.0.25").unwrap(),
        work: work(),
        stop: Stop::Requests(167),
        depth: 5,
        seed,
        abort_one_in,
        ..proxy.plan()
    };
    let report = run_clean(&plan);
    assert_eq!(report.mix_ups, 0, "seed {seed}");
    assert_eq!(report.answered + report.aborted, 16_700, "seed {seed}: {report:?}");
    assert_eq!(abort_one_in.is_some(), report.aborted > 0, "seed {seed}");
    assert_eq!(report.most_members_per_source(), 1, "seed {seed}");
    let rest = proxy.at_rest();
    let causes = rest.sum("penstock_request_errors_total");
    let aborts = rest.sum_of("penstock_request_errors_total", &["cause=\"client_abort\""]);
    assert_eq!(causes, aborts, "seed {seed}: only clients ended exchanges");
}

#[test]
fn fifty_thousand_answers_over_shared_links_meet_their_own_clients() {
    let links = |n| format!("links: {{ max_per_member: {n}, pipeline: 32, pipeline_budget: 10s }}");
    exchange(&Setup::new().workers(1).backend(&links(2)), 101, None);
    exchange(&Setup::new().workers(2).backend(&links(4)), 102, Some(50));
    exchange(&Setup::new().workers(2).backend(&links(3)), 103, Some(11));
}

#[test]
fn fifty_thousand_answers_over_links_of_one_exchange_meet_their_own_clients() {
    let links = |n| format!("links: {{ max_per_member: {n}, pipeline: 1 }}");
    exchange(&Setup::new().workers(1).backend(&links(4)), 201, None);
    exchange(&Setup::new().workers(2).backend(&links(6)), 202, Some(50));
    exchange(&Setup::new().workers(2).backend(&links(3)), 203, Some(11));
}

#[test]
fn all_methods_may_share_links_without_a_mix_up() {
    let links = "links: { max_per_member: 2, pipeline: 32, pipeline_methods: all, pipeline_budget: 10s }";
    exchange(&Setup::new().backend(links), 301, Some(40));
}
