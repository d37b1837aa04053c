//! A client and one link that relay opaque bytes until either ends: the same for `protocol: tcp` and for upgraded HTTP.
//!
//! How the link was reached, and what is noted at the end, is for `tcp` and `upgraded` to say. [`Tunnel`] has what both have: the
//! relay, the member's end, the times and the counts.

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

/// The link of a tunnel, which nobody else has.
pub(super) trait MemberEnd {
    fn stream(&self) -> &Stream;
    fn cells(&self) -> &MemberCells;
    /// Notes that something has moved.
    fn moved(&self) {}
    fn close(self, why: LinkClose);
}

/// The client's end of a tunnel, and what it shares with other clients.
pub(super) struct ClientEnd<'a, W> {
    pub(super) frontend: &'a Frontend<W>,
    pub(super) stream: &'a Stream,
}

/// Which way something moved.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Moved {
    /// From the client to the member.
    asked: bool,
    /// From the member to the client.
    answered: bool,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Tunnel<M> {
    relay: Relay,
    member: M,
    splice: bool,
    lifetime: Lifetime,
    /// Bytes that got to the member, and to the client.
    delivered: (u64, u64),
}

impl<M: MemberEnd> Tunnel<M> {
    /// Makes a tunnel to `member`, which gets the bytes `up` before all else, as the client gets `down`. It counts as having begun at
    /// `lifetime.began`.
    fn new(member: M, (up, down): (&[u8], &[u8]), splice: bool, lifetime: Lifetime) -> Self {
        Self { relay: Relay::new(up, down), member, splice, lifetime, delivered: (0, 0) }
    }

    /// Moves what can be moved now. Ready when it is over; [`Tunnel::close`] is next then.
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

    /// Returns when it is to be polled again, whatever its sockets say.
    fn look_at(&self, now: Nanos) -> Option<Nanos> {
        self.relay.look_at(now)
    }

    /// Returns whether it is to be polled now and then, because what was sent before a reset may still arrive.
    pub(super) fn is_lingering(&self) -> bool {
        self.relay.look_at(0).is_some()
    }

    pub(super) const fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Closes the member's end, and makes both ends resets where that is what ends it. Returns how many bytes got to the member, and
    /// how many to the client.
    fn close<W>(self, ending: Ending, client: &ClientEnd<'_, W>) -> (u64, u64) {
        let Self { mut relay, member, splice, delivered, .. } = self;
        // What ended badly must not look as if it were complete. Who was reset already feels nothing of it. Neither must a
        // stream that stood still because its reader did, and had to give way amid it.
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
