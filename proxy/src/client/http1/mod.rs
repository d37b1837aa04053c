//! Reads from a client of HTTP/1.1: heads become exchanges, and content follows them to their link.
//!
//! An exchange goes to a link or into the wait queue ([`Client::put_on_link`], which frames use as well), or is answered here.

pub(super) mod upload;

use std::rc::Rc;

use super::exchanges::{Deferred, LastBegun};
use super::reader::{Next, Phase};
use super::ticket::{ClientRequest, Ticket};
use super::{Client, ClientParts, HttpLink, HttpMember};
use crate::cause::Cause;
use crate::config::{HttpRules, PipelineMethods};
use crate::event_loop::{Nanos, may_panic};
use crate::link::{AnswerKind, Exchange, RequestSource, Sharing, Submitted, Upload};
use crate::metrics::ClientClose;
use crate::proto::framing::Dialect;
use crate::proto::http::{BodyFraming, Method, Reject, RequestHead, request_class};
use crate::proto::http1::{BodyDecoder, BodyEncoder, FieldRoom, Forwarding, Parsed, parse_request};
use crate::proto::reread::Reread;

/// The interim response that the proxy sends for a member that cannot: one that speaks HTTP/1.0.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

impl Client {
    /// Reads a head. Returns the number of bytes that are done with: 0 where the head is not whole or its request cannot begin
    /// yet.
    pub(super) fn read_request(
        self: &Rc<Self>,
        s: &mut ClientParts,
        rules: &HttpRules,
        bytes: &[u8],
        now: Nanos,
    ) -> usize {
        let mut fields = FieldRoom::new();
        match parse_request(bytes, rules, &mut fields) {
            Ok(Parsed::Head { head, len }) if self.begin(s, &head, bytes.len() - len, now) => {
                s.reader.input.forget_head();
                len
            }
            Ok(Parsed::Head { .. }) => {
                s.reader.input.stand_alone();
                0
            }
            Ok(Parsed::Partial) => {
                self.head_began(s, now);
                s.reader.input.await_more(Reread::least(bytes.len(), rules.head.bytes), Reread::HEAD);
                0
            }
            // Nothing is read behind a head that cannot be understood: nobody knows where the next one begins.
            Err(reject) => {
                self.begin_unread(s, bytes, now);
                self.refuse(s, None, reject.cause, reject.status);
                bytes.len()
            }
        }
    }

    /// Begins an exchange, of whose content `behind` bytes are here. Returns false where it must wait, because it may not share
    /// the link of those before it.
    fn begin(
        self: &Rc<Self>,
        s: &mut ClientParts,
        head: &RequestHead<'_, '_>,
        behind: usize,
        now: Nanos,
    ) -> bool {
        if !self.find_route(s, head) {
            return false;
        }
        let mut request = self.request(s, head, now);
        // The response to HTTP/1.0 may last until close, so nothing can follow it.
        let old = head.minor_version == 0;
        let alone = request.sharing != Sharing::Shared || old || s.exchanges.keeps_link();
        // It is read again when everything in flight has been answered.
        if s.exchanges.in_flight() > 0 && alone {
            return false;
        }
        let destination = s.route.destination().clone();
        let rules = &destination.listener.http;
        // RFC 9112 section 6.1: a chunked request may only be sent to a server that is known to speak 1.1.
        if head.body == BodyFraming::Chunked && self.is_http10(s) {
            self.begin_record(s, head, request.began);
            self.refuse(s, None, Cause::LengthRequired, Cause::LengthRequired.status());
            return true;
        }
        if let Some((answer, status)) = self.own_answer(s, head, rules) {
            return self.answer_http_here(s, head, &request, now, (&answer, status));
        }
        // A member of HTTP/1.0 sends no 100, so the proxy does (RFC 9110 section 10.1.1).
        let no_expect = head.expect_continue && self.is_http10(s);
        self.count_begun(s);
        self.begin_record(s, head, request.began);
        self.read_next(s, head, rules, now);
        if no_expect {
            self.send(s, CONTINUE, &[]);
        }
        may_panic("client.begin");
        s.exchanges.begin(LastBegun::Http { old, binds: head.binds && !s.exchanges.keeps_link() });
        let forwarded = ForwardedRequest { head, from: Forwarding { peer: self.peer, rules, no_expect } };
        request.expects = head.expect_continue && !no_expect;
        request.open_ended = match head.body {
            BodyFraming::None => false,
            BodyFraming::Length(length) => length > behind as u64,
            BodyFraming::Chunked | BodyFraming::UntilClose => true,
        };
        // A slow client must not hold a link while its body comes.
        let may_wait = self.reads_body_first(s, &request);
        let request = ClientRequest { exchange: request, format: head.format() };
        // The head is only borrowed from the input: a request that waits keeps it as it will be sent.
        if may_wait {
            let mut bytes = Vec::new();
            forwarded.write_http1(&mut bytes);
            Self::hold_upload(s, request, bytes, head.body);
            return true;
        }
        self.put_on_link(s, request, &forwarded);
        true
    }

    fn request(&self, s: &ClientParts, head: &RequestHead<'_, '_>, now: Nanos) -> Exchange {
        Exchange {
            kind: AnswerKind::Http(head.ask()),
            upload: upload(head.body),
            sharing: want(s, head),
            repeatable: head.method.is_idempotent(),
            class: request_class(head.method, head.target()),
            began: s.reader.began(now),
            replayed: false,
            open_ended: false,
            source: self.source(s).into(),
            expects: false,
            dialect: Dialect::default(),
            greets: false,
        }
    }

    /// Returns whether the client's member is known to speak HTTP/1.0.
    fn is_http10(&self, s: &mut ClientParts) -> bool {
        self.choose(&mut s.route).is_some_and(|member| member.pool.is_http10())
    }

    /// Returns the response that the proxy itself gives where a request may be forwarded no further (RFC 9110 section 7.6.2),
    /// and its status.
    fn own_answer(
        &self,
        s: &ClientParts,
        head: &RequestHead<'_, '_>,
        rules: &HttpRules,
    ) -> Option<(Vec<u8>, u16)> {
        let mut answer = Vec::new();
        let close = s.draining || is_last(rules, s.reader.requests() + 1);
        let status = head.own_answer(&self.frontend.event_loop.date(), close, &mut answer)?;
        Some((answer, status))
    }

    /// Answers a request in the proxy. Returns false where others before it have not been answered yet.
    fn answer_http_here(
        self: &Rc<Self>,
        s: &mut ClientParts,
        head: &RequestHead<'_, '_>,
        request: &Exchange,
        now: Nanos,
        (answer, status): (&[u8], u16),
    ) -> bool {
        if s.exchanges.in_flight() > 0 {
            return false;
        }
        let destination = s.route.destination().clone();
        self.count_begun(s);
        self.begin_record(s, head, request.began);
        self.read_next(s, head, &destination.listener.http, now);
        self.send(s, answer, &[]);
        self.count_answer(s, Some(request), status, None, 0);
        if s.draining {
            Self::note_close(s);
        }
        self.become_idle(s);
        true
    }

    /// Turns the reader to what follows a head.
    fn read_next(&self, s: &mut ClientParts, head: &RequestHead<'_, '_>, rules: &HttpRules, now: Nanos) {
        // The answer to the last request announces the close.
        if is_last(rules, s.reader.requests()) {
            s.close = Some(ClientClose::LimitRequests);
        }
        let next = Next { request: head.keep_alive && !s.is_spent(), tunnel: head.upgrade };
        let has_body = head.body != BodyFraming::None;
        s.reader.head_ended(has_body.then(|| BodyDecoder::of_request(head.body)), next, now);
        if has_body {
            if let Some(most) = rules.body {
                s.exchanges.limit_body(most);
            }
            self.rearm(s);
        } else if s.reader.is_done() {
            s.close = s.close.or(Some(ClientClose::ServerClose));
        }
    }
}

// On their way to a link.

impl Client {
    /// Counts a request that has begun.
    pub(super) fn count_begun(&self, s: &mut ClientParts) {
        s.exchanges.count_begun(&self.frontend.cells.in_flight);
        s.reader.request_began();
        if s.exchanges.in_flight() > 0 {
            self.frontend.cells.pipelined.inc();
        }
    }

    /// Puts a request on the link that its client keeps, on the link of those before it, or on one that its member's pool
    /// chooses.
    pub(super) fn put_on_link(
        self: &Rc<Self>,
        s: &mut ClientParts,
        request: ClientRequest,
        source: &(impl RequestSource + ?Sized),
    ) {
        let ticket = || Ticket::new(self, &request);
        // Credentials are bound to this connection to the member: no other link knows them.
        if let Some(link) = s.exchanges.take_kept_link() {
            if link.is_open() {
                s.exchanges.on_link(&link);
                s.exchanges.keep_link(link.clone());
                return link.go_on(ticket(), request.exchange, source);
            }
            // The link takes no more requests, and what was bound to it is lost with it.
            link.release();
        }
        // Responses come in the order of their requests only if all in flight share a link.
        if let Some(link) = s.exchanges.link().filter(|_| s.exchanges.in_flight() > 0).cloned() {
            s.exchanges.joined();
            return link.join(ticket(), request.exchange, source);
        }
        if let Err(cause) = self.submit(s, request, source, Cause::NoMember) {
            s.exchanges.defer(Deferred::Fail { request: Some(request), reject: cause.into() });
            self.conn.wake();
        }
    }

    /// Submits a request to the pool of the client's member, which places it on a link or lets it wait. `otherwise` is the
    /// cause of the failure where no member is up.
    pub(super) fn submit(
        self: &Rc<Self>,
        s: &mut ClientParts,
        request: ClientRequest,
        source: &(impl RequestSource + ?Sized),
        otherwise: Cause,
    ) -> Result<(), Cause> {
        let member = self.choose(&mut s.route).ok_or(otherwise)?;
        claim_tunnel(s, &member, &request.exchange)?;
        match member.pool.submit(Ticket::new(self, &request), request.exchange, source) {
            Submitted::On(link) => self.on_link(s, &link),
            Submitted::Waits => s.exchanges.wait(),
            Submitted::Refused => return Err(Cause::QueueFull),
        }
        Ok(())
    }

    /// Notes that an exchange is on this link, which may make the link the client's own.
    pub(super) fn on_link(self: &Rc<Self>, s: &mut ClientParts, link: &HttpLink) {
        if s.exchanges.on_link(link) {
            link.keep(Ticket::of_keeper(self));
        }
    }

    /// Reads no more requests. The error is answered when those before it have been.
    pub(super) fn refuse(
        &self,
        s: &mut ClientParts,
        request: Option<ClientRequest>,
        cause: Cause,
        status: u16,
    ) {
        s.reader.refuse();
        s.close = s.close.or(Some(ClientClose::Error));
        s.exchanges.defer(Deferred::Fail { request, reject: Reject { cause, status, detail: "" } });
        self.conn.wake();
    }
}

// Content.

impl Client {
    /// Sends a part of a body to the link of its head; drops it where the exchange has ended already. Returns the number of
    /// bytes read.
    pub(super) fn read_body(self: &Rc<Self>, s: &mut ClientParts, bytes: &[u8], now: Nanos) -> usize {
        let Phase::Body { decoder } = s.reader.phase_mut() else { return 0 };
        let link = s.exchanges.link().cloned();
        // The bytes are kept, and no more are read, until a link takes them.
        if s.exchanges.waits() || link.as_ref().is_some_and(|link| link.is_full()) {
            return 0;
        }
        let Ok(step) = decoder.decode(bytes) else {
            self.abort_body(s, Cause::BadRequest);
            return bytes.len();
        };
        let (done, data) = (step.done, &bytes[step.data]);
        // Chunked content has no length that the head could have been refused for.
        let is_limited = s.route.destination().listener.http.body.is_some();
        if is_limited && !s.exchanges.take_of_body(data.len()) {
            self.abort_body(s, Cause::BodyTooLarge);
            return bytes.len();
        }
        let last = done.then(|| decoder.trailers().to_vec());
        let mut release = false;
        // The link frames the content anew, whichever way it was framed by the client.
        if let Some(link) = link {
            link.send_data(data, last.as_deref());
            if !done {
                s.writer.count_moved(data.len());
            }
        } else {
            // No link yet: the content is held, and the request goes to a link when all of it is here or its buffer is full.
            release = self.extend_upload(s, data, last);
        }
        if let Some(record) = s.exchanges.records().and_then(|records| records.last()) {
            record.received += data.len() as u64;
        }
        s.reader.touch(now);
        if done {
            s.reader.body_ended(s.exchanges.is_busy());
        }
        if release {
            self.release_upload(s);
        }
        step.consumed
    }

    /// Gives up a body that will not come. Its link is lost by that, but the client may still get an answer.
    pub(super) fn abort_body(&self, s: &mut ClientParts, cause: Cause) {
        // The request has not gone to a link, so no link is lost.
        if let Some(request) = self.drop_upload(s) {
            return self.refuse(s, Some(request), cause, cause.status());
        }
        let is_mine = |ticket: &Ticket| ticket.is_of(self);
        let Some((ticket, exchange)) = s.exchanges.link().and_then(|link| link.give_up(is_mine)) else {
            self.conn.fail();
            return;
        };
        s.exchanges.given_up();
        self.refuse(s, Some(ticket.request(exchange)), cause, cause.status());
    }
}

/// A request head, and what the proxy changes in it when it is forwarded.
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

/// Returns what a link still expects behind a head with this framing.
fn upload(body: BodyFraming) -> Upload {
    match body {
        BodyFraming::None => Upload::Whole,
        framing => Upload::Content(BodyEncoder::of(framing)),
    }
}

/// Returns whether the request with this number is the last that the listener allows on one connection.
fn is_last(rules: &HttpRules, requests: u32) -> bool {
    rules.requests.is_some_and(|most| requests >= most.get())
}

/// Takes a permit among the member's tunnels for a request that may become one.
fn claim_tunnel(s: &mut ClientParts, member: &HttpMember, request: &Exchange) -> Result<(), Cause> {
    if matches!(request.kind, AnswerKind::Http(ask) if ask.upgrade) {
        // A tunnel lasts for as long as its client likes, so each member has a limit of them.
        let permit = member.pool.tunnel_permit().ok_or(Cause::TunnelLimit)?;
        s.exchanges.set_tunnel_permit(Some(permit));
    }
    Ok(())
}

/// Returns how a request may share a link.
fn want(s: &ClientParts, head: &RequestHead<'_, '_>) -> Sharing {
    let methods = s.route.destination().group.settings.links.pipeline_methods;
    // A body, an expectation or an upgrade can make the requests behind it wait for this client.
    let plain = head.body == BodyFraming::None && !head.expect_continue && !head.upgrade;
    // A response to HEAD that wrongly has content can be told from the next response only when the link has been quiet for a
    // moment.
    let plain = plain && head.method != Method::Head;
    let may_share = methods == PipelineMethods::All || head.method.is_safe_to_share();
    match (head.binds, may_share && plain) {
        (true, _) => Sharing::Own,
        (false, true) => Sharing::Shared,
        (false, false) => Sharing::Alone,
    }
}
