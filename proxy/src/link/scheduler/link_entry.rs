//! The entry of one link in its pool, and the states that the pool moves it through.

use crate::event_loop::Nanos;

use super::holders::Track;
use super::link_id::LinkId;
use super::wait_queue::{Sharing, SourceKey};

/// How a request came to its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acquired {
    /// An idle link took it.
    Reused,
    /// It is the first on a new link.
    Opened,
    /// It shares the link with those ahead of it.
    Pipelined,
}

/// ```text
///            connected              place, next_for
/// Connecting ─────────▶ Idle ◀───────────────────────▶ Busy
///      │                 │          settle(0)           │ bar
///      │ closed          │ closed                       ▼
///      └────────────▶  (free) ◀───────────────────── Barred
///                                   closed
/// ```
/// While it is busy, `hold` or a waiter that must be alone closes it to others ([`Intake`]) until it is idle again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryState {
    Connecting,
    Idle {
        since: Nanos,
    },
    Busy(Intake),
    /// Takes no more; it closes when what it carries has ended.
    ClosedToNew,
}

/// Whether a busy link may take more behind what it carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Intake {
    /// As far as the depth and its lane allow.
    Open,
    /// Not until it is empty: its head is slow, large, or not being read.
    Held,
    /// Not until it is empty: it is kept for one who must be alone.
    Reserved,
}

#[derive(Debug)]
pub(super) struct LinkEntry<L> {
    pub(super) link: Option<L>,
    pub(super) state: EntryState,
    pub(super) answered: bool,
    /// Its client may keep it for as long as it likes.
    pub(super) owned: bool,
    /// Its client keeps it between two exchanges, too.
    pub(super) kept: bool,
    /// Whether what it carries, or carried last, may be shared with others.
    pub(super) lane: Lane,
    /// Whose requests it carries; nobody's where those of several share it.
    pub(super) source: SourceKey,
    /// The class of what it carries is one that holds links.
    pub(super) holds: bool,
    /// Since when it has carried what is at its head.
    pub(super) since: Nanos,
    pub(super) track: Track,
}

impl<L> LinkEntry<L> {
    /// The entry of a link to be.
    pub(super) fn connecting() -> Self {
        Self {
            link: None,
            state: EntryState::Connecting,
            answered: false,
            owned: false,
            kept: false,
            lane: Lane::Shared,
            source: SourceKey::default(),
            holds: false,
            since: 0,
            track: Track::default(),
        }
    }

    /// Whether it takes, or is about to take, whoever comes: it is nobody's, and not to close.
    pub(super) fn serves_anybody(&self) -> bool {
        self.state != EntryState::ClosedToNew && !self.kept && !self.owned
    }

    /// Whether it carries something, or is its client's.
    pub(super) fn is_busy(&self) -> bool {
        self.link.is_some() && matches!(self.state, EntryState::Busy(_) | EntryState::ClosedToNew)
    }

    /// What it is to take this link while it is idle.
    pub(super) fn taken_idle(&self) -> Acquired {
        if self.answered { Acquired::Reused } else { Acquired::Opened }
    }
}

/// What a link was used for last. Those that are alone on their links leave those of the others to them, else the
/// quick ones would spread over all links that the slow ones need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Shared,
    Alone,
}

impl Lane {
    /// The lane of those who want this.
    pub(super) fn of(sharing: Sharing) -> Self {
        if sharing == Sharing::Shared { Self::Shared } else { Self::Alone }
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
pub(super) struct Idle([Vec<LinkId>; 2]);

impl Idle {
    /// It carries nothing any more, or not yet.
    pub(super) fn push(&mut self, lane: Lane, id: LinkId) {
        self.0[lane as usize].push(id);
    }

    /// Takes one of this lane, which most often is the newest.
    pub(super) fn take(&mut self, lane: Lane, id: LinkId) {
        let lane = &mut self.0[lane as usize];
        if let Some(at) = lane.iter().rposition(|other| *other == id) {
            lane.remove(at);
        }
    }

    /// The newest of this lane.
    #[must_use]
    pub(super) fn last(&self, lane: Lane) -> Option<LinkId> {
        self.0[lane as usize].last().copied()
    }

    /// It was taken, or is gone.
    pub(super) fn remove(&mut self, id: LinkId) {
        self.0.iter_mut().for_each(|lane| lane.retain(|other| *other != id));
    }

    /// The newest of this lane for which this holds.
    #[must_use]
    pub(super) fn newest_of(&self, lane: Lane, holds: impl Fn(LinkId) -> bool) -> Option<LinkId> {
        self.0[lane as usize].iter().rev().copied().find(|id| holds(*id))
    }

    /// The newest of a lane that has any.
    #[must_use]
    pub(super) fn newest(&self) -> Option<LinkId> {
        self.0.iter().find_map(|lane| lane.last().copied())
    }

    /// How many there are.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// All of them, the oldest of each lane first.
    pub(super) fn iter(&self) -> impl Iterator<Item = LinkId> {
        self.0.iter().flatten().copied()
    }
}
