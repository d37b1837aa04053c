//! Remembers when a member answered nobody, so that such a time does not count as slowness of one request.

use std::time::Duration;

use crate::turn::Nanos;

/// An answer that comes late while others come is slow. One that comes late because none came (the member, or the
/// machine, did something else) holds up nobody: there was no better place to wait.
#[derive(Debug, Default)]
pub(super) struct Stall {
    answered: Nanos,
    from: Nanos,
    to: Nanos,
}

/// A shorter silence is none.
const SHORTEST: Nanos = Duration::from_millis(2).as_nanos() as Nanos;

impl Stall {
    /// The member answered somebody.
    pub(super) fn answered(&mut self, now: Nanos) {
        if now.saturating_sub(self.answered) >= SHORTEST {
            (self.from, self.to) = (self.answered, now);
        }
        self.answered = now;
    }

    /// When it last answered anybody.
    #[must_use]
    pub(super) fn last_answer(&self) -> Nanos {
        self.answered
    }

    /// How much of the last `span` it answered nobody: the last such silence counts.
    #[must_use]
    pub(super) fn within(&self, span: Nanos, now: Nanos) -> Nanos {
        let from = self.from.max(now.saturating_sub(span));
        self.to.min(now).saturating_sub(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    #[test]
    fn silence_for_all_is_not_slowness_of_one() {
        let mut stall = Stall::default();
        [100, 101, 131].iter().for_each(|at| stall.answered(at * MILLI));
        assert_eq!(stall.within(31 * MILLI, 131 * MILLI), 30 * MILLI);
        stall.answered(132 * MILLI);
        assert_eq!(
            stall.within(31 * MILLI, 132 * MILLI),
            30 * MILLI,
            "for the others that waited through it"
        );
        assert_eq!(stall.within(MILLI, 140 * MILLI), 0, "and not for those that came after");
    }

    #[test]
    fn while_others_are_answered_there_is_none() {
        let mut stall = Stall::default();
        (100..300).for_each(|at| stall.answered(at * MILLI));
        assert_eq!(stall.within(150 * MILLI, 300 * MILLI), 0);
    }
}
