//! Turns the results of checks into verdicts: a few failures in a row take a member down, and a few successes take it up.

/// What a row of checks says of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CheckVerdict {
    /// The member passes its checks.
    Passes,
    /// The member fails its checks.
    Fails,
}

/// The checks of one member in a row that had the same result.
#[derive(Debug)]
pub(crate) struct Streak {
    is_down: bool,
    /// The number of checks in a row that speak against the verdict.
    against: u32,
}

impl Streak {
    /// Begins with this verdict.
    #[must_use]
    pub(crate) fn new(is_down: bool) -> Self {
        Self { is_down, against: 0 }
    }

    /// Records the result of a check, and returns the verdict if it changes: after `rise` good checks in a row, or `fall` bad
    /// ones.
    #[must_use]
    pub(crate) fn observe(&mut self, is_good: bool, rise: u32, fall: u32) -> Option<CheckVerdict> {
        if is_good != self.is_down {
            self.against = 0;
            return None;
        }
        self.against += 1;
        if self.against < if self.is_down { rise } else { fall } {
            return None;
        }
        *self = Self::new(!self.is_down);
        Some(if self.is_down { CheckVerdict::Fails } else { CheckVerdict::Passes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts after these checks, `+` for a good one: `d` for down, `u` for up.
    fn verdicts(checks: &str, rise: u32, fall: u32) -> String {
        let mut streak = Streak::new(false);
        let verdict = |check: char| match streak.observe(check == '+', rise, fall) {
            Some(CheckVerdict::Fails) => 'd',
            Some(CheckVerdict::Passes) => 'u',
            None => '.',
        };
        checks.chars().map(verdict).collect()
    }

    #[test]
    fn only_checks_in_a_row_change_the_verdict() {
        assert_eq!(verdicts("--+---------", 2, 3), ".....d......");
        assert_eq!(verdicts("---+-+-++++++", 2, 3), "..d.....u....");
        assert_eq!(verdicts("++++++", 2, 3), "......");
        assert_eq!(verdicts("-+-+", 1, 1), "dudu");
    }

    #[test]
    fn a_verdict_from_before_stays_until_it_is_refuted() {
        let mut streak = Streak::new(true);
        assert_eq!(streak.observe(false, 2, 3), None);
        assert_eq!(streak.observe(true, 2, 3), None);
        assert_eq!(streak.observe(true, 2, 3), Some(CheckVerdict::Passes));
    }
}
