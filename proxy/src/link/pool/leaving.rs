//! Takes requests out of a pool's wait queue that waited too long or whose clients have left.
//!
//! With nobody left to wait, no more links are opened for them.

use crate::turn::Nanos;

use super::super::lines::{Lines, SourceKey};
use super::Pool;

impl<L: Clone, W> Pool<L, W> {
    /// Takes out all who have waited since `latest` or longer.
    pub fn give_up_waiting(&mut self, latest: Nanos) -> Vec<W> {
        self.after_leaving(|lines| lines.pop_older(latest))
    }

    /// Takes out one who makes room for a request of this source: the last of the source that has the most of those who
    /// wait.
    pub fn displace(&mut self, source: SourceKey) -> Option<W> {
        self.lines.displace(source)
    }

    /// Takes out those for whom `gone` holds.
    pub fn remove_waiting(&mut self, gone: impl FnMut(&W) -> bool) -> Vec<W> {
        self.after_leaving(|lines| lines.remove(gone))
    }

    fn after_leaving(&mut self, leave: impl FnOnce(&mut Lines<W>) -> Vec<W>) -> Vec<W> {
        let left = leave(&mut self.lines);
        if self.lines.len() == 0 {
            self.opening.relax();
        }
        left
    }
}
