//! Sends the bytes that follow the head of a link's last request: its content, or the next frames of a conversation.
//!
//! Bytes go straight to the socket where none wait before them.

use std::rc::Rc;

use crate::proto::framing::Dialect;

use super::{BODY_PENDING, Link};
use crate::link::pipeline::answer::AnswerKind;
use crate::link::pipeline::exchange::Slot;
use crate::link::pipeline::queue::Queue;
use crate::link::pool::Recipient;

/// The number of bytes, 4 KiB, from which a part of a body is not copied behind waiting output, but written together with it.
/// Below that a copy costs less than a system call.
const LARGE_BODY: usize = 4 << 10;

impl<T: Recipient> Link<T> {
    /// Sends more content of the last request, straight to the socket where nothing waits before it; `last` ends the content,
    /// with these trailers. The link frames the content as its exchange asks.
    pub fn send_data(self: &Rc<Self>, data: &[u8], last: Option<&[u8]>) {
        let mut queue = self.queue.borrow_mut();
        let past = queue.sends_as_it_comes() && self.may_bypass(&queue, data);
        let sent = if past { self.bypass(&mut queue, data) } else { 0 };
        if past && sent == data.len() {
            queue.body_bypassed(last.is_some(), self.pool.event_loop.now());
            return;
        }
        queue.send_data(&data[sent..], last);
        self.count_held_of(&queue);
        self.flush_later();
    }

    /// Returns whether a body goes past the output: where that is empty, or where the body is so large that a copy would cost
    /// more than writing the output before the turn has ended.
    fn may_bypass(&self, queue: &Queue<T>, data: &[u8]) -> bool {
        self.conn.takes_bytes() && (queue.unwritten().is_empty() || data.len() >= LARGE_BODY)
    }

    /// Writes the output and as much of `data` as the connection takes. Returns how many bytes of `data` that was.
    fn bypass(&self, queue: &mut Queue<T>, data: &[u8]) -> usize {
        let before = queue.unwritten().len();
        let sent = self.send(queue.unwritten(), data);
        queue.wrote(sent.min(before), self.pool.event_loop.now());
        sent.saturating_sub(before)
    }

    /// Puts a frame behind the last one of the conversation on this link.
    pub fn append_frame(self: &Rc<Self>, frame: &[u8], kind: AnswerKind, last: bool) {
        self.queue.borrow_mut().append_frame(frame, kind, last);
        self.flush_later();
    }

    /// Notes that the last frame makes the link speak this dialect, unless the member refuses.
    pub fn turns_to(&self, dialect: Dialect) {
        self.queue.borrow_mut().turns_to(dialect);
    }

    /// Notes that the client that owns the link has ended its side. The link ends its own side when everything is written, and
    /// carries nothing more.
    pub fn end_requests(self: &Rc<Self>) {
        self.queue.borrow_mut().end_requests(self.pool.event_loop.now());
        self.flush_later();
    }

    /// Returns whether the member has yet to answer the last request.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.queue.borrow().last().is_some_and(|slot| slot.awaits > 0)
    }

    /// Returns whether the client waits for the member to ask for the body of the last request.
    #[must_use]
    pub fn awaits_continue(&self) -> bool {
        self.queue.borrow().last().is_some_and(Slot::awaits_continue)
    }

    /// Returns whether the member has yet to read what the client sent: until then the client need not send more. A link that
    /// was full is written to for a while before its client is read again.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.queue.borrow().unwritten().is_empty()
    }

    /// Returns whether the body of the last request must wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.borrow().unwritten().len() >= BODY_PENDING
    }
}
