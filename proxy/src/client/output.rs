//! Writes to a client's socket directly where possible, and buffers what the socket does not take.

use std::rc::Rc;
use std::task::Context;

use bytes::Buf;

use crate::event_loop::{Flush, LEAST, may_panic};

use super::Client;
use super::inner::ClientInner;

impl Client {
    /// Gives bytes to the client. Where more answers may follow in this turn they leave together.
    pub(super) fn send(self: &Rc<Self>, s: &mut ClientInner, first: &[u8], second: &[u8]) {
        if self.conn.has_failed() || first.is_empty() && second.is_empty() {
            return;
        }
        if let Some(record) = s.record() {
            record.sent += (first.len() + second.len()) as u64;
        }
        if s.in_flight <= 1 && s.unwritten() == 0 {
            let sent = self.conn.send(first, second, &self.frontend.cells.sent_bytes);
            if let Some(cold) = s.cold.as_mut() {
                cold.moved += sent as u64;
            }
            self.keep_rest(s, first, second, sent);
            return;
        }
        let output = &mut s.buffers().output;
        output.extend_from_slice(first);
        output.extend_from_slice(second);
        // What is blocked is written when there is room again.
        if self.conn.takes_bytes() && self.conn.enlist() {
            self.frontend.event_loop.flush_later(self.clone());
        }
    }

    fn keep_rest(&self, s: &mut ClientInner, first: &[u8], second: &[u8], sent: usize) {
        if self.conn.has_failed() || sent == first.len() + second.len() {
            return;
        }
        let output = &mut s.buffers().output;
        output.extend_from_slice(&first[sent.min(first.len())..]);
        output.extend_from_slice(&second[sent.saturating_sub(first.len())..]);
        self.block(s);
    }

    /// The socket is full: its task waits until it may be written.
    fn block(&self, s: &mut ClientInner) {
        self.conn.block();
        self.count_output(s, s.unwritten());
        s.since = self.frontend.event_loop.now();
        self.rearm(s);
        self.conn.wake();
    }

    /// Writes what was kept, as far as it goes.
    pub(super) fn write_out(&self, s: &mut ClientInner) {
        let Some(mut buffers) = s.buffers.take() else { return };
        let sent = match buffers.output.is_empty() || self.conn.has_failed() {
            true => 0,
            false => self.conn.send(&buffers.output, &[], &self.frontend.cells.sent_bytes),
        };
        buffers.output.advance(sent);
        let (rest, counted) = (buffers.output.len(), buffers.counted);
        s.buffers = Some(buffers);
        if counted > 0 || s.cold.is_some() {
            s.cold().moved += sent as u64; // from the first that was kept on, all count
        }
        if counted > 0 {
            self.count_output(s, rest);
        }
        if rest > 0 {
            return self.block(s);
        }
        self.conn.unblock();
        s.tidy();
        if let Some(link) = &s.link {
            link.resume();
        }
    }

    /// Writes what was kept, if the socket has room again.
    pub(super) fn poll_write(&self, s: &mut ClientInner, cx: &mut Context<'_>) {
        if self.conn.poll_unblocked(cx) {
            self.write_out(s);
        }
    }

    /// Whether no more of its answer is to be read until it has taken some.
    pub(super) fn is_full(&self, s: &ClientInner) -> bool {
        let unwritten = s.unwritten();
        let most = s.destination.listener.response_buffer;
        !self.conn.has_failed()
            && (unwritten >= most || unwritten >= LEAST && self.frontend.event_loop.buffers.are_full())
    }

    /// Nothing that came from it, or is to go to it, is held any more.
    pub(super) fn count_nothing(&self, s: &mut ClientInner) {
        self.count_output(s, 0);
        if let Some(buffers) = &s.buffers {
            self.frontend.event_loop.buffers.count(&buffers.input_counted, 0);
        }
    }

    /// So much of what waits for the client counts as held.
    pub(super) fn count_output(&self, s: &mut ClientInner, held: usize) {
        if let Some(buffers) = s.buffers.as_mut() {
            self.count_held(std::mem::replace(&mut buffers.counted, held), held);
        }
    }
}

impl Flush for Client {
    fn flush(&self) {
        let mut s = self.state.borrow_mut();
        may_panic("client.flush");
        self.conn.end_turn();
        if !self.conn.is_blocked() {
            self.write_out(&mut s);
        }
        if s.close.is_some() || s.draining || s.unread_input() {
            self.conn.wake();
        }
    }
}
