//! The idle links of a pool, sorted by what they carried last. The newest of a kind is taken first.

use super::lines::Want;
use super::seat::SeatId;

/// What a link was used for last. Those that are alone on their links leave those of the others to them, else the
/// quick ones would spread over all links that the slow ones need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Shared,
    Alone,
}

impl Lane {
    /// The lane of those who want this.
    pub(super) fn of(want: Want) -> Self {
        if want == Want::Shared { Self::Shared } else { Self::Alone }
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Shared => Self::Alone,
            Self::Alone => Self::Shared,
        }
    }
}

/// Two stacks.
#[derive(Debug, Default)]
pub(super) struct Idle([Vec<SeatId>; 2]);

impl Idle {
    /// It carries nothing any more, or not yet.
    pub(super) fn push(&mut self, lane: Lane, id: SeatId) {
        self.0[lane as usize].push(id);
    }

    /// Takes one of this lane, which most often is the newest.
    pub(super) fn take(&mut self, lane: Lane, id: SeatId) {
        let lane = &mut self.0[lane as usize];
        if let Some(at) = lane.iter().rposition(|other| *other == id) {
            lane.remove(at);
        }
    }

    /// The newest of this lane.
    #[must_use]
    pub(super) fn last(&self, lane: Lane) -> Option<SeatId> {
        self.0[lane as usize].last().copied()
    }

    /// The newest of the other lane.
    #[must_use]
    pub(super) fn last_other(&self, lane: Lane) -> Option<SeatId> {
        self.last(lane.other())
    }

    /// It was taken, or is gone.
    pub(super) fn remove(&mut self, id: SeatId) {
        self.0.iter_mut().for_each(|lane| lane.retain(|other| *other != id));
    }

    /// The newest of this lane for which this holds.
    #[must_use]
    pub(super) fn newest_of(&self, lane: Lane, holds: impl Fn(SeatId) -> bool) -> Option<SeatId> {
        self.0[lane as usize].iter().rev().copied().find(|id| holds(*id))
    }

    /// The newest of a lane that has any.
    #[must_use]
    pub(super) fn newest(&self) -> Option<SeatId> {
        self.0.iter().find_map(|lane| lane.last().copied())
    }

    /// How many there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// All of them, the oldest of each lane first.
    pub(super) fn iter(&self) -> impl Iterator<Item = SeatId> {
        self.0.iter().flatten().copied()
    }
}
