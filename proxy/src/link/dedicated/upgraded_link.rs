//! A link that has become a tunnel (RFC 9110 sections 7.8 and 9.3.6): it has left its pool, and one client has it.

use std::sync::Arc;

use crate::metrics::{LinkClose, LinkState, MemberCells};
use crate::stream::Stream;

/// A link that one client has taken over. Whoever has it says why it ends: [`UpgradedLink::close`].
pub struct UpgradedLink {
    /// Its bytes.
    pub stream: Stream,
    cells: Arc<MemberCells>,
    /// Why it ends, as far as anybody has said.
    why: LinkClose,
}

impl UpgradedLink {
    pub(in crate::link) fn new(stream: Stream, cells: &Arc<MemberCells>) -> Self {
        Self { stream, cells: cells.clone(), why: LinkClose::Error }
    }

    /// What is counted for its member.
    #[must_use]
    pub fn cells(&self) -> &MemberCells {
        &self.cells
    }

    /// Closes it, for this reason.
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
