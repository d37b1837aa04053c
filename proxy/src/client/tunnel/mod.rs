//! A client and one link that relay opaque bytes until either ends, both for `protocol: tcp` and for upgraded HTTP.
//!
//! The modules `tcp` and `upgraded` know how the link was reached, and what is recorded at the end. [`Tunnel`] has what both
//! share: the relay, the member's end, the times and the counts.

mod ending;
mod header;
pub(super) mod state;
mod tcp;
pub(super) mod upgraded;

use std::task::{Context, Poll};

use crate::event_loop::{Nanos, may_panic};
use crate::frontend::Frontend;
use crate::link::DedicatedLink;
use crate::metrics::{ClientClose, LinkClose, MemberCells};
use crate::relay::{Relay, RelayEnd, RelayIo};
use crate::stream::Stream;

use ending::Ending;
use state::Lifetime;
pub(crate) use tcp::{TcpFrontend, admit};

/// The member's end of a tunnel: a link that belongs to this client alone.
pub(super) trait MemberEnd {
    fn stream(&self) -> &Stream;
    fn cells(&self) -> &MemberCells;
    /// Notes that bytes have moved.
    fn moved(&self) {}
    fn close(self, why: LinkClose);
}

/// The client's end of a tunnel, and the state that it shares with other clients of its listener.
pub(super) struct ClientEnd<'a, W> {
    pub(super) frontend: &'a Frontend<W>,
    pub(super) stream: &'a Stream,
}

/// The directions in which bytes moved in one poll.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Moved {
    /// Bytes moved from the client to the member.
    asked: bool,
    /// Bytes moved from the member to the client.
    answered: bool,
}

/// A relay between a client and its link, with the times and the counts of both.
#[derive(Debug)]
pub(super) struct Tunnel<M> {
    relay: Relay,
    member: M,
    splice: bool,
    lifetime: Lifetime,
    /// The numbers of bytes that got to the member, and to the client.
    delivered: (u64, u64),
}

impl<M: MemberEnd> Tunnel<M> {
    /// Makes a tunnel to `member`. The bytes `up` go to the member before all others, and `down` to the client. The tunnel
    /// counts as having begun at `lifetime.began`.
    fn new(member: M, (up, down): (&[u8], &[u8]), splice: bool, lifetime: Lifetime) -> Self {
        Self { relay: Relay::new(up, down), member, splice, lifetime, delivered: (0, 0) }
    }

    /// Moves the bytes that can be moved now. Returns `Ready` when the tunnel is over; the caller then calls [`Tunnel::close`].
    fn poll<W>(&mut self, cx: &mut Context<'_>, client: &ClientEnd<'_, W>) -> (Poll<RelayEnd>, Moved) {
        let io = relay_io(client, &self.member, self.splice);
        let end = self.relay.poll(cx, &io);
        may_panic("tunnel.relay");
        let moved = Moved { asked: io.asked.get(), answered: io.answered.get() };
        self.delivered.0 += io.delivered.0.get();
        self.delivered.1 += io.delivered.1.get();
        if moved != Moved::default() {
            self.lifetime.moved = client.frontend.event_loop.now();
            self.member.moved();
        }
        (end, moved)
    }

    /// Returns when the tunnel is to be polled again, even if its sockets report nothing.
    fn look_at(&self, now: Nanos) -> Option<Nanos> {
        self.relay.look_at(now)
    }

    /// Returns whether the tunnel needs a poll from time to time, because bytes that were sent before a reset may still arrive.
    pub(super) fn is_lingering(&self) -> bool {
        self.relay.look_at(0).is_some()
    }

    pub(super) const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Closes the member's end, and resets both ends where the tunnel ended badly. Returns how many bytes got to the member,
    /// and how many to the client.
    fn close<W>(self, ending: Ending, client: &ClientEnd<'_, W>) -> (u64, u64) {
        let Self { mut relay, member, splice, delivered, .. } = self;
        // A stream that ended badly must not look complete, and neither must one that had to give way while it stood still
        // because its reader did. A side that has been reset already does not notice.
        let amid = relay.holds() && ending == Ending::Told(ClientClose::Evicted);
        relay.release(&relay_io(client, &member, splice));
        if ending.cause().is_some() || amid {
            client.stream.reset_on_drop();
            member.stream().reset_on_drop();
        }
        member.close(ending.link_close());
        delivered
    }
}

fn relay_io<'a, W, M: MemberEnd>(client: &ClientEnd<'a, W>, member: &'a M, splice: bool) -> RelayIo<'a> {
    RelayIo {
        event_loop: &client.frontend.event_loop,
        pipes: &client.frontend.pipes,
        client: client.stream,
        client_cells: &client.frontend.cells,
        member: member.stream(),
        member_cells: member.cells(),
        splice,
        asked: false.into(),
        answered: false.into(),
        delivered: Default::default(),
    }
}

impl MemberEnd for DedicatedLink {
    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn cells(&self) -> &MemberCells {
        Self::cells(self)
    }

    fn moved(&self) {
        Self::moved(self);
    }

    fn close(self, why: LinkClose) {
        Self::close(self, why);
    }
}
