//! Decides whether a busy member is still as quick as it was, from service times and rates in windows of time.

use std::time::Duration;

use crate::turn::Nanos;

/// A member with much to do takes longer for each answer, since others are in the way. Taken for slowness, that
/// would lower the depth and open more links, each of which is answered more slowly still. So what it took
/// when it had less to do is held, for as long as it gets as much done as that allows: an answer that takes `best`
/// comes at least half as often as one thread could give it, and as it did lately. A member that has really become
/// slow falls below.
///
/// One on which many wait at the same time (500 timers of 20 ms) may get as much done too. It would do less on fewer
/// links; so where holding makes the rate fall, it is let go, and tried again ever more seldom.
#[derive(Debug, Default)]
pub(super) struct Hold {
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

impl Hold {
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
    fn run(hold: &mut Hold, windows: Nanos, now: &mut Nanos, typical: Nanos, per_second: f32) -> Nanos {
        for _ in 0..windows {
            *now += WINDOW;
            let best = hold.best.unwrap_or(typical).min(typical);
            hold.turn(typical, rate(per_second), best as f32 * rate(per_second), *now);
        }
        hold.base(typical)
    }

    #[test]
    fn a_saturated_member_is_as_quick_as_it_was() {
        let (mut hold, mut now) = (Hold::default(), 0);
        assert_eq!(run(&mut hold, 3, &mut now, 10 * MICRO, 60_000.0), 10 * MICRO);
        assert_eq!(run(&mut hold, 10_000, &mut now, 640 * MICRO, 90_000.0), 10 * MICRO);
    }

    #[test]
    fn one_that_became_slow_is_believed_at_once_and_when_it_recovers() {
        let (mut hold, mut now) = (Hold::default(), 0);
        run(&mut hold, 3, &mut now, 10 * MICRO, 60_000.0);
        assert_eq!(run(&mut hold, 1, &mut now, 200_000 * MICRO, 2500.0), 200_000 * MICRO);
        run(&mut hold, 9, &mut now, 200_000 * MICRO, 2500.0);
        assert!(run(&mut hold, 1, &mut now, 640 * MICRO, 90_000.0) < 11 * MICRO);
    }

    #[test]
    fn one_that_does_less_on_fewer_links_is_tried_ever_more_seldom() {
        let (mut hold, mut now) = (Hold::default(), 0);
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
