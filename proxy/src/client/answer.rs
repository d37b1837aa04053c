//! Writes to a client what its link delivers, or an error of the proxy, and counts the exchange.

use std::rc::Rc;

use crate::cause::Cause;
use crate::event_loop::{Nanos, may_panic};
use crate::link::{AnswerEnd, AnswerKind, Exchange, UpgradedLink};
use crate::metrics::{ClientClose, ClientState, CodeClass};
use crate::proto::framing;
use crate::proto::http::Reject;
use crate::proto::http1::error_answer;

use super::Client;
use super::inner::{ClientInner, Deferred, Phase};
use super::ticket::{ClientLink, ClientRequest};

// What a ticket of the client is told.

impl Client {
    /// Whether its connection is to be closed after the present answer, whatever it wished.
    pub(super) fn closes(&self) -> bool {
        let s = self.state.borrow();
        (s.draining || s.is_spent()) && s.in_flight <= 1 && !s.has_deferred()
    }

    pub(super) fn deliver(self: &Rc<Self>, first: &[u8], second: &[u8]) {
        let mut s = self.state.borrow_mut();
        may_panic("client.piece");
        if s.phase.awaits_more() {
            s.since = self.frontend.event_loop.now(); // in the middle of an exchange its turn begins
        }
        self.send(&mut s, first, second);
    }

    pub(super) fn placed(self: &Rc<Self>, link: &Rc<ClientLink>) {
        let mut s = self.state.borrow_mut();
        may_panic("client.placed");
        s.waits = false;
        s.is_on(self, link);
        let follows = s.cold.as_ref().is_some_and(|cold| cold.upload.is_some());
        if follows || s.phase.awaits_more() || s.unread_input() || s.heard_all {
            s.since = self.frontend.event_loop.now();
            self.conn.wake();
        }
    }

    pub(super) fn ended(&self, request: &Exchange, end: AnswerEnd, service: Nanos) {
        let mut s = self.state.borrow_mut();
        may_panic("client.ended");
        if self.conn.has_failed() {
            return;
        }
        if end.switched {
            self.count(&mut s, Some(request), end.status, service); // it is noted when the tunnel has ended
            return s.left_link();
        }
        self.count_answer(&mut s, Some(request), end.status, None, service);
        s.answered();
        if request.greets && end.status < 500 {
            s.dialect = request.dialect;
        }
        if end.close {
            s.unread |= !matches!(s.phase, Phase::Done) && !s.heard_all;
            s.phase = Phase::Done;
            s.close = s.close.or(Some(ClientClose::ServerClose));
        }
        self.exchange_over(&mut s);
    }

    pub(super) fn failed(&self, request: ClientRequest, cause: Cause, shown: bool) {
        let mut s = self.state.borrow_mut();
        may_panic("client.failed");
        if self.conn.has_failed() {
            return;
        }
        if shown {
            s.destination.cells.errors[cause].inc();
            self.count_ended(&mut s, 1);
            self.write_record(&mut s, 0, Some(cause), 0);
            s.close = Some(ClientClose::Error);
            self.cut_off(&s); // so that what it has of the answer does not look complete
        } else {
            s.put_back(Deferred::Fail { request: Some(request), reject: cause.into() });
        }
        self.left(&mut s);
    }

    pub(super) fn again(&self, request: ClientRequest, head: Vec<u8>, cause: Cause) {
        let mut s = self.state.borrow_mut();
        may_panic("client.again");
        if self.conn.has_failed() {
            return;
        }
        s.binds |= s.take_kept().is_some();
        s.put_back(Deferred::Send { request, head, cause });
        self.left(&mut s);
    }

    pub(super) fn writable(&self) {
        let mut s = self.state.borrow_mut();
        may_panic("client.writable");
        if matches!(s.phase, Phase::Body { .. } | Phase::Frame { .. }) {
            s.since = self.frontend.event_loop.now(); // it was the member's turn until now
        }
        self.conn.wake();
    }

    pub(super) fn moved(&self) -> u64 {
        let moved = self.state.borrow().cold.as_ref().map_or(0, |cold| cold.moved);
        let stream = self.conn.stream();
        // What the kernel still holds has not been taken. What it held when the counting began was not counted.
        const MORE_THAN_A_KERNEL_HOLDS: u64 = 1 << 40;
        (MORE_THAN_A_KERNEL_HOLDS + moved)
            .saturating_sub(stream.as_ref().map_or(0, |stream| stream.unacknowledged() as u64))
    }

    pub(super) fn give_way(&self, cause: Cause) {
        let mut s = self.state.borrow_mut();
        may_panic("client.give_way");
        if self.conn.has_failed() {
            return;
        }
        s.close = Some(if cause == Cause::ClientAbort { ClientClose::Client } else { ClientClose::Evicted });
        s.blame = cause;
        if s.phase.awaits_more() {
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
}

impl Client {
    /// The client is closed, perhaps in the middle of an answer. To HTTP/1.0 an orderly close may be the end of it
    /// (RFC 9112 section 8), so there it is a reset.
    pub(super) fn cut_off(&self, s: &ClientInner) {
        self.conn.fail();
        let answering = s.old && (s.is_busy() || s.unwritten() > 0);
        if answering {
            self.conn.reset_on_drop();
        }
    }

    /// An exchange left its link or its queue without an answer.
    fn left(&self, s: &mut ClientInner) {
        if s.waits {
            s.waits = false;
        } else {
            s.left_link();
        }
        self.conn.wake();
    }

    /// An answer of ours.
    pub(super) fn answer_error(
        self: &Rc<Self>,
        s: &mut ClientInner,
        request: Option<ClientRequest>,
        reject: &Reject,
    ) {
        // One error is no answer to all words of a conversation: what follows would be taken for theirs.
        let exchange = request.map(|request| request.exchange);
        let talked = exchange.is_some_and(|exchange| exchange.upload.is_open() && exchange.kind.is_frames());
        if talked || s.phase.awaits_more() {
            Self::read_no_more(s);
        }
        self.drop_upload(s);
        s.destination.cells.errors[reject.cause].inc();
        if request.is_none() {
            self.count_in_flight(s); // it was never counted as begun
            s.requests += 1;
        }
        let close = (s.draining || matches!(s.phase, Phase::Done)) && !s.has_deferred();
        match self.error(s, request.as_ref(), reject, close) {
            Some(answer) => self.send(s, &answer, &[]),
            None => self.hang_up(s),
        }
        self.count_answer(s, exchange.as_ref(), reject.status, Some(reject.cause), 0);
        s.answered();
        if close {
            Self::said_close(s);
        }
        self.become_idle(s);
    }

    /// RFC 9112 section 9.6: nothing is answered behind an answer that says that it is the last.
    pub(super) fn said_close(s: &mut ClientInner) {
        if s.destination.listener.framing.is_none() && !matches!(s.phase, Phase::Done) {
            s.unread |= !s.heard_all;
            s.phase = Phase::Done;
            s.close = s.close.or(Some(ClientClose::Drain));
        }
    }

    fn read_no_more(s: &mut ClientInner) {
        s.phase = Phase::Done;
        s.unread = true;
        s.close = s.close.or(Some(ClientClose::Error));
    }

    /// What is answered instead of an answer; `None` where the listener would rather have the client closed.
    /// `close` says that it is the last one on its connection.
    fn error(
        &self,
        s: &ClientInner,
        request: Option<&ClientRequest>,
        reject: &Reject,
        close: bool,
    ) -> Option<Vec<u8>> {
        if let Some(framing) = &s.destination.listener.framing {
            return framing::refusal(framing, reject.cause);
        }
        let to = request.and_then(|request| match request.exchange.kind {
            AnswerKind::Http(ask) => Some((ask.method, request.format)),
            AnswerKind::Frames { .. } | AnswerKind::Forever => None,
        });
        let mut answer = Vec::new();
        error_answer(reject.status, reject.cause, to, close, &self.frontend.event_loop.date(), &mut answer);
        Some(answer)
    }

    /// The client is closed when it has what was answered before; what was asked after is not answered.
    fn hang_up(&self, s: &mut ClientInner) {
        Self::read_no_more(s);
        let unanswered = s.drop_deferred();
        for _ in 0..unanswered {
            s.destination.cells.errors[Cause::ClientAbort].inc();
        }
        self.count_ended(s, u16::try_from(unanswered).unwrap_or(u16::MAX));
    }

    /// An exchange has been answered, badly where there is a cause.
    pub(super) fn count_answer(
        &self,
        s: &mut ClientInner,
        request: Option<&Exchange>,
        status: u16,
        cause: Option<Cause>,
        service: Nanos,
    ) {
        self.count(s, request, status, service);
        self.write_record(s, status, cause, service);
    }

    fn count(&self, s: &mut ClientInner, request: Option<&Exchange>, status: u16, service: Nanos) {
        let now = self.frontend.event_loop.now();
        let duration = request.map_or(0, |r| now.saturating_sub(r.began));
        let cells = &s.destination.cells;
        cells.requests[CodeClass::of(status)].inc();
        cells.duration.observe_nanos(duration);
        self.frontend.event_loop.record_latency(duration);
        cells.overhead.observe_nanos(duration.saturating_sub(service));
        self.count_ended(s, 1);
        may_panic("client.counted");
    }

    fn exchange_over(&self, s: &mut ClientInner) {
        s.left_link();
        if s.in_flight == 0 {
            self.become_idle(s);
        }
        if s.unread_input() || matches!(s.phase, Phase::Done) || s.draining || s.has_deferred() {
            self.conn.wake();
        }
    }

    /// Nothing is in flight any more.
    pub(super) fn become_idle(&self, s: &mut ClientInner) {
        if !s.phase.awaits_more() {
            s.since = self.frontend.event_loop.now();
            self.show(s, ClientState::Idle);
            self.rearm(s);
        }
    }
}
