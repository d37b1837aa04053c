//! Where the answers on a link go: what a queue tells of them, and how they are written for those who await them.

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::proto::http::{Reject, ResponseHead};

use super::answer::AnswerEnd;
use super::exchange::Slot;

/// How a run of content goes to a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Data {
    /// It was appended to the output.
    Copied,
    /// As it is, behind the output.
    AsIs,
}

/// What is done with the answers on a link.
///
/// `head`, `data` and `end` append to the output what the client gets, in the form that the client takes; they are called while the
/// queue is borrowed, and reach nothing of its link. The others are called outside of that.
pub trait Sink<T> {
    /// A head, interim ones too. `early`: the answer ends before all of the request's content has come, so nobody will read the
    /// rest, and the client's connection ends with it (RFC 9112 section 9.6).
    ///
    /// # Errors
    /// The client does not take such an answer: its link is of no use any more.
    fn head(
        &mut self,
        to: &T,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause>;
    /// A run of content, or of a frame.
    fn data(&mut self, to: &T, bytes: &[u8], out: &mut Vec<u8>) -> Data;
    /// The end of an answer of HTTP that is complete, with these lines of its trailer section.
    fn end(&mut self, to: &T, trailers: &[u8], out: &mut Vec<u8>);
    /// What was appended to the output in this step, and then `raw`, is the client's now.
    fn deliver(&mut self, to: &T, out: &[u8], raw: &[u8]);
    /// The `Server` field of the final head of an answer, if it has one.
    fn served_by(&mut self, _server: Option<&[u8]>) {}
    /// The answer has ended. `service` is the time from becoming the head of the link to now.
    fn ended(&mut self, slot: Slot<T>, end: AnswerEnd, service: Nanos);
}

/// Who awaits the answer that is being read, if anybody does, and what is written for them.
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
