//! Finds out whether a member with many threads gets more done over more links, and caps the depth
//! accordingly.
//!
//! The number of threads is not known. The code tries more links for a while and compares how much gets done.

use std::time::Duration;

use crate::event_loop::Nanos;

use super::speed::Past;

/// The cap of the depth that lets a member use more links.
///
/// If answers take no longer than without load and requests wait behind others, more links may be served just
/// as well. The depth is then halved, so that more links open. If no more gets done, the depth is restored,
/// and the trial is repeated after ever longer pauses. If answers take twice as long, the member has no more
/// to give, and the depth is restored, too.
#[derive(Debug)]
pub(super) struct Spread {
    cap: u16,
    trial: Option<Trial>,
    not_before: Nanos,
    pause: Nanos,
}

/// A trial: the rate before the depth was halved, and the number of windows since.
#[derive(Debug)]
struct Trial {
    rate: f32,
    windows: u8,
}

/// The time in nanoseconds that a worker needs to send one request. If the busy links can answer as fast as
/// that, more links gain nothing.
/// gained by more of them; noise makes the least answer up to [`NOISE`] times quicker than most.
const WORK: f32 = 10_000.0;
const NOISE: f32 = 4.0;
/// The part of the rate that a worker can send from which nothing is to be gained.
const WORTH: f32 = 0.7;
/// A thread that is busy for less than this part of the time does not limit the member.
const EXPLAINED: f32 = 0.4;
/// The part of requests that waits behind others from which this is no accident.
const CROWDED: f32 = 0.25;
/// The part of its speed without load from which a member may have room for more.
const FREE: f32 = 0.8;
const FULL: f32 = 0.5;
/// The factor by which the rate must grow for a trial to have succeeded.
const GAIN: f32 = 1.1;
const TRIAL: u8 = 2;
const FIRST_PAUSE: Nanos = Duration::from_secs(1).as_nanos() as Nanos;
const LONGEST_PAUSE: Nanos = 64 * FIRST_PAUSE;

impl Default for Spread {
    fn default() -> Self {
        Self { cap: u16::MAX, trial: None, not_before: 0, pause: FIRST_PAUSE }
    }
}

impl Spread {
    /// Returns the cap of the depth.
    #[must_use]
    pub(super) fn cap(&self) -> u16 {
        self.cap
    }

    /// Ends a window. Answers take `base` nanoseconds without load, which would allow the depth `depth`.
    pub(super) fn turn(&mut self, past: &Past, base: Nanos, depth: u16, now: Nanos) {
        if let Some(trial) = &mut self.trial {
            trial.windows += 1;
            if trial.windows < TRIAL {
                return;
            }
            let gained = past.rate >= trial.rate * GAIN;
            self.trial = None;
            return self.judge(gained, depth, now);
        }
        let speed = past.best as f32 / (past.typical as f32).max(1.0);
        // A depth of 1 cannot be halved.
        let may = self.cap.min(depth) > 1 && now >= self.not_before;
        if may && speed >= FREE && past.joined >= CROWDED && is_useful(past, base as f32) {
            self.cap = self.cap.min(depth) / 2;
            self.trial = Some(Trial { rate: past.rate, windows: 0 });
        } else if speed < FULL {
            self.relax(depth);
        }
    }

    fn judge(&mut self, gained: bool, depth: u16, now: Nanos) {
        if gained {
            self.pause = FIRST_PAUSE;
            return;
        }
        self.relax(depth);
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    fn relax(&mut self, depth: u16) {
        // Doubling leads back step by step; a cap that hardly limits is dropped.
        self.cap = if self.cap >= depth.div_ceil(2) { u16::MAX } else { self.cap.saturating_mul(2) };
    }
}

/// Returns whether more links could get more done. `base` is too small if durations vary much, and the
/// typical duration is too large if the member was never idle. The former can be seen, because the work done
/// then takes more time than `base` explains.
fn is_useful(past: &Past, base: f32) -> bool {
    let noisy = base * past.rate < EXPLAINED;
    let links = if noisy { past.best as f32 } else { base * NOISE } / WORK;
    past.busy >= FREE && past.busy < links && past.rate < WORTH / WORK
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICRO: Nanos = 1000;
    const DEPTH: u16 = 20;

    /// Simulates a member with this number of threads and 100 us an answer under 100 requests, and returns
    /// the number of links at the end and the depths.
    fn links_for(threads: Nanos, windows: Nanos) -> (Nanos, Vec<u16>) {
        let mut spread = Spread::default();
        let (mut links, mut caps) = (0, Vec::new());
        for window in 1..=windows {
            links = links.max((100 / u64::from(spread.cap().min(DEPTH))).min(64));
            let typical = 100 * MICRO * links.div_ceil(threads).max(1);
            let busy = links as f32;
            let rate = busy / typical as f32;
            let past = Past { typical, best: 100 * MICRO, busy, rate, joined: 0.9 };
            spread.turn(&past, 90 * MICRO, DEPTH, window * 100_000 * MICRO);
            caps.push(spread.cap().min(DEPTH));
        }
        (links, caps)
    }

    #[test]
    fn spreads_over_the_threads_there_are() {
        let (links, caps) = links_for(8, 100);
        assert!((8..=20).contains(&links), "{links}: {caps:?}");
    }

    #[test]
    fn a_single_thread_is_tried_seldom_and_the_depth_restored() {
        let (_, caps) = links_for(1, 600);
        let tried = caps.iter().filter(|cap| **cap < DEPTH).count();
        assert!(tried <= 12, "{tried} of 600 windows");
        assert_eq!(caps.last(), Some(&DEPTH));
    }
}
