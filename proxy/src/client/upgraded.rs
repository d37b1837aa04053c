//! A client that has become one end of a tunnel (RFC 9110 sections 7.8 and 9.3.6), on the link of its last exchange.

use std::task::{Context, Poll, ready};

use crate::event_loop::may_panic;
use crate::link::{TunnelPermit, UpgradedLink};
use crate::metrics::{ClientClose, ClientState, LinkClose};
use crate::relay::{Relay, RelayIo};
use crate::stream::Stream;
use crate::tunnel::Ending;

use super::inner::{ClientInner, Phase};
use super::{Client, HttpFrontend};

/// What a client has that is one end of a tunnel.
pub(super) struct UpgradedTunnel {
    relay: Relay,
    upgraded: UpgradedLink,
    splice: bool,
    /// Bytes that got to the member, and to the client.
    up: u64,
    down: u64,
    _place: Option<TunnelPermit>,
}

/// The status under which a tunnel is noted.
const SWITCHED: u16 = 101;

impl Client {
    /// The member agreed. What was kept of what either said goes first.
    pub(super) fn open_tunnel(&self, upgraded: UpgradedLink) {
        let mut s = self.state.borrow_mut();
        if self.conn.has_failed() {
            return upgraded.close(LinkClose::ClientAbort);
        }
        self.count_nothing(&mut s);
        let buffers = s.buffers.take().unwrap_or_default();
        let relay = Relay::new(&buffers.input, &buffers.output);
        let (splice, place) = (s.destination.listener.tunnel.splice, s.cold().place.take());
        s.cold().tunnel = Some(UpgradedTunnel { relay, upgraded, splice, up: 0, down: 0, _place: place });
        (s.phase, s.heard_all) = (Phase::Tunnel, false);
        self.conn.unblock(); // from now on its relay writes
        s.since = self.frontend.event_loop.now();
        s.cold().held_since = s.since;
        self.show(&mut s, ClientState::Tunnel);
        self.rearm(&mut s);
        self.conn.wake();
    }

    pub(super) fn poll_tunnel(&self, s: &mut ClientInner, cx: &mut Context<'_>) -> Poll<ClientClose> {
        let stream = self.conn.stream();
        let tunnel = s.cold.as_mut().and_then(|cold| cold.tunnel.as_mut());
        let (Some(tunnel), Some(stream)) = (tunnel, stream.as_ref()) else {
            return Poll::Ready(ClientClose::Error);
        };
        let ending = if self.conn.has_failed() {
            Ending::Told(s.close.unwrap_or(ClientClose::Error))
        } else {
            let UpgradedTunnel { relay, upgraded, splice, up, down, .. } = tunnel;
            let relay_io = relay_io(&self.frontend, stream, upgraded, *splice);
            let end = relay.poll(cx, &relay_io);
            may_panic("passage.poll");
            *up += relay_io.delivered.0.get();
            *down += relay_io.delivered.1.get();
            if relay_io.asked.get() || relay_io.answered.get() {
                s.since = self.frontend.event_loop.now();
            }
            if let Some(at) = relay.look_at(self.frontend.event_loop.now()) {
                self.frontend.event_loop.arm(self.key, at);
            }
            Ending::Over(ready!(end))
        };
        self.close_tunnel(s, stream, ending);
        Poll::Ready(ending.client_close())
    }

    /// What ended badly must not look as if it were complete.
    fn close_tunnel(&self, s: &mut ClientInner, stream: &Stream, ending: Ending) {
        let Some(mut tunnel) = s.cold().tunnel.take() else { return };
        tunnel.relay.release(&relay_io(&self.frontend, stream, &tunnel.upgraded, tunnel.splice));
        if let Some(record) = s.record() {
            (record.received, record.sent) = (tunnel.up, record.sent + tunnel.down);
        }
        self.write_record(s, SWITCHED, ending.cause(), 0);
        if let Some(cause) = ending.cause() {
            s.destination.cells.errors[cause].inc();
            stream.reset_on_drop();
            tunnel.upgraded.stream.reset_on_drop();
        }
        tunnel.upgraded.close(ending.link_close());
    }
}

impl UpgradedTunnel {
    /// Whether it is to be polled now and then, whatever its sockets say.
    pub(super) fn is_lingering(&self) -> bool {
        self.relay.look_at(0).is_some()
    }
}

fn relay_io<'a>(
    frontend: &'a HttpFrontend,
    client: &'a Stream,
    upgraded: &'a UpgradedLink,
    splice: bool,
) -> RelayIo<'a> {
    RelayIo {
        event_loop: &frontend.event_loop,
        pipes: &frontend.pipes,
        client,
        client_cells: &frontend.cells,
        member: &upgraded.stream,
        member_cells: upgraded.cells(),
        splice,
        asked: false.into(),
        answered: false.into(),
        delivered: Default::default(),
    }
}
