//! Every client gets its own answers, each once and in order, whatever shares a link with them.
//! Fifty thousand exchanges with unique ids; each run says its seed where it fails.

use penstock_bench::{Plan, Stop, Work, sources};

use crate::e2e::invariants::hold;
use crate::support::stand::{Setup, run_clean};
use crate::support::wire::PATIENCE;

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

/// Members that misbehave in every way they know, clients that abort, and few links for all.
fn chaos(setup: &Setup, seed: u64) {
    let (_origin, proxy) = setup.with_origin(2);
    let fault = |name: &str| Work::Get(format!("/fault/{name}"));
    let mut parts = vec![
        (60, Work::Ids),
        (20, Work::Post { sizes: vec![0, 40, 40_000] }),
        (10, Work::Pattern { sizes: vec![0, 5, 60_000], chunked: true }),
        (5, Work::Get("/delay/2".to_owned())),
        (5, Work::Get("/close".to_owned())),
        (5, Work::Get("/until-close/3000".to_owned())),
    ];
    let faults = ["close", "reset", "garbage", "surplus", "partial/30", "close-after/3"];
    parts.extend(faults.map(|name| (1, fault(name))));
    let plan = Plan {
        clients: 40,
        sources: sources("127.14.0.1-127.14.0.10").unwrap(),
        work: Work::Mixed(parts),
        stop: Stop::Requests(100),
        depth: 4,
        seed,
        abort_one_in: Some(60),
        timeout: PATIENCE,
        ..proxy.plan()
    };
    let report = penstock_bench::run(&plan).unwrap();
    println!("{report:?}");
    let errors = report.errors;
    assert_eq!((report.mix_ups, errors.wrong_answer, errors.surplus), (0, 0, 0), "seed {seed}: {report:?}");
    assert_eq!((errors.timeout, errors.bad_answer, errors.connect), (0, 0, 0), "seed {seed}: {report:?}");
    assert_eq!(report.requests, report.answered + report.aborted + errors.lost(), "seed {seed}");
    hold(&proxy.at_rest());
}

#[test]
fn in_the_worst_of_company_nobody_gets_an_answer_of_another() {
    let shared = "links: { max_per_member: 3, pipeline: 32, pipeline_budget: 10s }";
    let all = "links: { max_per_member: 2, pipeline: 8, pipeline_budget: 10s, pipeline_methods: all }";
    let single = "links: { max_per_member: 3, pipeline: 1 }";
    let limited = "links: { max_per_member: 4, pipeline: 32, max_requests: 7, pipeline_budget: 10s }";
    let first: u64 = std::env::var("E2E_SEED").map_or(500, |seed| seed.parse().unwrap());
    for (seed, links) in (first..).zip([shared, all, single, limited]) {
        println!("seed {seed}: {links}");
        chaos(&Setup::new().workers(1 + seed as usize % 2).backend(links), seed);
    }
}
