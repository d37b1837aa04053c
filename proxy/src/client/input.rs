//! What comes from a client: heads become exchanges, bodies follow them to their link.
//! In: bytes as they were read. Out: requests submitted, in order, and rejections.
//! Knows nothing of answers.

use std::rc::Rc;

use crate::cause::Cause;
use crate::config::PipelineMethods;
use crate::link::{Ask, Request as Exchange, Submitted, Want};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::http1::{
    BodyDecoder, BodyEncoder, BodyFraming, Fields, Forwarding, Parsed, Reject, Request, parse_request, route,
};
use crate::turn::Nanos;

use super::Client;
use super::state::{Later, Phase, State};

/// A client may have this many requests in flight.
const LOOK_AHEAD: u32 = 1024;
/// A client with more unread answers than this is not asked what else it wants, nor is one that has said more than
/// this of what cannot begin yet.
const UNREAD: usize = 64 << 10;

impl Client {
    /// Whether more should be read from the socket.
    pub(super) fn wants_input(s: &State) -> bool {
        match &s.phase {
            Phase::Head | Phase::Body { .. } | Phase::Talk { .. } if s.heard_all => false,
            Phase::Head => {
                !s.unread_input() || Self::may_begin(s) && (s.in_flight == 0 || s.looks_ahead(UNREAD))
            }
            Phase::Body { .. } | Phase::Talk { .. } => {
                !s.waits && s.link.as_ref().is_none_or(|link| !link.is_full())
            }
            Phase::Done => false,
            Phase::Linger => true,
        }
    }

    /// One client's exchanges stay in order: while some are in flight, the next goes to the same link or waits.
    pub(super) fn may_begin(s: &State) -> bool {
        if s.waits || s.more_later() || s.unwritten() > UNREAD {
            return false;
        }
        s.in_flight == 0 || s.in_flight < LOOK_AHEAD && s.link.as_ref().is_some_and(|link| link.has_room())
    }

    pub(super) fn received(self: &Rc<Self>, s: &mut State, bytes: &[u8], now: Nanos) {
        self.hall.cells.received_bytes.add(bytes.len() as u64);
        if s.unread_input() {
            s.spill().input.extend_from_slice(bytes);
            return self.read_spilled(s, now);
        }
        let consumed = self.read(s, bytes, now);
        if consumed < bytes.len() {
            s.spill().input.extend_from_slice(&bytes[consumed..]);
        }
    }

    /// Reads on in what was kept.
    pub(super) fn read_spilled(self: &Rc<Self>, s: &mut State, now: Nanos) {
        let Some(spill) = s.spill.as_mut().filter(|spill| spill.input.len() >= spill.wanted) else { return };
        spill.wanted = 0;
        let mut input = std::mem::take(&mut spill.input);
        let consumed = self.read(s, &input, now);
        if consumed < input.len() {
            input.drain(..consumed);
            s.spill().input = input;
        } else {
            s.tidy();
        }
    }

    /// The client sends no more. What it asked for so far is still answered.
    pub(super) fn at_eof(&self, s: &mut State) {
        s.unread = false;
        s.heard_all = true;
        s.close = s.close.or(Some(ClientClose::Client));
        s.gone |= matches!(s.phase, Phase::Linger);
        Self::hear_no_more(s);
    }

    /// The client has said everything, and what of it could be read by now was.
    fn hear_no_more(s: &mut State) {
        // Redis drops a client that has ended its side while it is blocked. What it waits for is for others.
        s.gone |= s.patient && s.is_busy();
        match s.phase {
            Phase::Head if !s.unread_input() => s.phase = Phase::Done,
            Phase::Head => s.gone |= !s.is_busy() && Self::may_begin(s), // half a head
            Phase::Body { .. } | Phase::Talk { .. } => {
                let waits = s.waits || s.more_later() || s.link.as_ref().is_some_and(|link| link.is_full());
                s.gone |= !waits;
            }
            Phase::Done | Phase::Linger => {}
        }
    }

    fn read(self: &Rc<Self>, s: &mut State, bytes: &[u8], now: Nanos) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let consumed = match &s.phase {
                Phase::Head => self.read_head(s, rest, now),
                Phase::Body { .. } => self.read_body(s, rest, now),
                Phase::Talk { hold } => self.read_talk(s, *hold, rest, now),
                Phase::Done => {
                    s.unread = true;
                    rest.len()
                }
                Phase::Linger => rest.len(),
            };
            if consumed == 0 {
                break;
            }
            at += consumed;
        }
        at
    }

    fn read_head(self: &Rc<Self>, s: &mut State, bytes: &[u8], now: Nanos) -> usize {
        if !Self::may_begin(s) {
            return 0;
        }
        if s.in_flight == 0 {
            self.take_route(s); // what is read by one configuration must not be sent by another
        }
        let route = s.route.clone();
        if let Some(framing) = &route.listener.framing {
            return self.read_frame(s, framing, bytes, now);
        }
        let mut fields = Fields::new();
        match parse_request(bytes, &route.listener.http, &mut fields) {
            Ok(Parsed::Head { head, len }) if self.begin(s, &head, now) => len,
            Ok(Parsed::Head { .. }) => 0,
            Ok(Parsed::Partial) => {
                self.head_began(s, now);
                0
            }
            Err(reject) => {
                self.refuse(s, None, reject.cause, reject.status);
                bytes.len()
            }
        }
    }

    pub(super) fn head_began(&self, s: &mut State, now: Nanos) {
        if s.shown == ClientState::Idle {
            s.since = now;
            self.show(s, ClientState::Head);
            self.rearm(s);
        }
    }

    /// Begins an exchange. False where it cannot begin yet, because it may not share the link of those before it.
    fn begin(self: &Rc<Self>, s: &mut State, head: &Request<'_, '_>, now: Nanos) -> bool {
        let request = self.request(s, head, now);
        // An answer to HTTP/1.0 may last until close, and then nothing can follow it.
        if s.in_flight > 0 && (request.want != Want::Shared || head.minor_version == 0) {
            return false;
        }
        let route = s.route.clone();
        let from = Forwarding { peer: self.source, rules: &route.listener.http, no_expect: false };
        self.count_begun(s);
        self.read_next(s, head, now);
        self.put_on_link(s, request, |out| head.forward(&from, out));
        true
    }

    pub(super) fn count_begun(&self, s: &mut State) {
        self.hall.cells.in_flight.inc();
        s.requests += 1;
        if s.in_flight > 0 {
            self.hall.cells.pipelined.inc();
        }
        self.show(s, ClientState::Active);
    }

    /// To the link of those before it, or to one that its member has for it.
    pub(super) fn put_on_link(
        self: &Rc<Self>,
        s: &mut State,
        request: Exchange,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        match s.link.clone().filter(|_| s.in_flight > 0) {
            Some(link) => {
                s.in_flight += 1;
                link.join(self.clone(), request, write);
            }
            None => self.submit(s, request, write),
        }
    }

    fn request(&self, s: &State, head: &Request<'_, '_>, now: Nanos) -> Exchange {
        let all = s.route.group.settings.links.pipeline_methods == PipelineMethods::All;
        let body = head.body != BodyFraming::None;
        let shared = (all || head.method.is_safe_to_share()) && !body && !head.expect_continue;
        let want = if shared { Want::Shared } else { Want::Alone };
        Exchange {
            ask: Ask::Http(head.ask()),
            body,
            want,
            repeatable: head.method.is_idempotent(),
            route: route(head.method, head.target()),
            began: Self::began(s, now),
            replayed: false,
        }
    }

    /// When the first byte of a request came that is whole now.
    pub(super) fn began(s: &State, now: Nanos) -> Nanos {
        if s.shown == ClientState::Head { s.since } else { now }
    }

    /// What comes after this head.
    fn read_next(&self, s: &mut State, head: &Request<'_, '_>, now: Nanos) {
        if head.body != BodyFraming::None {
            let raw = head.body != BodyFraming::Chunked;
            s.phase = Phase::Body { decoder: BodyDecoder::new(head.body), raw };
            s.keeps_reading = head.keep_alive;
            s.since = now;
            self.rearm(s);
        } else if !head.keep_alive {
            s.phase = Phase::Done;
            s.close = Some(ClientClose::ServerClose);
        }
    }

    fn submit(self: &Rc<Self>, s: &mut State, request: Exchange, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(member) = self.choose(s) else {
            return self.fail(s, request, Cause::NoMember);
        };
        match member.way.submit(self.clone(), request, write) {
            Submitted::On(link) => {
                s.in_flight += 1;
                s.link = Some(link);
            }
            Submitted::Waits => s.waits = true,
            Submitted::Refused => self.fail(s, request, Cause::QueueFull),
        }
    }

    fn fail(&self, s: &mut State, request: Exchange, cause: Cause) {
        s.spill().later.push_back(Later::Fail { request: Some(request), reject: cause.into() });
        self.wake();
    }

    /// No more requests are read; this error is answered when those before it have been.
    pub(super) fn refuse(&self, s: &mut State, request: Option<Exchange>, cause: Cause, status: u16) {
        s.phase = Phase::Done;
        s.unread = true;
        s.close = s.close.or(Some(ClientClose::Error));
        let reject = Reject { cause, status, detail: "" };
        s.spill().later.push_back(Later::Fail { request, reject });
        self.wake();
    }

    /// Does what had to wait for the exchanges before it, then reads on in what was kept.
    pub(super) fn proceed(self: &Rc<Self>, s: &mut State, now: Nanos) {
        while s.in_flight == 0 && !s.waits {
            let Some(next) = s.spill.as_mut().and_then(|spill| spill.later.pop_front()) else { break };
            match next {
                Later::Send { request, head, cause } => self.send_again(s, request, &head, cause),
                Later::Fail { request, reject } => self.answer_error(s, request, &reject),
            }
        }
        if s.unread_input() && (Self::may_begin(s) || !matches!(s.phase, Phase::Head)) {
            self.read_spilled(s, now);
        }
        if s.heard_all {
            Self::hear_no_more(s);
        }
        s.tidy();
    }

    fn send_again(self: &Rc<Self>, s: &mut State, request: Exchange, head: &[u8], cause: Cause) {
        let Some(member) = self.choose(s) else {
            return self.answer_error(s, Some(request), &cause.into());
        };
        match member.way.submit(self.clone(), request, |out| out.extend_from_slice(head)) {
            Submitted::On(link) => {
                s.in_flight += 1;
                s.link = Some(link);
            }
            Submitted::Waits => s.waits = true,
            Submitted::Refused => {
                self.answer_error(s, Some(request), &Cause::QueueFull.into());
            }
        }
    }

    /// The body goes to the link that its head is on; where its exchange has ended already, nowhere.
    fn read_body(self: &Rc<Self>, s: &mut State, bytes: &[u8], now: Nanos) -> usize {
        let Phase::Body { decoder, raw } = &mut s.phase else { return 0 };
        let link = s.link.clone();
        if s.waits || link.as_ref().is_some_and(|link| link.is_full()) {
            return 0;
        }
        let raw = *raw;
        let Ok(step) = decoder.decode(bytes) else {
            self.abort_body(s, Cause::BadRequest);
            return bytes.len();
        };
        let done = step.done;
        let ended = done.then(|| decoder.trailers());
        s.since = now;
        if let Some(link) = link {
            let data = &bytes[step.data];
            link.send_body(data, |out| rechunk(data, ended, out), raw, done);
        }
        if done {
            s.phase = if s.keeps_reading { Phase::Head } else { Phase::Done };
        }
        step.consumed
    }

    /// The body cannot be had: the link cannot be saved, but perhaps the client can be told.
    pub(super) fn abort_body(&self, s: &mut State, cause: Cause) {
        let me: *const Self = self;
        let request =
            s.link.as_ref().and_then(|link| link.give_up(|client: &Rc<Self>| Rc::as_ptr(client) == me));
        let Some(request) = request else {
            s.gone = true;
            return;
        };
        s.in_flight -= 1;
        s.link = None;
        self.refuse(s, Some(request), cause, cause.status());
    }
}

/// `ended`: the trailers, once that was all of it.
fn rechunk(data: &[u8], ended: Option<&[u8]>, out: &mut Vec<u8>) {
    BodyEncoder::Chunked.encode(data, out);
    if let Some(trailers) = ended {
        BodyEncoder::Chunked.finish(trailers, out);
    }
}
