//! Tells a client what happens to its exchanges: its tickets report that they are placed, answered, failed or to be sent again.

use std::rc::Rc;

use crate::cause::Cause;
use crate::event_loop::{Nanos, may_panic};
use crate::link::{AnswerEnd, Exchange, UpgradedLink};
use crate::metrics::ClientClose;

use super::exchanges::Deferred;
use super::reader::Phase;
use super::ticket::ClientRequest;
use super::{Client, ClientParts, HttpLink};

// Questions and reports from the client's tickets.

impl Client {
    /// Returns whether the connection is to be closed after the present answer, whatever the client asked for.
    pub(super) fn closes(&self) -> bool {
        let s = self.parts.borrow();
        may_panic("client.closes");
        (s.draining || s.is_spent()) && s.exchanges.in_flight() <= 1 && !s.exchanges.has_deferred()
    }

    pub(super) fn is_full(&self) -> bool {
        let s = self.parts.borrow();
        may_panic("client.is_full");
        let most = s.route.destination().listener.response_buffer;
        !self.conn.has_failed() && s.writer.is_full(most, &self.frontend.event_loop.buffers)
    }

    pub(super) fn has_ended(&self) -> bool {
        may_panic("client.has_ended");
        self.parts.borrow().reader.has_ended()
    }

    pub(super) fn deliver(self: &Rc<Self>, first: &[u8], second: &[u8]) {
        let mut s = self.parts.borrow_mut();
        may_panic("client.deliver");
        // In the middle of an exchange, an answer gives the turn back to the client.
        if s.reader.awaits_more() {
            s.reader.touch(self.frontend.event_loop.now()); // in the middle of an exchange its turn begins
        }
        self.send(&mut s, first, second);
    }

    pub(super) fn placed(self: &Rc<Self>, link: &HttpLink) {
        let mut s = self.change();
        may_panic("client.placed");
        self.on_link(&mut s, link);
        let follows = s.exchanges.has_upload();
        // The rest of the request, or the client's end, may have waited for this link.
        if follows || s.reader.awaits_more() || !s.reader.input.is_empty() || s.reader.has_ended() {
            s.reader.touch(self.frontend.event_loop.now());
            self.conn.wake();
        }
    }

    pub(super) fn ended(&self, request: &Exchange, end: AnswerEnd, service: Nanos) {
        let mut s = self.change();
        may_panic("client.ended");
        if self.conn.has_failed() {
            return;
        }
        if end.switched {
            self.count(&mut s, Some(request), end.status, service); // it is noted when the tunnel has ended
            s.exchanges.left_link();
            return;
        }
        self.count_answer(&mut s, Some(request), end.status, None, service);
        self.answered(&mut s);
        // The greeting was accepted: from now on the client speaks this dialect.
        if request.greets && end.status < 500 {
            s.reader.speaks(request.dialect);
        }
        if end.close {
            s.reader.close_announced();
            s.close = s.close.or(Some(ClientClose::ServerClose));
        }
        if s.exchanges.left_link() {
            self.become_idle(&mut s);
        }
        // The next step may have waited for this answer.
        if !s.reader.input.is_empty() || s.reader.is_done() || s.draining || s.exchanges.has_deferred() {
            self.conn.wake();
        }
    }

    pub(super) fn failed(&self, request: ClientRequest, cause: Cause, shown: bool) {
        let mut s = self.change();
        may_panic("client.failed");
        if self.conn.has_failed() {
            return;
        }
        // The client has seen the start of an answer, which must not look complete.
        if shown {
            s.route.destination().cells.errors[cause].inc();
            // No status is counted: the client saw one, but not the whole answer.
            s.exchanges.count_ended(1, &self.frontend.cells.in_flight);
            self.write_record(&mut s, 0, Some(cause), 0);
            s.close = Some(ClientClose::Error);
            self.cut_off(&s); // so that what it has of the answer does not look complete
        // Earlier exchanges may still be answered, so the error waits for its place in the order.
        } else {
            s.exchanges.put_back(Deferred::Fail { request: Some(request), reject: cause.into() });
        }
        self.left(&mut s);
    }

    pub(super) fn again(&self, request: ClientRequest, head: Vec<u8>, cause: Cause) {
        let mut s = self.change();
        may_panic("client.again");
        if self.conn.has_failed() {
            return;
        }
        // The next link becomes the client's own in place of this one.
        if s.exchanges.take_kept_link().is_some() {
            s.exchanges.bind_again();
        }
        s.exchanges.put_back(Deferred::Send { request, head, cause });
        self.left(&mut s);
    }

    pub(super) fn writable(&self) {
        let mut s = self.parts.borrow_mut();
        may_panic("client.writable");
        if matches!(s.reader.phase(), Phase::Body { .. } | Phase::Frame { .. }) {
            s.reader.touch(self.frontend.event_loop.now()); // it was the member's turn until now
        }
        self.conn.wake();
    }

    pub(super) fn moved(&self) -> u64 {
        may_panic("client.moved");
        let moved = self.parts.borrow().writer.moved();
        let stream = self.conn.stream();
        // Bytes that the kernel still holds have not been taken. Those that it held when the counting began were not counted.
        const MORE_THAN_A_KERNEL_HOLDS: u64 = 1 << 40;
        (MORE_THAN_A_KERNEL_HOLDS + moved)
            .saturating_sub(stream.as_ref().map_or(0, |stream| stream.unacknowledged() as u64))
    }

    pub(super) fn give_way(&self, cause: Cause) {
        let mut s = self.change();
        may_panic("client.give_way");
        if self.conn.has_failed() {
            return;
        }
        // The metric tells clients that have left from those that are evicted.
        s.close = Some(if cause == Cause::ClientAbort { ClientClose::Client } else { ClientClose::Evicted });
        s.blame = cause;
        // The member awaits more of the request, so an error can still be its answer.
        if s.reader.awaits_more() {
            self.abort_body(&mut s, cause);
        } else {
            self.cut_off(&s);
        }
        self.conn.wake();
    }

    pub(super) fn switched(&self, upgraded: UpgradedLink) {
        may_panic("client.switched");
        self.open_tunnel(upgraded);
    }

    /// Notes that an exchange has left its link or its queue without an answer.
    fn left(&self, s: &mut ClientParts) {
        s.exchanges.left();
        self.conn.wake();
    }
}
