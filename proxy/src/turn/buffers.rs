//! How much of requests and answers one worker holds in its own memory, and whether it may hold more.

use std::cell::Cell;

/// A worker's part of `buffer_budget`, in bytes.
#[derive(Debug)]
pub struct Buffers {
    limit: Cell<usize>,
    used: Cell<usize>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { limit: Cell::new(usize::MAX), used: Cell::new(0) }
    }
}

impl Buffers {
    /// Takes a new limit; what is held stays.
    pub fn limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    /// So much is held where so much was before.
    pub fn change(&self, before: usize, after: usize) {
        self.used.set((self.used.get() + after).saturating_sub(before));
    }

    /// Whether no more may be held: what is read at once would not fit.
    #[must_use]
    pub fn are_full(&self) -> bool {
        self.used.get().saturating_add(super::INPUT) > self.limit.get()
    }
}
