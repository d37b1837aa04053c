//! Defines a link that has become a tunnel (RFC 9110 sections 7.8 and 9.3.6): it has left its pool and
//! belongs to one client.

use std::sync::Arc;

use crate::metrics::{LinkClose, LinkState, MemberCells};
use crate::stream::Stream;

/// A link that one client has taken over. Its owner closes it with a reason: [`UpgradedLink::close`].
pub struct UpgradedLink {
    /// The connection to the member.
    pub stream: Stream,
    cells: Arc<MemberCells>,
    /// The reason of its end, an error until the owner gives another.
    why: LinkClose,
}

impl UpgradedLink {
    pub(in crate::link) fn new(stream: Stream, cells: &Arc<MemberCells>) -> Self {
        Self { stream, cells: cells.clone(), why: LinkClose::Error }
    }

    /// Returns the counters of the link's member.
    #[must_use]
    pub fn cells(&self) -> &MemberCells {
        &self.cells
    }

    /// Closes the link for this reason.
    pub fn close(mut self, why: LinkClose) {
        self.why = why;
    }
}

impl Drop for UpgradedLink {
    fn drop(&mut self) {
        self.cells.connections[LinkState::Tunnel].dec();
        self.cells.closed[self.why].inc();
    }
}
