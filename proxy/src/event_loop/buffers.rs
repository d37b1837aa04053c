//! Counts the bytes of requests and responses in a worker's own memory, and limits them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::EventLoop;

/// A worker's part of `buffer_budget`, in bytes.
pub struct BufferBudget {
    limit: Cell<usize>,
    used: Cell<usize>,
    /// A function that is called with the number of bytes held, for the gauge.
    shown: RefCell<Option<Show>>,
}

type Show = Box<dyn Fn(usize)>;

/// The number of bytes in one place below which nothing is counted. A place is a client or a link, so that
/// their number bounds the error.
const SMALL: usize = 4 << 10;
/// The number of bytes that each client may hold here even when the budget is used up, so that small requests
/// and answers proceed.
pub(crate) const LEAST: usize = 16 << 10;

impl Default for BufferBudget {
    fn default() -> Self {
        Self { limit: Cell::new(usize::MAX), used: Cell::new(0), shown: RefCell::new(None) }
    }
}

impl BufferBudget {
    /// Sets a new limit. Bytes that are held stay.
    pub fn limit(&self, bytes: usize) {
        self.limit.set(bytes);
    }

    /// Sets the function that is called with the number of bytes held whenever that changes.
    pub fn show(&self, shown: impl Fn(usize) + 'static) {
        *self.shown.borrow_mut() = Some(Box::new(shown));
    }

    /// Replaces `before` bytes by `after` bytes in the count.
    pub fn change(&self, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.used.set((self.used.get() + after).saturating_sub(before));
        if let Some(shown) = &*self.shown.borrow() {
            shown(self.used.get());
        }
    }

    /// Records that a place holds `bytes` now. `counted` keeps the part that is counted.
    pub fn count(&self, counted: &Cell<usize>, bytes: usize) {
        counted.set(self.recount(counted.get(), bytes));
    }

    /// Counts what is in one place now, where `counted` bytes of it were counted before. Returns how many are counted from now on.
    #[must_use]
    pub fn recount(&self, counted: usize, bytes: usize) -> usize {
        // Small amounts change often, and counting them would cost more than they weigh.
        let now = if bytes < SMALL { 0 } else { bytes };
        self.change(counted, now);
        now
    }

    /// Returns whether no more bytes may be held, because one read might not fit.
    #[must_use]
    pub fn are_full(&self) -> bool {
        self.used.get().saturating_add(super::INPUT) > self.limit.get()
    }

    /// Returns the number of bytes that may wait for one member. A quarter of the budget leaves most of it to
    /// other members if this one is down.
    #[must_use]
    pub fn one_members(&self) -> usize {
        (self.limit.get() / 4).max(super::INPUT)
    }
}

/// Bytes that count for a worker and for `place` until they are dropped.
pub struct CountedBytes {
    bytes: Vec<u8>,
    event_loop: Rc<EventLoop>,
    place: Rc<Cell<usize>>,
}

impl CountedBytes {
    /// Counts these bytes.
    #[must_use]
    pub fn new(bytes: Vec<u8>, event_loop: &Rc<EventLoop>, place: &Rc<Cell<usize>>) -> Self {
        event_loop.buffers.change(0, bytes.len());
        place.set(place.get() + bytes.len());
        Self { bytes, event_loop: event_loop.clone(), place: place.clone() }
    }

    /// Returns the bytes, which no longer count.
    #[must_use]
    pub fn take(mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.bytes);
        self.release(bytes.len());
        bytes
    }

    fn release(&self, bytes: usize) {
        self.event_loop.buffers.change(bytes, 0);
        self.place.set(self.place.get().saturating_sub(bytes));
    }
}

impl Drop for CountedBytes {
    fn drop(&mut self) {
        self.release(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_counts_until_it_goes_whichever_way() {
        let (event_loop, place) = (EventLoop::new(), Rc::new(Cell::new(0)));
        event_loop.buffers.limit(super::super::INPUT + 3000);
        let seen = Rc::new(Cell::new(0));
        let shown = seen.clone();
        event_loop.buffers.show(move |used| shown.set(used));
        let (one, other) = (
            CountedBytes::new(vec![0; 2000], &event_loop, &place),
            CountedBytes::new(vec![0; 1001], &event_loop, &place),
        );
        assert!(event_loop.buffers.are_full());
        assert_eq!((place.get(), seen.get()), (3001, 3001));
        assert_eq!(one.take().len(), 2000);
        assert!(!event_loop.buffers.are_full());
        drop(other);
        assert_eq!((place.get(), seen.get()), (0, 0));
    }

    #[test]
    fn what_is_small_does_not_count() {
        let (buffers, counted) = (BufferBudget::default(), Cell::new(0));
        for (bytes, used) in [(SMALL - 1, 0), (SMALL, SMALL), (SMALL + 1, SMALL + 1), (5, 0)] {
            buffers.count(&counted, bytes);
            assert_eq!((buffers.used.get(), counted.get()), (used, used));
        }
    }
}
