//! Measures how quickly a member answers: the duration of a response without load, and the present duration.

use std::time::Duration;

use crate::event_loop::Nanos;

/// The speed of a member, measured over windows of time.
#[derive(Debug, Default)]
pub(super) struct Speed {
    window: SpeedSums,
    /// The sums of classes that have links to themselves.
    alone: SpeedSums,
    began: Nanos,
    /// The shortest answer of the previous window, in nanoseconds.
    before: Option<Nanos>,
    past: Past,
    hold: Baseline,
    /// The median of recent waits of links for their next answer, in nanoseconds.
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

/// Classes with links to themselves say nothing of the others, unless they have this many times the answers
/// of the others.
const NEXT_TO_NONE: u64 = 64;

/// The results of a complete window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    /// The mean duration of quick answers, or of all if none is quick, in nanoseconds.
    pub(super) typical: Nanos,
    /// The number of links on which the member worked, on average (Little's law).
    pub(super) busy: f32,
    /// The least mean duration of recent windows in nanoseconds, which is the typical one under little load.
    pub(super) best: Nanos,
    /// The number of answers per nanosecond.
    pub(super) rate: f32,
    /// The number of requests put behind others, for each answer.
    pub(super) joined: f32,
}

/// The shortest window in nanoseconds. A window also lasts until it has [`ENOUGH`] answers or [`LONG`] is
/// over.
const SHORT: Nanos = Duration::from_millis(100).as_nanos() as Nanos;
const ENOUGH: u64 = 32;
/// The length in nanoseconds at which a window with few answers ends.
const LONG: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
/// The age in nanoseconds at which evidence is discarded.
const STALE: Nanos = Duration::from_secs(10).as_nanos() as Nanos;
/// The median moves by one part in this number with each read.
const STEPS: Nanos = 32;
/// The number of answers from which an unfinished window counts.
const SOME: u64 = 8;

impl Speed {
    /// Records that `count` answers took `time` together. `quick` says that this was no longer than usual.
    pub(super) fn add(&mut self, count: u64, time: Nanos, quick: bool) {
        self.window.add(count, time, quick);
        let step = self.usual / STEPS + 1;
        self.usual = if time > self.usual { self.usual + step } else { self.usual.saturating_sub(step) };
    }

    /// Records an answer of a class that has links to itself.
    pub(super) fn add_alone(&mut self, time: Nanos) {
        self.alone.add(1, time, false);
    }

    /// Records that a request was put behind others.
    pub(super) fn joined(&mut self) {
        self.window.joined += 1;
    }

    /// Returns whether the window is complete and [`Speed::turn`] should be called. A few slow answers alone
    /// prove nothing of a member that was quick before, so that the window then waits for more.
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

    /// Ends the window and returns its results, unless nothing happened in it.
    pub(super) fn turn(&mut self, now: Nanos) -> Option<Past> {
        let age = now.saturating_sub(std::mem::replace(&mut self.began, now));
        let [window, alone] = [&mut self.window, &mut self.alone].map(std::mem::take);
        // A member with slow classes only must be judged by these.
        let window = if window.answers * NEXT_TO_NONE < alone.answers { alone } else { window };
        // After a long silence the member may be another one.
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

    /// Returns the duration of an answer without load.
    #[must_use]
    pub(super) fn base(&self) -> Option<Nanos> {
        // Until the window has some answers, the previous one is more reliable.
        let enough = self.before.is_none() || self.window.answers >= SOME;
        let present = self.window.least.filter(|_| enough);
        let fresh = self.before.into_iter().chain(present).min()?;
        Some(self.hold.base(fresh))
    }

    /// Returns the median of the recent times that a link waited for the answers of its next read, however
    /// many they were.
    #[must_use]
    pub(super) fn usual(&self) -> Nanos {
        self.usual
    }

    /// Returns the results of the last complete window, if there was one.
    #[must_use]
    pub(super) fn past(&self) -> Option<Past> {
        self.before.map(|_| self.past)
    }

    /// Returns whether there is so little evidence in this window that each answer may change the result.
    #[must_use]
    pub(super) fn is_young(&self) -> bool {
        self.window.answers <= SOME
    }

    /// Returns whether the member is at least half as busy as one thread can be.
    #[must_use]
    pub(super) fn is_saturated(&self) -> bool {
        self.past().is_some_and(|past| past.best as f32 * past.rate >= 0.5)
    }
}

/// Returns the lesser of two durations; the best is forgotten in the course of half a minute.
fn calm(best: Nanos, typical: Nanos) -> Nanos {
    typical.min(best + best / 256)
}

impl SpeedSums {
    fn add(&mut self, count: u64, time: Nanos, quick: bool) {
        self.answers += count;
        self.time += time;
        self.quick += if quick { count } else { 0 };
        self.quick_time += if quick { time } else { 0 };
        // The answers of a quick read shared the time; of a slow one the first took it all.
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

/// The service time without load, kept while load hides it.
///
/// A busy member takes longer for each answer, since others are in the way. If that counted as slowness, the
/// depth would fall and more links would open, which would be answered even more slowly. Therefore the
/// service time under little load is kept for as long as the member gets as much done as that time allows:
/// answers of duration `best` arrive at least half as often as one thread could give them, and as often as
/// recently. A member that has really become slow falls below that rate.
///
/// A member on which many requests wait at the same time (500 timers of 20 ms) may get as much done, too. It
/// would get less done over fewer links. If keeping the service time lowers the rate, it is given up, and
/// kept again after ever longer pauses.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    best: Option<Nanos>,
    /// The greatest recent rate, in answers per nanosecond.
    top: f32,
    holds: bool,
    not_before: Nanos,
    pause: Nanos,
}

const FIRST_PAUSE: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
const LONGEST_PAUSE: Nanos = 64 * FIRST_PAUSE;
/// The best time grows by one part in this number with each window under little load.
const FORGET: Nanos = 256;
/// The greatest rate fades by one part in this number with each window, because it has to show a falling rate
/// and not a single peak.
const FADE: f32 = 32.0;

impl Baseline {
    /// Ends a window in which an answer took `typical` nanoseconds and `rate` answers arrived per nanosecond.
    /// `threads` is the number of threads that this would keep busy.
    pub(super) fn turn(&mut self, typical: Nanos, rate: f32, threads: f32, now: Nanos) {
        let best = self.best.unwrap_or(typical).min(typical);
        self.top = rate.max(self.top - self.top / FADE);
        let saturated = threads >= 0.5 && rate >= self.top / 2.0;
        self.best = Some(if saturated { best } else { best + best / FORGET });
        // The member is about as fast as at its best, so that nothing has to be held.
        if typical <= 2 * best {
            (self.holds, self.pause) = (saturated, self.pause.min(FIRST_PAUSE));
        } else if saturated {
            self.holds |= now >= self.not_before;
        } else if std::mem::take(&mut self.holds) {
            self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
            self.not_before = now + self.pause;
        }
    }

    /// Returns the service time to assume after `fresh` was measured.
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

    /// Runs windows in which an answer takes `typical`, and returns the service time assumed after them.
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
