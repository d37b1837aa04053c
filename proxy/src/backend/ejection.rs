//! Decides by the exchanges of clients which members of a backend are ejected, and for how long.
//!
//! A [`Judge`] gets the counts of all members of one backend from time to time. Nothing in this file counts exchanges, waits or
//! reads a clock.
//!
//! ```text
//!              the share of failures in the window, unless too few would be left
//!   Serving ─────────────────────────────────────────────────────────────────────▶ Ejected
//!      ▲                                                                              │
//!      └───────── the time is over, or too few are left because others are down ──────┘
//! ```
//!
//! A member that returns is judged by what happens from then on. Each ejection takes twice as long as the one before; a doubling is
//! taken back when the member has served for as long as the ejection that led to it.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Ejection;
use crate::event_loop::{Nanos, nanos};

/// The exchanges of a member that have ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    /// The number of all.
    pub exchanges: u64,
    /// The number of those that the member failed.
    pub failed: u64,
}

impl Tally {
    fn since(self, before: Self) -> Self {
        let exchanges = self.exchanges.wrapping_sub(before.exchanges);
        // A connection may be counted in one window and fail in the next one.
        let failed = self.failed.wrapping_sub(before.failed).min(exchanges);
        Self { exchanges, failed }
    }
}

/// The state of a member when it is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observation {
    /// The exchanges since the start of the process.
    pub total: Tally,
    /// Whether the member is down for another reason than an ejection.
    pub is_down: bool,
}

/// A decision about one member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The member is ejected for this time, because of these exchanges in the window.
    Eject(Duration, Tally),
    /// The time of the ejection is over.
    Return,
    /// The member is needed, because too few others are up.
    Recall,
}

/// The conduct of one member, as far as it matters for its ejection.
#[derive(Default, Debug)]
pub(crate) struct Conduct {
    /// The totals at the times of the window, oldest first.
    samples: VecDeque<(Nanos, Tally)>,
    /// The time at which the present ejection ends, if there is one.
    ejected_until: Option<Nanos>,
    /// The number of times that the base time is doubled at the next ejection.
    doublings: u32,
    /// The time since which the member has served without an ejection, or since the last doubling was taken back.
    good_since: Nanos,
}

impl Conduct {
    /// Returns whether the member is ejected.
    #[must_use]
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejected_until.is_some()
    }

    /// Forgets the exchanges in the window, because they are counted differently from now on.
    pub(crate) fn forget_window(&mut self) {
        self.samples.clear();
    }

    /// Takes a sample of a member.
    fn sample(&mut self, now: Nanos, seen: &Observation, rules: &Ejection) {
        if self.is_ejected() || seen.is_down {
            self.begin_window(now, seen.total);
            return;
        }
        // The sample at or before the beginning of the window is what the others are compared with.
        let begins = now.saturating_sub(nanos(rules.window));
        while self.samples.get(1).is_some_and(|(at, _)| *at <= begins) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, seen.total));
        let served = now.saturating_sub(self.good_since);
        if self.doublings > 0 && served >= nanos(time(rules, self.doublings - 1).max(rules.window)) {
            self.doublings -= 1;
            self.good_since = now;
        }
    }

    /// Ends the ejection. What happened before does not count.
    fn readmit(&mut self, now: Nanos, seen: &Observation) {
        self.ejected_until = None;
        self.begin_window(now, seen.total);
    }

    fn begin_window(&mut self, now: Nanos, total: Tally) {
        self.samples.clear();
        self.samples.push_back((now, total));
        self.good_since = now;
    }

    /// Returns the exchanges in the window.
    fn tally(&self) -> Tally {
        match (self.samples.front(), self.samples.back()) {
            (Some((_, first)), Some((_, last))) => last.since(*first),
            _ => Tally::default(),
        }
    }

    /// Returns the share of failures in the window in parts of 100,000, if it is high enough for an ejection.
    fn guilt(&self, rules: &Ejection) -> Option<u64> {
        let Tally { exchanges, failed } = self.tally();
        let share = failed.saturating_mul(100_000).checked_div(exchanges)?;
        let enough = exchanges >= rules.volume && share >= u64::from(rules.failures) * 1_000;
        (enough && !self.is_ejected()).then_some(share)
    }

    fn eject(&mut self, now: Nanos, rules: &Ejection) -> Verdict {
        let (time, tally) = (time(rules, self.doublings), self.tally());
        self.ejected_until = Some(now.saturating_add(nanos(time)));
        // Doublings beyond the longest time would only have to be taken back later.
        self.doublings += u32::from(time < rules.max_time);
        self.forget_window();
        Verdict::Eject(time, tally)
    }
}

/// Returns for how long a member is ejected after so many doublings.
fn time(rules: &Ejection, doublings: u32) -> Duration {
    rules.base_time.saturating_mul(2_u32.saturating_pow(doublings)).min(rules.max_time)
}

/// Returns how many of so many members are never ejected.
fn least(rules: &Ejection, members: usize) -> usize {
    (members * usize::from(rules.keep)).div_ceil(100).max(1)
}

/// Judges the members of one backend.
#[derive(Debug)]
pub(crate) struct Judge {
    rules: Arc<Ejection>,
    conducts: Vec<Conduct>,
}

impl Judge {
    /// Judges members by these rules, in the order of their conducts.
    #[must_use]
    pub(crate) fn new(rules: Arc<Ejection>, conducts: Vec<Conduct>) -> Self {
        Self { rules, conducts }
    }

    /// Returns the rules.
    #[must_use]
    pub(crate) fn rules(&self) -> &Ejection {
        &self.rules
    }

    /// Returns the rules, and the conducts of the members in their order.
    #[must_use]
    pub(crate) fn into_parts(self) -> (Arc<Ejection>, Vec<Conduct>) {
        (self.rules, self.conducts)
    }

    /// Takes a sample of each member, in their order, and returns what is decided about which member.
    #[must_use]
    pub(crate) fn judge(&mut self, now: Nanos, members: &[Observation]) -> Vec<(usize, Verdict)> {
        let mut verdicts = Vec::new();
        for (i, (conduct, seen)) in self.conducts.iter_mut().zip(members).enumerate() {
            if conduct.ejected_until.is_some_and(|until| until <= now) {
                conduct.readmit(now, seen);
                verdicts.push((i, Verdict::Return));
            } else {
                conduct.sample(now, seen, &self.rules);
            }
        }
        let serving = self
            .conducts
            .iter()
            .zip(members)
            .filter(|(conduct, seen)| !conduct.is_ejected() && !seen.is_down);
        let (serving, least) = (serving.count(), least(&self.rules, members.len()));
        // At most one of the two has something to do.
        self.eject(now, members, serving.saturating_sub(least), &mut verdicts);
        self.recall(now, members, least.saturating_sub(serving), &mut verdicts);
        verdicts
    }

    /// Ejects up to so many members, the worst ones first.
    fn eject(
        &mut self,
        now: Nanos,
        members: &[Observation],
        most: usize,
        verdicts: &mut Vec<(usize, Verdict)>,
    ) {
        let guilt = |i: usize| self.conducts[i].guilt(&self.rules).filter(|_| !members[i].is_down);
        let mut guilty: Vec<_> = (0..members.len()).filter_map(|i| Some((Reverse(guilt(i)?), i))).collect();
        guilty.sort_unstable();
        for (_, i) in guilty.into_iter().take(most) {
            verdicts.push((i, self.conducts[i].eject(now, &self.rules)));
        }
    }

    /// Recalls up to so many members, those first whose time would be over first. Members that are down for another reason would
    /// be of no use.
    fn recall(
        &mut self,
        now: Nanos,
        members: &[Observation],
        most: usize,
        verdicts: &mut Vec<(usize, Verdict)>,
    ) {
        let until = |i: usize| self.conducts[i].ejected_until.filter(|_| !members[i].is_down);
        let mut ejected: Vec<_> = (0..members.len()).filter_map(|i| Some((until(i)?, i))).collect();
        ejected.sort_unstable();
        for (_, i) in ejected.into_iter().take(most) {
            self.conducts[i].readmit(now, &members[i]);
            verdicts.push((i, Verdict::Recall));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn rules() -> Ejection {
        let seconds = Duration::from_secs;
        Ejection {
            failures: 50,
            volume: 10,
            window: seconds(5),
            base_time: seconds(4),
            max_time: seconds(20),
            keep: 50,
            server_errors: true,
        }
    }

    /// The members of one backend, judged once a second.
    struct Bench {
        judge: Judge,
        now: Nanos,
        seen: Vec<Observation>,
    }

    impl Bench {
        fn new(rules: Ejection, members: usize) -> Self {
            let judge = Judge::new(Arc::new(rules), (0..members).map(|_| Conduct::default()).collect());
            let seen = vec![Observation { total: Tally::default(), is_down: false }; members];
            let mut bench = Self { judge, now: SECOND, seen };
            assert_eq!(bench.second(&[]), "", "nothing is known at first");
            bench
        }

        /// Lets a second pass in which each member has so many exchanges, of which it fails so many. Returns the verdicts: the
        /// member's number, and `-` with the seconds of an ejection, `+` for a return or `!` for a recall.
        fn second(&mut self, exchanges: &[(u64, u64)]) -> String {
            self.now += SECOND;
            for (seen, (all, failed)) in self.seen.iter_mut().zip(exchanges) {
                seen.total.exchanges += all;
                seen.total.failed += failed;
            }
            let told = self.judge.judge(self.now, &self.seen).into_iter().map(|(i, verdict)| match verdict {
                Verdict::Eject(time, _) => format!("{i}-{}", time.as_secs()),
                Verdict::Return => format!("{i}+"),
                Verdict::Recall => format!("{i}!"),
            });
            told.collect::<Vec<_>>().join(" ")
        }

        /// Lets seconds pass until there is a verdict, and returns their number and the verdict.
        fn until(&mut self, exchanges: &[(u64, u64)]) -> (u32, String) {
            for seconds in 1..1000 {
                let told = self.second(exchanges);
                if !told.is_empty() {
                    return (seconds, told);
                }
            }
            panic!("no verdict")
        }

        fn idle(&mut self, seconds: u32) {
            for _ in 0..seconds {
                assert_eq!(self.second(&[]), "");
            }
        }
    }

    const GOOD: (u64, u64) = (20, 0);
    const BAD: (u64, u64) = (20, 20);

    #[test]
    fn a_member_is_ejected_for_its_share_of_failures() {
        for (exchanges, told) in [
            ((20, 10), "0-4"),
            ((20, 9), ""),
            ((10, 10), "0-4"),
            ((9, 9), ""),
            ((0, 0), ""),
            ((20, 20), "0-4"),
        ] {
            assert_eq!(Bench::new(rules(), 2).second(&[exchanges, GOOD]), told, "{exchanges:?}");
        }
    }

    #[test]
    fn exchanges_add_up_over_the_window_and_no_longer() {
        let mut bench = Bench::new(rules(), 2);
        assert_eq!(bench.until(&[(2, 2), GOOD]), (5, "0-4".to_owned()), "10 in 5 seconds");
        let mut bench = Bench::new(rules(), 2);
        for _ in 0..100 {
            assert_eq!(bench.second(&[(1, 1), GOOD]), "", "5 in 5 seconds are too few");
        }
        assert!(
            bench.judge.conducts.iter().all(|conduct| conduct.samples.len() <= 6),
            "none is kept in vain"
        );
        // Many good exchanges hide a few bad ones for as long as the window remembers them.
        let mut bench = Bench::new(rules(), 2);
        bench.second(&[(100, 0), GOOD]);
        assert_eq!(bench.until(&[(15, 15), GOOD]), (5, "0-4".to_owned()));
    }

    #[test]
    fn each_ejection_is_twice_as_long_up_to_the_longest() {
        let mut bench = Bench::new(rules(), 2);
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(bench.until(&[BAD, GOOD]).1);
            let (seconds, told) = bench.until(&[(0, 0), GOOD]);
            assert_eq!(told, "0+");
            assert_eq!(*times.last().unwrap(), format!("0-{seconds}"), "it lasts as long as said");
        }
        assert_eq!(times, ["0-4", "0-8", "0-16", "0-20", "0-20"]);
    }

    #[test]
    fn good_time_takes_doublings_back() {
        let mut bench = Bench::new(rules(), 2);
        for _ in 0..3 {
            bench.until(&[BAD, GOOD]);
            bench.until(&[]);
        }
        bench.idle(15);
        assert_eq!(bench.second(&[BAD, GOOD]), "0-16", "after 16 s, the last ejection is forgotten");
        bench.until(&[]);
        bench.idle(16 + 8 + 5); // a doubling takes a window at least
        assert_eq!(bench.second(&[BAD, GOOD]), "0-4", "all are forgotten");
    }

    #[test]
    fn what_happened_before_and_during_an_ejection_does_not_count_after_it() {
        let mut bench = Bench::new(rules(), 2);
        bench.until(&[BAD, GOOD]);
        while bench.second(&[BAD, GOOD]).is_empty() {}
        for _ in 0..10 {
            assert_eq!(bench.second(&[(9, 0), GOOD]), "");
        }
    }

    #[test]
    fn too_few_are_never_left() {
        let kept = |keep, members| {
            let mut bench = Bench::new(Ejection { keep, ..rules() }, members);
            members - bench.second(&vec![BAD; members]).split_whitespace().count()
        };
        assert_eq!([kept(50, 1), kept(50, 2), kept(50, 3), kept(50, 4)], [1, 1, 2, 2]);
        assert_eq!([kept(0, 1), kept(0, 5), kept(100, 5), kept(34, 3), kept(33, 3)], [1, 1, 5, 2, 1]);
    }

    #[test]
    fn the_worst_is_ejected_first() {
        let mut bench = Bench::new(rules(), 3);
        assert_eq!(bench.second(&[(20, 12), (20, 20), (20, 15)]), "1-4");
    }

    #[test]
    fn members_that_are_down_count_as_gone() {
        let mut bench = Bench::new(rules(), 4);
        (bench.seen[2].is_down, bench.seen[3].is_down) = (true, true);
        assert_eq!(
            bench.second(&[BAD, GOOD, BAD, BAD]),
            "",
            "two have to stay, and a member that is down is not judged"
        );
        bench.seen[2].is_down = false;
        assert_eq!(bench.second(&[(0, 0), GOOD, GOOD, GOOD]), "0-4");
    }

    #[test]
    fn an_ejected_member_is_recalled_when_it_is_needed() {
        let mut bench = Bench::new(Ejection { keep: 30, base_time: Duration::from_secs(9), ..rules() }, 3);
        assert_eq!(bench.second(&[BAD, GOOD, GOOD]), "0-9");
        bench.second(&[]);
        assert_eq!(bench.second(&[(0, 0), BAD, GOOD]), "1-9");
        bench.seen[2].is_down = true;
        assert_eq!(bench.second(&[]), "0!", "whose time would be over first");
        bench.seen[0].is_down = true;
        assert_eq!(bench.second(&[]), "1!");
        (bench.seen[0].is_down, bench.seen[2].is_down) = (false, false);
        assert_eq!(bench.second(&[BAD, GOOD, GOOD]), "0-18", "its next ejection is longer all the same");
    }

    #[test]
    fn a_member_that_was_down_is_judged_afresh() {
        let mut bench = Bench::new(rules(), 2);
        bench.seen[0].is_down = true;
        assert_eq!(bench.second(&[BAD, GOOD]), "");
        bench.seen[0].is_down = false;
        assert_eq!(bench.second(&[(9, 9), GOOD]), "");
        assert_eq!(bench.second(&[(1, 1), GOOD]), "0-4");
    }

    #[test]
    fn a_verdict_tells_its_reason() {
        let mut bench = Bench::new(rules(), 2);
        bench.seen[0].total = Tally { exchanges: 30, failed: 28 };
        let told = bench.judge.judge(bench.now + SECOND, &bench.seen);
        let reason = Tally { exchanges: 30, failed: 28 };
        assert_eq!(told, [(0, Verdict::Eject(Duration::from_secs(4), reason))]);
        // A connection that was opened before the window fails in it.
        let (before, now) = (Tally { exchanges: 10, failed: 0 }, Tally { exchanges: 15, failed: 9 });
        assert_eq!(now.since(before), Tally { exchanges: 5, failed: 5 });
    }

    proptest! {
        #[test]
        fn whatever_happens_enough_members_stay_and_verdicts_alternate(
            keep in 0_u8..=100,
            members in 1_usize..7,
            seconds in prop::collection::vec(prop::collection::vec((0_u64..40, 0_u64..40, prop::bool::weighted(0.1)), 7), 1..120),
        ) {
            let rules = Ejection { keep, ..rules() };
            let least = least(&rules, members);
            let mut bench = Bench::new(rules, members);
            let mut ejected = vec![None; members];
            for second in seconds {
                for (seen, (all, failed, is_down)) in bench.seen.iter_mut().zip(&second) {
                    seen.total.exchanges += all;
                    seen.total.failed += failed.min(all);
                    seen.is_down = *is_down;
                }
                bench.now += SECOND;
                let up = bench.seen.iter().filter(|seen| !seen.is_down).count();
                for (i, verdict) in bench.judge.judge(bench.now, &bench.seen) {
                    match verdict {
                        Verdict::Eject(time, Tally { exchanges, failed }) => {
                            prop_assert!(ejected[i].is_none() && !bench.seen[i].is_down);
                            prop_assert!(exchanges >= 10 && failed * 2 >= exchanges);
                            prop_assert!((4..=20).contains(&time.as_secs()));
                            ejected[i] = Some(bench.now + nanos(time));
                        }
                        Verdict::Return => prop_assert!(ejected[i].take().is_some_and(|until| until <= bench.now)),
                        Verdict::Recall => prop_assert!(ejected[i].take().is_some_and(|until| until > bench.now)),
                    }
                }
                prop_assert!(ejected.iter().flatten().all(|until| *until > bench.now), "no ejection lasts too long");
                let serving = bench.seen.iter().zip(&ejected).filter(|(seen, until)| !seen.is_down && until.is_none());
                prop_assert!(serving.count() >= least.min(up));
            }
        }
    }
}
