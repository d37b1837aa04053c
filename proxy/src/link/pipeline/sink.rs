//! The destination of the answers on a link: what a queue reports of them, and how they are written for their recipients.

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::proto::http::{Reject, ResponseHead};

use super::answer::AnswerEnd;
use super::exchange::Slot;

/// The way in which a run of content goes to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data {
    /// The content was appended to the output.
    Copied,
    /// The content goes out unchanged, behind the output.
    AsIs,
}

/// The user of the answers on a link.
///
/// `head`, `data` and `end` append to the output what the client gets, in the form that the client takes. They are called while
/// the queue is borrowed, and must not reach its link. The other methods are called when nothing is borrowed.
pub trait Sink<T> {
    /// Appends a head, also an interim one. `early` says that the answer ends before all of the request's content has come:
    /// nobody will read the rest, so the client's connection ends with the answer (RFC 9112 section 9.6).
    ///
    /// # Errors
    /// Fails when the client does not take such an answer, which makes the link useless.
    fn head(
        &mut self,
        to: &T,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause>;
    /// Appends a run of content, or of a frame, or says that it goes out unchanged.
    fn data(&mut self, to: &T, bytes: &[u8], out: &mut Vec<u8>) -> Data;
    /// Appends the end of a complete answer of HTTP, with these lines of its trailer section.
    fn end(&mut self, to: &T, trailers: &[u8], out: &mut Vec<u8>);
    /// Gives the client the output of this step, and then `raw`.
    fn deliver(&mut self, to: &T, out: &[u8], raw: &[u8]);
    /// Reports the `Server` field of the final head of an answer, if there is one.
    fn served_by(&mut self, _server: Option<&[u8]>) {}
    /// Reports that an answer has ended. `service` is the time since its request was sent and at the head of the link.
    fn ended(&mut self, slot: Slot<T>, end: AnswerEnd, service: Nanos);
}

/// The recipient of the answer that is being read, if there is one, and the output that is written for it.
pub(in crate::link) struct Awaited<'a, T, S> {
    pub(in crate::link) to: Option<&'a T>,
    pub(in crate::link) sink: &'a mut S,
    pub(in crate::link) out: &'a mut Vec<u8>,
}

impl<T, S: Sink<T>> Awaited<'_, T, S> {
    pub(super) fn is_awaited(&self) -> bool {
        self.to.is_some()
    }

    #[inline]
    pub(super) fn head(&mut self, head: &ResponseHead<'_, '_>, early: bool) -> Result<(), Reject> {
        match self.to {
            Some(to) => self.sink.head(to, head, early, self.out).map_err(Reject::from),
            None => Ok(()),
        }
    }

    #[inline]
    pub(super) fn data(&mut self, bytes: &[u8]) -> Data {
        self.to.map_or(Data::Copied, |to| self.sink.data(to, bytes, self.out))
    }

    #[inline]
    pub(super) fn end(&mut self, trailers: &[u8]) {
        if let Some(to) = self.to {
            self.sink.end(to, trailers, self.out);
        }
    }
}
