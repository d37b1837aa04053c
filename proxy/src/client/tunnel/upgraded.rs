//! A client of HTTP that has become one end of a tunnel (RFC 9110 sections 7.8 and 9.3.6), on the link of its last exchange.

use std::task::{Context, Poll, ready};

use crate::client::reader::Phase;
use crate::client::{Client, ClientParts};
use crate::link::{TunnelPermit, UpgradedLink};
use crate::metrics::{ClientClose, LinkClose, MemberCells};
use crate::stream::Stream;

use super::ending::Ending;
use super::state::Lifetime;
use super::{ClientEnd, MemberEnd, Tunnel};

/// A tunnel on the link of an exchange.
pub(in crate::client) type UpgradedTunnel = Tunnel<UpgradedEnd>;

/// The link of a tunnel, and the tunnel's place among those of its member.
pub(in crate::client) struct UpgradedEnd {
    link: UpgradedLink,
    _permit: Option<TunnelPermit>,
}

/// The status that the access log gives a tunnel.
const SWITCHED: u16 = 101;

impl Client {
    /// Opens a tunnel to which the member has agreed. Bytes that were kept from either side go first.
    pub(in crate::client) fn open_tunnel(&self, link: UpgradedLink) {
        let mut s = self.change();
        if self.conn.has_failed() {
            // The client went away before it could hear of the tunnel.
            return link.close(LinkClose::ClientAbort);
        }
        self.count_no_input(&mut s);
        // The tunnel writes from now on, beginning with the bytes that the client has not taken yet.
        let output = s.writer.take(&self.frontend.event_loop.buffers);
        let splice = s.route.destination().listener.tunnel.splice;
        let now = self.frontend.event_loop.now();
        let member = UpgradedEnd { link, _permit: s.exchanges.take_tunnel_permit() };
        let lifetime = Lifetime { began: now, moved: now };
        let open = |input: &[u8]| Box::new(Tunnel::new(member, (input, &output), splice, lifetime));
        s.reader.open_tunnel(open, now);
        self.conn.unblock(); // from now on its relay writes
        self.rearm(&mut s);
        self.conn.wake();
    }

    pub(in crate::client) fn poll_tunnel(
        &self,
        s: &mut ClientParts,
        cx: &mut Context<'_>,
    ) -> Poll<ClientClose> {
        let stream = self.conn.stream();
        let (Phase::Tunnel(tunnel), Some(stream)) = (s.reader.phase_mut(), stream.as_ref()) else {
            return Poll::Ready(ClientClose::Error);
        };
        let client = ClientEnd { frontend: &*self.frontend, stream };
        let ending = if self.conn.has_failed() {
            Ending::Told(s.close.unwrap_or(ClientClose::Error))
        } else {
            let (end, _) = tunnel.poll(cx, &client);
            if let Some(at) = tunnel.look_at(self.frontend.event_loop.now()) {
                self.frontend.event_loop.arm(self.key, at);
            }
            Ending::Over(ready!(end))
        };
        if let Some(tunnel) = s.reader.take_tunnel() {
            let (up, down) = tunnel.close(ending, &client);
            if let Some(record) = s.record() {
                (record.received, record.sent) = (up, record.sent + down);
            }
        }
        self.write_record(s, SWITCHED, ending.cause(), 0);
        if let Some(cause) = ending.cause() {
            s.route.destination().cells.errors[cause].inc();
        }
        Poll::Ready(ending.client_close())
    }
}

impl MemberEnd for UpgradedEnd {
    fn stream(&self) -> &Stream {
        &self.link.stream
    }

    fn cells(&self) -> &MemberCells {
        self.link.cells()
    }

    fn close(self, why: LinkClose) {
        self.link.close(why);
    }
}
