//! Measures how quickly a member answers: what a response takes where nothing is in its way, and what it takes by now.

use std::time::Duration;

use crate::turn::Nanos;

use super::hold::Hold;

/// Sums over a window of time.
#[derive(Debug, Default)]
pub(super) struct Speed {
    window: Sums,
    /// Of the routes that go alone.
    alone: Sums,
    began: Nanos,
    /// The least of the window before.
    before: Option<Nanos>,
    past: Past,
    hold: Hold,
    /// Half of the links wait less than this for what they read next.
    usual: Nanos,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
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
            (self.before, self.hold) = (None, Hold::default());
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

impl Sums {
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
