//! Holds what the queue tells the clients against what is in flight.

use std::collections::VecDeque;

use penstock::link::{AnswerEnd, Sink, Slot};
use penstock::proto::http1::Date;

use super::place::{Place, Ticket};

/// Those in flight, and what they are told.
#[derive(Default)]
pub(super) struct Told {
    pub(super) places: VecDeque<Place>,
    /// The member has sent nothing that it was not asked for.
    pub(super) clean: bool,
    /// All clients are to be closed.
    pub(super) closes: bool,
    /// The last that ended made the link a tunnel.
    pub(super) switched: bool,
}

impl Sink<Ticket> for Told {
    fn closes(&self, to: &Ticket) -> bool {
        assert!(self.places.iter().any(|place| place.recipient == Some(*to)), "{to} is not in flight");
        self.closes
    }

    fn date(&self) -> Date {
        *b"Thu, 01 Jan 1970 00:00:00 GMT"
    }

    fn piece(&mut self, to: &Ticket, first: &[u8], second: &[u8]) {
        let head = self.places.front_mut().expect("the answer of one in flight");
        assert_eq!(head.recipient, Some(*to), "whose answer it is");
        assert!(head.is_touched(), "{to} was not asked yet");
        assert!(!(first.is_empty() && second.is_empty()), "a piece of nothing");
        head.got.extend_from_slice(first);
        head.got.extend_from_slice(second);
    }

    fn ended(&mut self, slot: Slot<Ticket>, end: AnswerEnd, _: u64) {
        let place = self.places.pop_front().expect("the answer of one in flight");
        assert_eq!(slot.recipient, place.recipient, "whose answer ended");
        assert!(place.is_touched(), "{} was not asked yet", place.number);
        assert!(!end.switched || !end.reusable, "a tunnel is used again");
        assert!(!slot.request.upload.is_open() || end.close, "what is left of the body would be taken for a request");
        self.switched = end.switched;
        if self.clean && place.recipient.is_some() {
            place.check_answer();
        }
    }
}
