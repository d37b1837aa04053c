//! Provides the one interface between a connection and its protocol.

use crate::answer::{self, Head, Piece};
use crate::frame;
use crate::plan::{Plan, Protocol};

#[derive(Debug)]
pub(crate) enum Reader {
    Http(answer::Reader),
    Frames(frame::Reader),
    Echo(Echo),
}

/// The position in an answer that repeats its request.
#[derive(Debug)]
pub(crate) enum Echo {
    Before,
    After(u64),
}

impl Reader {
    pub(crate) fn new(plan: &Plan) -> Self {
        match plan.protocol {
            Protocol::Http => Self::Http(answer::Reader::new()),
            Protocol::Echo => Self::Echo(Echo::Before),
            protocol => Self::Frames(frame::Reader::new(protocol, plan.refusal.clone())),
        }
    }

    /// Returns whether the last head said that the connection ends after its answer.
    pub(crate) fn closes(&self) -> bool {
        matches!(self, Self::Http(reader) if reader.closes())
    }

    /// Returns whether an end of input ends the answer here.
    pub(crate) fn ends_by_close(&self) -> bool {
        matches!(self, Self::Http(reader) if reader.ends_by_close())
    }

    /// Takes the next piece off `input`; `None` asks for more bytes after those left in it. `echoed` is the
    /// number of bytes that the request had, if the protocol only repeats them.
    pub(crate) fn next<'a>(
        &mut self,
        input: &mut &'a [u8],
        echoed: u64,
    ) -> Result<Option<Piece<'a>>, &'static str> {
        match self {
            Self::Http(reader) => reader.next(input),
            Self::Frames(reader) => Ok(reader.next(input)?.map(Piece::Whole)),
            Self::Echo(echo) => Ok(echo.next(input, echoed)),
        }
    }
}

impl Echo {
    fn next<'a>(&mut self, input: &mut &'a [u8], length: u64) -> Option<Piece<'a>> {
        match *self {
            _ if input.is_empty() && !matches!(self, Self::After(seen) if *seen >= length) => None,
            Self::Before => {
                *self = Self::After(0);
                Some(Piece::Head(Head { status: 200, member: None }))
            }
            Self::After(seen) if seen < length => {
                let most = usize::try_from(length - seen).unwrap_or(usize::MAX);
                let (piece, rest) = input.split_at(input.len().min(most));
                *input = rest;
                *self = Self::After(seen + piece.len() as u64);
                Some(Piece::Body(piece))
            }
            Self::After(_) => {
                *self = Self::Before;
                Some(Piece::End)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_ends_after_as_many_bytes_as_were_sent() {
        let (mut echo, mut seen) = (Echo::Before, Vec::new());
        for mut input in [&b"abc"[..], b"def", b""] {
            while let Some(piece) = echo.next(&mut input, 5) {
                seen.push(match piece {
                    Piece::Body(body) => String::from_utf8_lossy(body).into_owned(),
                    Piece::Head(_) => "[".to_owned(),
                    _ => "]".to_owned(),
                });
            }
            if !seen.is_empty() && seen.last().is_some_and(|last| last == "[") {
                assert_eq!(input, b"f", "the next answer is left to its own exchange");
            }
        }
        assert_eq!(seen.concat(), "[abcde][f");
    }
}
