//! Limits how fast new links are opened while requests wait.

use std::time::Duration;

use crate::event_loop::Nanos;

/// A burst of clients meets a member of which nothing is known yet. One link each would be right for a slow
/// member and far too many for a fast one, and the first answers tell which it is. So a few links are opened
/// at once, and twice as many each [`STEP`] for as long as requests wait: the fast member has answered by
/// then, and for the slow one 333 links take 28 ms.
///
/// While the member refuses some of them, it is asked again only after a pause, and by one attempt at a time. Where no link
/// stands, those who wait have nothing else to wait for: there the pause stays short, and is not the same for all who ask.
#[derive(Debug, Default)]
pub(super) struct ConnectThrottle {
    since: Option<Nanos>,
    opened: u32,
    /// The last failure, and the pause after it.
    failed_at: Nanos,
    pause: Nanos,
    /// No more after the last loss of a link before this, or where no link stands, before the other.
    calm: Option<(Nanos, Nanos)>,
}

/// How many are opened at once.
const FIRST: u32 = 4;
/// After this, twice as many may have been opened.
pub(super) const STEP: Nanos = Duration::from_millis(4).as_nanos() as Nanos;
/// The longest pause after a failure.
const LONGEST_PAUSE: Nanos = 128 * STEP;
/// After a link was lost others may be about to be,
const LOSS_PAUSE: Nanos = 2 * STEP;
/// and if all are, the member is probably going away. What connects before it has closed its listener is lost again.
const LOSS_PAUSE_ALONE: Nanos = 4 * STEP;
/// The longest where no link stands; up to a half of it is added.
const LONGEST_PAUSE_ALONE: Nanos = 16 * STEP;

impl ConnectThrottle {
    /// Requests wait for a link: may one more be opened? It is counted if so. `alone` says that no link stands.
    pub(super) fn may_open(&mut self, now: Nanos, alone: bool) -> bool {
        let since = *self.since.get_or_insert(now);
        if now < self.not_before(alone) {
            return false;
        }
        let doublings = (now.saturating_sub(since) / STEP).min(20);
        let allowed = self.opened < FIRST << doublings;
        self.opened += u32::from(allowed);
        allowed
    }

    /// When the next one may be opened, if requests wait.
    #[must_use]
    pub(super) fn next(&self, now: Nanos, alone: bool) -> Option<Nanos> {
        let since = self.since?;
        Some((since + (now.saturating_sub(since) / STEP + 1) * STEP).max(self.not_before(alone)))
    }

    /// The member closed a link from which requests are to be sent again.
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
            // The time of the failure, stirred (Knuth's multiplicative hash), is as good as chance.
            let chance = self.failed_at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            return self.failed_at + pause + chance % (pause / 2);
        }
        self.failed_at + self.pause
    }

    /// One could not be opened: those who wait must not make us try without end.
    pub(super) fn failed(&mut self, now: Nanos) {
        self.pause = (self.pause * 2).clamp(STEP, LONGEST_PAUSE);
        self.failed_at = now;
    }

    /// One was opened.
    pub(super) fn succeeded(&mut self) {
        (self.failed_at, self.pause) = (0, 0);
    }

    /// Whether the last one could not be connected.
    pub(super) fn is_failing(&self) -> bool {
        self.pause > 0
    }

    /// Nobody waits any more.
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
