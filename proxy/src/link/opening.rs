//! How fast new links may be opened while requests wait.
//! In: when waiting began, how many were opened, and `now`. Out: may one more be opened, or when.
//! Knows nothing of members or sockets.

use std::time::Duration;

use crate::turn::Nanos;

/// A burst of clients meets a member of which nothing is known yet. One link each would be right for a slow
/// member and far too many for a fast one, and the first answers tell which it is. So a few links are opened
/// at once, and twice as many each [`STEP`] for as long as requests wait: the fast member has answered by
/// then, and for the slow one 333 links take 28 ms.
///
/// While the member refuses some of them, it is asked again only after a pause.
#[derive(Debug, Default)]
pub(super) struct Opening {
    since: Option<Nanos>,
    opened: u32,
    /// After a failure: none before this, and how long the next one will make us wait.
    not_before: Nanos,
    pause: Nanos,
}

/// How many are opened at once.
const FIRST: u32 = 4;
/// After this, twice as many may have been opened.
pub(super) const STEP: Nanos = Duration::from_millis(4).as_nanos() as Nanos;
/// The longest pause after a failure.
const LONGEST_PAUSE: Nanos = 128 * STEP;

impl Opening {
    /// Requests wait for a link: may one more be opened? It is counted if so.
    pub(super) fn may_open(&mut self, now: Nanos) -> bool {
        let since = *self.since.get_or_insert(now);
        if now < self.not_before {
            return false;
        }
        let doublings = (now.saturating_sub(since) / STEP).min(20);
        let allowed = self.opened < FIRST << doublings;
        self.opened += u32::from(allowed);
        allowed
    }

    /// When the next one may be opened, if requests wait.
    #[must_use]
    pub(super) fn next(&self, now: Nanos) -> Option<Nanos> {
        let since = self.since?;
        Some((since + (now.saturating_sub(since) / STEP + 1) * STEP).max(self.not_before))
    }

    /// One could not be opened: those who wait must not make us try without end.
    pub(super) fn failed(&mut self, now: Nanos) {
        self.pause = (self.pause * 2).clamp(STEP, LONGEST_PAUSE);
        self.not_before = now + self.pause;
    }

    /// One was opened.
    pub(super) fn succeeded(&mut self) {
        (self.not_before, self.pause) = (0, 0);
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

    fn opened_by(opening: &mut Opening, now: Nanos) -> usize {
        std::iter::from_fn(|| opening.may_open(now).then_some(())).count()
    }

    #[test]
    fn doubles_each_step() {
        let mut opening = Opening::default();
        let counts: Vec<_> = (0..4).map(|i| opened_by(&mut opening, 1000 + i * STEP)).collect();
        assert_eq!(counts, [4, 4, 8, 16]);
    }

    #[test]
    fn starts_anew_after_relief() {
        let mut opening = Opening::default();
        opened_by(&mut opening, 0);
        opened_by(&mut opening, 9 * STEP);
        opening.relax();
        assert_eq!(opened_by(&mut opening, 10 * STEP), 4);
    }

    #[test]
    fn pauses_after_failures_ever_longer_until_one_succeeds() {
        let mut opening = Opening::default();
        let mut now = 0;
        let mut tries = 0;
        while now < 1000 * STEP {
            if opening.may_open(now) {
                opening.failed(now);
                tries += 1;
            }
            now += STEP / 4;
        }
        assert!(tries < 20, "{tries} in vain");
        assert_eq!(opening.next(now), Some(opening.not_before));
        opening.succeeded();
        assert!(opening.may_open(now));
    }

    #[test]
    fn tells_when_to_look_again() {
        let mut opening = Opening::default();
        assert_eq!(opening.next(5), None);
        opened_by(&mut opening, 100);
        assert_eq!(opening.next(100), Some(100 + STEP));
        assert_eq!(opening.next(100 + STEP), Some(100 + 2 * STEP));
    }

    #[test]
    fn pauses_while_the_member_refuses() {
        let mut opening = Opening::default();
        assert_eq!(opened_by(&mut opening, 0), 4);
        opening.failed(7);
        opening.relax();
        assert_eq!(opened_by(&mut opening, 6 + STEP), 0);
        assert_eq!(opened_by(&mut opening, 7 + STEP), 4);
        assert!(opening.is_failing(), "until one is connected");
        opening.succeeded();
        assert!(!opening.is_failing());
    }
}
