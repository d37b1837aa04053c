//! Holds what the queue tells the clients against what is in flight.

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::link::{AnswerEnd, Data, Sink, Slot};
use penstock::proto::http::{ResponseFormat, ResponseHead};
use penstock::proto::http1::ResponseWriter;

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
    /// What the client takes that asks next.
    pub(super) format: ResponseFormat,
    /// How the present answer is written.
    pub(super) writer: ResponseWriter,
}

const DATE: [u8; 29] = *b"Thu, 01 Jan 1970 00:00:00 GMT";

impl Told {
    /// The place at the head, which must be this one's.
    fn head_of(&mut self, to: Ticket) -> &mut Place {
        let head = self.places.front_mut().expect("the answer of one in flight");
        assert_eq!(head.recipient, Some(to), "whose answer it is");
        assert!(head.is_touched(), "{to} was not asked yet");
        head
    }
}

impl Sink<Ticket> for Told {
    fn head(
        &mut self,
        to: &Ticket,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        let format = self.head_of(*to).format;
        let close = early || self.closes;
        self.writer.head(head, format, close, &DATE, out)
    }

    fn data(&mut self, to: &Ticket, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        let is_http = self.head_of(*to).request.kind.is_http();
        if !is_http || self.writer.passes(bytes.len()) {
            return Data::AsIs;
        }
        self.writer.data(bytes, out);
        Data::Copied
    }

    fn end(&mut self, to: &Ticket, trailers: &[u8], out: &mut Vec<u8>) {
        self.head_of(*to);
        self.writer.end(trailers, out);
    }

    fn deliver(&mut self, to: &Ticket, first: &[u8], second: &[u8]) {
        let head = self.head_of(*to);
        assert!(!(first.is_empty() && second.is_empty()), "a piece of nothing");
        head.got.extend_from_slice(first);
        head.got.extend_from_slice(second);
    }

    fn ended(&mut self, slot: Slot<Ticket>, end: AnswerEnd, _: u64) {
        let place = self.places.pop_front().expect("the answer of one in flight");
        assert_eq!(slot.recipient, place.recipient, "whose answer ended");
        assert!(place.is_touched(), "{} was not asked yet", place.number);
        assert!(!end.switched || !end.reusable, "a tunnel is used again");
        assert!(
            !slot.request.upload.is_open() || end.close,
            "what is left of the body would be taken for a request"
        );
        self.switched = end.switched;
        if self.clean && place.recipient.is_some() {
            place.check_answer();
        }
    }
}
