//! A link that has become a tunnel (RFC 9110 sections 7.8 and 9.3.6): it has left its pool, and one client has it.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::metrics::{LinkClose, LinkState, MemberCells};
use crate::net::Descriptors;
use crate::stream::Stream;

use super::loans::Loans;
use super::shelf::{Receiver, Shelf};

/// A place among the tunnels of one member, and the descriptor of the link that will be opened in the tunnel's stead. It
/// is given back when it is dropped.
#[derive(Debug)]
pub struct TunnelPlace {
    loans: Arc<Loans>,
    _descriptor: Descriptors<1>,
}

impl TunnelPlace {
    /// A place, unless `most` are taken, or no descriptor is left.
    pub(super) fn take(loans: &Arc<Loans>, most: usize) -> Option<Self> {
        let descriptor = Descriptors::try_take()?;
        let one_more = |taken| (taken < most).then_some(taken + 1);
        loans.tunnels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self { loans: loans.clone(), _descriptor: descriptor })
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.loans.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A link that one client has taken over. Whoever has it says why it ends: [`Passage::close`].
pub struct Passage<T: Receiver> {
    /// Its bytes.
    pub stream: Stream,
    shelf: Rc<Shelf<T>>,
    /// Why it ends, as far as anybody has said.
    why: LinkClose,
}

impl<T: Receiver> Passage<T> {
    pub(super) fn new(stream: Stream, shelf: &Rc<Shelf<T>>) -> Self {
        Self { stream, shelf: shelf.clone(), why: LinkClose::Error }
    }

    /// What is counted for its member.
    #[must_use]
    pub fn cells(&self) -> &MemberCells {
        &self.shelf.cells
    }

    /// Closes it, for this reason.
    pub fn close(mut self, why: LinkClose) {
        self.why = why;
    }
}

impl<T: Receiver> Drop for Passage<T> {
    fn drop(&mut self) {
        self.shelf.cells.connections[LinkState::Tunnel].dec();
        self.shelf.cells.closed[self.why].inc();
    }
}
