//! Reads from an HTTP client: heads become exchanges, and content follows them to their link.

use std::rc::Rc;

use bytes::Buf;

use crate::cause::Cause;
use crate::event_loop::{LEAST, Nanos};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::http1::{FieldRoom, Parsed, parse_request};
use crate::proto::reread::Reread;

use super::Client;
use super::inner::{ClientInner, Deferred, Phase};
use super::ticket::Ticket;

/// A client with more unread answers than this is not asked what else it wants, nor is one that has said more than
/// this of what cannot begin yet.
const UNREAD: usize = 64 << 10;

/// How often it is seen whether there is room again.
const STALL: Nanos = 50_000_000;

impl Client {
    /// Whether more should be read from the socket.
    pub(super) fn wants_input(s: &ClientInner) -> bool {
        match &s.phase {
            Phase::Head | Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } | Phase::Asking
                if s.heard_all =>
            {
                false
            }
            Phase::Asking => s.looks_ahead(UNREAD),
            Phase::Head => {
                // Whoever waits for others may leave, whatever it has said meanwhile.
                let ahead = s.in_flight == 0 || s.looks_ahead(UNREAD);
                !s.unread_input() || ahead && (s.patient && s.in_flight > 0 || Self::may_begin(s))
            }
            // While its request waits for a link, a reset must be noticed all the same.
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } if s.waits => s.looks_ahead(UNREAD),
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } => {
                s.link.as_ref().is_none_or(|link| !link.is_full())
            }
            // What comes now is not read, but whether the client is still there is asked.
            Phase::Done => s.is_busy() && !s.unread && !s.heard_all,
            Phase::Tunnel => false,
            Phase::Linger => true,
        }
    }

    /// One client's exchanges stay in order: while some are in flight, the next goes to the same link or waits.
    pub(super) fn may_begin(s: &ClientInner) -> bool {
        if s.waits || s.has_deferred() || s.unwritten() > UNREAD {
            return false;
        }
        let most = s.destination.listener.http.look_ahead.get();
        s.in_flight == 0
            || u32::from(s.in_flight) < most && s.link.as_ref().is_some_and(|link| link.has_room())
    }

    pub(super) fn received(self: &Rc<Self>, s: &mut ClientInner, bytes: &[u8], now: Nanos) {
        if s.unread_input() {
            s.buffers().take_in(bytes);
            return self.read_buffered(s, now);
        }
        let consumed = self.read(s, bytes, now);
        if consumed < bytes.len() {
            s.buffers().input.extend_from_slice(&bytes[consumed..]);
        }
    }

    /// Reads on in what was kept.
    pub(super) fn read_buffered(self: &Rc<Self>, s: &mut ClientInner, now: Nanos) {
        if !s.is_worth_reading() {
            return;
        }
        let buffers = s.buffers();
        (buffers.wanted, buffers.stands_alone) = (0, false);
        let mut input = std::mem::take(&mut buffers.input);
        let consumed = self.read(s, &input, now);
        // Moving what is left to the front each time would cost the square of what one client sends.
        input.advance(consumed);
        if input.is_empty() {
            s.tidy();
        } else {
            s.buffers().input = input;
        }
    }

    /// What is kept of its input counts as held.
    pub(super) fn count_input(&self, s: &mut ClientInner) {
        let Some(buffers) = &s.buffers else { return };
        self.frontend.event_loop.buffers.count(&buffers.input_counted, buffers.input.len());
        s.tidy();
    }

    /// How much may be read now; nothing where there is no room and some of what is held is this client's. `LEAST` bytes of each
    /// always have room, so that small requests go on whatever large ones wait for.
    pub(super) fn room(&self, s: &mut ClientInner, now: Nanos) -> usize {
        let kept = s.buffers.as_ref().map_or(0, |buffers| buffers.input.len());
        let is_crowded = || s.assignment.member().is_some_and(|member| member.pool.is_crowded());
        let full = self.frontend.event_loop.buffers.are_full() || kept >= LEAST && is_crowded();
        let room = if full { LEAST.saturating_sub(kept) } else { usize::MAX };
        if let Some(buffers) = &mut s.buffers {
            buffers.stalled = room == 0;
        }
        if room == 0 {
            self.frontend.event_loop.arm(self.key, now + STALL);
        }
        room
    }

    /// The client sends no more. What it asked for so far is still answered.
    pub(super) fn at_eof(&self, s: &mut ClientInner) {
        s.unread = false;
        s.heard_all = true;
        s.close = s.close.or(Some(ClientClose::Client));
        if matches!(s.phase, Phase::Linger) {
            self.conn.fail();
        }
        self.hear_no_more(s);
    }

    /// The client has said everything, and what of it could be read by now was.
    fn hear_no_more(&self, s: &mut ClientInner) {
        let waits = s.waits || s.has_deferred() || s.link.as_ref().is_some_and(|link| link.is_full());
        match s.phase {
            Phase::Head if !s.unread_input() => s.phase = Phase::Done,
            // Half a head: nobody will send the rest.
            Phase::Head if !s.is_busy() && Self::may_begin(s) => {
                s.buffers().input.clear();
                s.phase = Phase::Done;
            }
            Phase::Body { .. } | Phase::Frame { .. } if !waits => self.conn.fail(),
            Phase::Talk { .. } if !waits => s.pass_end_on(&self.conn),
            Phase::Head
            | Phase::Body { .. }
            | Phase::Frame { .. }
            | Phase::Talk { .. }
            | Phase::Asking
            | Phase::Tunnel
            | Phase::Done
            | Phase::Linger => {}
        }
        // Redis answers a blocking command at once, or drops a client that has ended its side: what it would wait for is
        // for others.
        if s.patient && s.in_flight > 0 && !waits {
            s.pass_end_on(&self.conn);
        }
    }

    fn read(self: &Rc<Self>, s: &mut ClientInner, bytes: &[u8], now: Nanos) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let consumed = match &s.phase {
                Phase::Head => self.read_head(s, rest, now),
                Phase::Body { .. } => self.read_body(s, rest, now),
                Phase::Frame { .. } => self.read_rest(s, rest, now),
                Phase::Talk { pinning } => self.read_talk(s, *pinning, rest, now),
                Phase::Asking | Phase::Tunnel => 0,
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

    fn read_head(self: &Rc<Self>, s: &mut ClientInner, bytes: &[u8], now: Nanos) -> usize {
        if !Self::may_begin(s) {
            return 0;
        }
        if s.in_flight == 0 {
            self.take_destination(s); // what is read by one configuration must not be sent by another
        }
        let destination = s.destination.clone();
        if let Some(framing) = &destination.listener.framing {
            return self.read_frame(s, framing, bytes, now);
        }
        let mut fields = FieldRoom::new();
        match parse_request(bytes, &destination.listener.http, &mut fields) {
            Ok(Parsed::Head { head, len }) if self.begin(s, &head, bytes.len() - len, now) => {
                if let Some(buffers) = &mut s.buffers {
                    buffers.reread = Reread::Never;
                }
                len
            }
            Ok(Parsed::Head { .. }) => {
                s.buffers().stands_alone = true;
                0
            }
            Ok(Parsed::Partial) => {
                self.head_began(s, now);
                let wanted = Reread::least(bytes.len(), destination.listener.http.head.bytes);
                s.buffers().await_more(wanted, Reread::HEAD);
                0
            }
            Err(reject) => {
                self.begin_unread(s, bytes, now);
                self.refuse(s, None, reject.cause, reject.status);
                bytes.len()
            }
        }
    }

    pub(super) fn head_began(&self, s: &mut ClientInner, now: Nanos) {
        if s.shown == ClientState::Idle {
            s.since = now;
            self.show(s, ClientState::Head);
            self.rearm(s);
        }
    }

    /// Does what had to wait for the exchanges before it, then reads on in what was kept.
    pub(super) fn proceed(self: &Rc<Self>, s: &mut ClientInner, now: Nanos) {
        while s.in_flight == 0 && !s.waits {
            let Some(next) = s.buffers.as_mut().and_then(|buffers| buffers.deferred.pop_front()) else {
                break;
            };
            match next {
                Deferred::Send { request, head, cause } => {
                    if let Err(cause) = self.submit(s, request, &*head, cause) {
                        self.answer_error(s, Some(request), &cause.into());
                    }
                }
                Deferred::Fail { request, reject } => self.answer_error(s, request, &reject),
            }
        }
        self.send_upload(s);
        if s.unread_input() && (Self::may_begin(s) || !matches!(s.phase, Phase::Head)) {
            self.read_buffered(s, now);
        }
        if s.heard_all {
            self.hear_no_more(s);
        }
        s.tidy();
    }

    /// The body goes to the link that its head is on; where its exchange has ended already, nowhere.
    fn read_body(self: &Rc<Self>, s: &mut ClientInner, bytes: &[u8], now: Nanos) -> usize {
        let Phase::Body { decoder } = &mut s.phase else { return 0 };
        let link = s.link.clone();
        if s.waits || link.as_ref().is_some_and(|link| link.is_full()) {
            return 0;
        }
        let Ok(step) = decoder.decode(bytes) else {
            self.abort_body(s, Cause::BadRequest);
            return bytes.len();
        };
        let (done, data) = (step.done, &bytes[step.data]);
        let limited = s.destination.listener.http.body.is_some();
        if !s.cold.as_mut().filter(|_| limited).is_none_or(|cold| cold.take(data.len())) {
            self.abort_body(s, Cause::BodyTooLarge);
            return bytes.len();
        }
        let last = done.then(|| decoder.trailers().to_vec());
        if let Some(link) = link {
            link.send_data(data, last.as_deref());
            if !done {
                s.cold().moved += data.len() as u64;
            }
        } else {
            self.extend_upload(s, data, last);
        }
        if let Some(record) = s.cold.as_mut().and_then(|cold| cold.records.last()) {
            record.received += data.len() as u64;
        }
        s.since = now;
        if done {
            s.phase = s.after_body();
        }
        self.release_upload(s);
        step.consumed
    }

    /// The body cannot be had: the link cannot be saved, but perhaps the client can be told.
    pub(super) fn abort_body(&self, s: &mut ClientInner, cause: Cause) {
        if let Some(request) = self.drop_upload(s) {
            return self.refuse(s, Some(request), cause, cause.status());
        }
        let unseen = s.link.as_ref().and_then(|link| link.give_up(|ticket: &Ticket| ticket.is_of(self)));
        let Some((ticket, exchange)) = unseen else {
            self.conn.fail();
            return;
        };
        s.in_flight -= 1;
        s.link = None;
        self.refuse(s, Some(ticket.request(exchange)), cause, cause.status());
    }
}
