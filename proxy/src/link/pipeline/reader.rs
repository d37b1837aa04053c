//! Reads the responses on a link: one enum over the protocols that links speak.

use crate::cause::Cause;
use crate::config::{Framing, HeadLimits};
use crate::proto::framing::{self, Answers, Outcome};
use crate::proto::http1::{self, Reject};

use super::http_answer::{AnswerEnd, AnswerStep, HttpAnswerReader, Shaping};

/// What frames the answer to a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerKind {
    /// A request of HTTP.
    Http(http1::Ask),
    /// A frame, which is answered with a frame; or several of them, one answer each, which are one exchange.
    Frames {
        /// The answer may take as long as it likes.
        patient: bool,
    },
    /// Whatever comes, until the link ends.
    Forever,
}

impl AnswerKind {
    /// Whether it is a request of HTTP.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Whether it is answered with frames.
    #[must_use]
    pub fn is_frames(self) -> bool {
        matches!(self, Self::Frames { .. })
    }
}

/// Reads the answers on one link.
#[derive(Debug)]
pub(super) enum AnswerReader {
    Http(HttpAnswerReader),
    Frames(framing::FrameReader),
}

impl AnswerReader {
    /// A reader at the start of a link: of HTTP, unless there is a framing.
    #[must_use]
    pub(super) fn new(framing: Option<&Framing>, limits: HeadLimits) -> Self {
        match framing {
            None => Self::Http(HttpAnswerReader::new(limits)),
            Some(framing) => Self::Frames(framing::FrameReader::new(framing)),
        }
    }

    /// Reads on, at most to the end of the answer. What the client gets is appended to `out`, or is `AnswerStep::raw`.
    ///
    /// # Errors
    /// When the answer breaks its protocol or a limit; the link is of no use any more.
    pub(super) fn read(
        &mut self,
        input: &[u8],
        ask: AnswerKind,
        shape: &Shaping,
        out: &mut Vec<u8>,
    ) -> Result<AnswerStep, Reject> {
        match (self, ask) {
            (Self::Http(reader), AnswerKind::Http(ask)) => reader.read(input, ask, shape, out),
            (Self::Frames(reader), AnswerKind::Frames { .. }) => read_frame(reader, input),
            _ => Ok(AnswerStep {
                consumed: input.len(),
                raw: 0..input.len(),
                final_head: true,
                end: None,
                server: None,
            }),
        }
    }

    /// Whether the length of the present answer is not known until it ends.
    pub(super) fn has_no_length(&self) -> bool {
        match self {
            Self::Http(reader) => reader.has_no_length(),
            Self::Frames(_) => false,
        }
    }

    /// Whether the present answer is an event stream.
    pub(super) fn is_event_stream(&self) -> bool {
        match self {
            Self::Http(reader) => reader.is_event_stream(),
            Self::Frames(_) => false,
        }
    }

    /// Reads on in the answer to a greeting. Tells how much of the input is that, and whether all of it has come.
    ///
    /// # Errors
    /// When the member does not speak what it was asked to.
    pub(super) fn read_greeting(&mut self, input: &[u8]) -> Result<(usize, bool), Reject> {
        let Self::Frames(reader) = self else { return Ok((0, true)) };
        let step = read_frame(reader, input)?;
        match step.end {
            Some(end) if end.status == ERROR => Err(bad("a dialect that the member does not speak")),
            end => Ok((step.consumed, end.is_some())),
        }
    }

    /// The member closed the link. Says how the answer ended, if that ends it: a conversation ends between two answers where
    /// its client has `left`.
    pub(super) fn at_eof(&mut self, ask: AnswerKind, left: bool, out: &mut Vec<u8>) -> Option<AnswerEnd> {
        let over = Some(AnswerEnd { close: true, reusable: false, ..AnswerEnd::plain(ANSWERED) });
        match (self, ask) {
            (_, AnswerKind::Forever) => over,
            (Self::Http(reader), _) => reader.at_eof(out),
            (Self::Frames(reader), _) if left && reader.is_between() => over,
            (Self::Frames(_), _) => None,
        }
    }
}

/// The status under which an answer without one is counted, and one that tells an error.
const ANSWERED: u16 = 200;
const ERROR: u16 = 500;

fn read_frame(reader: &mut framing::FrameReader, input: &[u8]) -> Result<AnswerStep, Reject> {
    let step = reader.read(input).map_err(|_| bad("an answer that is no frame"))?;
    let status = |outcome| if outcome == Outcome::Error { ERROR } else { ANSWERED };
    let end = step.end.map(|outcome| AnswerEnd::plain(status(outcome)));
    Ok(AnswerStep {
        consumed: step.consumed,
        raw: 0..step.consumed,
        final_head: step.consumed > 0,
        end,
        server: None,
    })
}

fn bad(detail: &'static str) -> Reject {
    let cause = Cause::BadResponse;
    Reject { cause, status: cause.status(), detail }
}
