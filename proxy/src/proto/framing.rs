//! Provides the one interface between the protocols of frames and the code that carries frames.
//!
//! Another protocol needs a file with its [`Requests`] and [`Answers`], a `FrameKind`, and an arm in each
//! match here.

use crate::cause::Cause;
use crate::config::{FrameKind, Framing};

use super::lines::{LineAnswers, Lines};
use super::prefixed::{Prefixed, PrefixedAnswers};
use super::reread::Reread;
use super::resp::{Resp, RespAnswers};

pub use super::frame::{
    Answers, BadFrame, ClientMode, Dialect, Found, Frame, FrameFault, Need, Outcome, Pinning, Progress,
    Requests,
};
pub use super::resp::{Rest, greeting};

/// Returns the first request in `input`, or `None` if more bytes are needed. `before` is the state of the
/// client before the request.
///
/// # Errors
/// Returns an error if the input cannot become a request. The client is then refused and closed.
pub fn request(
    framing: &Framing,
    input: &[u8],
    before: impl Into<ClientMode>,
) -> Result<Option<Frame>, BadFrame> {
    let before = before.into();
    match framing.kind {
        FrameKind::Lines { crlf } => Lines::new(crlf, framing).request(input, before),
        FrameKind::LengthPrefixed(prefix) => Prefixed::new(prefix, framing).request(input, before),
        FrameKind::Resp => Resp::new(framing).request(input, before),
    }
}

/// Returns the needs of a request that is passed on while it arrives, and the reader for the rest of it.
/// Returns `None` if the request must be complete first. Only for requests for which [`request`] returned
/// `None`.
#[must_use]
pub fn long(framing: &Framing, input: &[u8], before: ClientMode) -> Option<(Frame, Rest)> {
    match framing.kind {
        FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_) => None,
        FrameKind::Resp => Resp::new(framing).long(input, before),
    }
}

/// Returns the number of bytes of an incomplete request that are kept. With more, the request is passed on
/// while it arrives, if the protocol allows that.
#[must_use]
pub const fn kept(framing: &Framing) -> usize {
    match framing.kind {
        FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_) => usize::MAX,
        FrameKind::Resp => REQUEST_BUFFER,
    }
}

/// The length in bytes from which a request takes a link before it is complete. With a larger value, slow
/// clients need fewer links; with a smaller one, they cost less memory.
pub const REQUEST_BUFFER: usize = 64 << 10;

/// Returns the number of bytes that `input` must have before [`request`] can succeed, after it returned
/// `None`.
#[must_use]
pub fn least(framing: &Framing, input: &[u8]) -> usize {
    match framing.kind {
        FrameKind::Lines { crlf } => Lines::new(crlf, framing).least(input),
        FrameKind::LengthPrefixed(prefix) => Prefixed::new(prefix, framing).least(input),
        FrameKind::Resp => Resp::new(framing).least(input),
    }
}

/// Returns what else makes it worthwhile to read this incomplete request again.
#[must_use]
pub fn reread(framing: &Framing, input: &[u8]) -> Reread {
    match framing.kind {
        FrameKind::Lines { .. } => Reread::Line,
        FrameKind::Resp if !input.starts_with(b"*") => Reread::Text,
        FrameKind::LengthPrefixed(_) | FrameKind::Resp => Reread::Never,
    }
}

/// Returns the bytes that a client gets in place of an answer; `None` closes the client silently.
#[must_use]
pub fn refusal(framing: &Framing, cause: Cause) -> Option<Vec<u8>> {
    match (&framing.refusal, framing.kind) {
        (Some(bytes), _) => (!bytes.is_empty()).then(|| bytes.to_vec()),
        (None, FrameKind::Resp) => Some(format!("-ERR penstock: {}\r\n", cause.name()).into_bytes()),
        (None, FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_)) => None,
    }
}

/// Reads the answers on one link, in its protocol.
#[derive(Clone, Debug)]
pub enum FrameReader {
    /// Reads lines.
    Lines(LineAnswers),
    /// Reads length-prefixed frames.
    LengthPrefixed(PrefixedAnswers),
    /// Reads replies of Redis.
    Resp(RespAnswers),
}

impl FrameReader {
    /// Makes a reader before its first answer.
    #[must_use]
    pub fn new(framing: &Framing) -> Self {
        match framing.kind {
            FrameKind::Lines { crlf } => Self::Lines(LineAnswers::new(crlf, framing)),
            FrameKind::LengthPrefixed(prefix) => Self::LengthPrefixed(PrefixedAnswers::new(prefix, framing)),
            FrameKind::Resp => Self::Resp(RespAnswers::default()),
        }
    }
}

impl FrameReader {
    /// Returns whether the reader is between two answers. Only resp asks.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        match self {
            Self::Resp(answers) => answers.is_between(),
            Self::Lines(_) | Self::LengthPrefixed(_) => false,
        }
    }
}

impl Answers for FrameReader {
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame> {
        match self {
            Self::Lines(answers) => answers.read(input),
            Self::LengthPrefixed(answers) => answers.read(input),
            Self::Resp(answers) => answers.read(input),
        }
    }
}
