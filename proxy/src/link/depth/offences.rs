//! Whether a member breaks the rules of pipelining.
//! In: links it closed with requests unanswered, connections it refused, and `now`. Out: whether it did so twice.
//! Knows nothing of depth.

use std::time::Duration;

use crate::turn::Nanos;

/// A member that closes a link amid a pipeline cannot do it (old servers; some that answer one request in a
/// packet). But one that restarts closes all its links at once as well, and refuses new ones for a moment:
/// closings of one moment are one, and what is followed by a refusal is forgiven.
#[derive(Debug, Default)]
pub(super) struct Offences {
    count: u32,
    last: Option<Nanos>,
}

/// Links that close within this of each other close for the same reason.
const MOMENT: Nanos = Duration::from_millis(100).as_nanos() as Nanos;
/// A refusal this long after it excuses a closing.
const EXCUSED: Nanos = Duration::from_secs(1).as_nanos() as Nanos;

impl Offences {
    /// A link was closed with requests unanswered that it should have answered.
    pub(super) fn closed(&mut self, now: Nanos) {
        if !self.within(MOMENT, now) {
            self.count += 1;
        }
        self.last = Some(now);
    }

    /// The member does not accept connections now.
    pub(super) fn refused(&mut self, now: Nanos) {
        if self.within(EXCUSED, now) {
            self.count -= 1;
            self.last = None;
        }
    }

    /// Once may be an accident.
    #[must_use]
    pub(super) fn are_enough(&self) -> bool {
        self.count >= 2
    }

    fn within(&self, span: Nanos, now: Nanos) -> bool {
        self.last.is_some_and(|last| now.saturating_sub(last) <= span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn twice_is_enough() {
        let mut offences = Offences::default();
        offences.closed(SECOND);
        assert!(!offences.are_enough());
        offences.closed(60 * SECOND);
        assert!(offences.are_enough());
        offences.refused(90 * SECOND);
        assert!(offences.are_enough(), "for good");
    }

    #[test]
    fn a_member_that_falls_closes_all_its_links_at_once() {
        let mut offences = Offences::default();
        (0..64).for_each(|i| offences.closed(SECOND + i * MOMENT / 10));
        assert!(!offences.are_enough());
    }

    #[test]
    fn a_restart_is_no_offence() {
        let mut offences = Offences::default();
        for restart in 1..10 {
            offences.closed(restart * 60 * SECOND);
            offences.refused(restart * 60 * SECOND + MOMENT);
            offences.refused(restart * 60 * SECOND + 2 * MOMENT);
        }
        assert!(!offences.are_enough());
        offences.closed(1000 * SECOND);
        offences.refused(1002 * SECOND);
        offences.closed(1010 * SECOND);
        assert!(offences.are_enough(), "that refusal came too late");
    }
}
