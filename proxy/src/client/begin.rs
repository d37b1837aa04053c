//! Turns a request head into an exchange on a link, in the wait queue, or answered here.

use std::net::IpAddr;
use std::rc::Rc;

use crate::cause::Cause;
use crate::config::{HttpRules, PipelineMethods};
use crate::event_loop::{Nanos, may_panic};
use crate::link::{AnswerKind, Exchange, RequestSource, Sharing, Submitted, Upload};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::framing::Dialect;
use crate::proto::http::{BodyFraming, Method, Reject, RequestHead, request_class};
use crate::proto::http1::{BodyDecoder, BodyEncoder, Forwarding};

use super::inner::{ClientInner, Deferred, Phase};
use super::ticket::{ClientRequest, Ticket};
use super::{Client, HttpMember};

/// What a client is told that waits for it, where its member could not say it.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Client {
    /// Begins an exchange. False where it cannot begin yet, because it may not share the link of those before it.
    /// `behind` bytes of what follows it are here.
    pub(super) fn begin(
        self: &Rc<Self>,
        s: &mut ClientInner,
        head: &RequestHead<'_, '_>,
        behind: usize,
        now: Nanos,
    ) -> bool {
        if !self.find_route(s, head) {
            return false;
        }
        let mut request = self.request(s, head, now);
        // An answer to HTTP/1.0 may last until close, and then nothing can follow it.
        let alone = request.sharing != Sharing::Shared || head.minor_version == 0 || s.keeps_link();
        if s.in_flight > 0 && alone {
            return false;
        }
        let destination = s.destination.clone();
        let rules = &destination.listener.http;
        // RFC 9112 section 6.1: chunks are for those who are known to speak 1.1.
        if head.body == BodyFraming::Chunked && self.is_http10(s) {
            self.begin_record(s, head, request.began);
            self.refuse(s, None, Cause::LengthRequired, Cause::LengthRequired.status());
            return true;
        }
        if let Some((answer, status)) = self.own_answer(s, head, rules) {
            return self.answer_http_here(s, head, &request, now, (&answer, status));
        }
        let no_expect = head.expect_continue && self.is_http10(s);
        self.count_begun(s);
        self.begin_record(s, head, request.began);
        self.read_next(s, head, rules, now);
        if no_expect {
            self.send(s, CONTINUE, &[]);
        }
        may_panic("client.begin");
        s.old = head.minor_version == 0;
        s.binds = head.binds && !s.keeps_link();
        let from = Forwarding { peer: self.peer, rules, no_expect };
        request.expects = head.expect_continue && !no_expect;
        request.open_ended = match head.body {
            BodyFraming::None => false,
            BodyFraming::Length(length) => length > behind as u64,
            BodyFraming::Chunked | BodyFraming::UntilClose => true,
        };
        let may_wait = self.reads_body_first(s, &request);
        let request = ClientRequest { exchange: request, format: head.format() };
        if may_wait {
            let mut bytes = Vec::new();
            ForwardedRequest { head, from }.write_http1(&mut bytes);
            Self::hold_upload(s, request, bytes, head.body);
            return true;
        }
        self.put_on_link(s, request, &ForwardedRequest { head, from });
        true
    }

    fn request(&self, s: &ClientInner, head: &RequestHead<'_, '_>, now: Nanos) -> Exchange {
        Exchange {
            kind: AnswerKind::Http(head.ask()),
            upload: upload(head.body),
            sharing: want(s, head),
            repeatable: head.method.is_idempotent(),
            class: request_class(head.method, head.target()),
            began: Self::began(s, now),
            replayed: false,
            open_ended: false,
            source: self.source(s).into(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        }
    }

    /// Whose request it is, and to which backend it goes. False where those before it, which have not been answered, went
    /// elsewhere.
    fn find_route(&self, s: &mut ClientInner, head: &RequestHead<'_, '_>) -> bool {
        let base = s.base();
        let source: IpAddr = head.source(self.peer, &base.listener.http);
        let destination = head.rule(&base.listener.routes).map_or(base, |rule| &base.by_rule[rule]);
        if source == self.source(s) && Rc::ptr_eq(destination, &s.destination) {
            return true;
        }
        if s.in_flight > 0 {
            return false;
        }
        let destination = destination.clone();
        self.switch_to(s, source, &destination);
        true
    }

    /// Whether its member is known to speak HTTP/1.0.
    fn is_http10(&self, s: &mut ClientInner) -> bool {
        self.choose(s).is_some_and(|member| member.pool.is_http10())
    }

    /// RFC 9110 section 7.6.2: what is to be forwarded no further is answered here.
    fn own_answer(
        &self,
        s: &ClientInner,
        head: &RequestHead<'_, '_>,
        rules: &HttpRules,
    ) -> Option<(Vec<u8>, u16)> {
        let mut answer = Vec::new();
        let close = s.draining || is_last(rules, s.requests + 1);
        let status = head.own_answer(&self.frontend.event_loop.date(), close, &mut answer)?;
        Some((answer, status))
    }

    /// False where it cannot be answered yet, because others before it have not been.
    fn answer_http_here(
        self: &Rc<Self>,
        s: &mut ClientInner,
        head: &RequestHead<'_, '_>,
        request: &Exchange,
        now: Nanos,
        (answer, status): (&[u8], u16),
    ) -> bool {
        if s.in_flight > 0 {
            return false;
        }
        let destination = s.destination.clone();
        self.count_begun(s);
        self.begin_record(s, head, request.began);
        self.read_next(s, head, &destination.listener.http, now);
        self.send(s, answer, &[]);
        self.count_answer(s, Some(request), status, None, 0);
        if s.draining {
            Self::said_close(s);
        }
        self.become_idle(s);
        true
    }

    pub(super) fn count_begun(&self, s: &mut ClientInner) {
        self.count_in_flight(s);
        s.requests += 1;
        if s.in_flight > 0 {
            self.frontend.cells.pipelined.inc();
        }
        self.show(s, ClientState::Active);
    }

    /// One more exchange of it is under way.
    pub(super) fn count_in_flight(&self, s: &mut ClientInner) {
        self.frontend.cells.in_flight.inc();
        s.counted += 1;
    }

    /// So many of them are not any more.
    pub(super) fn count_ended(&self, s: &mut ClientInner, exchanges: u16) {
        self.frontend.cells.in_flight.add(-i64::from(exchanges));
        s.counted -= exchanges;
    }

    /// When the first byte of a request came that is whole now.
    pub(super) fn began(s: &ClientInner, now: Nanos) -> Nanos {
        if s.shown == ClientState::Head { s.since } else { now }
    }

    /// What comes after this head.
    fn read_next(&self, s: &mut ClientInner, head: &RequestHead<'_, '_>, rules: &HttpRules, now: Nanos) {
        if is_last(rules, s.requests) {
            s.close = Some(ClientClose::LimitRequests);
        }
        s.keeps_reading = head.keep_alive && !s.is_spent();
        if head.body != BodyFraming::None {
            s.phase = Phase::Body { decoder: BodyDecoder::of_request(head.body) };
            if head.upgrade {
                s.cold().asks = true;
            }
            if let Some(most) = rules.body {
                s.cold().body_left = most;
            }
            s.since = now;
            self.rearm(s);
        } else if head.upgrade {
            s.phase = Phase::Asking;
        } else if !s.keeps_reading {
            s.phase = Phase::Done;
            s.close = s.close.or(Some(ClientClose::ServerClose));
        }
    }

    /// To the link that it keeps, to that of those before it, or to one that its member has for it.
    pub(super) fn put_on_link(
        self: &Rc<Self>,
        s: &mut ClientInner,
        request: ClientRequest,
        source: &(impl RequestSource + ?Sized),
    ) {
        let ticket = || Ticket::new(self, &request);
        if let Some(link) = s.take_kept() {
            if link.is_open() {
                s.is_on(self, &link);
                s.cold().kept = Some(link.clone());
                return link.go_on(ticket(), request.exchange, source);
            }
            link.let_go();
        }
        match s.link.clone().filter(|_| s.in_flight > 0) {
            Some(link) => {
                s.reached();
                s.in_flight += 1;
                link.join(ticket(), request.exchange, source);
            }
            None => {
                if let Err(cause) = self.submit(s, request, source, Cause::NoMember) {
                    s.buffers()
                        .deferred
                        .push_back(Deferred::Fail { request: Some(request), reject: cause.into() });
                    self.conn.wake();
                }
            }
        }
    }

    /// No more requests are read; this error is answered when those before it have been.
    pub(super) fn refuse(
        &self,
        s: &mut ClientInner,
        request: Option<ClientRequest>,
        cause: Cause,
        status: u16,
    ) {
        s.phase = Phase::Done;
        s.unread = true;
        s.close = s.close.or(Some(ClientClose::Error));
        let reject = Reject { cause, status, detail: "" };
        s.buffers().deferred.push_back(Deferred::Fail { request, reject });
        self.conn.wake();
    }

    /// To a link of its member, or to those who wait for one. `otherwise` is the cause where no member is up.
    pub(super) fn submit(
        self: &Rc<Self>,
        s: &mut ClientInner,
        request: ClientRequest,
        source: &(impl RequestSource + ?Sized),
        otherwise: Cause,
    ) -> Result<(), Cause> {
        let member = self.choose(s).ok_or(otherwise)?;
        claim_tunnel(s, &member, &request.exchange)?;
        match member.pool.submit(Ticket::new(self, &request), request.exchange, source) {
            Submitted::On(link) => s.is_on(self, &link),
            Submitted::Waits => s.waits = true,
            Submitted::Refused => return Err(Cause::QueueFull),
        }
        Ok(())
    }
}

/// A request head as it is forwarded.
struct ForwardedRequest<'a, 'h, 'b> {
    head: &'a RequestHead<'h, 'b>,
    from: Forwarding<'a>,
}

impl RequestSource for ForwardedRequest<'_, '_, '_> {
    fn write_http1(&self, out: &mut Vec<u8>) {
        self.head.forward(&self.from, out);
        may_panic("client.write");
    }
}

/// What follows a head with this framing.
fn upload(body: BodyFraming) -> Upload {
    match body {
        BodyFraming::None => Upload::Whole,
        framing => Upload::Content(BodyEncoder::of(framing)),
    }
}

/// Whether a client may ask for no more than so many.
fn is_last(rules: &HttpRules, requests: u32) -> bool {
    rules.requests.is_some_and(|most| requests >= most.get())
}

/// What may become a tunnel needs a place among the member's tunnels.
fn claim_tunnel(s: &mut ClientInner, member: &HttpMember, request: &Exchange) -> Result<(), Cause> {
    if matches!(request.kind, AnswerKind::Http(ask) if ask.upgrade) {
        s.cold().place = Some(member.pool.tunnel_permit().ok_or(Cause::TunnelLimit)?);
    }
    Ok(())
}

fn want(s: &ClientInner, head: &RequestHead<'_, '_>) -> Sharing {
    let all = s.destination.group.settings.links.pipeline_methods == PipelineMethods::All;
    let plain = head.body == BodyFraming::None && !head.expect_continue && !head.upgrade;
    // What follows an answer to HEAD that has content is not known before the link has been quiet for a moment.
    let plain = plain && head.method != Method::Head;
    match (head.binds, (all || head.method.is_safe_to_share()) && plain) {
        (true, _) => Sharing::Own,
        (false, true) => Sharing::Shared,
        (false, false) => Sharing::Alone,
    }
}
