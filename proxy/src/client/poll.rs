//! Polls a client: waiting output is written, deferred steps are done, and input is read. Flushes it at the end of a turn, too.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::event_loop::{Flush, LEAST, Nanos, may_panic};
use crate::metrics::ClientClose;
use crate::stream::read_some;

use super::exchanges::Deferred;
use super::reader::{AfterEof, ExchangeStanding as _, Phase};
use super::writer::Sent;
use super::{Client, ClientParts, HttpFrontend};

/// The pause, in nanoseconds, before the client looks again whether there is room to read: 50 ms. Nothing wakes a client when
/// the budget of all buffers frees up. A longer pause leaves it stalled for longer, a shorter one costs a wake-up of each
/// stalled client.
const STALL: Nanos = 50_000_000;

impl Client {
    pub(super) fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<ClientClose> {
        self.conn.keep_waker(cx);
        let now = self.frontend.event_loop.update_now();
        let mut s = self.change();
        read_some(cx, |cx| self.poll_once(&mut s, cx, now))
    }

    /// Does every step that needs no reading, then reads once.
    fn poll_once(
        self: &Rc<Self>,
        s: &mut ClientParts,
        cx: &mut Context<'_>,
        now: Nanos,
    ) -> ControlFlow<Poll<ClientClose>> {
        may_panic("client.poll");
        if matches!(s.reader.phase(), Phase::Tunnel(_)) {
            return ControlFlow::Break(self.poll_tunnel(s, cx));
        }
        // Output that waited for room goes first: it is older than anything that the steps below could add.
        if self.conn.poll_unblocked(cx) {
            self.write_out(s);
        }
        self.proceed(s, now);
        self.count_input(s);
        if let Some(why) = self.over(s) {
            return ControlFlow::Break(Poll::Ready(why));
        }
        if !s.reader.wants_input(&s.standing()) {
            return ControlFlow::Break(Poll::Pending);
        }
        // Nothing is read that could not be kept.
        let room = self.room(s, now);
        if room == 0 {
            return ControlFlow::Break(Poll::Pending);
        }
        let mut input = self.frontend.event_loop.input();
        let most = input.len().min(room);
        let received = &self.frontend.cells.received_bytes;
        let Poll::Ready(read) = self.conn.poll_read(cx, &mut input[..most], received) else {
            return ControlFlow::Break(Poll::Pending);
        };
        // An empty read is the client's FIN.
        match read {
            Ok([]) => self.at_eof(s),
            Ok(bytes) => {
                if matches!(s.reader.phase(), Phase::Linger { .. }) {
                    s.reader.touch(now); // it is still sending
                }
                self.received(s, bytes, now);
                self.count_input(s);
            }
            Err(_) => self.conn.fail(),
        }
        ControlFlow::Continue(())
    }

    /// Does the steps that had to wait for earlier exchanges, then reads on in the input that was kept.
    fn proceed(self: &Rc<Self>, s: &mut ClientParts, now: Nanos) {
        while let Some(next) = s.exchanges.next_deferred() {
            match next {
                Deferred::Send { request, head, cause } => {
                    if let Err(cause) = self.submit(s, request, &*head, cause) {
                        self.answer_error(s, Some(request), &cause.into());
                    }
                }
                Deferred::Fail { request, reject } => self.answer_error(s, request, &reject),
            }
        }
        // Where the pool has just given the request a link, its body goes there before the client sends more of it.
        self.send_upload(s);
        // The head of the next request stays unread until it may begin; the rest of a body or frame belongs to one that has
        // begun.
        let expects_head = matches!(s.reader.phase(), Phase::Idle | Phase::Head);
        if !s.reader.input.is_empty() && (!expects_head || s.standing().may_begin()) {
            self.read_kept(s, now);
        }
        if s.reader.has_ended() {
            self.after_eof(s);
        }
        s.reader.input.tidy();
    }

    /// Returns why the client ends, if all is answered and written. Takes the step from the last answer to FIN.
    fn over(&self, s: &mut ClientParts) -> Option<ClientClose> {
        if self.conn.has_failed() {
            return Some(s.close.unwrap_or(ClientClose::Client));
        }
        // A drain, or the end of the input, still leaves the client its answers.
        if s.exchanges.is_busy() || s.writer.unwritten() > 0 {
            return None;
        }
        match s.reader.phase() {
            // The client may still be sending: a close would be a reset, and could cost it the answer.
            Phase::Done if s.reader.is_ignored() => {
                self.conn.close_write();
                s.reader.linger(self.frontend.event_loop.now());
                self.rearm(s);
                None
            }
            Phase::Done => Some(s.close.unwrap_or(ClientClose::Client)),
            Phase::Idle | Phase::Head if s.draining && s.reader.input.is_empty() => Some(ClientClose::Drain),
            _ => None,
        }
    }
}

// Reading.

impl Client {
    fn received(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) {
        // The kept bytes stand before the new ones, so both are read as one.
        if !s.reader.input.is_empty() {
            s.reader.input.keep_more(bytes);
            return self.read_kept(s, now);
        }
        let consumed = self.read(s, bytes, now);
        if consumed < bytes.len() {
            s.reader.input.keep(&bytes[consumed..]);
        }
    }

    /// Reads on in the input that was kept, if that is worth reading.
    fn read_kept(self: &Rc<Self>, s: &mut ClientParts, now: Nanos) {
        if let Some(input) = s.reader.input.take(s.exchanges.in_flight()) {
            let consumed = self.read(s, &input, now);
            s.reader.input.put_back(input, consumed);
        }
    }

    /// Reads as much as can be understood and begun now. Returns the number of bytes read.
    fn read(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            // Each step may change the phase, and with it the meaning of the next bytes.
            let consumed = match s.reader.phase() {
                Phase::Idle | Phase::Head => self.read_head(s, rest, now),
                Phase::Body { .. } => self.read_body(s, rest, now),
                Phase::Frame { .. } => self.read_rest(s, rest, now),
                &Phase::Talk { pinning } => self.read_talk(s, pinning, rest, now),
                Phase::Pinned { .. } => self.read_pinned(s, rest, now),
                // These are kept: nobody knows yet whether they are a request or belong to the tunnel.
                Phase::Asking | Phase::Tunnel(_) => 0,
                Phase::Done => {
                    s.reader.ignore();
                    rest.len()
                }
                // These bytes are read only so that no reset destroys the last answer.
                Phase::Linger { .. } => rest.len(),
            };
            if consumed == 0 {
                break;
            }
            at += consumed;
        }
        at
    }

    /// Begins the request at the front, if it may begin and is whole.
    fn read_head(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) -> usize {
        if !s.standing().may_begin() {
            return 0;
        }
        if s.exchanges.in_flight() == 0 {
            self.take_destination(&mut s.route); // what is read by one configuration must not be sent by another
        }
        let destination = s.route.destination().clone();
        match &destination.listener.framing {
            Some(framing) => self.read_frame(s, framing, bytes, now),
            None => self.read_request(s, &destination.listener.http, bytes, now),
        }
    }

    /// Notes that a head or frame has begun that is not whole yet.
    pub(super) fn head_began(&self, s: &mut ClientParts, now: Nanos) {
        let (reader, exchanges) = s.reader_and_standing();
        if reader.head_began(&exchanges, now) {
            self.rearm(s);
        }
    }

    /// Returns how many bytes may be read now: none where there is no room and the client holds some of what fills it. `LEAST`
    /// bytes of each client always have room, so that small requests go on whatever large ones wait for.
    fn room(&self, s: &mut ClientParts, now: Nanos) -> usize {
        let kept = s.reader.input.bytes().len();
        let is_crowded = || s.route.assignment().member().is_some_and(|member| member.pool.is_crowded());
        // Memory is short on the worker, or at the member that the requests wait for.
        let full = self.frontend.event_loop.buffers.are_full() || kept >= LEAST && is_crowded();
        let room = if full { LEAST.saturating_sub(kept) } else { usize::MAX };
        s.reader.input.stall(room == 0);
        if room == 0 {
            self.frontend.event_loop.arm(self.key, now + STALL);
        }
        room
    }

    /// Notes that the client sends no more. Requests that it has sent are still answered.
    fn at_eof(&self, s: &mut ClientParts) {
        s.close = s.close.or(Some(ClientClose::Client));
        s.reader.at_eof();
        // The FIN that the client lingered for has come.
        if matches!(s.reader.phase(), Phase::Linger { .. }) {
            self.conn.fail();
        }
        self.after_eof(s);
    }

    fn after_eof(&self, s: &mut ClientParts) {
        let (reader, exchanges) = s.reader_and_standing();
        match (reader.after_eof(&exchanges), s.exchanges.link()) {
            (AfterEof::Nothing, _) => {}
            // The member hears the end as well, answers what it would answer such a client, and closes.
            (AfterEof::EndLink, Some(link)) => link.end_requests(),
            // No member can be told of the end, or none has a use for half a message.
            (AfterEof::EndLink, None) | (AfterEof::CutShort, _) => self.conn.fail(),
        }
    }

    /// Counts the kept input as held.
    fn count_input(&self, s: &mut ClientParts) {
        let buffers = &self.frontend.event_loop.buffers;
        s.reader.input.count(|counted, bytes| buffers.recount(counted, bytes));
    }

    /// Takes the input off the budget of held bytes, because it moves to a tunnel.
    pub(super) fn count_no_input(&self, s: &mut ClientParts) {
        let buffers = &self.frontend.event_loop.buffers;
        s.reader.input.count(|counted, _| buffers.recount(counted, 0));
    }
}

// Writing.

impl Client {
    /// Gives bytes to the client. Where more answers may follow in this turn, all leave together.
    pub(super) fn send(self: &Rc<Self>, s: &mut ClientParts, first: &[u8], second: &[u8]) {
        if self.conn.has_failed() || first.is_empty() && second.is_empty() {
            return;
        }
        // The record of the answer that is being sent is the oldest.
        if let Some(record) = s.record() {
            record.sent += (first.len() + second.len()) as u64;
        }
        let together = s.exchanges.in_flight() > 1;
        match s.writer.send(&self.conn, (first, second), together, &self.frontend.cells.sent_bytes) {
            Sent::Gone => {}
            Sent::Full => self.block(s),
            // A blocked connection is written by the poll that finds room again.
            Sent::Gathered => {
                if self.conn.takes_bytes() && self.conn.enlist() {
                    self.frontend.event_loop.flush_later(self.clone());
                }
            }
        }
    }

    /// Waits until the connection takes bytes again.
    fn block(&self, s: &mut ClientParts) {
        self.conn.block();
        s.writer.count_unwritten(&self.frontend.event_loop.buffers);
        s.reader.touch(self.frontend.event_loop.now());
        self.rearm(s);
        self.conn.wake();
    }

    /// Writes the output that was kept, as far as the connection takes it.
    fn write_out(&self, s: &mut ClientParts) {
        let HttpFrontend { event_loop, cells, .. } = &*self.frontend;
        match s.writer.write_out(&self.conn, &cells.sent_bytes, &event_loop.buffers) {
            None => {}
            Some(Sent::Full | Sent::Gathered) => self.block(s),
            Some(Sent::Gone) => {
                self.conn.unblock();
                // The link may have stopped reading while this output was large.
                if let Some(link) = s.exchanges.link() {
                    link.resume();
                }
            }
        }
    }
}

impl Flush for Client {
    fn flush(&self) {
        let mut s = self.parts.borrow_mut();
        may_panic("client.flush");
        self.conn.end_turn();
        if !self.conn.is_blocked() {
            self.write_out(&mut s);
        }
        // These steps are for the client's task, which nothing else would wake.
        if s.close.is_some() || s.draining || !s.reader.input.is_empty() {
            self.conn.wake();
        }
    }
}
