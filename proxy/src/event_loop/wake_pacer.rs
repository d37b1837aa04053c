//! Decides how long a busy worker may sleep before it looks for more work. The caller sleeps.

use super::nanos::Nanos;

/// A busy worker that wakes for every single byte does everything one by one. If instead it sleeps a moment
/// when it has nothing left to do, what comes meanwhile is read, written and answered together, as a network
/// card does with its interrupts. The moment is a small part of what even the quick requests take by now, so
/// nobody notices; a worker with little to do never sleeps, since its last waking was long ago.
#[derive(Debug, Default)]
pub struct WakePacer {
    /// About a quarter of the requests take less than this.
    quick: Nanos,
    woke: Nanos,
}

/// A period is this part of what the quick requests take.
const PART: Nanos = 8;
/// No period is longer.
const LONGEST: Nanos = 200_000;
/// A shorter one costs more than it gains.
const SHORTEST: Nanos = 20_000;

impl WakePacer {
    /// A request took this long. (A quantile followed by steps: three down weigh as much as one up.)
    pub fn observe(&mut self, duration: Nanos) {
        let step = self.quick / 512 + 1;
        self.quick =
            if duration < self.quick { self.quick.saturating_sub(3 * step) } else { self.quick + step };
    }

    /// Nothing is left to do at `now`: how long to sleep before looking for more, if at all.
    #[must_use]
    pub fn pause(&self, now: Nanos) -> Option<Nanos> {
        let period = (self.quick / PART).min(LONGEST);
        let awake = now.saturating_sub(self.woke);
        period.checked_sub(awake).filter(|pause| *pause >= SHORTEST)
    }

    /// The worker looks for more from now on.
    pub fn wake(&mut self, now: Nanos) {
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
