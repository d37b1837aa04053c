//! Finds out whether a member with many threads gets more done over more links, and caps the depth accordingly.
//!
//! It knows nothing of threads: it tries more links for a while, and compares how much gets done.

use std::time::Duration;

use crate::event_loop::Nanos;

use super::speed::Past;

/// While answers take no longer than they would if nothing were in their way, and requests wait behind others, more
/// links may be served as well. So the depth is halved, by which more links open; where no more gets done by
/// then, it is restored, and tried again ever more seldom. When answers take twice as long, the member has no more to
/// give, and the depth comes back.
#[derive(Debug)]
pub(super) struct Spread {
    cap: u16,
    trial: Option<Trial>,
    not_before: Nanos,
    pause: Nanos,
}

/// What got done before the depth was halved, and the windows since.
#[derive(Debug)]
struct Trial {
    rate: f32,
    windows: u8,
}

/// A worker has about one request in this time to send at most. Where the links that are busy do as much, nothing is
/// gained by more of them; noise makes the least answer up to [`NOISE`] times quicker than most.
const WORK: f32 = 10_000.0;
const NOISE: f32 = 4.0;
/// With so much of what a worker can send there is nothing to gain.
const WORTH: f32 = 0.7;
/// A thread that is busy for less than this part of the time is not what keeps a member from more.
const EXPLAINED: f32 = 0.4;
/// A quarter of the requests waits behind others: that is no accident.
const CROWDED: f32 = 0.25;
/// With this part of its speed left, a member may have room for more.
const FREE: f32 = 0.8;
const FULL: f32 = 0.5;
/// Halving the depth was worth it where so much more gets done, after so many windows.
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
    /// The cap that makes the member's links as many as it has use for.
    #[must_use]
    pub(super) fn cap(&self) -> u16 {
        self.cap
    }

    /// A window has ended. Answers take `base` where nothing is in their way, which would allow for `depth`.
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
        self.cap = if self.cap >= depth.div_ceil(2) { u16::MAX } else { self.cap.saturating_mul(2) };
    }
}

/// Whether more links could do more. `base` is too little where answers are noisy, and what is typical too much where
/// the member never had little to do; the former shows, as it does not explain the work that gets done.
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

    /// A member with so many threads of 100 us, on as many links as 100 requests need; how many these are at last.
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
