//! The entry of one link in its pool, and the states that the pool moves it through.

use crate::turn::Nanos;

use super::holders::Track;
use super::idle::Lane;
use super::lines::SourceKey;

/// The place of a link in its pool.
pub type SeatId = usize;

/// How a request came to its link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    Connecting,
    Idle {
        since: Nanos,
    },
    Busy,
    /// Takes no more; it closes when what it carries has ended.
    Barred,
}

#[derive(Debug)]
pub(super) struct Seat<L> {
    pub(super) link: Option<L>,
    pub(super) state: State,
    pub(super) answered: bool,
    /// What it carries may not be shared with others.
    pub(super) alone: bool,
    /// Kept for one who must be alone.
    pub(super) reserved: bool,
    /// It takes no more until it is empty: its head is slow, large, or not being read.
    pub(super) held: bool,
    /// Its client may keep it for as long as it likes.
    pub(super) owned: bool,
    /// Its client keeps it between two exchanges, too.
    pub(super) kept: bool,
    pub(super) lane: Lane,
    /// Whose requests it carries; nobody's where those of several share it.
    pub(super) source: SourceKey,
    /// The class of what it carries is one that holds links.
    pub(super) holds: bool,
    /// Since when it has carried what is at its head.
    pub(super) since: Nanos,
    pub(super) track: Track,
}

impl<L> Seat<L> {
    /// The seat of a link to be.
    pub(super) fn connecting() -> Self {
        Self {
            link: None,
            state: State::Connecting,
            answered: false,
            alone: false,
            reserved: false,
            held: false,
            owned: false,
            kept: false,
            lane: Lane::Shared,
            source: SourceKey::default(),
            holds: false,
            since: 0,
            track: Track::default(),
        }
    }

    /// Whether it carries something, or is its client's.
    pub(super) fn is_busy(&self) -> bool {
        self.link.is_some() && matches!(self.state, State::Busy | State::Barred)
    }

    /// What it is to take this link while it is idle.
    pub(super) fn taken_idle(&self) -> How {
        if self.answered { How::Reused } else { How::Opened }
    }
}
