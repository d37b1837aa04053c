//! Answers a client in place of a member, and counts the answers of both.

use std::rc::Rc;

use crate::cause::Cause;
use crate::event_loop::{Nanos, may_panic};
use crate::link::{AnswerKind, Exchange};
use crate::metrics::{ClientClose, CodeClass};
use crate::proto::framing;
use crate::proto::http::Reject;
use crate::proto::http1::error_answer;

use super::ticket::ClientRequest;
use super::{Client, ClientParts};

impl Client {
    /// Answers with an error.
    pub(super) fn answer_error(
        self: &Rc<Self>,
        s: &mut ClientParts,
        request: Option<ClientRequest>,
        reject: &Reject,
    ) {
        // One error cannot answer all the frames of a conversation: the next answers would be taken for those of the rest.
        let exchange = request.map(|request| request.exchange);
        let talked = exchange.is_some_and(|exchange| exchange.upload.is_open() && exchange.kind.is_frames());
        if talked || s.reader.awaits_more() {
            Self::read_no_more(s);
        }
        self.drop_upload(s);
        s.route.destination().cells.errors[reject.cause].inc();
        if request.is_none() {
            s.exchanges.count_begun(&self.frontend.cells.in_flight); // it was never counted as begun
            s.reader.request_refused();
        }
        // A deferred step still needs the connection.
        let close = (s.draining || s.reader.is_done()) && !s.exchanges.has_deferred();
        match self.error(s, request.as_ref(), reject, close) {
            Some(answer) => self.send(s, &answer, &[]),
            // The listener prefers a close to an error.
            None => self.close_after_answers(s),
        }
        self.count_answer(s, exchange.as_ref(), reject.status, Some(reject.cause), 0);
        self.answered(s);
        if close {
            Self::note_close(s);
        }
        self.become_idle(s);
    }

    /// Notes that the last answer has announced that the connection closes: nothing is answered behind it (RFC 9112 section
    /// 9.6).
    pub(super) fn note_close(s: &mut ClientParts) {
        if s.route.destination().listener.framing.is_none() && s.reader.close_announced() {
            s.close = s.close.or(Some(ClientClose::Drain));
        }
    }

    fn read_no_more(s: &mut ClientParts) {
        s.reader.refuse();
        s.close = s.close.or(Some(ClientClose::Error));
    }

    /// Returns the bytes of an error; `None` where the listener wants the client closed instead. `close` says that the error is
    /// the last answer on its connection.
    fn error(
        &self,
        s: &ClientParts,
        request: Option<&ClientRequest>,
        reject: &Reject,
        close: bool,
    ) -> Option<Vec<u8>> {
        if let Some(framing) = &s.route.destination().listener.framing {
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

    /// Closes the client when it has its earlier answers. Later requests get no answer.
    fn close_after_answers(&self, s: &mut ClientParts) {
        Self::read_no_more(s);
        let unanswered = s.exchanges.drop_deferred();
        s.route.destination().cells.errors[Cause::ClientAbort].add(unanswered.into());
        s.exchanges.count_ended(unanswered, &self.frontend.cells.in_flight);
    }

    /// Notes that the last request has its answer, and that the answer opens no tunnel.
    pub(super) fn answered(&self, s: &mut ClientParts) {
        s.exchanges.set_tunnel_permit(None);
        s.reader.answered();
    }

    /// Counts and logs an exchange that has its answer; `cause` says why that is a bad one.
    pub(super) fn count_answer(
        &self,
        s: &mut ClientParts,
        request: Option<&Exchange>,
        status: u16,
        cause: Option<Cause>,
        service: Nanos,
    ) {
        self.count(s, request, status, service);
        self.write_record(s, status, cause, service);
    }

    /// Counts an exchange that has its answer; `service` is the time that the member took.
    pub(super) fn count(&self, s: &mut ClientParts, request: Option<&Exchange>, status: u16, service: Nanos) {
        let now = self.frontend.event_loop.now();
        let duration = request.map_or(0, |r| now.saturating_sub(r.began));
        let cells = &s.route.destination().cells;
        cells.requests[CodeClass::of(status)].inc();
        cells.duration.observe_nanos(duration);
        self.frontend.event_loop.record_latency(duration);
        cells.overhead.observe_nanos(duration.saturating_sub(service));
        s.exchanges.count_ended(1, &self.frontend.cells.in_flight);
        may_panic("client.counted");
    }

    /// Starts the client's idle time where nothing is in flight any more.
    pub(super) fn become_idle(&self, s: &mut ClientParts) {
        if !s.reader.awaits_more() {
            s.reader.touch(self.frontend.event_loop.now());
            self.rearm(s);
        }
    }
}
