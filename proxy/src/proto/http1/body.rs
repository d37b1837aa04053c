//! Decodes content out of one framing and encodes it into another, without keeping a byte.

use super::chunked::Chunks;
use super::error::{BodyError, BodyStep};
use super::text;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::trailers::Trailers;

/// A decoder that finds the content in the bytes of a body.
///
/// ```text
/// Length ──left = 0──▶ Done ◀──last chunk, trailers── Chunked      UntilClose ──at_eof──▶ Done
/// ```
#[derive(Debug)]
pub struct BodyDecoder(BodyState);

#[derive(Debug)]
enum BodyState {
    Done(Option<Box<Trailers>>),
    Length(u64),
    Chunked(Chunks),
    UntilClose,
}

impl BodyDecoder {
    /// Returns a decoder for the body of a request in this framing.
    #[must_use]
    pub const fn of_request(framing: BodyFraming) -> Self {
        Self::new(framing, false)
    }

    /// Returns a decoder for the body of a response in this framing, whose chunk sizes may be padded with blanks.
    #[must_use]
    pub const fn of_answer(framing: BodyFraming) -> Self {
        Self::new(framing, true)
    }

    const fn new(framing: BodyFraming, padded: bool) -> Self {
        Self(match framing {
            BodyFraming::None | BodyFraming::Length(0) => BodyState::Done(None),
            BodyFraming::Length(n) => BodyState::Length(n),
            BodyFraming::Chunked => BodyState::Chunked(Chunks::new(padded)),
            BodyFraming::UntilClose => BodyState::UntilClose,
        })
    }

    /// Returns whether the body is in the chunked coding and has not ended.
    #[must_use]
    pub const fn is_chunked(&self) -> bool {
        matches!(self.0, BodyState::Chunked(_))
    }

    /// Returns whether the length of the body is unknown until it ends.
    #[must_use]
    pub const fn has_no_length(&self) -> bool {
        matches!(self.0, BodyState::Chunked(_) | BodyState::UntilClose)
    }

    /// Returns whether the body has ended, which an empty one has from the start.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.0, BodyState::Done(_))
    }

    /// Finds the next run of content. Each call consumes at least one byte of an input that is not empty, until the body is
    /// done; then none.
    ///
    /// # Errors
    /// Fails when the chunked coding is broken. Content before the fault has been handed out by then.
    pub fn decode(&mut self, input: &[u8]) -> Result<BodyStep, BodyError> {
        let step = match &mut self.0 {
            BodyState::Done(_) => BodyStep { consumed: 0, data: 0..0, done: true },
            BodyState::UntilClose => BodyStep { consumed: input.len(), data: 0..input.len(), done: false },
            BodyState::Length(left) => take(left, input.len()),
            BodyState::Chunked(chunks) => chunks.decode(input).map_err(BodyError::BadChunk)?,
        };
        // The trailers outlive the decoder of the chunks, to be written behind the content.
        if step.done && !self.is_done() {
            self.0 = match std::mem::replace(&mut self.0, BodyState::Done(None)) {
                BodyState::Chunked(chunks) => BodyState::Done(chunks.into_trailers()),
                _ => BodyState::Done(None),
            };
        }
        Ok(step)
    }

    /// Returns, when the body is done, the lines of its trailer section that may travel on, each with its CRLF (RFC 9110
    /// section 6.5). They are written behind the content, never with the head.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        match &self.0 {
            BodyState::Done(Some(trailers)) => trailers.lines(),
            _ => &[],
        }
    }

    /// Notes that the connection has ended.
    ///
    /// # Errors
    /// Fails when the body has not ended.
    pub fn at_eof(&mut self) -> Result<(), BodyError> {
        match self.0 {
            BodyState::Done(_) => Ok(()),
            BodyState::UntilClose => {
                self.0 = BodyState::Done(None);
                Ok(())
            }
            BodyState::Length(_) | BodyState::Chunked(_) => Err(BodyError::Truncated),
        }
    }
}

fn take(left: &mut u64, available: usize) -> BodyStep {
    let n = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= n as u64;
    BodyStep { consumed: n, data: 0..n, done: *left == 0 }
}

/// An encoder that frames content for its receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyEncoder {
    /// There is no content, and bytes that are passed all the same are not written.
    None,
    /// The content is written unchanged: a length announced its end, or the close will.
    Raw,
    /// The content is written in the chunked coding (RFC 9112 section 7.1).
    Chunked,
}

impl BodyEncoder {
    /// Returns the encoder for the body of a request in this framing.
    #[must_use]
    pub const fn of(framing: BodyFraming) -> Self {
        match framing {
            BodyFraming::None => Self::None,
            BodyFraming::Length(_) | BodyFraming::UntilClose => Self::Raw,
            BodyFraming::Chunked => Self::Chunked,
        }
    }

    /// Appends a run of content.
    pub fn encode(self, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Raw => out.extend_from_slice(data),
            // A chunk of no bytes would be the last one.
            Self::Chunked if data.is_empty() => {}
            Self::Chunked => {
                // The size in hexadecimal digits and two line ends need 20 bytes at most.
                out.reserve(data.len() + 20);
                text::hex(data.len(), out);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(data);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Appends the end of a complete body, with these field lines where the framing has a place for them. A body that was cut
    /// short must not get it (RFC 9112 section 8).
    pub fn finish(self, trailers: &[u8], out: &mut Vec<u8>) {
        if self == Self::Chunked {
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(trailers);
            out.extend_from_slice(b"\r\n");
        }
    }
}
