//! The terms that all protocols of frames share: a frame and what it needs of a link, how far a response was read, what is wrong.

use std::fmt::{self, Display, Formatter};

/// What a request frame is and needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, everything that frames it included.
    pub len: usize,
    /// What it asks of a link, where its client holds none.
    pub need: Need,
    /// What its client holds after it.
    pub pinning: Pinning,
    /// May be sent twice: it changes nothing, and asks nothing of the link it first went to.
    pub repeatable: bool,
    /// A hash of the command, 0 where there is none to tell.
    pub class: u32,
    /// The dialect that it asks for, which its client speaks from its answer on, unless that is an error.
    pub speaks: Option<Dialect>,
}

/// What a request asks of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// May share a link with others.
    Shared,
    /// Needs a link with nothing in flight, and may take as long as it likes (a blocking command).
    Patient,
    /// As `Shared`, but alone on a link (what is not known, or begins a hold).
    Alone,
    /// Is answered here and goes nowhere. Only while nothing is held, but for the empty answer of an empty frame.
    Here {
        /// The whole answer; empty where the protocol answers such a frame with nothing.
        answer: &'static [u8],
        /// The client is closed after it.
        close: bool,
    },
}

/// The version of its protocol that a connection speaks. Only resp has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// What every connection speaks at first.
    #[default]
    Resp2,
    /// After HELLO 3. Requests are the same, answers have more types, and a server may push.
    Resp3,
}

/// How a client stands before a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientMode {
    /// What it holds.
    pub pinning: Pinning,
    /// What it speaks.
    pub dialect: Dialect,
}

impl From<Pinning> for ClientMode {
    fn from(pinning: Pinning) -> Self {
        Self { pinning, ..Self::default() }
    }
}

/// What a client keeps of its link from one frame to the next. Only resp uses more than `Free`.
///
/// ```text
///   Free ──WATCH──▶ Watching ──MULTI──▶ Multi        from any: SUBSCRIBE, AUTH, SELECT 1 … ──▶ Forever
///    ▲ └───────────────MULTI──────────────┘ │
///    └── UNWATCH, RESET ─┘    EXEC, DISCARD, RESET
/// ```
///
/// A frame that lets go takes effect in the server unless it was answered with an error: a server that does not know
/// RESET, a user who may not DISCARD, an EXEC after a MULTI that was refused. So a link goes back to the pool only
/// where the answer to the frame that let it go is no error ([`Outcome::Answer`]); otherwise it is closed. (An EXEC
/// that the server aborts is answered with an error as well. That link would be good, which cannot be told.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// Nothing: its next frame may go over any link.
    #[default]
    Free,
    /// Keys are watched on its link.
    Watching,
    /// Commands are being queued on its link.
    Multi,
    /// Its link is its own for good.
    Forever,
}

/// Bytes that are no frame, and that no byte that follows can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// The frame is longer than it may be: it has at least this many bytes.
    TooLong(u64),
    /// It is not as the protocol wants it.
    Bad(FrameFault),
}

/// What is wrong with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFault {
    /// What stands there, or should, in words.
    pub what: &'static str,
    /// What was found.
    pub found: Found,
}

/// The part of a frame that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A byte.
    Byte(u8),
    /// A length or a number of elements.
    Length(i64),
}

impl BadFrame {
    /// This byte is not what it says there should be.
    pub(super) const fn byte(what: &'static str, byte: u8) -> Self {
        Self::Bad(FrameFault { what, found: Found::Byte(byte) })
    }

    /// This length is not what it says there should be.
    pub(super) const fn length(what: &'static str, length: i64) -> Self {
        Self::Bad(FrameFault { what, found: Found::Length(length) })
    }
}

impl Display for BadFrame {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(least) => write!(out, "frame too long: {least} bytes or more"),
            Self::Bad(FrameFault { what, found: Found::Byte(byte) }) => {
                write!(out, "{what}: byte '{}' ({byte:#04x})", byte.escape_ascii())
            }
            Self::Bad(FrameFault { what, found: Found::Length(length) }) => write!(out, "{what}: {length}"),
        }
    }
}

impl std::error::Error for BadFrame {}

/// Where the requests of a protocol end.
pub trait Requests {
    /// The first request in `input`; `None`: more bytes are needed. `before` is how the client stands before it.
    /// The verdict does not depend on how the bytes were cut.
    ///
    /// # Errors
    /// There is no request, and there cannot be one.
    fn request(&self, input: &[u8], before: ClientMode) -> Result<Option<Frame>, BadFrame>;

    /// How many bytes `input` must have before it is worth asking again, after `None`: always more than it has.
    /// Whoever waits for that many reads a long frame that comes in many pieces a few times, not once for each.
    fn least(&self, input: &[u8]) -> usize {
        input.len() + 1
    }
}

/// Where the answers of a protocol end. Keeps counters, never bytes.
pub trait Answers {
    /// Reads on, at most to the end of one answer; then it is ready for the next.
    ///
    /// # Errors
    /// What came is no answer; what follows it cannot be told apart any more.
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame>;
}

/// How far an answer was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the input that are this answer's: all of them, unless it ended before.
    pub consumed: usize,
    /// How it ended, if it did.
    pub end: Option<Outcome>,
}

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// An answer.
    Answer,
    /// An error reply (resp `-` and `!`).
    Error,
}
