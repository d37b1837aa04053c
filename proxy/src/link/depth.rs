//! How many exchanges a link to this member may carry at once.
//! In: service times as they are seen, and `now`. Out: a depth between 1 and the ceiling.
//! Knows nothing of links, bytes or sockets.

use std::time::Duration;

use crate::config::Links;
use crate::turn::Nanos;

/// `depth x least service time <= budget`.
///
/// A member answers a link's requests one after the other, so depth is free only where answers are quick.
/// The *least* service time of late decides, as BBR takes the least round trip: a mean would feed on
/// itself, because a busy origin answers each of more links more slowly, which would lower the depth,
/// which would open still more links.
#[derive(Debug)]
pub struct Depth {
    ceiling: u16,
    budget: Nanos,
    /// Least service time of the present window, and of the one before.
    windows: [Nanos; 2],
    began: Nanos,
}

/// Length of a window; the least of the last one to two windows decides.
const WINDOW: Nanos = Duration::from_secs(1).as_nanos() as Nanos;
/// What was seen longer ago than this says nothing any more.
const STALE: Nanos = 10 * WINDOW;
const UNSEEN: Nanos = Nanos::MAX;

impl Depth {
    /// No evidence yet: depth 1.
    #[must_use]
    pub fn new(links: &Links, now: Nanos) -> Self {
        let mut depth = Self { ceiling: 1, budget: 0, windows: [UNSEEN; 2], began: now };
        depth.configure(links);
        depth
    }

    /// Takes a new ceiling and budget; what was seen stays.
    pub fn configure(&mut self, links: &Links) {
        self.ceiling = links.pipeline.get();
        self.budget = Nanos::try_from(links.pipeline_budget.as_nanos()).unwrap_or(Nanos::MAX);
    }

    /// Exchanges on these routes ended in one read, `service` after the first had become the head of its link.
    pub fn observe(&mut self, routes: &[u32], _large: bool, service: Nanos, now: Nanos) {
        self.turn_window(now);
        let each = service / (routes.len() as u64).max(1);
        self.windows[0] = self.windows[0].min(each);
    }

    /// Whether exchanges on this route are to be alone on a link.
    #[must_use]
    pub fn goes_alone(&self, _route: u32) -> bool {
        false
    }

    /// A head older than this gets no more behind it.
    #[must_use]
    pub fn hold_after(&self) -> Nanos {
        self.budget.max(4 * self.least().unwrap_or(0))
    }

    /// What is behind a head older than this is sent elsewhere.
    #[must_use]
    pub fn rescue_after(&self) -> Option<Nanos> {
        Some(20_000_000)
    }

    /// So many behind a head on this route were sent elsewhere.
    pub fn rescued(&mut self, _route: u32, _followers: u32, _now: Nanos) {}

    /// The member closed a link while several awaited their answers.
    pub fn closed_mid_pipeline(&mut self, _now: Nanos) {}

    /// The member does not accept.
    pub fn refused(&mut self, _now: Nanos) {}

    /// The depth in use.
    #[must_use]
    pub fn limit(&self) -> u16 {
        if self.ceiling == 1 {
            return 1;
        }
        match self.least() {
            None => 1,
            Some(least) => {
                u16::try_from(self.budget / least.max(1)).unwrap_or(u16::MAX).clamp(1, self.ceiling)
            }
        }
    }

    /// The least service time of late, in nanoseconds, if any was seen.
    #[must_use]
    pub fn least(&self) -> Option<Nanos> {
        Some(self.windows[0].min(self.windows[1])).filter(|least| *least != UNSEEN)
    }

    fn turn_window(&mut self, now: Nanos) {
        let age = now.saturating_sub(self.began);
        if age < WINDOW {
            return;
        }
        let before = if age < STALE { self.windows[0] } else { UNSEEN };
        self.windows = [UNSEEN, before];
        self.began = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    fn depth(ceiling: u16) -> Depth {
        let mut links = crate::link::tests::links();
        links.pipeline = ceiling.try_into().unwrap();
        links.pipeline_budget = Duration::from_millis(2);
        Depth::new(&links, 0)
    }

    #[test]
    fn starts_at_one_and_grows_with_evidence() {
        let mut d = depth(32);
        assert_eq!(d.limit(), 1);
        d.observe(&[0], false, MILLI / 2, 1);
        assert_eq!(d.limit(), 4);
        d.observe(&[0], false, MILLI / 100, 2);
        assert_eq!(d.limit(), 32, "the ceiling holds");
    }

    #[test]
    fn a_slow_member_is_never_shared() {
        let mut d = depth(32);
        d.observe(&[0], false, 200 * MILLI, 1);
        assert_eq!(d.limit(), 1);
    }

    #[test]
    fn the_least_decides_not_the_mean() {
        let mut d = depth(32);
        d.observe(&[0], false, MILLI / 20, 1);
        for i in 0..100 {
            d.observe(&[0], false, 50 * MILLI, i);
        }
        assert_eq!(d.limit(), 32, "a busy origin keeps few links and high depth");
    }

    #[test]
    fn falls_back_when_the_member_turns_slow() {
        let mut d = depth(32);
        d.observe(&[0], false, MILLI / 20, 1);
        d.observe(&[0], false, 200 * MILLI, WINDOW + 2);
        assert_eq!(d.limit(), 32, "one window of grace");
        d.observe(&[0], false, 200 * MILLI, 2 * WINDOW + 3);
        assert_eq!(d.limit(), 1);
    }

    #[test]
    fn old_evidence_is_forgotten() {
        let mut d = depth(32);
        d.observe(&[0], false, MILLI / 20, 1);
        d.observe(&[0], false, MILLI, STALE + 2);
        assert_eq!(d.limit(), 2);
    }

    #[test]
    fn a_ceiling_of_one_is_plain_pooling() {
        let mut d = depth(1);
        d.observe(&[0], false, 1, 1);
        assert_eq!(d.limit(), 1);
    }
}
