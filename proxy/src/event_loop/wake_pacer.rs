//! Decides how long a busy worker sleeps before it looks for more work. The caller does the sleeping.

use super::nanos::Nanos;

/// A busy worker that wakes for every byte handles everything one by one. If it sleeps a moment when it has
/// nothing left to do, whatever arrives meanwhile is read, written and answered together, similar to
/// interrupt moderation of network cards. The moment is a small part of the duration of quick requests, so
/// that nobody notices. An idle worker never sleeps here, since its last wake-up was long ago.
#[derive(Debug, Default)]
pub(crate) struct WakePacer {
    /// A duration in nanoseconds that about a quarter of the requests stay below.
    quick: Nanos,
    woke: Nanos,
}

/// The part of a quick request's duration that a period may take.
const PART: Nanos = 8;
/// The longest period in nanoseconds.
const LONGEST: Nanos = 200_000;
/// The shortest pause in nanoseconds. A shorter one costs more than it gains.
const SHORTEST: Nanos = 20_000;

impl WakePacer {
    /// Records the duration of a request. The quantile follows in steps, of which three down weigh as much as
    /// one up.
    pub(crate) fn observe(&mut self, duration: Nanos) {
        let step = self.quick / 512 + 1;
        self.quick =
            if duration < self.quick { self.quick.saturating_sub(3 * step) } else { self.quick + step };
    }

    /// Returns how long to sleep before looking for more work at `now`, if at all.
    #[must_use]
    pub(crate) fn pause(&self, now: Nanos) -> Option<Nanos> {
        let period = (self.quick / PART).min(LONGEST);
        let awake = now.saturating_sub(self.woke);
        // A worker that was awake for a whole period has nothing to wait for.
        period.checked_sub(awake).filter(|pause| *pause >= SHORTEST)
    }

    /// Records that the worker looks for work again.
    pub(crate) fn wake(&mut self, now: Nanos) {
        self.woke = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    fn used_to(duration: Nanos) -> WakePacer {
        let mut pace = WakePacer::default();
        (0..20_000).for_each(|_| pace.observe(duration));
        pace
    }

    #[test]
    fn quick_requests_are_never_held_up() {
        assert_eq!(used_to(MILLI / 20).pause(0), None);
    }

    #[test]
    fn a_busy_worker_sleeps_for_the_rest_of_its_period() {
        let mut pace = used_to(10 * MILLI);
        pace.wake(5 * MILLI);
        assert_eq!(pace.pause(5 * MILLI + 50_000), Some(LONGEST - 50_000));
    }

    #[test]
    fn a_worker_with_little_to_do_does_not_sleep() {
        let mut pace = used_to(10 * MILLI);
        pace.wake(5 * MILLI);
        assert_eq!(pace.pause(6 * MILLI), None);
    }

    #[test]
    fn the_quick_ones_decide_when_there_are_slow_ones() {
        let mut pace = WakePacer::default();
        for i in 0..40_000 {
            pace.observe(if i % 2 == 0 { MILLI / 10 } else { 200 * MILLI });
        }
        assert_eq!(pace.pause(0), None);
    }
}
