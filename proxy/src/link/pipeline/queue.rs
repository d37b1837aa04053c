//! The exchanges in flight on one link, first in, first out.
//!
//! Requests, written and read bytes, the end of the link and the time go in. Pieces of responses come out, each for the client
//! at the head of the queue, and at the end the fate of every exchange (P.5 to P.8 in `docs/http-rules.md`).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use crate::cause::Cause;
use crate::config::{Framing, HeadLimits};
use crate::event_loop::Nanos;
use crate::proto::framing::{Dialect, greeting};
use crate::proto::http1::BodyEncoder;

use super::answer::{AnswerEnd, AnswerKind};
use super::exchange::{Exchange, Fate, Greeting, InFlight, RequestSource, Slot, Upload};
use super::link_end::LinkEnd;
use super::reader::AnswerReader;
use super::sink::{Awaited, Sink};

/// The exchanges in flight on one link.
///
/// ```text
///                     submit, written, read
///                          ┌──────┐
///            submit        │      ▼       rescue takes some
///   Empty ─────────────▶ InFlight ───────────────────────────▶ Leaving ◀─┐ written, read,
///     ▲                    │   │                                 │   │ └──┘ rescue
///     └────────────────────┘   │ EOF, fault, timeout,            │   │
///      the last one ended      │ an answer that is the           │   │ nobody awaits
///                              │ link's last, or too long        │   │ anything more
///                              │ an answer for nobody            │   │
///                              ▼                                 ▼   ▼
///                           Ended: each slot that is left meets its `Fate`, once
/// ```
#[derive(Debug)]
pub struct Queue<T> {
    slots: VecDeque<Slot<T>>,
    /// The requests of all slots, from the first byte of the head's, for as long as one of them may be sent again.
    out: Vec<u8>,
    /// The offset in `out` at which the requests of the present slots begin.
    kept: usize,
    /// The number of bytes of `out` that have been written.
    written: usize,
    /// The number of slots whose requests were written whole.
    sent: usize,
    reader: AnswerReader,
    /// The part of an incomplete head that has come.
    partial: Vec<u8>,
    answered: u64,
    head_since: Nanos,
    /// Exchanges were taken off the link: it ends when nobody awaits its answers.
    leaving: bool,
    /// Nobody awaits the answers of the link, but they are still counted.
    parting: bool,
    /// The number of bytes of the answer at the head that came while nobody awaited it.
    drained: usize,
    /// The dialect that the member speaks after everything that is in the queue.
    dialect: Dialect,
    /// The time at which the client that has the link for its own ended its side, if it has.
    ended_at: Option<Nanos>,
}

/// The least number of bytes, 16 KiB, of answered requests that are cut off the front of `out`. They must also make up half of
/// it: then the bytes that are cut off pay for moving the bytes that stay. A lower limit moves bytes more often, a higher one
/// keeps more of them.
const COMPACT: usize = 16 << 10;
/// The number of bytes, 64 KiB, of room in `out` that a link with nothing to write keeps. More room costs memory for each idle
/// link, less of it an allocation after each large request.
const ROOMY: usize = 64 << 10;
/// The number of bytes, 256 KiB, of an answer that nobody awaits which are read to save its link. Beyond that a new connection
/// costs less than the rest of the answer.
const DRAIN: usize = 256 << 10;

/// The time, in nanoseconds, for which a member must say nothing in the middle of an answer to count as pausing: 50 ms. Shorter
/// gaps come from the network; pauses tell an answer in ticks, such as a stream of events, from one that is merely slow.
const PAUSE: Nanos = 50_000_000;

impl<T> Queue<T> {
    /// Returns the queue of a link on which nothing has happened, which speaks HTTP or the protocol of `framing`.
    #[must_use]
    pub fn new(framing: Option<&Framing>, limits: HeadLimits) -> Self {
        Self {
            slots: VecDeque::new(),
            out: Vec::new(),
            kept: 0,
            written: 0,
            sent: 0,
            reader: AnswerReader::new(framing, limits),
            partial: Vec::new(),
            answered: 0,
            head_since: 0,
            leaving: false,
            parting: false,
            drained: 0,
            dialect: Dialect::default(),
            ended_at: None,
        }
    }

    /// Puts a request at the end of the queue, and writes its head to the output.
    pub fn submit(
        &mut self,
        recipient: T,
        request: Exchange,
        now: Nanos,
        source: &(impl RequestSource + ?Sized),
    ) {
        let before = self.out.len();
        // The greeting counts to the slot of its request, whose bytes begin with it.
        let greeting = self.greet(&request);
        source.write_http1(&mut self.out);
        if self.slots.is_empty() {
            self.head_since = now;
        }
        let slot = Slot::new(recipient, request, self.out.len() - before, now);
        self.slots.push_back(Slot { greeting, ..slot });
    }

    /// Appends to the content of the last request, in the framing of that request; `last` ends the content, with these
    /// trailers.
    pub fn send_data(&mut self, data: &[u8], last: Option<&[u8]>) {
        let before = self.out.len();
        let encoder = self.encoder();
        encoder.encode(data, &mut self.out);
        if let Some(trailers) = last {
            encoder.finish(trailers, &mut self.out);
        }
        let added = self.out.len() - before;
        if let Some(slot) = self.slots.back_mut() {
            slot.len += added;
            slot.body_begun = true;
            if last.is_some() {
                slot.request.upload = Upload::Whole;
            }
        }
    }

    /// Returns whether the content of the last request goes to the member unchanged.
    pub(in crate::link) fn sends_as_it_comes(&self) -> bool {
        self.encoder() == BodyEncoder::Raw
    }

    fn encoder(&self) -> BodyEncoder {
        self.slots.back().map_or(BodyEncoder::Raw, |slot| slot.request.upload.encoder())
    }

    /// Appends a frame to the last exchange, which is a conversation. Nobody counts the answers after a frame of kind
    /// `Forever`.
    pub fn append_frame(&mut self, frame: &[u8], kind: AnswerKind, complete: bool) {
        self.send_data(frame, complete.then_some(b""));
        if let Some(slot) = self.slots.back_mut() {
            slot.append_frame(kind);
        }
    }

    /// Notes that content of the last request was written past the output, which was empty.
    pub fn body_bypassed(&mut self, complete: bool, now: Nanos) {
        self.send_data(&[], complete.then_some(b""));
        self.wrote(0, now);
    }

    /// Returns how many bytes the queue holds, of requests and of an answer that is not understood yet.
    #[must_use]
    pub fn held(&self) -> usize {
        self.out.len() + self.partial.len()
    }

    /// Returns the bytes that are still to be written.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// Notes that the first `n` bytes of [`Queue::unwritten`] were written.
    pub fn wrote(&mut self, n: usize, now: Nanos) {
        self.written += n;
        let mut end = self.kept + self.slots.iter().take(self.sent).map(|s| s.len).sum::<usize>();
        while let Some(slot) = self.slots.get_mut(self.sent) {
            end += slot.len;
            // The member may have read the beginning of a request that is only partly written.
            slot.touched |= end - slot.len < self.written;
            // A request whose content is still to come is not sent, even if all that is here has been written.
            if end > self.written || slot.request.upload.is_open() {
                slot.progress = if slot.touched { now } else { slot.progress };
                break;
            }
            slot.sent_at = now;
            self.sent += 1;
        }
        self.forget();
    }

    /// Takes bytes from the member. Returns whether the link may carry on.
    ///
    /// # Errors
    /// Fails when the bytes are not answers to the requests of the queue.
    pub fn receive<S: Sink<T>>(
        &mut self,
        input: &[u8],
        now: Nanos,
        out: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<bool, LinkEnd>
    where
        T: Clone,
    {
        receive(self, input, now, out, sink)
    }

    /// Takes the end of the member's side. An answer that lasts until close has ended with it.
    pub fn at_eof<S: Sink<T>>(&mut self, now: Nanos, out: &mut Vec<u8>, sink: &mut S)
    where
        T: Clone,
    {
        at_eof(self, now, out, sink);
    }

    /// Notes that the client that has the link for its own has ended its side, so that no more requests follow. The client gets
    /// nothing for those that the member has not answered when it closes.
    pub fn end_requests(&mut self, now: Nanos) {
        self.ended_at.get_or_insert(now);
    }

    /// Returns whether no more requests follow and all have been written.
    #[must_use]
    pub fn has_said_all(&self) -> bool {
        self.ended_at.is_some() && self.unwritten().is_empty()
    }

    /// Returns since when the member has owed the head (more of) its answer, or after [`Queue::end_requests`] the end of the
    /// link.
    #[must_use]
    pub fn silent_since(&self) -> Option<Nanos> {
        let head = self.head()?;
        // The member owes the close then, however many answers are left.
        let ended = self.ended_at.map(|at| at.max(head.progress));
        ended.or_else(|| head.silent_since(self.head_since, !self.unwritten().is_empty()))
    }

    /// Notes that the client of some exchanges went away: their answers will be read and thrown away. Returns false when that
    /// cannot be done, because a request is still being sent, or because the member may take as long as it likes to answer, and
    /// would then give nobody an element that another client waits for (BLPOP).
    pub fn abandon(&mut self, gone: impl Fn(&T) -> bool) -> bool {
        let mut whole = true;
        for slot in self.slots.iter_mut().filter(|s| s.recipient.as_ref().is_some_and(&gone)) {
            // The slot stays, because the member will answer it.
            slot.recipient = None;
            whole &=
                !slot.request.upload.is_open() && slot.request.kind != AnswerKind::Frames { patient: true };
        }
        whole
    }

    /// Ends the queue with its link. Returns the fates of all exchanges in flight, in order, and leaves none.
    pub fn end(&mut self, why: LinkEnd) -> Vec<(Slot<T>, Fate)> {
        let mut at = self.kept;
        let mut fates = Vec::new();
        for (i, slot) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            let bytes = self.out.get(at..at + slot.len).unwrap_or_default();
            at += slot.len;
            let exchange = InFlight { slot: &slot, head: i == 0, reused: self.answered > 0 };
            let fate = match exchange.fate(why, slot.own(bytes)) {
                // The member closed because its client has: the client is owed nothing.
                Fate::Fail(_) if self.ended_at.is_some() && why == LinkEnd::Closed => {
                    Fate::Cut(Cause::ClientAbort)
                }
                fate => fate,
            };
            fates.push((slot, fate));
        }
        (self.kept, self.written, self.sent) = (0, 0, 0);
        self.out.clear();
        self.partial.clear();
        fates
    }

    /// Returns how many exchanges are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// Returns how many of the exchanges in flight were sent whole.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Returns how many exchanges have ended on the link.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Returns the exchange whose answer comes next.
    #[must_use]
    pub fn head(&self) -> Option<&Slot<T>> {
        self.slots.front()
    }

    /// Returns the exchange whose request came last.
    #[must_use]
    pub fn last(&self) -> Option<&Slot<T>> {
        self.slots.back()
    }

    /// Returns since when the head has been waiting for (more of) its answer.
    #[must_use]
    pub fn head_since(&self) -> Nanos {
        self.head_since
    }

    /// Returns the new bytes behind earlier ones that were not understood yet; `None` where there are no earlier ones.
    fn behind_partial(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        if self.partial.is_empty() {
            return None;
        }
        self.partial.extend_from_slice(input);
        Some(std::mem::take(&mut self.partial))
    }

    /// Reads on, at most to the end of an answer. The sink appends to `out` what the client gets.
    fn hear<S: Sink<T>>(
        &mut self,
        input: &[u8],
        now: Nanos,
        out: &mut Vec<u8>,
        sink: &mut S,
    ) -> Result<ReadStep<T>, LinkEnd>
    where
        T: Clone,
    {
        // A member may only switch protocols when no other request can be on its way.
        let alone = self.slots.len() == 1 && self.sent == 1;
        // RFC 9112 section 9.2: a response that no request asked for must not be taken for an answer.
        let Some(slot) = self.slots.front_mut().filter(|slot| slot.touched && slot.is_owed()) else {
            // RFC 9110 section 15.5.9: with an unrequested 408 a server may say that it closes an unused connection.
            let farewell = is_farewell(input) && self.slots.iter().all(|slot| !slot.touched);
            return Err(if farewell { LinkEnd::Closed } else { LinkEnd::Desync(Cause::BadResponse) });
        };
        // The proxy sent this greeting, so no client awaits the answer.
        if slot.greeting == Greeting::Sent {
            let (consumed, over) = self.reader.read_greeting(input).map_err(|r| LinkEnd::Desync(r.cause))?;
            slot.greeting = if over { Greeting::Answered } else { Greeting::Sent };
            return Ok(ReadStep { consumed, greeting: true, to: None, raw: 0..0, server: None, over: None });
        }
        if slot.first_byte == 0 {
            slot.first_byte = now;
        }
        let Exchange { kind, upload, .. } = slot.request;
        let mut client = Awaited { to: slot.recipient.as_ref(), sink, out };
        let step = self.reader.read(input, kind, upload.is_open(), &mut client).map_err(|reject| {
            out.clear(); // what precedes the fault must not reach the next client
            LinkEnd::Desync(reject.cause)
        })?;
        // Requests behind an upgrade would reach whatever protocol the member speaks from now on.
        if !alone && step.end.is_some_and(|end| end.switched) {
            out.clear();
            return Err(LinkEnd::Desync(Cause::BadResponse));
        }
        // From the final head on, an end of the link cuts the client off.
        slot.shown |= step.final_head;
        slot.received += step.consumed as u64;
        let over = step.end.filter(|_| slot.answer_ended()).map(|end| slot.settled(end));
        let to = self.recipient(out.len() + step.raw.len(), step.consumed);
        Ok(ReadStep {
            consumed: step.consumed,
            greeting: false,
            to,
            raw: step.raw,
            server: step.server,
            over,
        })
    }

    /// Returns the recipient of `bytes`, if there is one; counts `came` bytes of an answer that nobody awaits.
    fn recipient(&mut self, bytes: usize, came: usize) -> Option<T>
    where
        T: Clone,
    {
        match self.slots.front().and_then(|slot| slot.recipient.as_ref()) {
            None => {
                self.drained += came;
                None
            }
            Some(recipient) => (bytes > 0).then(|| recipient.clone()),
        }
    }

    /// Returns the consequence of a step, whose client has its bytes by now; `rest` is the input behind it.
    fn follow(&mut self, heard: &ReadStep<T>, rest: &[u8], now: Nanos) -> AfterRead<T> {
        let mut next = AfterRead { ended: None, over: None };
        match heard.over {
            Some(end) => {
                let (ended, goes_on) = self.end_head(end, now);
                next.ended = ended;
                if end.switched {
                    next.over = Some(Err(LinkEnd::Switched));
                } else if !goes_on {
                    // A leaving link is read to its last answer, by its parting.
                    self.partial = if self.leaving { rest.to_vec() } else { Vec::new() };
                    next.over = Some(Ok(false));
                }
            }
            None if heard.greeting => {}
            // An answer that is too long to be read for nobody costs the link.
            None if self.drained > DRAIN && self.slots.iter().all(|slot| slot.recipient.is_none()) => {
                next.over = Some(Err(LinkEnd::Abandoned));
            }
            None if heard.consumed == 0 => {
                self.partial = rest.to_vec();
                next.over = Some(Ok(true));
            }
            None => self.progressed(now),
        }
        next
    }

    /// Ends the exchange at the head. Returns the exchange, and whether the link may carry on.
    fn end_head(&mut self, end: AnswerEnd, now: Nanos) -> (Option<EndedExchange<T>>, bool) {
        let Some(slot) = self.slots.pop_front() else { return (None, false) };
        let whole = self.sent > 0;
        self.sent = self.sent.saturating_sub(1);
        self.kept += slot.len;
        self.answered += 1;
        // The member would take the rest of the body for a request.
        let end = AnswerEnd { close: end.close || slot.request.upload.is_open(), ..end };
        // The member could not begin before it had the request, nor before the answers ahead were out.
        let service = now.saturating_sub(slot.sent_at.max(self.head_since));
        (self.head_since, self.drained) = (now, 0);
        self.forget();
        let awaited = !self.leaving || self.parting || self.slots.iter().any(|slot| slot.recipient.is_some());
        let goes_on = end.reusable && whole && awaited && self.ended_at.is_none();
        (Some(EndedExchange { slot, end, service }), goes_on)
    }

    /// Notes that the answer at the head keeps coming, so that it is not late.
    fn progressed(&mut self, now: Nanos) {
        if let Some(slot) = self.slots.front_mut() {
            let before = slot.progress.max(slot.first_byte);
            // A pause before more bytes is the mark of an answer in ticks.
            slot.pauses += u32::from(now.saturating_sub(before) >= PAUSE);
            slot.progress = now;
        }
    }

    /// Drops bytes of requests that will not be sent again.
    fn forget(&mut self) {
        // This needs an empty queue behind the request: the bytes of those that follow would be lost, and their lengths with
        // them.
        let streaming = self.slots.len() == 1 && self.slots[0].body_begun;
        if self.written == self.out.len() && (self.slots.is_empty() || streaming) {
            if let Some(slot) = self.slots.front_mut() {
                slot.len = 0;
            }
            self.out.clear();
            if self.out.capacity() > ROOMY {
                self.out = Vec::new();
            }
            (self.kept, self.written) = (0, 0);
        } else if streaming && self.written >= COMPACT.max(self.out.len() / 2) {
            self.out.drain(..self.written);
            self.slots[0].len = self.out.len();
            (self.kept, self.written) = (0, 0);
        } else if self.kept >= COMPACT.max(self.out.len() / 2) && self.kept <= self.written {
            self.out.drain(..self.kept);
            self.written -= self.kept;
            self.kept = 0;
        }
    }
}

/// The result of reading one step.
struct ReadStep<T> {
    /// The number of bytes of the input that are done with; 0 when more are needed.
    consumed: usize,
    /// The bytes belong to the answer to a greeting.
    greeting: bool,
    /// The recipient of the bytes that were appended to the output, and then of the part `raw` of the input.
    to: Option<T>,
    raw: Range<usize>,
    /// The place in the input of the `Server` field of a final head; empty where the head has none.
    server: Option<Range<usize>>,
    /// The exchange has ended in this way.
    over: Option<AnswerEnd>,
}

/// An exchange that has ended.
struct EndedExchange<T> {
    slot: Slot<T>,
    end: AnswerEnd,
    service: Nanos,
}

/// The consequence of a step.
struct AfterRead<T> {
    ended: Option<EndedExchange<T>>,
    /// The result of [`receive`], where no more is read now.
    over: Option<Result<bool, LinkEnd>>,
}

/// Access to a queue, for one look after the other. Nothing of the queue is borrowed between two looks, which is when clients
/// hear what was found.
pub(in crate::link) trait QueueAccess<T> {
    /// Lends the queue for one look.
    fn with<R>(&mut self, look: impl FnOnce(&mut Queue<T>) -> R) -> R;
}

impl<T> QueueAccess<T> for Queue<T> {
    fn with<R>(&mut self, look: impl FnOnce(&mut Self) -> R) -> R {
        look(self)
    }
}

impl<T> QueueAccess<T> for &RefCell<Queue<T>> {
    fn with<R>(&mut self, look: impl FnOnce(&mut Queue<T>) -> R) -> R {
        look(&mut self.borrow_mut())
    }
}

/// Takes bytes from the member, as [`Queue::receive`] says.
pub(in crate::link) fn receive<T: Clone, S: Sink<T>>(
    queue: &mut impl QueueAccess<T>,
    input: &[u8],
    now: Nanos,
    out: &mut Vec<u8>,
    sink: &mut S,
) -> Result<bool, LinkEnd> {
    // Most reads end with an answer, and then nothing is copied.
    let whole = queue.with(|queue| queue.behind_partial(input));
    let mut input = whole.as_deref().unwrap_or(input);
    while !input.is_empty() {
        let mut heard = queue.with(|queue| queue.hear(input, now, out, sink))?;
        // Nothing is borrowed here, so the sink may call clients.
        if let Some(server) = heard.server.take() {
            sink.served_by(Some(&input[server]).filter(|value| !value.is_empty()));
        }
        if let Some(to) = heard.to.take() {
            sink.deliver(&to, out, &input[heard.raw.clone()]);
        }
        out.clear();
        input = &input[heard.consumed..];
        let next = queue.with(|queue| queue.follow(&heard, input, now));
        if let Some(EndedExchange { slot, end, service }) = next.ended {
            sink.ended(slot, end, service);
        }
        if let Some(outcome) = next.over {
            return outcome;
        }
    }
    Ok(true)
}

/// Takes the end of the member's side, as [`Queue::at_eof`] says.
pub(in crate::link) fn at_eof<T: Clone, S: Sink<T>>(
    queue: &mut impl QueueAccess<T>,
    now: Nanos,
    out: &mut Vec<u8>,
    sink: &mut S,
) {
    let ended = queue.with(|queue| {
        let kind = queue.head().filter(|slot| slot.first_byte != 0)?.request.kind;
        let to = queue.slots.front().and_then(|slot| slot.recipient.as_ref());
        let mut client = Awaited { to, sink: &mut *sink, out: &mut *out };
        let end = queue.reader.at_eof(kind, queue.ended_at.is_some(), &mut client)?;
        Some((queue.recipient(out.len(), 0), end))
    });
    let Some((to, end)) = ended else { return };
    if let Some(to) = to {
        sink.deliver(&to, out, &[]);
    }
    out.clear();
    if let (Some(EndedExchange { slot, end, service }), _) = queue.with(|queue| queue.end_head(end, now)) {
        sink.ended(slot, end, service);
    }
}

/// Returns whether these bytes are, or begin, a response to no request that says goodbye (408).
#[must_use]
pub(in crate::link) fn is_farewell(bytes: &[u8]) -> bool {
    [b"HTTP/1.1 408 ", b"HTTP/1.0 408 "].iter().any(|farewell| bytes.starts_with(*farewell))
}

// The dialect of the member at the other end, and how to change it. A greeting takes effect in order, as everything that is
// sent does, so any request may go over any link: a pool prefers one link to another for their cost alone. The answer to a
// greeting goes to nobody; if it is an error, the link ends.

impl<T> Queue<T> {
    /// Returns the dialect that the next request needs no greeting for.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Puts a greeting before a request that needs one.
    fn greet(&mut self, request: &Exchange) -> Greeting {
        if request.dialect == self.dialect {
            return Greeting::None;
        }
        self.dialect = request.dialect;
        if request.greets {
            return Greeting::None; // is one
        }
        self.out.extend_from_slice(greeting(request.dialect));
        Greeting::Sent
    }

    /// Notes that the last frame makes the link speak this dialect, unless the member refuses. Then the link ends, as after
    /// every refused last word of a conversation.
    pub fn turns_to(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        if let Some(slot) = self.slots.back_mut() {
            (slot.request.dialect, slot.request.greets) = (dialect, true);
        }
    }
}

// Facts by which a pool finds out what holds a link.

impl<T> Queue<T> {
    /// Returns whether all exchanges behind the head may be sent elsewhere.
    #[must_use]
    pub fn followers_may_move(&self) -> bool {
        self.slots.iter().skip(1).all(|slot| slot.recipient.is_none() || slot.may_move())
    }

    /// Returns whether the length of the answer at the head is unknown until it ends.
    #[must_use]
    pub fn has_no_length(&self) -> bool {
        self.reader.has_no_length()
    }

    /// Returns whether the answer at the head is the last one of the link, as the member has said with its head.
    #[must_use]
    pub(in crate::link) fn is_on_its_last(&self) -> bool {
        self.reader.is_last()
    }

    /// Returns whether the answer at the head is an event stream, which lasts for as long as its client stays.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        self.reader.is_event_stream()
    }
}

/// Takes bytes on a link whose answers nobody awaits. Returns false when the member has said that it answers no more.
///
/// # Errors
/// Fails when the bytes are not answers to the requests of the queue.
pub(in crate::link) fn receive_discarded<T: Clone, S: Sink<T>>(
    queue: &mut impl QueueAccess<T>,
    input: &[u8],
    now: Nanos,
    out: &mut Vec<u8>,
    sink: &mut S,
) -> Result<bool, LinkEnd> {
    queue.with(|queue| queue.parting = true);
    match receive(queue, input, now, out, sink) {
        Err(LinkEnd::Abandoned) => Ok(false), // an answer too long to be read for nobody
        heard => heard,
    }
}

// Exchanges are taken off a link to be sent elsewhere, because its head takes too long. The link is leaving from then on.

impl<T> Queue<T> {
    /// Takes up to `most` exchanges behind the head off the link, in order. Returns with each its request as it was sent, and
    /// whether it had been. Answers to one client must stay in order: `same` compares clients, and an exchange stays whose
    /// client has the head, or another exchange that stays. The link is leaving if any exchange is taken.
    pub fn rescue(
        &mut self,
        most: usize,
        same: impl Fn(&T, &T) -> bool,
    ) -> Vec<(T, Exchange, Vec<u8>, bool)> {
        let mut taken = Vec::new();
        let mut end = self.kept + self.slots.iter().map(|slot| slot.len).sum::<usize>();
        // The last ones go first: an exchange may move only if no later one of its client stays.
        for i in (1..self.slots.len()).rev() {
            let at = end - self.slots[i].len;
            if taken.len() < most && self.slots[i].may_move() && self.stands_alone(i, &same) {
                taken.extend(self.take_off(i, at..end));
            }
            end = at;
        }
        self.leaving |= !taken.is_empty();
        taken.reverse();
        taken
    }

    /// Returns whether exchanges were taken off the link to be sent elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Returns how many exchanges behind the head have a client that still waits.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.slots.iter().skip(1).filter(|slot| slot.recipient.is_some()).count()
    }

    /// Returns whether the client of exchange `i` awaits nothing at the head, nothing behind `i`, and nothing that must stay:
    /// else the exchange would only wait for that elsewhere.
    fn stands_alone(&self, i: usize, same: impl Fn(&T, &T) -> bool) -> bool {
        let Some(mine) = &self.slots[i].recipient else { return false };
        let stays = |(j, slot): &(usize, &Slot<T>)| *j == 0 || *j > i || (*j < i && !slot.may_move());
        let others = self.slots.iter().enumerate().filter(stays);
        !others.filter_map(|(_, slot)| slot.recipient.as_ref()).any(|other| same(other, mine))
    }

    /// Takes exchange `i` off the link. Bytes that were written keep their slot, because their answer will come; others are
    /// dropped.
    fn take_off(&mut self, i: usize, bytes: Range<usize>) -> Option<(T, Exchange, Vec<u8>, bool)> {
        let head = self.slots[i].own(&self.out[bytes.clone()]).to_vec();
        if self.slots[i].touched {
            let slot = &mut self.slots[i];
            return slot.recipient.take().map(|recipient| (recipient, slot.request, head, true));
        }
        // The member has seen nothing of this request, so no answer will come.
        self.out.drain(bytes);
        let slot = self.slots.remove(i)?;
        slot.recipient.map(|recipient| (recipient, slot.request, head, false))
    }
}
