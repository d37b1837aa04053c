//! Defines the terms that all protocols of frames share: a frame and its needs, the progress of reading an
//! answer, and errors.

use std::fmt::{self, Display, Formatter};

/// A request frame and its needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The length in bytes, including everything that frames the content.
    pub len: usize,
    /// The kind of link that it needs if its client holds none.
    pub need: Need,
    /// The hold of its client on the link after this frame.
    pub pinning: Pinning,
    /// Whether the frame may be sent twice: it changes nothing, and depends on nothing of the link that it
    /// was sent on first.
    pub repeatable: bool,
    /// A hash of the command; 0 if there is none.
    pub class: u32,
    /// The dialect that the frame asks for, which its client speaks from the answer on, unless that is an
    /// error.
    pub speaks: Option<Dialect>,
}

/// The kind of link that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The request may share a link with others.
    Shared,
    /// The request needs a link with nothing in flight, and may take any time (a blocking command).
    Patient,
    /// The request needs a link with nothing in flight, because the command is unknown or begins a hold.
    Alone,
    /// The proxy answers the request itself. This happens only while the client holds no link, except for the
    /// empty answer to an empty frame.
    Here {
        /// The complete answer; empty if the protocol answers such a frame with nothing.
        answer: &'static [u8],
        /// Whether the client is closed after the answer.
        close: bool,
    },
}

/// The version of the protocol on a connection. Only resp has two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// The version with which every connection starts.
    #[default]
    Resp2,
    /// The version after HELLO 3. Requests are the same, answers have more types, and a server may push.
    Resp3,
}

/// The state of a client before a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientMode {
    /// The hold of the client on a link.
    pub pinning: Pinning,
    /// The dialect of the client.
    pub dialect: Dialect,
}

impl From<Pinning> for ClientMode {
    fn from(pinning: Pinning) -> Self {
        Self { pinning, ..Self::default() }
    }
}

/// The hold of a client on its link from one frame to the next. Only resp uses more than `Free`.
///
/// ```text
///   Free ──WATCH──▶ Watching ──MULTI──▶ Multi        from any: SUBSCRIBE, AUTH, SELECT 1 … ──▶ Forever
///    ▲ └───────────────MULTI──────────────┘ │
///    └── UNWATCH, RESET ─┘    EXEC, DISCARD, RESET
/// ```
///
/// A frame that ends the hold takes effect in the server unless its answer is an error: the server may not
/// know RESET, the user may not be allowed to DISCARD, or the MULTI before an EXEC was refused. Therefore a
/// link returns to the pool only if the answer to that frame is no error ([`Outcome::Answer`]); otherwise it
/// is closed. An EXEC that the server aborts is answered with an error as well; that link would be reusable,
/// but the answer does not show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pinning {
    /// The client holds no link, and its next frame may use any.
    #[default]
    Free,
    /// The client watches keys on its link.
    Watching,
    /// The client's commands are being queued on its link.
    Multi,
    /// The client keeps its link until it leaves.
    Forever,
}

/// Bytes that are no frame and that no further byte can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadFrame {
    /// The frame is too long: it has at least this many bytes.
    TooLong(u64),
    /// The frame violates the protocol.
    Bad(FrameFault),
}

/// A violation of the protocol in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameFault {
    /// The description of what is wrong.
    pub what: &'static str,
    /// The byte or number that was found.
    pub found: Found,
}

/// The part of a frame that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A byte.
    Byte(u8),
    /// Makes the error that this byte is wrong.
    Length(i64),
}

impl BadFrame {
    /// This byte is not what it says there should be.
    pub(super) const fn byte(what: &'static str, byte: u8) -> Self {
        Self::Bad(FrameFault { what, found: Found::Byte(byte) })
    }

    /// Makes the error that this length is wrong.
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

/// Finds the ends of requests in one protocol.
pub trait Requests {
    /// Returns the first request in `input`, or `None` if more bytes are needed. `before` is the state of the
    /// client before the request. The result does not depend on how the bytes were cut.
    ///
    /// # Errors
    /// Returns an error if the input cannot become a request.
    fn request(&self, input: &[u8], before: ClientMode) -> Result<Option<Frame>, BadFrame>;

    /// Returns the number of bytes that `input` must have before another call can succeed, after `None`;
    /// always more than it has. A caller that waits for them reads a long frame in many pieces a few times
    /// only, and not once for each piece.
    fn least(&self, input: &[u8]) -> usize {
        input.len() + 1
    }
}

/// Finds the ends of answers in one protocol. It keeps counters and never bytes.
pub trait Answers {
    /// Reads on, to the end of one answer at most, and is then ready for the next.
    ///
    /// # Errors
    /// Returns an error if the bytes are no answer. Later bytes cannot be assigned to answers any more.
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame>;
}

/// The progress of reading an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of input bytes that belong to the answer: all of them, unless the answer ended before.
    pub consumed: usize,
    /// The outcome, if the answer ended.
    pub end: Option<Outcome>,
}

/// The outcome of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is no error.
    Answer,
    /// The answer is an error reply (resp `-` and `!`).
    Error,
}
