//! Measures how quickly a member answers: what a response takes where nothing is in its way, and what it takes by now.

use std::time::Duration;

use crate::event_loop::Nanos;

/// Sums over a window of time.
#[derive(Debug, Default)]
pub(super) struct Speed {
    window: SpeedSums,
    /// Of the routes that go alone.
    alone: SpeedSums,
    began: Nanos,
    /// The least of the window before.
    before: Option<Nanos>,
    past: Past,
    hold: Baseline,
    /// Half of the links wait less than this for what they read next.
    usual: Nanos,
}

#[derive(Clone, Copy, Debug, Default)]
struct SpeedSums {
    answers: u64,
    time: Nanos,
    quick: u64,
    quick_time: Nanos,
    least: Option<Nanos>,
    joined: u64,
}

/// Those of routes that go alone say nothing of the others, unless there are next to no others.
const NEXT_TO_NONE: u64 = 64;

/// What a whole window says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// Mean of the quick ones; of all where there are none.
    pub(super) typical: Nanos,
    /// Links whose head the member was at, on average (Little's law).
    pub(super) busy: f32,
    /// The least of the means of windows: what was typical when the member had little to do.
    pub(super) best: Nanos,
    /// Answers in a nanosecond.
    pub(super) rate: f32,
    /// Requests put behind others, to each answer.
    pub(super) joined: f32,
}

/// A window lasts at least as long, and until it has [`ENOUGH`] answers,
const SHORT: Nanos = Duration::from_millis(100).as_nanos() as Nanos;
const ENOUGH: u64 = 32;
/// or this long.
const LONG: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
/// What was seen longer ago than this says nothing any more.
const STALE: Nanos = Duration::from_secs(10).as_nanos() as Nanos;
/// The median moves by this part of itself with each read.
const STEPS: Nanos = 32;
/// A window of so many answers counts before it has ended.
const SOME: u64 = 8;

impl Speed {
    /// `count` answers took `time` together; `quick` says that it was no more than usual.
    pub(super) fn add(&mut self, count: u64, time: Nanos, quick: bool) {
        self.window.add(count, time, quick);
        let step = self.usual / STEPS + 1;
        self.usual = if time > self.usual { self.usual + step } else { self.usual.saturating_sub(step) };
    }

    /// The same of a route that goes alone.
    pub(super) fn add_alone(&mut self, time: Nanos) {
        self.alone.add(1, time, false);
    }

    /// A request was put behind others.
    pub(super) fn joined(&mut self) {
        self.window.joined += 1;
    }

    /// Whether [`Speed::turn`] should be called. A few slow answers and nothing else say nothing of a member that was
    /// quick before: more of them are waited for.
    #[must_use]
    pub(super) fn is_over(&self, now: Nanos) -> bool {
        let age = now.saturating_sub(self.began);
        if age < SHORT {
            return false;
        }
        let answers = self.window.answers + self.alone.answers;
        let says_something = self.before.is_none() || self.window.quick > 0 || answers >= SOME;
        answers >= ENOUGH || age >= STALE || (age >= LONG && says_something)
    }

    /// The window has ended: what it says, unless nothing happened in it.
    pub(super) fn turn(&mut self, now: Nanos) -> Option<Past> {
        let age = now.saturating_sub(std::mem::replace(&mut self.began, now));
        let [window, alone] = [&mut self.window, &mut self.alone].map(std::mem::take);
        let window = if window.answers * NEXT_TO_NONE < alone.answers { alone } else { window };
        if age >= STALE {
            (self.before, self.hold) = (None, Baseline::default());
            return None;
        }
        let mut past = window.past(age)?;
        let least = window.least?;
        past.best = if self.before.is_none() { past.typical } else { calm(self.past.best, past.typical) };
        (self.before, self.past) = (Some(least), past);
        self.hold.turn(least, past.rate, past.best as f32 * past.rate, now);
        Some(past)
    }

    /// What an answer takes where nothing is in its way.
    #[must_use]
    pub(super) fn base(&self) -> Option<Nanos> {
        let enough = self.before.is_none() || self.window.answers >= SOME;
        let present = self.window.least.filter(|_| enough);
        let fresh = self.before.into_iter().chain(present).min()?;
        Some(self.hold.base(fresh))
    }

    /// What a link waits for the answers that it reads next, whatever there is of them: the median of late.
    #[must_use]
    pub(super) fn usual(&self) -> Nanos {
        self.usual
    }

    /// What the last whole window said, if there was one.
    #[must_use]
    pub(super) fn past(&self) -> Option<Past> {
        self.before.map(|_| self.past)
    }

    /// Whether evidence is so new that each answer may change what it says.
    #[must_use]
    pub(super) fn is_young(&self) -> bool {
        self.window.answers <= SOME
    }

    /// Whether the member is as busy as one thread can be.
    #[must_use]
    pub(super) fn is_saturated(&self) -> bool {
        self.past().is_some_and(|past| past.best as f32 * past.rate >= 0.5)
    }
}

/// The least of two, which is forgotten in the course of half a minute.
fn calm(best: Nanos, typical: Nanos) -> Nanos {
    typical.min(best + best / 256)
}

impl SpeedSums {
    fn add(&mut self, count: u64, time: Nanos, quick: bool) {
        self.answers += count;
        self.time += time;
        self.quick += if quick { count } else { 0 };
        self.quick_time += if quick { time } else { 0 };
        let each = if quick { time / count.max(1) } else { time };
        self.least = Some(self.least.map_or(each, |least| least.min(each)));
    }

    fn past(&self, age: Nanos) -> Option<Past> {
        let mean = self.time.checked_div(self.answers)?;
        let typical = self.quick_time.checked_div(self.quick).unwrap_or(mean);
        let age = age as f32;
        Some(Past {
            typical,
            best: typical,
            busy: self.time as f32 / age,
            rate: self.answers as f32 / age,
            joined: self.joined as f32 / self.answers as f32,
        })
    }
}

/// A member with much to do takes longer for each answer, since others are in the way. Taken for slowness, that
/// would lower the depth and open more links, each of which is answered more slowly still. So what it took
/// when it had less to do is held, for as long as it gets as much done as that allows: an answer that takes `best`
/// comes at least half as often as one thread could give it, and as it did lately. A member that has really become
/// slow falls below.
///
/// One on which many wait at the same time (500 timers of 20 ms) may get as much done too. It would do less on fewer
/// links; so where holding makes the rate fall, it is let go, and tried again ever more seldom.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    best: Option<Nanos>,
    /// The greatest rate of late.
    top: f32,
    holds: bool,
    not_before: Nanos,
    pause: Nanos,
}

const FIRST_PAUSE: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
const LONGEST_PAUSE: Nanos = 64 * FIRST_PAUSE;
/// The best is forgotten by this part with each window in which the member has little to do.
const FORGET: Nanos = 256;
/// The greatest rate fades by this part with each window: it is to tell that a rate falls, not that it fell once.
const FADE: f32 = 32.0;

impl Baseline {
    /// A window has ended in which an answer took `typical`, and `rate` of them came in a nanosecond: for so many
    /// threads there was something to do.
    pub(super) fn turn(&mut self, typical: Nanos, rate: f32, threads: f32, now: Nanos) {
        let best = self.best.unwrap_or(typical).min(typical);
        self.top = rate.max(self.top - self.top / FADE);
        let saturated = threads >= 0.5 && rate >= self.top / 2.0;
        self.best = Some(if saturated { best } else { best + best / FORGET });
        if typical <= 2 * best {
            (self.holds, self.pause) = (saturated, self.pause.min(FIRST_PAUSE));
        } else if saturated {
            self.holds |= now >= self.not_before;
        } else if std::mem::take(&mut self.holds) {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.not_before = now + self.pause;
        }
    }

    /// What is believed, where `fresh` was seen last.
    #[must_use]
    pub(super) fn base(&self, fresh: Nanos) -> Nanos {
        self.best.filter(|_| self.holds).map_or(fresh, |best| best.min(fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Nanos = 1000;
    const WINDOW: Nanos = 100_000 * MICRO;

    fn rate(per_second: f32) -> f32 {
        per_second / 1e9
    }

    /// Windows in which an answer takes `typical`; what is believed after them.
    fn run(hold: &mut Baseline, windows: Nanos, now: &mut Nanos, typical: Nanos, per_second: f32) -> Nanos {
        for _ in 0..windows {
            *now += WINDOW;
            let best = hold.best.unwrap_or(typical).min(typical);
            hold.turn(typical, rate(per_second), best as f32 * rate(per_second), *now);
        }
        hold.base(typical)
    }

    #[test]
    fn a_saturated_member_is_as_quick_as_it_was() {
        let (mut hold, mut now) = (Baseline::default(), 0);
        assert_eq!(run(&mut hold, 3, &mut now, 10 * MICRO, 60_000.0), 10 * MICRO);
        assert_eq!(run(&mut hold, 10_000, &mut now, 640 * MICRO, 90_000.0), 10 * MICRO);
    }

    #[test]
    fn one_that_became_slow_is_believed_at_once_and_when_it_recovers() {
        let (mut hold, mut now) = (Baseline::default(), 0);
        run(&mut hold, 3, &mut now, 10 * MICRO, 60_000.0);
        assert_eq!(run(&mut hold, 1, &mut now, 200_000 * MICRO, 2500.0), 200_000 * MICRO);
        run(&mut hold, 9, &mut now, 200_000 * MICRO, 2500.0);
        assert!(run(&mut hold, 1, &mut now, 640 * MICRO, 90_000.0) < 11 * MICRO);
    }

    #[test]
    fn one_that_does_less_on_fewer_links_is_tried_ever_more_seldom() {
        let (mut hold, mut now) = (Baseline::default(), 0);
        run(&mut hold, 3, &mut now, 100 * MICRO, 9000.0);
        let mut tried = 0;
        for _ in 0..600 {
            let held = hold.base(20_000 * MICRO) < 20_000 * MICRO;
            tried += usize::from(held);
            let per_second = if held { 1250.0 } else { 25_000.0 };
            run(&mut hold, 1, &mut now, 20_000 * MICRO, per_second);
        }
        assert!((1..12).contains(&tried), "{tried} of 600 windows");
    }
}
