//! The times of a tunnel: when it began, when bytes last moved in it, and until when it may go on.

use crate::config::TunnelLimits;
use crate::event_loop::{Nanos, nanos};

/// The times of one tunnel, or of a link that one client keeps for good.
#[derive(Clone, Copy, Debug)]
pub(in crate::client) struct Lifetime {
    /// The time at which the tunnel began.
    pub(in crate::client) began: Nanos,
    /// The time at which bytes last moved.
    pub(in crate::client) moved: Nanos,
}

impl Lifetime {
    /// Returns when the tunnel ends if nothing moves until then; `None` where nothing limits it.
    pub(in crate::client) fn deadline(self, limits: &TunnelLimits) -> Option<Nanos> {
        let idle = limits.idle.map(|limit| self.moved.saturating_add(nanos(limit)));
        idle.into_iter().chain(self.too_old_at(limits)).min()
    }

    /// Returns when the tunnel has lasted for as long as it may.
    pub(super) fn too_old_at(self, limits: &TunnelLimits) -> Option<Nanos> {
        limits.age.map(|limit| self.began.saturating_add(nanos(limit)))
    }

    /// Returns whether the tunnel has lasted for as long as it may.
    pub(in crate::client) fn is_too_old(self, limits: &TunnelLimits, now: Nanos) -> bool {
        self.too_old_at(limits).is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    fn limits(idle: Option<u64>, age: Option<u64>) -> TunnelLimits {
        let seconds = |n: Option<u64>| n.map(Duration::from_secs);
        TunnelLimits { idle: seconds(idle), age: seconds(age), splice: false }
    }

    #[test]
    fn it_ends_when_it_is_idle_or_old_whichever_is_first() {
        let tunnel = Lifetime { began: 5 * SECOND, moved: 8 * SECOND };
        for (idle, age, at) in [
            (None, None, None),
            (Some(2), None, Some(10 * SECOND)),
            (None, Some(7), Some(12 * SECOND)),
            (Some(2), Some(7), Some(10 * SECOND)),
            (Some(9), Some(7), Some(12 * SECOND)),
        ] {
            assert_eq!(tunnel.deadline(&limits(idle, age)), at, "{idle:?} {age:?}");
        }
    }

    #[test]
    fn it_is_old_from_its_deadline_on() {
        let tunnel = Lifetime { began: SECOND, moved: 90 * SECOND };
        let old_at = |now| tunnel.is_too_old(&limits(Some(1), Some(3)), now);
        assert!(!old_at(4 * SECOND - 1) && old_at(4 * SECOND));
        assert!(!tunnel.is_too_old(&limits(Some(1), None), Nanos::MAX), "without a limit it never is");
    }
}
