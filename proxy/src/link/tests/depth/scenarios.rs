//! Members of every kind, and what the depth must make of each.
//! In: scenarios. Out: their tables, and what is asserted of them.
//! Knows nothing of how a world goes.

use crate::turn::Nanos;

use super::member::{Model, Work};
use super::report::Report;
use super::rng::Rng;
use super::world::{Scenario, World};

const MICRO: Nanos = 1000;
const MILLI: Nanos = 1_000_000;
const SEED: u64 = 4;

fn thread(thread: Nanos) -> Work {
    Work { thread, wait: 0 }
}

/// 500 clients that ask without pause, of a single thread that answers in 10 us.
const PLAIN: Scenario = Scenario {
    name: "one thread, 10 us",
    clients: 500,
    think: 0,
    share: 64,
    ceiling: 32,
    slow_in: 0,
    routes: 10,
    own_route: false,
    model: Model { threads: 1, stays: true, work: |_, _, _| thread(10 * MICRO) },
    length: 15,
};

fn run(scenario: Scenario) -> Report {
    let report = World::run(scenario, SEED);
    println!("{report}");
    report
}

fn threads(name: &'static str, threads: usize, work: fn(bool, Nanos, &mut Rng) -> Work) -> Scenario {
    Scenario { name, model: Model { threads, stays: threads == 1, work }, ..PLAIN }
}

#[test]
fn one_fast_thread_keeps_few_links_and_high_depth() {
    for scenario in [
        PLAIN,
        threads("one thread, 20 us: saturated", 1, |_, _, _| thread(20 * MICRO)),
        threads("one thread, 10 us exponential", 1, |_, _, rng| thread(rng.exponential(10 * MICRO))),
        Scenario { name: "one thread, 20 us, 64 clients", clients: 64, ..threads("", 1, |_, _, _| thread(20 * MICRO)) },
    ] {
        let span = run(scenario).span(5, 15);
        assert!(span.links <= 16 && span.least_limit >= 16, "{} links of {}", span.links, span.least_limit);
    }
}

#[test]
fn eight_threads_are_kept_busy() {
    for (scenario, per_second) in [
        (threads("8 threads, 100 us", 8, |_, _, _| thread(100 * MICRO)), 70_000),
        (Scenario { name: "8 threads, 100 us, 100 clients", clients: 100, ..threads("", 8, |_, _, _| thread(100 * MICRO)) }, 55_000),
        (threads("8 threads, 1 ms", 8, |_, _, _| thread(MILLI)), 7_200),
        (threads("8 threads, 5 ms", 8, |_, _, _| thread(5 * MILLI)), 1_440),
        (Scenario { name: "8 threads, 200 us, 40 clients", clients: 40, ..threads("", 8, |_, _, _| thread(200 * MICRO)) }, 32_000),
        (Scenario { clients: 100, ..threads("8 threads, 100 us exponential, 100 clients", 8, |_, _, rng| thread(rng.exponential(100 * MICRO))) }, 55_000),
        (threads("8 threads, 200 us", 8, |_, _, _| thread(200 * MICRO)), 36_000),
        (threads("8 threads, 100 us exponential", 8, |_, _, rng| thread(rng.exponential(100 * MICRO))), 60_000),
    ] {
        let span = run(scenario).span(5, 15);
        assert!(span.per_second >= per_second, "{}: {} per second", scenario.name, span.per_second);
    }
}

#[test]
fn all_wait_at_once_where_answers_are_timers() {
    let timers = threads("timers of 200 ms", usize::MAX, |_, _, _| Work { thread: 0, wait: 200 * MILLI });
    let span = run(Scenario { share: 512, ..timers }).span(5, 15);
    assert_eq!(span.limit, 1);
    assert!(span.per_second >= 2300, "{}", span.per_second);
}

fn mixed(slow: bool, _: Nanos, _: &mut Rng) -> Work {
    Work { thread: 20 * MICRO, wait: if slow { 200 * MILLI } else { 0 } }
}

#[test]
fn slow_ones_on_a_route_of_their_own_go_alone() {
    let mixed = Scenario { share: 512, slow_in: 100, own_route: true, ..threads("1 in 100 slow, own route", 8, mixed) };
    let span = run(mixed).span(8, 15);
    let plain = run(Scenario { name: "the same, plain pooling", ceiling: 1, ..mixed }).span(8, 15);
    assert!(span.least_limit >= 8 && span.p99 <= 5 * MILLI.max(plain.p99), "{} {}", span.least_limit, span.p99);
    assert!(span.slow_p50 < 250 * MILLI);
}

#[test]
fn slow_ones_among_the_others_lower_the_depth() {
    let mixed = Scenario { share: 512, slow_in: 100, ..threads("1 in 100 slow, same route", 8, mixed) };
    let span = run(mixed).span(8, 15);
    let plain = run(Scenario { name: "the same, plain pooling", ceiling: 1, ..mixed }).span(8, 15);
    assert!(span.p99 <= plain.p99 * 3 / 2, "{} against {}", span.p99, plain.p99);
    assert!(span.per_second * 10 >= plain.per_second * 9);
}

#[test]
fn a_change_from_quick_to_slow_and_back_is_followed_within_a_second() {
    fn changing(_: bool, now: Nanos, _: &mut Rng) -> Work {
        let slow = (1000 * MILLI..3000 * MILLI).contains(&now);
        Work { thread: 20 * MICRO, wait: if slow { 200 * MILLI } else { 0 } }
    }
    let many = Scenario { routes: 400, ..threads("quick, 200 ms, quick: 400 routes", 8, changing) };
    for scenario in [many, threads("quick, 200 ms, quick", 8, changing)] {
    let report = run(Scenario { share: 512, length: 50, ..scenario });
    assert!(report.span(5, 10).least_limit >= 16);
    let slow = report.span(20, 30);
    assert!(slow.limit == 1 && slow.per_second >= 2200, "{}", slow.per_second);
    assert!(report.span(40, 50).least_limit >= 16);
    }
}

#[test]
fn noise_is_no_mixture() {
    let noisy = threads("8 threads, 100 us lognormal(1)", 8, |_, _, rng| thread(rng.lognormal(100 * MICRO, 1.0)));
    let span = run(noisy).span(5, 15);
    assert!(span.least_limit >= 4 && span.links <= 64, "{}", span.least_limit);
}

#[test]
fn look() {
    fn slower(_: bool, now: Nanos, _: &mut Rng) -> Work {
        let slow = (1000 * MILLI..2000 * MILLI).contains(&now);
        thread(if slow { 200 * MICRO } else { 20 * MICRO })
    }
    fn parallel(_: bool, now: Nanos, _: &mut Rng) -> Work {
        let slow = (1000 * MILLI..2000 * MILLI).contains(&now);
        Work { thread: 20 * MICRO, wait: if slow { 20 * MILLI } else { 0 } }
    }
    let own = Scenario { share: 512, own_route: true, ..threads("", 8, mixed) };
    for scenario in [
        Scenario { length: 40, ..threads("one thread, 20 us, 200 us, 20 us", 1, slower) },
        Scenario { length: 40, share: 512, ..threads("20 us, +20 ms, 20 us", 8, parallel) },
        Scenario { name: "1 in 2 slow, own route", slow_in: 2, ..own },
        Scenario { name: "1 in 20 slow, own route", slow_in: 20, ..own },
        Scenario { name: "1 in 20 slow, own route, at ease", slow_in: 20, clients: 100, think: 20 * MILLI, ..own },
        Scenario { name: "1 in 1000 slow, same route", slow_in: 1000, own_route: false, ..own },
        Scenario { name: "1 in 1000 slow, plain", slow_in: 1000, ceiling: 1, ..own },
        threads("one thread, 20 us exponential", 1, |_, _, rng| thread(rng.exponential(20 * MICRO))),
    ] {
        run(scenario);
    }
}
