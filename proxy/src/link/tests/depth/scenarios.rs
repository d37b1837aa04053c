//! Tests of members of every kind, and of what the depth must make of each.

use crate::event_loop::Nanos;

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

/// 20 us, and 200 ms more for the slow ones.
fn mixed(slow: bool, _: Nanos, _: &mut Rng) -> Work {
    Work { thread: 20 * MICRO, wait: if slow { 200 * MILLI } else { 0 } }
}

/// 500 clients that ask without pause, of a single thread that answers in 10 us.
const PLAIN: Scenario = Scenario {
    name: "one thread, 10 us",
    clients: 500,
    think: 0,
    share: 64,
    ceiling: 32,
    slow_in: 0,
    classes: 10,
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

/// Most links wanted are had: 512 of them.
fn roomy(name: &'static str, threads_of: usize, work: fn(bool, Nanos, &mut Rng) -> Work) -> Scenario {
    Scenario { share: 512, ..threads(name, threads_of, work) }
}

fn few(clients: usize, scenario: Scenario) -> Scenario {
    Scenario { clients, ..scenario }
}

/// What plain pooling makes of it.
fn plain(scenario: Scenario) -> Report {
    run(Scenario { name: "the same, plain pooling", ceiling: 1, ..scenario })
}

#[test]
fn one_fast_thread_keeps_few_links_and_high_depth() {
    for scenario in [
        PLAIN,
        threads("one thread, 20 us: saturated", 1, |_, _, _| thread(20 * MICRO)),
        threads("one thread, 10 us exponential", 1, |_, _, rng| thread(rng.exponential(10 * MICRO))),
        few(64, threads("one thread, 20 us, 64 clients", 1, |_, _, _| thread(20 * MICRO))),
    ] {
        let span = run(scenario).span(5, 15);
        assert!(span.links <= 16 && span.least_limit >= 16, "{} links of {}", span.links, span.least_limit);
    }
}

#[test]
fn a_busy_thread_with_noise_keeps_its_depth() {
    let noisy = threads("one thread, 20 us exponential", 1, |_, _, rng| thread(rng.exponential(20 * MICRO)));
    let span = run(noisy).span(2, 15);
    assert!(span.links <= 32 && span.limit >= 16, "{} links of {}", span.links, span.limit);
    let noisy =
        threads("8 threads, 100 us lognormal(1)", 8, |_, _, rng| thread(rng.lognormal(100 * MICRO, 1.0)));
    let span = run(noisy).span(2, 15);
    assert!(span.links <= 32 && span.limit >= 16, "{} links of {}", span.links, span.limit);
}

#[test]
fn eight_threads_are_kept_busy() {
    for (per_second, scenario) in [
        (72_000, threads("8 threads, 100 us", 8, |_, _, _| thread(100 * MICRO))),
        (36_000, threads("8 threads, 200 us", 8, |_, _, _| thread(200 * MICRO))),
        (7_200, threads("8 threads, 1 ms", 8, |_, _, _| thread(MILLI))),
        (1_440, threads("8 threads, 5 ms", 8, |_, _, _| thread(5 * MILLI))),
        (
            72_000,
            threads("8 threads, 100 us exponential", 8, |_, _, rng| thread(rng.exponential(100 * MICRO))),
        ),
    ] {
        let span = run(scenario).span(5, 15);
        assert!(span.per_second >= per_second, "{}: {} per second", scenario.name, span.per_second);
    }
}

#[test]
fn eight_threads_are_found_where_few_links_would_do() {
    for (per_second, scenario) in [
        (72_000, few(100, threads("8 threads, 100 us, 100 clients", 8, |_, _, _| thread(100 * MICRO)))),
        (36_000, few(40, threads("8 threads, 200 us, 40 clients", 8, |_, _, _| thread(200 * MICRO)))),
        (
            72_000,
            few(
                100,
                threads("8 threads, 100 us exponential, 100 clients", 8, |_, _, rng| {
                    thread(rng.exponential(100 * MICRO))
                }),
            ),
        ),
    ] {
        let span = run(scenario).span(6, 15);
        assert!(span.per_second >= per_second, "{}: {} per second", scenario.name, span.per_second);
        assert!(span.links <= 24, "{}: {} links", scenario.name, span.links);
    }
}

#[test]
fn all_wait_at_once_where_answers_are_timers() {
    let timers = roomy("timers of 200 ms", usize::MAX, |_, _, _| Work { thread: 0, wait: 200 * MILLI });
    let span = run(timers).span(5, 15);
    assert_eq!(span.limit, 1);
    assert!(span.per_second >= 2300, "{}", span.per_second);
}

#[test]
fn slow_ones_on_a_route_of_their_own_go_alone() {
    let scenario = Scenario { slow_in: 100, own_route: true, ..roomy("1 in 100 slow, own route", 8, mixed) };
    let (span, plain) = (run(scenario).span(5, 15), plain(scenario).span(5, 15));
    assert!(span.least_limit >= 8 && span.p99 <= plain.p99, "{} {}", span.least_limit, span.p99);
    assert!(span.slow_p50 < 250 * MILLI && span.per_second >= plain.per_second);
    let ease = Scenario { name: "the same at ease", clients: 100, think: 20 * MILLI, ..scenario };
    let span = run(ease).span(5, 15);
    assert!(span.p99 < MILLI && span.rescued == 0, "{} {}", span.p99, span.rescued);
}

#[test]
fn slow_ones_among_the_others_lower_the_depth() {
    for (name, slow_in) in [("1 in 100 slow, same route", 100), ("1 in 1000 slow, same route", 1000)] {
        let scenario = Scenario { slow_in, ..roomy(name, 8, mixed) };
        let (span, plain) = (run(scenario).span(5, 15), plain(scenario).span(5, 15));
        assert!(span.p99 * 2 <= plain.p99 * 3, "{} against {}", span.p99, plain.p99);
        assert!(span.per_second * 10 >= plain.per_second * 9);
        assert_eq!(span.limit > 2, slow_in > 200, "{}", span.limit);
    }
}

#[test]
fn a_change_from_quick_to_slow_and_back_is_followed_within_a_second() {
    fn changing(_: bool, now: Nanos, rng: &mut Rng) -> Work {
        mixed((1000 * MILLI..3000 * MILLI).contains(&now), now, rng)
    }
    let some = Scenario { length: 50, ..roomy("quick, 200 ms, quick", 8, changing) };
    let many = Scenario { classes: 400, name: "quick, 200 ms, quick: 400 routes", ..some };
    for scenario in [some, many] {
        let report = run(scenario);
        assert!(report.span(2, 10).least_limit >= 16);
        let slow = report.span(18, 30);
        assert!(slow.limit == 1 && slow.per_second >= 2200, "{}", slow.per_second);
        let again = report.span(32, 50);
        assert!(again.least_limit >= 16 && again.per_second >= 100_000, "{}", again.least_limit);
    }
}

#[test]
fn a_saturated_thread_that_slows_down_and_recovers_gets_its_depth_back() {
    fn slower(_: bool, now: Nanos, _: &mut Rng) -> Work {
        thread(if (1000 * MILLI..2000 * MILLI).contains(&now) { 200 * MICRO } else { 20 * MICRO })
    }
    let report = run(Scenario { length: 35, ..threads("one thread, 20 us, 200 us, 20 us", 1, slower) });
    assert!(report.span(2, 10).least_limit >= 16);
    assert!(report.span(12, 20).per_second >= 4900, "nothing is lost while it is slow");
    assert!(report.span(25, 35).least_limit >= 16);
}

#[test]
fn many_timers_are_not_taken_for_a_busy_thread() {
    fn waits(_: bool, now: Nanos, _: &mut Rng) -> Work {
        let wait = if (1000 * MILLI..4000 * MILLI).contains(&now) { 20 * MILLI } else { 0 };
        Work { thread: 20 * MICRO, wait }
    }
    let report = run(Scenario { length: 45, ..roomy("20 us, and 20 ms more, 20 us", 8, waits) });
    let slow = report.span(20, 40);
    assert!(slow.limit == 1 && slow.per_second >= 20_000, "{} {}", slow.limit, slow.per_second);
    assert!(report.span(42, 45).least_limit >= 16);
}
