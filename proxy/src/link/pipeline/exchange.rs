//! One request on a link, and its fate when the link ends: the request is sent again, failed, or cut off.
//!
//! The rules are DR in `docs/http-rules.md` (RFC 9112 section 9.3.1).

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::link::scheduler::wait_queue::{Demand, Sharing, SourceKey};
use crate::proto::framing::{Dialect, greeting};
use crate::proto::http1::BodyEncoder;

use super::answer::{AnswerEnd, AnswerKind};
use super::link_end::LinkEnd;

/// The facts of a request that its link needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// The kind of answer, which says where the answer ends.
    pub kind: AnswerKind,
    /// The part of the request that is still to come from the client.
    pub upload: Upload,
    /// The conditions under which the request takes a link.
    pub sharing: Sharing,
    /// The request may be sent twice: it changes nothing, or the same thing again (RFC 9110 section 9.2.2).
    pub repeatable: bool,
    /// A hash of the purpose of the request, by which service times are learned; 0 where the purpose is unknown.
    pub class: u32,
    /// The time at which the first byte of the request came, from which its duration counts.
    pub began: Nanos,
    /// The request has been sent before.
    pub replayed: bool,
    /// A part of the request is still to come, and may take its client as long as it likes.
    pub open_ended: bool,
    /// The source that the request is from.
    pub source: SourceKey,
    /// The client sends the body when the member asks for it (RFC 9110 section 10.1.1), so until then the member has the turn.
    pub expects: bool,
    /// The dialect that the link must speak when the request is sent, or where the request `greets`, from its answer on.
    pub dialect: Dialect,
    /// The request changes the dialect of its client and its link, unless the member refuses (HELLO, RESET).
    pub greets: bool,
}

/// The part of a request that is still to come from its client when the rest of it is on its link.
///
/// ```text
///   Content, Rest, Conversation ── the last of it ──▶ Whole
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upload {
    /// Nothing is to come: all of the request is here.
    Whole,
    /// More content is to come, which the link frames with this encoder.
    Content(BodyEncoder),
    /// The rest of the one frame is to come, and is passed on as it comes.
    Rest,
    /// More frames are to come, one exchange with the first; or any bytes, on a link that is the client's for good.
    Conversation,
}

impl Upload {
    /// Returns whether more is to come.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != Self::Whole
    }

    /// Returns how the link frames the bytes that come.
    pub(in crate::link) fn encoder(self) -> BodyEncoder {
        match self {
            Self::Content(encoder) => encoder,
            Self::Whole | Self::Rest | Self::Conversation => BodyEncoder::Raw,
        }
    }
}

/// A request as its client has it, which can be written in the protocol that its link speaks.
pub trait RequestSource {
    /// Appends the head of the request in HTTP/1.1, or the frame where frames are spoken.
    fn write_http1(&self, out: &mut Vec<u8>);
}

/// Appends a request that was written before, or a frame.
impl RequestSource for [u8] {
    fn write_http1(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Exchange {
    /// Returns the facts of the request that the pool needs.
    #[must_use]
    pub fn demand(&self) -> Demand {
        Demand { sharing: self.sharing, source: self.source, class: self.class, open_ended: self.open_ended }
    }
}

/// The state of the greeting that makes the link speak another dialect before a request is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Greeting {
    /// The link speaks the dialect of the request already.
    None,
    /// The greeting was sent; the next answer on the link is the one to it, which goes to nobody.
    Sent,
    /// The member has answered the greeting.
    Answered,
}

/// The place of an exchange in the queue of a link. An exchange of one frame or request is in its last words from the start; a
/// conversation comes there when its client gives the link back.
///
/// ```text
///         answer, no other owed           answer: a fault
///   Owed ───────────────────────▶ Silent ─────────────────▶ (the link ends)
///    │ ▲          frame             │ │
///    │ └────────────────────────────┘ │ last frame
///    │ last frame                     ▼    all answered
///    └─────────────────────────▶ LastWords ───────────────▶ (ended; and the link if the last word
///                                                            of a conversation was refused)
///   From each, with `AnswerKind::Forever`: whatever comes, until the link ends
/// ```
#[derive(Debug)]
pub struct Slot<T> {
    /// The recipient of the answer; `None` once nobody awaits it.
    pub recipient: Option<T>,
    /// The request.
    pub request: Exchange,
    /// The number of bytes of the request that the link keeps.
    pub(in crate::link) len: usize,
    /// Content has come behind the part of the request that was submitted.
    pub(in crate::link) body_begun: bool,
    /// The client has sent more frames than the first.
    pub(in crate::link) talked: bool,
    /// Bytes of the request have been written.
    pub(in crate::link) touched: bool,
    /// The time at which the exchange was put in the queue.
    pub queued_at: Nanos,
    /// The time at which all of the request had been written; 0 until then.
    pub sent_at: Nanos,
    /// The time at which the first byte of the answer came; 0 until then.
    pub first_byte: Nanos,
    /// The time at which bytes of the request last left, or of the answer last came, without ending it; 0 until then.
    pub(in crate::link) progress: Nanos,
    /// The client has been given the final head.
    pub shown: bool,
    /// The number of bytes of the answer that have come.
    pub(in crate::link) received: u64,
    /// The number of times that bytes of the answer came after a pause.
    pub(in crate::link) pauses: u32,
    /// The number of answers that are still to come: at most one, except in a conversation.
    pub(in crate::link) awaits: u32,
    /// The greeting that stands before the request.
    pub(in crate::link) greeting: Greeting,
}

/// The age, in nanoseconds, at which an answer that comes a little at a time is taken to go on for ever: 3 s. A higher age lets
/// such an answer hold a link for longer while others wait, a lower one mistakes slow answers for endless ones.
const LASTING: Nanos = 3_000_000_000;
/// The same age, in nanoseconds, for an answer in small pieces with pauses between them, as events are: 0.8 s.
const LASTING_IN_TICKS: Nanos = 800_000_000;
/// The number of pauses from which an answer counts as one in pieces. One pause alone can have any cause.
const TICKS: u32 = 2;
/// The number of bytes below which a piece counts as small. Events rarely have more.
const SMALL: u64 = 512;

impl<T> Slot<T> {
    pub(in crate::link) fn new(recipient: T, request: Exchange, len: usize, now: Nanos) -> Self {
        Self {
            recipient: Some(recipient),
            request,
            len,
            body_begun: false,
            talked: false,
            touched: false,
            queued_at: now,
            sent_at: 0,
            first_byte: 0,
            progress: 0,
            shown: false,
            received: 0,
            pauses: 0,
            awaits: 1,
            greeting: Greeting::None,
        }
    }

    /// Returns whether the answer comes so slowly, at less than `least` bytes a second, that it may go on for ever.
    pub(in crate::link) fn trickles(&self, least: u64, now: Nanos) -> bool {
        let age = now.saturating_sub(self.first_byte);
        let is_slow = u128::from(self.received) * 1_000_000_000 < u128::from(least) * u128::from(age);
        // Events come in small pieces, so their pauses show sooner than their rate.
        let ticks = self.pauses >= TICKS && self.received < SMALL * u64::from(self.pauses);
        is_slow && (age >= LASTING || ticks && age >= LASTING_IN_TICKS)
    }

    /// Returns the request as it was sent, without the greeting before it; `bytes` are those of the slot that are kept.
    pub(in crate::link) fn own<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.greeting {
            Greeting::None => bytes,
            _ => bytes.get(greeting(self.request.dialect).len()..).unwrap_or_default(),
        }
    }

    /// Returns whether the exchange may still be taken off its link and sent on another: no byte of it was written, or it may
    /// be sent twice and no byte of its answer has come.
    pub(in crate::link) fn may_move(&self) -> bool {
        // Requests behind it rely on its greeting, which would leave the queue with it.
        let relied_on = self.greeting != Greeting::None && !self.touched;
        let unseen = self.recipient.is_some() && !self.body_begun && self.first_byte == 0 && !relied_on;
        unseen
            && (!self.touched
                || (self.request.repeatable && !self.request.upload.is_open() && !self.request.replayed))
    }

    /// Returns whether the client waits for a request to send the body.
    pub(in crate::link) fn awaits_continue(&self) -> bool {
        self.request.expects && self.request.upload.is_open() && self.first_byte == 0
    }

    /// Adds one more frame to a conversation, which stays patient while a patient frame in it has no answer.
    pub(in crate::link) fn append_frame(&mut self, kind: AnswerKind) {
        // A blocking command that has no answer yet keeps the conversation patient.
        let slow = self.awaits > 0 && self.request.kind == AnswerKind::Frames { patient: true };
        self.awaits += 1;
        self.talked = true;
        self.request.kind = match kind {
            AnswerKind::Frames { patient } => AnswerKind::Frames { patient: patient || slow },
            kind => kind,
        };
    }

    /// Returns whether bytes that come now were asked for.
    pub(in crate::link) fn is_owed(&self) -> bool {
        self.awaits > 0 || self.request.kind == AnswerKind::Forever
    }

    /// Counts an answer that has ended. Returns whether the exchange ends with it: a conversation has more answers, or more to
    /// ask.
    pub(in crate::link) fn answer_ended(&mut self) -> bool {
        self.awaits -= 1;
        match self.request.upload {
            Upload::Whole => self.awaits == 0,
            Upload::Conversation => !self.request.kind.is_frames(),
            Upload::Content(_) | Upload::Rest => true,
        }
    }

    /// Returns how the exchange ended. A conversation whose last word was refused may leave state behind on the link, so that
    /// no other client may have it.
    pub(in crate::link) fn settled(&self, end: AnswerEnd) -> AnswerEnd {
        let said = self.talked || self.request.greets;
        let refused = self.request.kind.is_frames() && said && end.status >= 500;
        AnswerEnd { reusable: end.reusable && !refused, ..end }
    }

    /// Returns since when the member has been silent, given when this exchange became the head of its link, and whether bytes
    /// of the request wait to be written. The member does not have the turn while it has taken everything that the client sent
    /// and more is to come.
    #[must_use]
    pub fn silent_since(&self, head_since: Nanos, unwritten: bool) -> Option<Nanos> {
        let due = match self.request.kind {
            AnswerKind::Http(_) => !self.request.upload.is_open() || unwritten || self.awaits_continue(),
            AnswerKind::Frames { patient } => {
                let taken = self.request.upload == Upload::Rest && !unwritten;
                !patient && self.awaits > 0 && !taken
            }
            AnswerKind::Forever => self.greeting == Greeting::Sent,
        };
        due.then(|| head_since.max(self.sent_at).max(self.progress))
    }
}

/// The fate of an exchange whose link has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The bytes are sent again, once, alone, on a fresh link.
    Replay {
        /// The request as it went to the member.
        head: Vec<u8>,
        /// The bytes had been written before, so this is the one replay of the exchange.
        sent: bool,
    },
    /// The client gets an error.
    Fail(Cause),
    /// The client has seen the start of the answer, and is cut off so that the answer does not look complete.
    Cut(Cause),
    /// Nobody awaits the answer.
    Nobody,
}

pub(in crate::link) struct InFlight<'a, T> {
    pub(in crate::link) slot: &'a Slot<T>,
    pub(in crate::link) head: bool,
    pub(in crate::link) reused: bool,
}

impl<T> InFlight<'_, T> {
    pub(in crate::link) fn fate(&self, why: LinkEnd, bytes: &[u8]) -> Fate {
        let slot = self.slot;
        if slot.recipient.is_none() {
            return Fate::Nobody;
        }
        if slot.shown {
            // An answer that was begun cannot be begun again.
            return Fate::Cut(match why {
                LinkEnd::Timeout => Cause::BackendTimeout,
                LinkEnd::Panicked => Cause::Internal,
                _ => Cause::Truncated,
            });
        }
        // The member cannot have seen a request of which no byte was written, so sending it elsewhere repeats nothing.
        if !slot.touched && !slot.body_begun {
            return Fate::Replay { head: bytes.to_vec(), sent: false };
        }
        if why == LinkEnd::Desync(Cause::BadResponse) && self.head && self.is_innocent() {
            return Fate::Replay { head: bytes.to_vec(), sent: true };
        }
        // The member answered this request, or had the time to: it may have acted on it.
        if slot.first_byte != 0 || (self.head && matches!(why, LinkEnd::Timeout | LinkEnd::Desync(_))) {
            return Fate::Fail(blame(why));
        }
        // The member has done nothing wrong: the link counts as one that was used before, which allows a replay.
        let ours = why == LinkEnd::Panicked;
        // The content has gone to the link, and is not kept to be sent again.
        if slot.body_begun {
            return Fate::Fail(if ours { Cause::Internal } else { self.lost() });
        }
        let may_repeat = slot.request.repeatable && !slot.request.upload.is_open();
        if may_repeat && (self.reused || ours) && !slot.request.replayed {
            return Fate::Replay { head: bytes.to_vec(), sent: true };
        }
        Fate::Fail(match may_repeat {
            _ if ours => Cause::Internal,
            true => Cause::BackendReset,
            false => self.lost(),
        })
    }

    /// Returns whether the bad bytes, which came before the answer to this request or in place of it, may belong to an earlier
    /// answer. A new link has no earlier answer: there the bad answer is the member's own.
    fn is_innocent(&self) -> bool {
        let request = &self.slot.request;
        let untouched = self.slot.received == 0 && !self.slot.body_begun && !request.upload.is_open();
        self.reused && untouched && request.repeatable && !request.replayed && !request.kind.is_frames()
    }

    /// Returns the cause for a request that was sent and may not be sent again.
    fn lost(&self) -> Cause {
        if self.reused { Cause::StaleNonidempotent } else { Cause::BackendReset }
    }
}

fn blame(why: LinkEnd) -> Cause {
    match why {
        LinkEnd::Timeout => Cause::BackendTimeout,
        LinkEnd::Desync(cause) => cause,
        LinkEnd::Panicked => Cause::Internal,
        LinkEnd::Closed | LinkEnd::Finished | LinkEnd::Abandoned | LinkEnd::Switched => Cause::BackendReset,
    }
}
