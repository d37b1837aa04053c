//! Sends what follows the head of a link's last request: its content, or the next frames of a conversation.
//!
//! Bytes go straight to the socket where nothing waits before them.

use std::rc::Rc;

use crate::proto::framing::Dialect;

use super::{BODY_PENDING, Link};
use crate::link::pipeline::answer::AnswerKind;
use crate::link::pipeline::exchange::Slot;
use crate::link::pipeline::queue::Queue;
use crate::link::pool::Recipient;

/// A part of a body this large is not copied behind what waits before it.
const LARGE_BODY: usize = 4 << 10;

impl<T: Recipient> Link<T> {
    /// Sends more of the last request's content, straight to the socket where nothing waits before it; `last` ends it, with
    /// these trailers. The link frames it as its exchange says.
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

    /// A body goes past the output where that is empty, or where the body is so large that copying it there would
    /// cost more than the output's being written before the turn has ended.
    fn may_bypass(&self, queue: &Queue<T>, data: &[u8]) -> bool {
        self.conn.takes_bytes() && (queue.unwritten().is_empty() || data.len() >= LARGE_BODY)
    }

    /// Writes the output and as much of `data` as fits. Tells how much of `data` it was.
    fn bypass(&self, queue: &mut Queue<T>, data: &[u8]) -> usize {
        let before = queue.unwritten().len();
        let sent = self.send(queue.unwritten(), data);
        queue.wrote(sent.min(before), self.pool.event_loop.now());
        sent.saturating_sub(before)
    }

    /// Puts a frame behind the last of a conversation that this link carries.
    pub fn append_frame(self: &Rc<Self>, frame: &[u8], kind: AnswerKind, last: bool) {
        self.queue.borrow_mut().append_frame(frame, kind, last);
        self.flush_later();
    }

    /// The frame that went out last makes the link speak this, unless it is refused.
    pub fn turns_to(&self, dialect: Dialect) {
        self.queue.borrow_mut().turns_to(dialect);
    }

    /// The client whose own link this is has ended its side: so does the link, when all that was said is written. It carries
    /// nothing more.
    pub fn end_requests(self: &Rc<Self>) {
        self.queue.borrow_mut().end_requests(self.pool.event_loop.now());
        self.flush_later();
    }

    /// Whether the member has yet to answer what was asked last.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.queue.borrow().last().is_some_and(|slot| slot.awaits > 0)
    }

    /// Whether its client waits for the member to ask for the body of the last request.
    #[must_use]
    pub fn awaits_continue(&self) -> bool {
        self.queue.borrow().last().is_some_and(Slot::awaits_continue)
    }

    /// Whether the member has yet to read what its client sent: until it has, the client need not send more. A link that was
    /// full is written to for a while before its client is read again.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.queue.borrow().unwritten().is_empty()
    }

    /// Whether the body of the last request must wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.queue.borrow().unwritten().len() >= BODY_PENDING
    }
}
