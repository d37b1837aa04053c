//! What the last answer of a member told of the member itself.
//! In: how an answer ended. Out: what it speaks, and how long its links may be unused.
//! Knows nothing of links.

use crate::turn::Nanos;

use super::answer::End;

/// See the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manners {
    /// It speaks HTTP/1.0.
    pub(super) old: bool,
    /// A link that is unused for longer may be closed by the member any time.
    pub(super) longest_idle: Nanos,
}

impl Default for Manners {
    fn default() -> Self {
        Self { old: false, longest_idle: Nanos::MAX }
    }
}

const SECOND: Nanos = 1_000_000_000;

impl Manners {
    pub(super) fn of(end: &End) -> Self {
        Self { old: end.old, longest_idle: end.kept_for.map_or(Nanos::MAX, longest_idle) }
    }
}

/// A second less than the member keeps it (`Keep-Alive: timeout=`), so that a request does not meet its FIN; half of
/// it where that is more.
fn longest_idle(seconds: u32) -> Nanos {
    let kept = Nanos::from(seconds) * SECOND;
    kept.saturating_sub(SECOND).max(kept / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_go_before_the_member_closes_them() {
        let told = |kept_for| Manners::of(&End { kept_for, ..End::plain(200) }).longest_idle;
        assert_eq!(told(None), Nanos::MAX);
        assert_eq!(told(Some(5)), 4 * SECOND);
        assert_eq!(told(Some(1)), SECOND / 2);
        assert_eq!(told(Some(0)), 0);
    }
}
