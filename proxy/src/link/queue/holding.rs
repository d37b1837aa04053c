//! Tells whether the requests behind a queue's head may move, and whether the response at the head has an end.

use super::Queue;

impl<T> Queue<T> {
    /// Whether all behind the head may be sent elsewhere.
    #[must_use]
    pub fn followers_may_move(&self) -> bool {
        self.slots.iter().skip(1).all(|slot| slot.ticket.is_none() || slot.may_move())
    }

    /// Whether the length of the answer at the head is not known until it ends.
    #[must_use]
    pub fn has_no_length(&self) -> bool {
        self.reader.has_no_length()
    }

    /// Whether the answer at the head is an event stream, which lasts for as long as its client stays.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        self.reader.is_event_stream()
    }
}
