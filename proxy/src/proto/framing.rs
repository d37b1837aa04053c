//! The one interface between the protocols of frames and the code that carries frames.
//!
//! Another protocol is a file with its [`Requests`] and its [`Answers`], a `FrameKind`, and an arm in each match here.

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

/// The first request in `input`; `None`: more bytes are needed. `before` is how the client stands before it.
///
/// # Errors
/// There is no request, and there cannot be one: the client is refused and closed.
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

/// What a request needs of which so much has come that it is to be passed on while it comes, and what reads the rest of it.
/// `None` where it must be whole first. For requests of which [`request`] says `None`.
#[must_use]
pub fn long(framing: &Framing, input: &[u8], before: ClientMode) -> Option<(Frame, Rest)> {
    match framing.kind {
        FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_) => None,
        FrameKind::Resp => Resp::new(framing).long(input, before),
    }
}

/// How many bytes of a request are kept while it is not whole: so many, where it may be passed on then.
#[must_use]
pub const fn kept(framing: &Framing) -> usize {
    match framing.kind {
        FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_) => usize::MAX,
        FrameKind::Resp => REQUEST_BUFFER,
    }
}

/// A longer request than this takes a link before it is whole. Larger, and more clients fit that send slowly without a link
/// each; smaller, and they cost less memory.
pub const REQUEST_BUFFER: usize = 64 << 10;

/// How many bytes `input` must have before [`request`] is worth asking again, after it said `None`.
#[must_use]
pub fn least(framing: &Framing, input: &[u8]) -> usize {
    match framing.kind {
        FrameKind::Lines { crlf } => Lines::new(crlf, framing).least(input),
        FrameKind::LengthPrefixed(prefix) => Prefixed::new(prefix, framing).least(input),
        FrameKind::Resp => Resp::new(framing).least(input),
    }
}

/// What else makes a request worth reading again of which this has come, and which is not whole.
#[must_use]
pub fn reread(framing: &Framing, input: &[u8]) -> Reread {
    match framing.kind {
        FrameKind::Lines { .. } => Reread::Line,
        FrameKind::Resp if !input.starts_with(b"*") => Reread::Text,
        FrameKind::LengthPrefixed(_) | FrameKind::Resp => Reread::Never,
    }
}

/// What a client is answered where there is no answer; `None` closes it without a word.
#[must_use]
pub fn refusal(framing: &Framing, cause: Cause) -> Option<Vec<u8>> {
    match (&framing.refusal, framing.kind) {
        (Some(bytes), _) => (!bytes.is_empty()).then(|| bytes.to_vec()),
        (None, FrameKind::Resp) => Some(format!("-ERR penstock: {}\r\n", cause.name()).into_bytes()),
        (None, FrameKind::Lines { .. } | FrameKind::LengthPrefixed(_)) => None,
    }
}

/// Reads the answers on one link, whichever protocol it is of.
#[derive(Clone, Debug)]
pub enum FrameReader {
    /// Of lines.
    Lines(LineAnswers),
    /// Of length-prefixed frames.
    LengthPrefixed(PrefixedAnswers),
    /// Of Redis.
    Resp(RespAnswers),
}

impl FrameReader {
    /// Before the first answer.
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
    /// Whether no answer has begun that has not ended. Only resp asks.
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
