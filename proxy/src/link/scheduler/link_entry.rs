//! Defines the entry of a link in its pool, and the states of an entry.

use crate::event_loop::Nanos;

use super::holders::Track;
use super::link_id::LinkId;
use super::wait_queue::{Sharing, SourceKey};

/// The way in which a request got its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Acquired {
    /// The request is on a link that was idle.
    Reused,
    /// The request is the first on a new link.
    Opened,
    /// The request is on a link with other requests before it.
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
/// While a link is busy, `hold` or a waiting request that must be alone closes the link to others
/// ([`Intake`]) until it is idle again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum EntryState {
    Connecting,
    Idle {
        since: Nanos,
    },
    Busy(Intake),
    /// The link takes no more requests and closes when those in flight have ended.
    ClosedToNew,
}

/// The willingness of a busy link to take further requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Intake {
    /// The link takes requests as its depth and its lane allow.
    Open,
    /// The link takes none until it is empty, because its first exchange is slow, large, or not being read.
    Held,
    /// The link takes none until it is empty, because it is reserved for a request that must be alone.
    Reserved,
}

#[derive(Debug)]
pub(super) struct LinkEntry<L> {
    pub(super) link: Option<L>,
    pub(super) state: EntryState,
    pub(super) answered: bool,
    /// Whether the client may keep the link for as long as it likes.
    pub(super) owned: bool,
    /// Whether the client keeps the link between two exchanges, too.
    pub(super) kept: bool,
    /// The lane of what the link carries or carried last.
    pub(super) lane: Lane,
    /// The source of its requests; the default if several sources share the link.
    pub(super) source: SourceKey,
    /// Whether the link carries a class that holds links.
    pub(super) holds: bool,
    /// The time since which the first exchange is at the head of the link.
    pub(super) since: Nanos,
    pub(super) track: Track,
}

impl<L> LinkEntry<L> {
    /// Makes the entry of a link that is being opened.
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

    /// Returns whether the link serves any client, now or soon: no client keeps it, and it is not about to
    /// close.
    pub(super) fn serves_anybody(&self) -> bool {
        self.state != EntryState::ClosedToNew && !self.kept && !self.owned
    }

    /// Returns whether the link carries something or belongs to a client.
    pub(super) fn is_busy(&self) -> bool {
        self.link.is_some() && matches!(self.state, EntryState::Busy(_) | EntryState::ClosedToNew)
    }

    /// Returns the way in which a request gets this link while it is idle.
    pub(super) fn taken_idle(&self) -> Acquired {
        if self.answered { Acquired::Reused } else { Acquired::Opened }
    }
}

/// The kind of requests that a link was used for last. Requests that must be alone prefer links of their own
/// lane. Otherwise the quick ones would spread over all links that the slow ones need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Shared,
    Alone,
}

impl Lane {
    /// Returns the lane of requests with this need.
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

/// The idle links, one stack for each lane.
#[derive(Debug, Default)]
pub(super) struct Idle([Vec<LinkId>; 2]);

impl Idle {
    /// Adds a link that carries nothing.
    pub(super) fn push(&mut self, lane: Lane, id: LinkId) {
        self.0[lane as usize].push(id);
    }

    /// Removes a link of this lane, most often the newest.
    pub(super) fn take(&mut self, lane: Lane, id: LinkId) {
        let lane = &mut self.0[lane as usize];
        if let Some(at) = lane.iter().rposition(|other| *other == id) {
            lane.remove(at);
        }
    }

    /// Returns the newest link of this lane.
    #[must_use]
    pub(super) fn last(&self, lane: Lane) -> Option<LinkId> {
        self.0[lane as usize].last().copied()
    }

    /// Removes a link that was taken or has closed.
    pub(super) fn remove(&mut self, id: LinkId) {
        self.0.iter_mut().for_each(|lane| lane.retain(|other| *other != id));
    }

    /// Returns the newest link of this lane that fulfils `holds`.
    #[must_use]
    pub(super) fn newest_of(&self, lane: Lane, holds: impl Fn(LinkId) -> bool) -> Option<LinkId> {
        self.0[lane as usize].iter().rev().copied().find(|id| holds(*id))
    }

    /// Returns the newest link of the first lane that has any.
    #[must_use]
    pub(super) fn newest(&self) -> Option<LinkId> {
        self.0.iter().find_map(|lane| lane.last().copied())
    }

    /// Returns the number of idle links.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Returns all idle links, in each lane the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = LinkId> {
        self.0.iter().flatten().copied()
    }
}
