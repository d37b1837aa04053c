//! What a pool tells of itself: which links are idle and since when, who waits, how many there are.
//! In: a pool. Out: numbers, times and handles.
//! Changes nothing.

use crate::turn::Nanos;

use super::super::seat::{SeatId, State};
use super::Pool;

impl<L: Clone, W> Pool<L, W> {
    /// Idle links that have been so since `latest` or longer, oldest first.
    #[must_use]
    pub fn idle_since(&self, latest: Nanos) -> Vec<L> {
        let long = |id: &SeatId| matches!(self.idle_at(*id), Some(since) if since <= latest);
        self.idle.iter().filter(long).filter_map(|id| self.seats[id].as_ref()?.link.clone()).collect()
    }

    /// When the oldest idle link became so.
    #[must_use]
    pub fn oldest_idle(&self) -> Option<Nanos> {
        self.idle.iter().filter_map(|id| self.idle_at(id)).min()
    }

    /// Idle links above the share, which must close.
    #[must_use]
    pub fn surplus(&self) -> Vec<L> {
        let count = self.above_share();
        self.idle.iter().take(count).filter_map(|id| self.seats[id].as_ref()?.link.clone()).collect()
    }

    /// So many links have to close that do not yet, because there may be no more.
    fn above_share(&self) -> usize {
        (self.used - self.barred).saturating_sub(self.share)
    }

    /// Whether this link closes when what it carries has ended: it is known to, or there are more links than there may be. A
    /// link that its client keeps is not taken from it.
    #[must_use]
    pub fn is_to_close(&self, id: SeatId) -> bool {
        let Some(seat) = self.seats.get(id).and_then(Option::as_ref) else { return false };
        seat.state == State::Barred || (self.above_share() > 0 && !seat.kept && !seat.owned)
    }

    /// When the first of those who wait came.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<Nanos> {
        self.lines.oldest()
    }

    /// When [`Pool::open`] may say yes again, if requests wait and the share allows it.
    #[must_use]
    pub fn next_opening(&self, now: Nanos) -> Option<Nanos> {
        (self.lines.len() > self.connecting && self.used < self.share).then(|| self.opening.next(now))?
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lines.len()
    }

    /// How many links carry something.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.used - self.connecting - self.idle.len()
    }

    /// How many seats are taken: links that stand, and those being opened.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// How many seats there may be.
    #[must_use]
    pub fn share(&self) -> usize {
        self.share
    }

    /// Every link that stands.
    pub fn links(&self) -> impl Iterator<Item = &L> {
        self.seats.iter().flatten().filter_map(|seat| seat.link.as_ref())
    }

    fn idle_at(&self, id: SeatId) -> Option<Nanos> {
        match self.seats[id].as_ref()?.state {
            State::Idle { since } => Some(since),
            _ => None,
        }
    }
}
