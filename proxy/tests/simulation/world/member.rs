//! A member that goes away and comes back.

use super::{World, note};

impl World {
    /// `Pool::recover`, one round of it.
    pub(crate) fn recover(&mut self) {
        if self.down
            && self.connecting.is_empty()
            && let Some(link_id) = self.pool.claim()
        {
            self.connecting.push(link_id);
        }
    }

    /// A link of which the member's end closes or resets without a reason.
    pub(crate) fn close_somewhere(&mut self) {
        let count = self.links.len();
        if let Some((at, link)) = self.links.iter_mut().nth(self.rng.below(count)) {
            link.origin.close(&mut self.rng);
            let at = *at;
            note!(self, "the member closes link {at}");
        }
    }

    /// The member restarts: all its links end at once, and for a moment it accepts none.
    pub(crate) fn restart(&mut self) {
        note!(self, "the member restarts");
        self.ledger.count("restarted");
        self.refusing = true;
        for link in self.links.values_mut() {
            link.origin.close(&mut self.rng);
        }
    }
}
