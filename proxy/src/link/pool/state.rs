//! Questions about a pool: which links are idle and since when, which requests wait, how many there are. Nothing changes here.

use crate::turn::Nanos;

use super::super::lines::Want;
use super::super::seat::{Seat, SeatId, State};
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
        (self.lines.len() > self.connecting && self.used < self.share)
            .then(|| self.opening.next(now, self.used == 0))?
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

    /// The link in this seat, if it stands.
    pub fn link(&self, id: SeatId) -> Option<&L> {
        self.seats.get(id)?.as_ref()?.link.as_ref()
    }

    /// How many links may be kept by their clients.
    #[must_use]
    pub fn owners(&self) -> usize {
        self.owners
    }

    /// How many links are kept by their clients.
    #[must_use]
    pub fn owned(&self) -> usize {
        self.owned
    }

    /// How many links, with those that are being opened, serve whoever comes.
    #[must_use]
    pub fn usable(&self) -> usize {
        let serves = |seat: &&Seat<L>| seat.state != State::Barred && !seat.owned && !seat.kept;
        self.seats.iter().flatten().filter(serves).count()
    }

    /// How many of those who wait would take a link now. (Who would keep it may have to wait for another right.)
    #[must_use]
    pub fn eager(&self) -> usize {
        self.lines.len() - self.lines.count(Want::Own) + self.owners_next()
    }

    /// Whether one more link may be kept by its client.
    #[must_use]
    pub fn may_keep(&self) -> bool {
        self.owned < self.owners
    }

    /// Whether somebody waits to keep a link, and no more may be kept.
    #[must_use]
    pub fn lacks_owners(&self) -> bool {
        self.lines.count(Want::Own) > 0 && self.owned >= self.owners
    }

    /// Whether more links may be kept than anybody keeps or waits for.
    #[must_use]
    pub fn spares_owners(&self) -> bool {
        self.owners > self.owned + self.lines.count(Want::Own)
    }

    /// Whether more links may be opened than there are, or those who wait need.
    #[must_use]
    pub fn spares_share(&self) -> bool {
        self.share > self.used && self.eager() <= self.connecting
    }

    /// Whether this link is nobody's, and may close when what it carries has ended.
    #[must_use]
    pub fn may_close(&self, id: SeatId) -> bool {
        let seat = self.seats.get(id).and_then(Option::as_ref);
        seat.is_some_and(|seat| seat.state != State::Barred && !seat.kept && !seat.owned)
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
