//! Takes links that become tunnels out of the pool, within `max_tunnels`, and says which requests go alone.

use std::rc::Rc;

use super::{Receiver, Shelf};
use crate::link::driver::Link;
use crate::link::exchange::Request;
use crate::link::loans::TunnelPlace;
use crate::link::passage::Passage;
use crate::metrics::LinkState;
use crate::net::Socket;

impl<T: Receiver> Shelf<T> {
    /// Whether the member spoke HTTP/1.0 when it last answered.
    #[must_use]
    pub fn speaks_old(&self) -> bool {
        self.manners.get().is_old(self.turn.now())
    }

    /// Others are not to wait behind it; and nothing is put behind anything on a link to a member of HTTP/1.0.
    pub(super) fn goes_alone(&self, request: &Request) -> bool {
        let pool = self.pool.borrow();
        self.manners.get().is_old(self.turn.now())
            || pool.depth.goes_alone(request.route)
            || pool.is_of_holders(request.route)
    }

    /// A place for one more link that may become a tunnel, if there is one.
    #[must_use]
    pub fn tunnel_place(&self) -> Option<TunnelPlace> {
        TunnelPlace::take(&self.loans, self.settings.borrow().links.max_tunnels as usize)
    }

    /// A link has become a tunnel. It leaves its pool, and is no longer ours to close.
    pub(super) fn switched(self: &Rc<Self>, link: &Link<T>, socket: Socket, taker: &T) {
        link.show(LinkState::Tunnel);
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.pool.borrow_mut().closed(link.seat);
        self.give_back();
        let passage = Passage::new(socket, &self.cells);
        self.tell(taker, |taker| taker.switched(passage));
        self.open_more(self.turn.now());
    }
}
