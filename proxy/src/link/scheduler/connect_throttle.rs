//! Limits how fast new links are opened while requests wait.

use std::time::Duration;

use crate::event_loop::Nanos;

/// Allows a few new links at once, and twice as many after each [`STEP`] for as long as requests wait.
///
/// A burst of clients may meet a member of which nothing is known. One link for each would be right for a
/// slow member and far too many for a fast one, and the first answers tell the two apart. A fast member has
/// answered within a step; a slow one has 333 links after 28 ms.
///
/// After a failure the member is tried again after a pause, and by one attempt at a time. If no link stands,
/// waiting requests depend on these attempts, so the pause stays short and has a random part.
#[derive(Debug, Default)]
pub(super) struct ConnectThrottle {
    since: Option<Nanos>,
    opened: u32,
    /// The time of the last failure.
    failed_at: Nanos,
    /// The pause after the last failure, in nanoseconds; 0 after a success.
    pause: Nanos,
    /// The times before which nothing is opened after the loss of a link: if other links stand, and if none
    /// does.
    calm: Option<(Nanos, Nanos)>,
}

/// The number of links that may be opened at once.
const FIRST: u32 = 4;
/// The time in nanoseconds after which twice as many links may have been opened. A fast member answers within
/// it.
pub(super) const STEP: Nanos = Duration::from_millis(4).as_nanos() as Nanos;
/// The longest pause after a failure, in nanoseconds, if another link stands.
const LONGEST_PAUSE: Nanos = 128 * STEP;
/// The pause after a link was lost while others stand, in nanoseconds, because these may be closed next.
const LOSS_PAUSE: Nanos = 2 * STEP;
/// The pause after the last link was lost, in nanoseconds. The member is probably going away, and a link that
/// connects before it has closed its listener would be lost again.
const LOSS_PAUSE_ALONE: Nanos = 4 * STEP;
/// The longest pause after a failure if no link stands, in nanoseconds. Up to half of the pause is added at
/// random.
const LONGEST_PAUSE_ALONE: Nanos = 16 * STEP;

impl ConnectThrottle {
    /// Returns whether one more link may be opened for waiting requests, and counts the link if so. `alone`
    /// says that no link stands.
    pub(super) fn may_open(&mut self, now: Nanos, alone: bool) -> bool {
        let since = *self.since.get_or_insert(now);
        // The pause after a failure or a loss comes before any allowance.
        if now < self.not_before(alone) {
            return false;
        }
        // The limit of 20 keeps the shift from overflowing.
        let doublings = (now.saturating_sub(since) / STEP).min(20);
        let allowed = self.opened < FIRST << doublings;
        self.opened += u32::from(allowed);
        allowed
    }

    /// Returns the earliest time at which the next link may be opened, if requests wait.
    #[must_use]
    pub(super) fn next(&self, now: Nanos, alone: bool) -> Option<Nanos> {
        let since = self.since?;
        Some((since + (now.saturating_sub(since) / STEP + 1) * STEP).max(self.not_before(alone)))
    }

    /// Records that the member closed a link whose requests must be sent again.
    pub(super) fn lost(&mut self, now: Nanos) {
        self.calm = Some((now + LOSS_PAUSE, now + LOSS_PAUSE_ALONE));
    }

    fn not_before(&self, alone: bool) -> Nanos {
        let calm = self.calm.map_or(0, |(some, none)| if alone { none } else { some });
        calm.max(self.after_failure(alone))
    }

    fn after_failure(&self, alone: bool) -> Nanos {
        if alone && self.pause > 0 {
            let pause = self.pause.min(LONGEST_PAUSE_ALONE);
            // The hashed time of the failure (Knuth's multiplicative hash) is random enough to keep workers
            // from trying at once.
            let chance = self.failed_at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            return self.failed_at + pause + chance % (pause / 2);
        }
        self.failed_at + self.pause
    }

    /// Records a failed attempt, which lengthens the pause, so that waiting requests do not cause endless
    /// attempts.
    pub(super) fn failed(&mut self, now: Nanos) {
        self.pause = (self.pause * 2).clamp(STEP, LONGEST_PAUSE);
        self.failed_at = now;
    }

    /// Records a successful attempt, which ends the pause.
    pub(super) fn succeeded(&mut self) {
        (self.failed_at, self.pause) = (0, 0);
    }

    /// Returns whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.pause > 0
    }

    /// Starts over, since no request waits any more.
    pub(super) fn relax(&mut self) {
        (self.since, self.opened) = (None, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened_by(throttle: &mut ConnectThrottle, now: Nanos) -> usize {
        std::iter::from_fn(|| throttle.may_open(now, false).then_some(())).count()
    }

    #[test]
    fn doubles_each_step() {
        let mut throttle = ConnectThrottle::default();
        let counts: Vec<_> = (0..4).map(|i| opened_by(&mut throttle, 1000 + i * STEP)).collect();
        assert_eq!(counts, [4, 4, 8, 16]);
    }

    #[test]
    fn starts_anew_after_relief() {
        let mut throttle = ConnectThrottle::default();
        opened_by(&mut throttle, 0);
        opened_by(&mut throttle, 9 * STEP);
        throttle.relax();
        assert_eq!(opened_by(&mut throttle, 10 * STEP), 4);
    }

    #[test]
    fn pauses_after_failures_ever_longer_until_one_succeeds() {
        let mut throttle = ConnectThrottle::default();
        let mut now = 0;
        let mut tries = 0;
        while now < 1000 * STEP {
            if throttle.may_open(now, false) {
                throttle.failed(now);
                tries += 1;
            }
            now += STEP / 4;
        }
        assert!(tries < 20, "{tries} in vain");
        assert_eq!(throttle.next(now, false), Some(throttle.not_before(false)));
        throttle.succeeded();
        assert!(throttle.may_open(now, false));
    }

    #[test]
    fn what_was_lost_is_not_sent_to_a_member_that_is_going_away() {
        let mut throttle = ConnectThrottle::default();
        throttle.lost(100);
        assert!(!throttle.may_open(101, false), "the other links may be lost, too");
        assert!(throttle.may_open(100 + LOSS_PAUSE, false), "they are not");
        assert!(!throttle.may_open(100 + LOSS_PAUSE, true), "they are");
        assert!(throttle.may_open(100 + LOSS_PAUSE_ALONE, true) && !throttle.is_failing());
    }

    #[test]
    fn pauses_stay_short_where_no_link_stands() {
        let mut throttle = ConnectThrottle::default();
        let mut tries = Vec::new();
        for now in (0..2_000).map(|i| i * STEP / 4) {
            if throttle.may_open(now, true) {
                throttle.failed(now);
                tries.push(now);
            }
        }
        let pauses: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let longest = LONGEST_PAUSE_ALONE * 3 / 2 + STEP;
        assert!(pauses.iter().all(|pause| *pause <= longest), "{pauses:?}");
        assert!(pauses[5..].iter().all(|pause| *pause >= LONGEST_PAUSE_ALONE), "{pauses:?}");
        assert!(pauses[5..].iter().any(|pause| *pause != pauses[5]), "they differ: {pauses:?}");
        let now = 10_000 * STEP;
        throttle.failed(now);
        assert!(throttle.not_before(true) < throttle.not_before(false), "also after longer ones");
    }

    #[test]
    fn tells_when_to_look_again() {
        let mut throttle = ConnectThrottle::default();
        assert_eq!(throttle.next(5, false), None);
        opened_by(&mut throttle, 100);
        assert_eq!(throttle.next(100, false), Some(100 + STEP));
        assert_eq!(throttle.next(100 + STEP, false), Some(100 + 2 * STEP));
    }

    #[test]
    fn pauses_while_the_member_refuses() {
        let mut throttle = ConnectThrottle::default();
        assert_eq!(opened_by(&mut throttle, 0), 4);
        throttle.failed(7);
        throttle.relax();
        assert_eq!(opened_by(&mut throttle, 6 + STEP), 0);
        assert_eq!(opened_by(&mut throttle, 7 + STEP), 4);
        assert!(throttle.is_failing(), "until one is connected");
        throttle.succeeded();
        assert!(!throttle.is_failing());
    }
}
