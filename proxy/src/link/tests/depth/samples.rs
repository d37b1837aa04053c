//! Tests of what `Depth` makes of a few responses: the depth, the reason for it, and which requests go alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::config::{Links, Vouched};
use crate::event_loop::Nanos;
use crate::link::scheduler::depth::{Consent, Depth, DepthLimit};

const MICRO: Nanos = 1000;
const MILLI: Nanos = 1_000_000;
const SECOND: Nanos = 1_000_000_000;

/// A member, its clock, and what was seen of it.
struct Observed {
    depth: Depth,
    now: Nanos,
}

fn depth(ceiling: u16) -> Observed {
    let mut links = crate::link::tests::links();
    links.pipeline = ceiling.try_into().unwrap();
    links.pipeline_budget = Duration::from_millis(2);
    Observed { depth: Depth::new(&links, 0), now: 0 }
}

impl Observed {
    /// `count` answers of `route` that took `service`, one after the other, every 100 us.
    fn answers(&mut self, count: usize, class: u32, service: Nanos) -> &mut Self {
        for _ in 0..count {
            self.now += 100 * MICRO;
            self.depth.observe(&[class], false, service, self.now);
        }
        self
    }

    fn is(&self) -> (u16, DepthLimit) {
        (self.depth.limit(), self.depth.reason())
    }
}

#[test]
fn starts_at_one_and_grows_with_evidence() {
    let mut d = depth(32);
    assert_eq!(d.is(), (1, DepthLimit::Start));
    assert_eq!(d.answers(1, 0, MILLI / 2).is(), (4, DepthLimit::Budget));
    assert_eq!(d.answers(1000, 0, MILLI / 100).is(), (32, DepthLimit::Ceiling));
}

#[test]
fn a_slow_member_is_never_shared() {
    assert_eq!(depth(32).answers(100, 0, 200 * MILLI).is(), (1, DepthLimit::Budget));
}

#[test]
fn a_ceiling_of_one_is_plain_pooling() {
    assert_eq!(depth(1).answers(10, 0, 1).is(), (1, DepthLimit::Ceiling));
}

#[test]
fn slow_answers_here_and_there_lower_the_depth() {
    let mut d = depth(32);
    for _ in 0..100 {
        d.answers(299, 5, 20 * MICRO).answers(1, 5, 200 * MILLI);
    }
    assert_eq!(d.is(), (2, DepthLimit::Mixed));
    assert!(!d.depth.goes_alone(5));
}

#[test]
fn a_slow_route_goes_alone_and_leaves_the_depth_to_the_others() {
    let mut d = depth(32);
    for _ in 0..100 {
        d.answers(99, 5, 20 * MICRO).answers(1, 6, 200 * MILLI);
    }
    assert!(d.depth.goes_alone(6) && !d.depth.goes_alone(5) && !d.depth.goes_alone(0));
    assert_eq!(d.is(), (32, DepthLimit::Ceiling));
}

#[test]
fn what_was_learned_by_day_is_known_by_night() {
    let mut d = depth(32);
    for _ in 0..100 {
        d.answers(99, 5, 20 * MICRO).answers(1, 6, 200 * MILLI);
    }
    for _ in 0..100 {
        d.now += 2 * SECOND;
        d.answers(1, 6, 200 * MILLI);
    }
    assert!(d.depth.goes_alone(6));
    assert_eq!(d.answers(100, 5, 20 * MICRO).is(), (32, DepthLimit::Ceiling));
}

#[test]
fn a_reload_clears_who_is_slow_and_keeps_what_answers_take() {
    let mut d = depth(32);
    for _ in 0..100 {
        d.answers(99, 5, 20 * MICRO).answers(1, 6, 200 * MILLI);
    }
    d.answers(1, 5, 200 * MILLI);
    assert!(d.depth.goes_alone(6) && d.is().1 == DepthLimit::Mixed);
    d.depth.forget_learned(d.now);
    assert!(!d.depth.goes_alone(6));
    assert_eq!(d.is(), (32, DepthLimit::Ceiling));
}

#[test]
fn a_large_answer_is_a_slow_one() {
    let mut d = depth(32);
    d.answers(100, 5, 20 * MICRO);
    (0..3).for_each(|_| d.depth.observe(&[6], true, 20 * MICRO, d.now));
    assert!(d.depth.goes_alone(6));
}

#[test]
fn answers_that_come_together_took_their_time_together() {
    let mut d = depth(32);
    d.answers(100, 5, 100 * MICRO);
    for _ in 0..100 {
        d.now += 3 * MILLI;
        d.depth.observe(&[5; 16], false, 16 * 150 * MICRO, d.now);
    }
    assert_eq!(d.is().1, DepthLimit::Budget);
    d.depth.observe(&[5; 16], false, 200 * MILLI, d.now);
    assert_eq!(d.is().1, DepthLimit::Mixed, "the first of them was slow");
}

#[test]
fn a_rescue_tells_of_a_slow_one_before_it_ends() {
    let mut d = depth(32);
    d.answers(450, 5, 20 * MICRO);
    d.depth.rescued(5, 7, d.now);
    let told = d.is();
    assert_eq!(told.1, DepthLimit::Mixed);
    d.depth.observe(&[5], false, 200 * MILLI, d.now);
    assert_eq!(d.is(), told, "not twice");
}

#[test]
fn without_consent_the_depth_is_1_and_evidence_is_kept() {
    let mut d = depth(32);
    d.answers(100, 0, 20 * MICRO);
    for (consent, is) in [
        (Consent::Withdrawn, (1, DepthLimit::Broken)),
        (Consent::Given, (32, DepthLimit::Ceiling)),
        (Consent::Missing, (1, DepthLimit::Unproven)),
    ] {
        d.depth.consent(consent);
        assert_eq!(d.is(), is);
        assert_eq!(d.answers(20_000, 0, 20 * MICRO).is(), is, "whatever it does");
    }
    d.depth.consent(Consent::Given);
    assert_eq!(d.is(), (32, DepthLimit::Ceiling), "at once");
}

#[test]
fn who_has_to_be_proven_begins_unproven() {
    let links = Links { vouched: Vouched::ByProof, ..crate::link::tests::links() };
    let mut d = Observed { depth: Depth::new(&links, 0), now: 0 };
    assert_eq!(d.answers(100, 0, 20 * MICRO).is(), (1, DepthLimit::Unproven));
}

#[test]
fn old_evidence_is_forgotten() {
    let mut d = depth(32);
    d.answers(100, 0, MILLI / 20);
    d.now += 20 * SECOND;
    assert_eq!(d.answers(1, 0, MILLI).is(), (2, DepthLimit::Budget));
}

#[test]
fn rescues_wait_for_what_is_usual() {
    let mut d = depth(32);
    d.answers(3000, 0, MILLI / 50);
    assert_eq!((d.depth.hold_after(), d.depth.rescue_after()), (2 * MILLI, Some(20 * MILLI)));
    let mut d = depth(32);
    d.answers(3000, 0, 50 * MILLI);
    assert_eq!(d.depth.rescue_after(), Some(d.depth.hold_after()));
    assert!((300 * MILLI..=400 * MILLI).contains(&d.depth.hold_after()), "{}", d.depth.hold_after());
}

/// Run with `--release --ignored --nocapture`.
#[test]
#[ignore = "prints what it costs"]
fn cost() {
    const ROUNDS: u32 = 20_000_000;
    let mut d = depth(32);
    let classes: Vec<u32> = (1..=64).map(|i: u32| i.wrapping_mul(2_654_435_761)).collect();
    let begun = Instant::now();
    for i in 0..ROUNDS {
        d.now += 10 * MICRO;
        let class = classes[i as usize % classes.len()];
        d.depth.observe(black_box(&[class]), false, 20 * MICRO + Nanos::from(i % 7), d.now);
    }
    let observe = begun.elapsed() / ROUNDS;
    let begun = Instant::now();
    for i in 0..ROUNDS {
        black_box(d.depth.goes_alone(black_box(classes[i as usize % classes.len()])));
        black_box(black_box(&d.depth).limit());
    }
    println!("observe {observe:?}, goes_alone and limit {:?}", begun.elapsed() / ROUNDS);
    println!("{} bytes and the table", size_of::<Depth>());
}
