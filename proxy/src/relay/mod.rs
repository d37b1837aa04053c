//! Relays opaque bytes between two sockets in both directions. Half-closes and resets are passed on.

mod copy_mode;
mod flow;

use std::cell::Cell;
use std::task::{Context, Poll};

use crate::event_loop::{EventLoop, Nanos};
use crate::metrics::{ListenerCells, MemberCells};
use crate::net::Pipes;
use crate::stream::Stream;

use flow::{Flow, FlowEnd, FlowIo};

/// A side of a relay.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    /// The side that was accepted.
    Client,
    /// The side that was connected to.
    Member,
}

impl Side {
    /// Returns the other side.
    #[must_use]
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Member,
            Self::Member => Self::Client,
        }
    }
}

/// The way in which a relay ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RelayEnd {
    /// Both sides sent FIN and got the other's. The given side was the first.
    Closed(Side),
    /// This side was reset. Everything that it had sent before has been passed on.
    Reset(Side),
}

/// The sockets, settings and counters of a relay for one poll.
pub(crate) struct RelayIo<'a> {
    /// The worker's clock and buffers.
    pub event_loop: &'a EventLoop,
    /// The worker's pipes.
    pub pipes: &'a Pipes,
    /// The client.
    pub client: &'a Stream,
    /// The counters of the client's listener.
    pub client_cells: &'a ListenerCells,
    /// The member.
    pub member: &'a Stream,
    /// The counters of the member.
    pub member_cells: &'a MemberCells,
    /// Whether streams may be spliced.
    pub splice: bool,
    /// A flag that is set when a byte moves from the client to the member.
    pub asked: Cell<bool>,
    /// A flag that is set when a byte moves from the member to the client.
    pub answered: Cell<bool>,
    /// The numbers of bytes that were delivered to the member and to the client in this poll.
    pub delivered: (Cell<u64>, Cell<u64>),
}

impl RelayIo<'_> {
    /// Returns whether bytes written to this side have not arrived there yet.
    fn is_sending(&self, to: Side, cx: &mut Context<'_>) -> bool {
        match to {
            Side::Client => self.client.is_sending(cx),
            Side::Member => self.member.is_sending(cx),
        }
    }

    fn up(&self) -> FlowIo<'_> {
        FlowIo {
            event_loop: self.event_loop,
            pipes: self.pipes,
            from: self.client,
            to: self.member,
            read: &self.client_cells.received_bytes,
            written: &self.member_cells.sent_bytes,
            spliced: &self.client_cells.spliced_bytes,
            splice: self.splice,
            moved: &self.asked,
            delivered: &self.delivered.0,
        }
    }

    fn down(&self) -> FlowIo<'_> {
        FlowIo {
            from: self.member,
            to: self.client,
            read: &self.member_cells.received_bytes,
            written: &self.client_cells.sent_bytes,
            moved: &self.answered,
            delivered: &self.delivered.1,
            ..self.up()
        }
    }
}

/// ```text
///                   one flow ended               the other, too
///   both ways ───────────────────▶ half-closed ─────────────────▶ Closed
///       │                              │
///       └─────────── a reset ──────────┴─────────────────────────▶ Reset
/// ```
#[derive(Debug)]
pub(crate) struct Relay {
    up: Direction,
    down: Direction,
    first: Side,
    /// The time until which bytes sent before a reset may still be delivered, once a side was reset.
    lingering: Option<Nanos>,
}

/// The longest time in nanoseconds for delivering what was sent before a reset.
const LONGEST_LINGERING: Nanos = 30_000_000_000;
/// The interval in nanoseconds in which the delivery is checked.
const LOOK_EVERY: Nanos = 20_000_000;

/// A direction that is open or has ended.
#[derive(Debug)]
enum Direction {
    Open(Flow),
    Over(FlowEnd),
}

impl Relay {
    /// Makes a relay that first sends `up` to the member and `down` to the client.
    #[must_use]
    pub(crate) fn new(up: &[u8], down: &[u8]) -> Self {
        Self {
            up: Direction::Open(Flow::new(up)),
            down: Direction::Open(Flow::new(down)),
            first: Side::Client,
            lingering: None,
        }
    }

    /// Moves what can be moved now. It is ready when the relay is over; the caller then closes the sockets,
    /// by a reset if the relay ended with one. The reset waits for the bytes sent before it, which it would
    /// destroy: see [`Relay::look_at`].
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, b: &RelayIo<'_>) -> Poll<RelayEnd> {
        let end = self.poll_flows(cx, b);
        let Poll::Ready(RelayEnd::Reset(side)) = end else { return end };
        let now = b.event_loop.now();
        let until = *self.lingering.get_or_insert(now + LONGEST_LINGERING);
        if b.is_sending(side.other(), cx) && now < until { Poll::Pending } else { end }
    }

    /// Returns when the relay must be polled again even without an event on its sockets.
    #[must_use]
    pub(crate) fn look_at(&self, now: Nanos) -> Option<Nanos> {
        self.lingering.map(|_| now + LOOK_EVERY)
    }

    /// Returns whether bytes were read that could not be written yet.
    #[must_use]
    pub(crate) fn holds(&self) -> bool {
        self.up.holds() || self.down.holds()
    }

    fn poll_flows(&mut self, cx: &mut Context<'_>, b: &RelayIo<'_>) -> Poll<RelayEnd> {
        // The FIN is passed on while the other direction is open; otherwise closing says it.
        if self.up.poll(cx, &b.up()) && !self.down.is_over() {
            self.first = Side::Client;
            b.member.close_write();
        }
        if self.down.poll(cx, &b.down()) && !self.up.is_over() {
            self.first = Side::Member;
            b.client.close_write();
        }
        if self.end().is_none() {
            self.poll_half_closed(cx, b);
        }
        self.end().map_or(Poll::Pending, Poll::Ready)
    }

    /// Notices the reset of a side that has sent FIN before, which no read would show.
    fn poll_half_closed(&mut self, cx: &mut Context<'_>, b: &RelayIo<'_>) {
        // Only one direction is open, so that nobody reads the side that has finished.
        let silent = match (&mut self.up, &mut self.down) {
            (up @ Direction::Over(_), Direction::Open(_)) if b.client.poll_broken(cx).is_ready() => up,
            (Direction::Open(_), down @ Direction::Over(_)) if b.member.poll_broken(cx).is_ready() => down,
            _ => return,
        };
        *silent = Direction::Over(FlowEnd::Reset);
    }

    /// Returns borrowed pipes.
    pub(crate) fn release(&mut self, b: &RelayIo<'_>) {
        self.up.release(&b.up());
        self.down.release(&b.down());
    }

    fn end(&self) -> Option<RelayEnd> {
        Some(match (self.up.outcome(), self.down.outcome()) {
            (Some(FlowEnd::Reset), _) => RelayEnd::Reset(Side::Client),
            (_, Some(FlowEnd::Reset)) => RelayEnd::Reset(Side::Member),
            // A side that accepts no more bytes may have sent some before, which are delivered first.
            (Some(FlowEnd::Deaf), Some(_)) => RelayEnd::Reset(Side::Member),
            (Some(_), Some(FlowEnd::Deaf)) => RelayEnd::Reset(Side::Client),
            (Some(FlowEnd::Ended), Some(FlowEnd::Ended)) => RelayEnd::Closed(self.first),
            _ => return None,
        })
    }
}

impl Direction {
    /// Polls an open direction. Returns true if it ends now in order with everything delivered, so that its
    /// receiver must be told; if the other direction has ended, too, closing does that.
    fn poll(&mut self, cx: &mut Context<'_>, io: &FlowIo<'_>) -> bool {
        if let Self::Open(flow) = self
            && let Poll::Ready(outcome) = flow.poll(cx, io)
        {
            flow.release(io);
            *self = Self::Over(outcome);
            return outcome == FlowEnd::Ended;
        }
        false
    }

    fn holds(&self) -> bool {
        matches!(self, Self::Open(flow) if flow.holds())
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Over(_))
    }

    fn outcome(&self) -> Option<FlowEnd> {
        match self {
            Self::Open(_) => None,
            Self::Over(outcome) => Some(*outcome),
        }
    }

    fn release(&mut self, io: &FlowIo<'_>) {
        if let Self::Open(flow) = self {
            flow.release(io);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the end of a relay whose flows have these outcomes.
    fn end(up: Option<FlowEnd>, down: Option<FlowEnd>) -> Option<RelayEnd> {
        let way = |outcome: Option<FlowEnd>| match outcome {
            Some(outcome) => Direction::Over(outcome),
            None => Direction::Open(Flow::new(&[])),
        };
        Relay { up: way(up), down: way(down), first: Side::Client, lingering: None }.end()
    }

    #[test]
    fn half_closed_is_not_the_end() {
        assert_eq!(end(None, None), None);
        assert_eq!(end(Some(FlowEnd::Ended), None), None);
        assert_eq!(end(None, Some(FlowEnd::Ended)), None);
    }

    #[test]
    fn both_said_all() {
        assert_eq!(end(Some(FlowEnd::Ended), Some(FlowEnd::Ended)), Some(RelayEnd::Closed(Side::Client)));
    }

    #[test]
    fn a_reset_ends_it_whatever_the_other_does() {
        for other in [None, Some(FlowEnd::Ended), Some(FlowEnd::Deaf)] {
            assert_eq!(end(Some(FlowEnd::Reset), other), Some(RelayEnd::Reset(Side::Client)));
            assert_eq!(end(other, Some(FlowEnd::Reset)), Some(RelayEnd::Reset(Side::Member)));
        }
    }

    #[test]
    fn who_takes_no_more_is_heard_to_the_end_first() {
        assert_eq!(end(Some(FlowEnd::Deaf), None), None, "the member may have answered before");
        assert_eq!(end(Some(FlowEnd::Deaf), Some(FlowEnd::Ended)), Some(RelayEnd::Reset(Side::Member)));
        assert_eq!(end(None, Some(FlowEnd::Deaf)), None);
        assert_eq!(end(Some(FlowEnd::Ended), Some(FlowEnd::Deaf)), Some(RelayEnd::Reset(Side::Client)));
    }
}
