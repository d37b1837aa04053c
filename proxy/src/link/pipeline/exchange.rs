//! One request on a link, and its fate when the link ends: sent again, failed, or cut off.
//!
//! The rules are DR in `docs/http-rules.md` (RFC 9112 section 9.3.1).

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::link::scheduler::wait_queue::{Demand, Sharing, SourceKey};
use crate::proto::framing::{Dialect, greeting};
use crate::proto::http1::BodyEncoder;

use super::answer::{AnswerEnd, AnswerKind};
use super::link_end::LinkEnd;

/// What a link must know of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    /// What frames its answer.
    pub kind: AnswerKind,
    /// What is still to come from the client.
    pub upload: Upload,
    /// What it needs of a link.
    pub sharing: Sharing,
    /// It may be sent twice: it changes nothing, or the same (RFC 9110 section 9.2.2).
    pub repeatable: bool,
    /// A hash of what it is for, by which service times are learned; 0 where nobody can tell.
    pub class: u32,
    /// When its first byte came, for its duration.
    pub began: Nanos,
    /// It has been sent before.
    pub replayed: bool,
    /// Some of it is still to come, and may take its client as long as it likes.
    pub open_ended: bool,
    /// Whose it is.
    pub source: SourceKey,
    /// Its client sends its body when it is told to (RFC 9110 section 10.1.1), so until then it is the member's turn.
    pub expects: bool,
    /// What its link is to speak when it is sent, or where it `greets`, from its answer on.
    pub dialect: Dialect,
    /// It changes what its client and its link speak, unless it is refused (HELLO, RESET).
    pub greets: bool,
}

/// What of a request is still to come from its client when the rest of it is on its link.
///
/// ```text
///   Content, Rest, Conversation ── the last of it ──▶ Whole
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upload {
    /// Nothing: all of it is here.
    Whole,
    /// More of its content, which its link frames so.
    Content(BodyEncoder),
    /// The rest of its one frame, which is passed on while it comes.
    Rest,
    /// More frames, one exchange with the first, or whatever the client says on a link that is its own for good.
    Conversation,
}

impl Upload {
    /// Whether more is to come.
    #[must_use]
    pub fn is_open(self) -> bool {
        self != Self::Whole
    }

    /// How the link frames what comes.
    pub(in crate::link) fn encoder(self) -> BodyEncoder {
        match self {
            Self::Content(encoder) => encoder,
            Self::Whole | Self::Rest | Self::Conversation => BodyEncoder::Raw,
        }
    }
}

/// A request as its client has it, to be written on the wire that its link speaks.
pub trait RequestSource {
    /// Appends its head in HTTP/1.1, or what it is where frames are spoken.
    fn write_http1(&self, out: &mut Vec<u8>);
}

/// A request that was written before, or a frame.
impl RequestSource for [u8] {
    fn write_http1(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl Exchange {
    /// What the pool must know of it.
    #[must_use]
    pub fn demand(&self) -> Demand {
        Demand { sharing: self.sharing, source: self.source, class: self.class, open_ended: self.open_ended }
    }
}

/// Whether the link is told to speak another dialect before a request is sent, and has answered that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Greeting {
    /// It spoke the dialect of the request.
    None,
    /// It was told; what comes next on it is the answer, which is nobody's.
    Sent,
    /// It has answered.
    Answered,
}

/// The place of an exchange in the queue of a link. One frame or request is in its last words from the start; a
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
    /// Who awaits the answer; `None` once nobody does.
    pub recipient: Option<T>,
    /// What was asked.
    pub request: Exchange,
    /// Bytes of it that the link keeps.
    pub(in crate::link) len: usize,
    /// Some of what was to come after it has.
    pub(in crate::link) body_begun: bool,
    /// More frames than its first were said.
    pub(in crate::link) talked: bool,
    /// Some of its bytes have been written.
    pub(in crate::link) touched: bool,
    /// When it was put in the queue.
    pub queued_at: Nanos,
    /// When all of it had been written; 0 until then.
    pub sent_at: Nanos,
    /// When the first byte of the answer came; 0 until then.
    pub first_byte: Nanos,
    /// When the last bytes of the request left, or of the answer came, that did not end it; 0 until then.
    pub(in crate::link) progress: Nanos,
    /// The client has been given the final head.
    pub shown: bool,
    /// Bytes of its answer that have come.
    pub(in crate::link) received: u64,
    /// How often they came after a pause.
    pub(in crate::link) pauses: u32,
    /// Answers still to come: one, but for a conversation.
    pub(in crate::link) awaits: u32,
    /// What stands before the request.
    pub(in crate::link) greeting: Greeting,
}

/// An answer that has gone on for this long, a little at a time, may go on for ever.
const LASTING: Nanos = 3_000_000_000;
/// One that comes in small pieces with pauses between them, as events do, after this long:
const LASTING_IN_TICKS: Nanos = 800_000_000;
/// so many of them,
const TICKS: u32 = 2;
/// of fewer bytes than this each.
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

    /// Whether its answer comes so slowly, at less than `least` bytes a second, that it may go on for ever.
    pub(in crate::link) fn trickles(&self, least: u64, now: Nanos) -> bool {
        let age = now.saturating_sub(self.first_byte);
        let is_slow = u128::from(self.received) * 1_000_000_000 < u128::from(least) * u128::from(age);
        let ticks = self.pauses >= TICKS && self.received < SMALL * u64::from(self.pauses);
        is_slow && (age >= LASTING || ticks && age >= LASTING_IN_TICKS)
    }

    /// The request as it was sent, without the greeting before it, of all its bytes that are kept.
    pub(in crate::link) fn own<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match self.greeting {
            Greeting::None => bytes,
            _ => bytes.get(greeting(self.request.dialect).len()..).unwrap_or_default(),
        }
    }

    /// Whether it may still be taken off its link and sent on another: nothing of it was written, or it may be
    /// sent twice and nothing of its answer has come.
    pub(in crate::link) fn may_move(&self) -> bool {
        // Those behind it rely on its greeting: it must not leave the queue with that.
        let relied_on = self.greeting != Greeting::None && !self.touched;
        let unseen = self.recipient.is_some() && !self.body_begun && self.first_byte == 0 && !relied_on;
        unseen
            && (!self.touched
                || (self.request.repeatable && !self.request.upload.is_open() && !self.request.replayed))
    }

    /// Whether its client waits to be told that it may send the body.
    pub(in crate::link) fn awaits_continue(&self) -> bool {
        self.request.expects && self.request.upload.is_open() && self.first_byte == 0
    }

    /// One more frame of a conversation; what takes its time still does.
    pub(in crate::link) fn append_frame(&mut self, kind: AnswerKind) {
        let slow = self.awaits > 0 && self.request.kind == AnswerKind::Frames { patient: true };
        self.awaits += 1;
        self.talked = true;
        self.request.kind = match kind {
            AnswerKind::Frames { patient } => AnswerKind::Frames { patient: patient || slow },
            kind => kind,
        };
    }

    /// Whether what comes now was asked for.
    pub(in crate::link) fn is_owed(&self) -> bool {
        self.awaits > 0 || self.request.kind == AnswerKind::Forever
    }

    /// The answer that just ended ends the exchange. A conversation has more answers, or more to ask.
    pub(in crate::link) fn answer_ended(&mut self) -> bool {
        self.awaits -= 1;
        match self.request.upload {
            Upload::Whole => self.awaits == 0,
            Upload::Conversation => !self.request.kind.is_frames(),
            Upload::Content(_) | Upload::Rest => true,
        }
    }

    /// How the exchange ended. A conversation whose last word was refused may have left something behind.
    pub(in crate::link) fn settled(&self, end: AnswerEnd) -> AnswerEnd {
        let said = self.talked || self.request.greets;
        let refused = self.request.kind.is_frames() && said && end.status >= 500;
        AnswerEnd { reusable: end.reusable && !refused, ..end }
    }

    /// Since when the member has been silent, given when this exchange became the head of its link, and whether some of
    /// the request waits to be written. It is not the member's turn while it has taken all that the client has sent, and
    /// more is to come.
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

/// What becomes of an exchange whose link has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Send these bytes again, once, alone, on a fresh link. `sent` when they had been written before.
    Replay {
        /// The request as it went to the member.
        head: Vec<u8>,
        /// It counts as its one replay.
        sent: bool,
    },
    /// Answer with an error.
    Fail(Cause),
    /// The client has seen the start of the answer: cut it off, so that it does not look complete.
    Cut(Cause),
    /// Nobody awaits it.
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
            return Fate::Cut(match why {
                LinkEnd::Timeout => Cause::BackendTimeout,
                LinkEnd::Panicked => Cause::Internal,
                _ => Cause::Truncated,
            });
        }
        if !slot.touched && !slot.body_begun {
            return Fate::Replay { head: bytes.to_vec(), sent: false };
        }
        if why == LinkEnd::Desync(Cause::BadResponse) && self.head && self.is_innocent() {
            return Fate::Replay { head: bytes.to_vec(), sent: true };
        }
        if slot.first_byte != 0 || (self.head && matches!(why, LinkEnd::Timeout | LinkEnd::Desync(_))) {
            return Fate::Fail(blame(why));
        }
        // The member has done nothing wrong: its link is as good as one that was used before.
        let ours = why == LinkEnd::Panicked;
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

    /// What came before its answer did, or in its place, may belong to an answer before it. On a new link nothing can be
    /// left over: there the answer is its own.
    fn is_innocent(&self) -> bool {
        let request = &self.slot.request;
        let untouched = self.slot.received == 0 && !self.slot.body_begun && !request.upload.is_open();
        self.reused && untouched && request.repeatable && !request.replayed && !request.kind.is_frames()
    }

    /// The request was sent and may not be sent again.
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
