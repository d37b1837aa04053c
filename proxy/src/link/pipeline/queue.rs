//! The exchanges in flight on one link, first in, first out.
//!
//! Requests, written and read bytes, the end of the link and the time go in. Pieces of responses come out, each for the
//! client at the head of the queue, and at the end the fate of every exchange (P.5 to P.8 in `docs/http-rules.md`).

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
    /// Requests of all slots, from the first byte of the head's, for as long as one may be sent again.
    out: Vec<u8>,
    /// Where the requests of the present slots begin in `out`, and how far `out` has been written.
    kept: usize,
    written: usize,
    /// Slots whose requests were written whole.
    sent: usize,
    reader: AnswerReader,
    /// Of a head that is not whole, what has come.
    partial: Vec<u8>,
    answered: u64,
    head_since: Nanos,
    /// Some were taken off it: it ends when nobody awaits its answers.
    leaving: bool,
    /// Nobody awaits its answers, but they are counted.
    parting: bool,
    /// Bytes of the answer at the head that nobody awaited.
    drained: usize,
    /// What the member speaks after all that was put in the queue.
    dialect: Dialect,
    /// Since when the client that has it for its own has ended its side, if it has.
    ended_at: Option<Nanos>,
}

/// Requests that were answered are cut off `out` when they make up this much, and half of it: what is cut off pays for moving
/// what stays.
const COMPACT: usize = 16 << 10;
/// A link that has nothing to write keeps room for this much.
const ROOMY: usize = 64 << 10;
/// An answer that nobody awaits is read this far, to save the link.
const DRAIN: usize = 256 << 10;

/// A member that says nothing for so long in the middle of an answer pauses.
const PAUSE: Nanos = 50_000_000;

impl<T> Queue<T> {
    /// A link on which nothing has happened, which speaks HTTP or what `framing` says.
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
        let greeting = self.greet(&request);
        source.write_http1(&mut self.out);
        if self.slots.is_empty() {
            self.head_since = now;
        }
        let slot = Slot::new(recipient, request, self.out.len() - before, now);
        self.slots.push_back(Slot { greeting, ..slot });
    }

    /// Appends to the content of the last request, framed as that says; `last` ends it, with these trailers.
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

    /// Whether the content of the last request goes to the member as it comes from the client.
    pub(in crate::link) fn sends_as_it_comes(&self) -> bool {
        self.encoder() == BodyEncoder::Raw
    }

    fn encoder(&self) -> BodyEncoder {
        self.slots.back().map_or(BodyEncoder::Raw, |slot| slot.request.upload.encoder())
    }

    /// Appends a frame to the last exchange, which is a conversation. After `Forever` nobody counts the answers.
    pub fn append_frame(&mut self, frame: &[u8], kind: AnswerKind, complete: bool) {
        self.send_data(frame, complete.then_some(b""));
        if let Some(slot) = self.slots.back_mut() {
            slot.append_frame(kind);
        }
    }

    /// Bytes of the last request's content were written past the output, which was empty.
    pub fn body_bypassed(&mut self, complete: bool, now: Nanos) {
        self.send_data(&[], complete.then_some(b""));
        self.wrote(0, now);
    }

    /// How many bytes of requests, and of an answer that is not understood yet, it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.out.len() + self.partial.len()
    }

    /// What is still to be written.
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// The first `n` of [`Queue::unwritten`] were written.
    pub fn wrote(&mut self, n: usize, now: Nanos) {
        self.written += n;
        let mut end = self.kept + self.slots.iter().take(self.sent).map(|s| s.len).sum::<usize>();
        while let Some(slot) = self.slots.get_mut(self.sent) {
            end += slot.len;
            slot.touched |= end - slot.len < self.written;
            if end > self.written || slot.request.upload.is_open() {
                slot.progress = if slot.touched { now } else { slot.progress };
                break;
            }
            slot.sent_at = now;
            self.sent += 1;
        }
        self.forget();
    }

    /// Bytes have come from the member. Returns whether the link may carry on.
    ///
    /// # Errors
    /// When the bytes are not answers to what was asked.
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

    /// The member closed the link: an answer that lasts until then has ended.
    pub fn at_eof<S: Sink<T>>(&mut self, now: Nanos, out: &mut Vec<u8>, sink: &mut S)
    where
        T: Clone,
    {
        at_eof(self, now, out, sink);
    }

    /// The client that has this link for its own has ended its side: nothing more is asked here. Whatever the member has not
    /// answered when it closes, it will not answer.
    pub fn end_requests(&mut self, now: Nanos) {
        self.ended_at.get_or_insert(now);
    }

    /// Whether nothing more is asked, and all that was has been written.
    #[must_use]
    pub fn has_said_all(&self) -> bool {
        self.ended_at.is_some() && self.unwritten().is_empty()
    }

    /// Since when the member has owed the head (more of) its answer, or after [`Queue::end_requests`] the end of the link.
    #[must_use]
    pub fn silent_since(&self) -> Option<Nanos> {
        let head = self.head()?;
        let ended = self.ended_at.map(|at| at.max(head.progress));
        ended.or_else(|| head.silent_since(self.head_since, !self.unwritten().is_empty()))
    }

    /// The client of these exchanges went away: their answers will be read and thrown away.
    /// Returns false when that cannot be done, because a request is still being sent, or because the member may take
    /// as long as it likes to answer, and would then give nobody what somebody else waits for (BLPOP).
    pub fn abandon(&mut self, gone: impl Fn(&T) -> bool) -> bool {
        let mut whole = true;
        for slot in self.slots.iter_mut().filter(|s| s.recipient.as_ref().is_some_and(&gone)) {
            slot.recipient = None;
            whole &=
                !slot.request.upload.is_open() && slot.request.kind != AnswerKind::Frames { patient: true };
        }
        whole
    }

    /// The link has ended: the fate of all that was in flight, in order. None is left.
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

    /// How many exchanges are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.slots.len()
    }

    /// How many of them were sent whole.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// How many exchanges have ended on it.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// The exchange whose answer comes next.
    #[must_use]
    pub fn head(&self) -> Option<&Slot<T>> {
        self.slots.front()
    }

    /// The exchange whose request came last.
    #[must_use]
    pub fn last(&self) -> Option<&Slot<T>> {
        self.slots.back()
    }

    /// Since when the head has been waiting for (more of) its answer.
    #[must_use]
    pub fn head_since(&self) -> Nanos {
        self.head_since
    }

    /// What has come, behind what came before and was not understood yet; `None` where nothing did.
    fn behind_partial(&mut self, input: &[u8]) -> Option<Vec<u8>> {
        if self.partial.is_empty() {
            return None;
        }
        self.partial.extend_from_slice(input);
        Some(std::mem::take(&mut self.partial))
    }

    /// Reads on, at most to the end of an answer. What its client gets is appended to `out`, as the sink writes it.
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
        let alone = self.slots.len() == 1 && self.sent == 1;
        // RFC 9112 section 9.2: what was not asked for must not be taken for an answer.
        let Some(slot) = self.slots.front_mut().filter(|slot| slot.touched && slot.is_owed()) else {
            // RFC 9110 section 15.5.9: so a server may say that it closes an unused connection.
            let farewell = is_farewell(input) && self.slots.iter().all(|slot| !slot.touched);
            return Err(if farewell { LinkEnd::Closed } else { LinkEnd::Desync(Cause::BadResponse) });
        };
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
        if !alone && step.end.is_some_and(|end| end.switched) {
            out.clear();
            return Err(LinkEnd::Desync(Cause::BadResponse));
        }
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

    /// Who gets so many bytes, of so many that came of the answer at the head; what nobody awaits is counted.
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

    /// What follows from what was heard, now that its client has it; `rest` is what has come behind it.
    fn follow(&mut self, heard: &ReadStep<T>, rest: &[u8], now: Nanos) -> AfterRead<T> {
        let mut next = AfterRead { ended: None, over: None };
        match heard.over {
            Some(end) => {
                let (ended, goes_on) = self.end_head(end, now);
                next.ended = ended;
                if end.switched {
                    next.over = Some(Err(LinkEnd::Switched));
                } else if !goes_on {
                    self.partial = if self.leaving { rest.to_vec() } else { Vec::new() };
                    next.over = Some(Ok(false));
                }
            }
            None if heard.greeting => {}
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

    /// The answer at the head has ended. Tells whose it was, and whether the link may carry on.
    fn end_head(&mut self, end: AnswerEnd, now: Nanos) -> (Option<EndedExchange<T>>, bool) {
        let Some(slot) = self.slots.pop_front() else { return (None, false) };
        let whole = self.sent > 0;
        self.sent = self.sent.saturating_sub(1);
        self.kept += slot.len;
        self.answered += 1;
        // What is left of the body would be taken for a request.
        let end = AnswerEnd { close: end.close || slot.request.upload.is_open(), ..end };
        let service = now.saturating_sub(slot.sent_at.max(self.head_since));
        (self.head_since, self.drained) = (now, 0);
        self.forget();
        let awaited = !self.leaving || self.parting || self.slots.iter().any(|slot| slot.recipient.is_some());
        let goes_on = end.reusable && whole && awaited && self.ended_at.is_none();
        (Some(EndedExchange { slot, end, service }), goes_on)
    }

    /// An answer that keeps coming is not late.
    fn progressed(&mut self, now: Nanos) {
        if let Some(slot) = self.slots.front_mut() {
            let before = slot.progress.max(slot.first_byte);
            slot.pauses += u32::from(now.saturating_sub(before) >= PAUSE);
            slot.progress = now;
        }
    }

    /// Drops what need not be sent again.
    fn forget(&mut self) {
        // Only while nothing is behind it: what follows would lose its bytes and their count with it.
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

/// What was heard in one step.
struct ReadStep<T> {
    /// Bytes of the input that are done with; 0 when more are needed.
    consumed: usize,
    /// It was (a part of) the answer to a greeting.
    greeting: bool,
    /// Who gets what was appended to the output, and then this part of the input.
    to: Option<T>,
    raw: Range<usize>,
    /// Where in the input the `Server` field of a final head is; empty where the head has none.
    server: Option<Range<usize>>,
    /// The exchange has ended so.
    over: Option<AnswerEnd>,
}

/// An exchange that has ended.
struct EndedExchange<T> {
    slot: Slot<T>,
    end: AnswerEnd,
    service: Nanos,
}

/// What follows from a step.
struct AfterRead<T> {
    ended: Option<EndedExchange<T>>,
    /// Nothing more is read now; what [`receive`] says then.
    over: Option<Result<bool, LinkEnd>>,
}

/// A queue that can be had for one look after the other. Between two of them nothing of it is borrowed: that is when clients
/// are told what was found.
pub(in crate::link) trait QueueAccess<T> {
    /// Looks at the queue.
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

/// See [`Queue::receive`].
pub(in crate::link) fn receive<T: Clone, S: Sink<T>>(
    queue: &mut impl QueueAccess<T>,
    input: &[u8],
    now: Nanos,
    out: &mut Vec<u8>,
    sink: &mut S,
) -> Result<bool, LinkEnd> {
    let whole = queue.with(|queue| queue.behind_partial(input));
    let mut input = whole.as_deref().unwrap_or(input);
    while !input.is_empty() {
        let mut heard = queue.with(|queue| queue.hear(input, now, out, sink))?;
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

/// See [`Queue::at_eof`].
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

/// Whether this is, or may become, an answer to nobody's request that says goodbye (408).
#[must_use]
pub(in crate::link) fn is_farewell(bytes: &[u8]) -> bool {
    [b"HTTP/1.1 408 ", b"HTTP/1.0 408 "].iter().any(|farewell| bytes.starts_with(*farewell))
}

// What the member at the other end speaks, and how it is told to speak something else. A greeting takes effect in order, as all
// that is sent does, so any request may go over any link: which one a pool prefers is a matter of cost alone. The answer to a
// greeting is nobody's; if it is an error, the link ends.

impl<T> Queue<T> {
    /// What the next request would be spoken in without a greeting.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Puts a greeting before this request, where it needs one.
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

    /// The frame that was put on the link last makes it speak this, unless it is refused. Then the link ends, as after every
    /// last word of a conversation that is.
    pub fn turns_to(&mut self, dialect: Dialect) {
        self.dialect = dialect;
        if let Some(slot) = self.slots.back_mut() {
            (slot.request.dialect, slot.request.greets) = (dialect, true);
        }
    }
}

// What a queue tells of who holds its link.

impl<T> Queue<T> {
    /// Whether all behind the head may be sent elsewhere.
    #[must_use]
    pub fn followers_may_move(&self) -> bool {
        self.slots.iter().skip(1).all(|slot| slot.recipient.is_none() || slot.may_move())
    }

    /// Whether the length of the answer at the head is not known until it ends.
    #[must_use]
    pub fn has_no_length(&self) -> bool {
        self.reader.has_no_length()
    }

    /// Whether the answer at the head is an event stream, which lasts for as long as its client stays.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        self.reader.is_event_stream()
    }
}

/// Bytes have come on a link that carries nothing that anybody awaits. False when the member has said that it answers
/// no more.
///
/// # Errors
/// When the bytes are not answers to what was asked.
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

// Who is taken off a link to be sent elsewhere, because its head takes too long. The link is leaving from then on.

impl<T> Queue<T> {
    /// Takes off those behind the head that may be sent elsewhere, `most` of them, in order; with them the requests
    /// as they were sent, and whether they had been. Answers of one client stay in order: `same` tells clients, and
    /// what has one of its own at the head, or another that stays, stays. If any is taken the link is leaving.
    pub fn rescue(
        &mut self,
        most: usize,
        same: impl Fn(&T, &T) -> bool,
    ) -> Vec<(T, Exchange, Vec<u8>, bool)> {
        let mut taken = Vec::new();
        let mut end = self.kept + self.slots.iter().map(|slot| slot.len).sum::<usize>();
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

    /// Whether some were taken off it, to be sent elsewhere.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// How many are behind the head whose clients still wait.
    #[must_use]
    pub fn followers(&self) -> usize {
        self.slots.iter().skip(1).filter(|slot| slot.recipient.is_some()).count()
    }

    /// This one's client awaits nothing at the head or behind this one, nor what must stay: it would only wait for it.
    fn stands_alone(&self, i: usize, same: impl Fn(&T, &T) -> bool) -> bool {
        let Some(mine) = &self.slots[i].recipient else { return false };
        let stays = |(j, slot): &(usize, &Slot<T>)| *j == 0 || *j > i || (*j < i && !slot.may_move());
        let others = self.slots.iter().enumerate().filter(stays);
        !others.filter_map(|(_, slot)| slot.recipient.as_ref()).any(|other| same(other, mine))
    }

    /// What has been written keeps its place, as its answer will come; what has not is gone.
    fn take_off(&mut self, i: usize, bytes: Range<usize>) -> Option<(T, Exchange, Vec<u8>, bool)> {
        let head = self.slots[i].own(&self.out[bytes.clone()]).to_vec();
        if self.slots[i].touched {
            let slot = &mut self.slots[i];
            return slot.recipient.take().map(|recipient| (recipient, slot.request, head, true));
        }
        self.out.drain(bytes);
        let slot = self.slots.remove(i)?;
        slot.recipient.map(|recipient| (recipient, slot.request, head, false))
    }
}
