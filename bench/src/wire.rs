//! Provides the one interface between a connection and its protocol.

use crate::answer::{self, Piece};
use crate::frame;
use crate::plan::{Plan, Protocol};

#[derive(Debug)]
pub(crate) enum Reader {
    Http(answer::Reader),
    Frames(frame::Reader),
}

impl Reader {
    pub(crate) fn new(plan: &Plan) -> Self {
        match plan.protocol {
            Protocol::Http => Self::Http(answer::Reader::new()),
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

    /// Takes the next piece off `input`; `None` asks for more bytes after those left in it.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, &'static str> {
        match self {
            Self::Http(reader) => reader.next(input),
            Self::Frames(reader) => Ok(reader.next(input)?.map(Piece::Whole)),
        }
    }
}
