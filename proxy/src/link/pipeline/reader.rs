//! Reads the responses on a link: one enum over the protocols that links speak.

use crate::cause::Cause;
use crate::config::{Framing, HeadLimits};
use crate::proto::framing::{self, Answers, Outcome};
use crate::proto::http::Reject;

use super::answer::{AnswerEnd, AnswerKind};
use super::http_answer::{AnswerStep, HttpAnswerReader};
use super::sink::{Awaited, Data, Sink};

/// A reader of the answers on one link.
#[derive(Debug)]
pub(super) enum AnswerReader {
    Http(HttpAnswerReader),
    Frames(framing::FrameReader),
}

impl AnswerReader {
    /// Returns a reader at the start of a link: one of HTTP, unless there is a framing.
    #[must_use]
    pub(super) fn new(framing: Option<&Framing>, limits: HeadLimits) -> Self {
        match framing {
            None => Self::Http(HttpAnswerReader::new(limits)),
            Some(framing) => Self::Frames(framing::FrameReader::new(framing)),
        }
    }

    /// Reads on, at most to the end of the answer. `uploading` says that a part of the request is still to come.
    ///
    /// # Errors
    /// When the answer breaks its protocol or a limit; the link is of no use any more.
    pub(super) fn read<T, S: Sink<T>>(
        &mut self,
        input: &[u8],
        kind: AnswerKind,
        uploading: bool,
        client: &mut Awaited<'_, T, S>,
    ) -> Result<AnswerStep, Reject> {
        let step = match (self, kind) {
            (Self::Http(reader), AnswerKind::Http(ask)) => {
                return reader.read(input, ask, uploading, client);
            }
            (Self::Frames(reader), AnswerKind::Frames { .. }) => read_frame(reader, input)?,
            // The link is its client's for good: all bytes are passed on.
            _ => AnswerStep {
                consumed: input.len(),
                raw: 0..input.len(),
                final_head: true,
                end: None,
                server: None,
            },
        };
        Ok(match client.data(&input[step.raw.clone()]) {
            Data::Copied => AnswerStep { raw: 0..0, ..step },
            Data::AsIs => step,
        })
    }

    /// Returns whether the length of the present answer is unknown until it ends.
    pub(super) fn has_no_length(&self) -> bool {
        match self {
            Self::Http(reader) => reader.has_no_length(),
            Self::Frames(_) => false,
        }
    }

    /// Returns whether the present answer is an event stream.
    pub(super) fn is_event_stream(&self) -> bool {
        match self {
            Self::Http(reader) => reader.is_event_stream(),
            Self::Frames(_) => false,
        }
    }

    /// Returns whether nothing follows the present answer on its link, as far as its head tells.
    pub(super) fn is_last(&self) -> bool {
        match self {
            Self::Http(reader) => reader.is_last(),
            Self::Frames(_) => false,
        }
    }

    /// Reads on in the answer to a greeting. Returns how many bytes of the input belong to that answer, and whether it is
    /// complete.
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

    /// Takes the end of the member's side. Returns how the answer ended, if that ends it: a conversation ends between two
    /// answers where its client has `left`.
    pub(super) fn at_eof<T, S: Sink<T>>(
        &mut self,
        kind: AnswerKind,
        left: bool,
        client: &mut Awaited<'_, T, S>,
    ) -> Option<AnswerEnd> {
        // The end of the link is the end of the answer, and of the client with it.
        let over = Some(AnswerEnd { close: true, reusable: false, ..AnswerEnd::plain(ANSWERED) });
        match (self, kind) {
            (_, AnswerKind::Forever) => over,
            (Self::Http(reader), _) => reader.at_eof(client),
            (Self::Frames(reader), _) if left && reader.is_between() => over,
            (Self::Frames(_), _) => None,
        }
    }
}

/// The statuses that are counted for an answer that has none: success, and an error.
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
