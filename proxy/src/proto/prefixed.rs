//! Length-prefixed frames: near its start, a frame says how many bytes it has.

use crate::config::{Framing, Prefix};

use super::frame::{Answers, BadFrame, ClientMode, Frame, Need, Outcome, Pinning, Progress, Requests};

/// Requests, each with its count.
#[derive(Clone, Copy, Debug)]
pub struct Prefixed {
    prefix: Prefix,
    longest: usize,
    repeatable: bool,
}

impl Prefixed {
    /// As the configuration has them.
    #[must_use]
    pub const fn new(prefix: Prefix, framing: &Framing) -> Self {
        Self { prefix, longest: framing.max_length, repeatable: framing.repeatable }
    }

    /// Bytes of the first frame of `input`, or of its header while that is not whole.
    fn len(&self, input: &[u8]) -> Result<usize, BadFrame> {
        let header = self.prefix.header_length();
        let Some(count) = input.get(usize::from(self.prefix.offset)..header) else { return Ok(header) };
        let count =
            count.iter().enumerate().fold(0, |so_far, (at, byte)| self.prefix.with(so_far, at, *byte));
        total(self.prefix, count, self.longest)
    }
}

impl Requests for Prefixed {
    fn request(&self, input: &[u8], _: ClientMode) -> Result<Option<Frame>, BadFrame> {
        let len = self.len(input)?;
        let whole = input.len() >= len.max(self.prefix.header_length());
        Ok(whole.then_some(Frame {
            len,
            need: Need::Shared,
            pinning: Pinning::Free,
            repeatable: self.repeatable,
            class: 0,
            speaks: None,
        }))
    }

    fn least(&self, input: &[u8]) -> usize {
        self.len(input).unwrap_or_default().max(input.len() + 1)
    }
}

/// Answers, each with its count.
#[derive(Clone, Copy, Debug)]
pub struct PrefixedAnswers {
    prefix: Prefix,
    longest: usize,
    state: PrefixedState,
}

/// How far an answer was read.
///
/// ```text
///   Header ──its last byte──▶ Rest ──its last byte──▶ Header of the next
/// ```
#[derive(Clone, Copy, Debug)]
enum PrefixedState {
    Header { bytes: usize, count: u64 },
    Rest { left: usize },
}

impl PrefixedState {
    const START: Self = Self::Header { bytes: 0, count: 0 };
}

impl PrefixedAnswers {
    /// Before the first.
    #[must_use]
    pub const fn new(prefix: Prefix, framing: &Framing) -> Self {
        Self { prefix, longest: framing.max_length, state: PrefixedState::START }
    }

    /// Reads a header on; gives how many bytes it took.
    fn header(&mut self, mut bytes: usize, mut count: u64, input: &[u8]) -> Result<usize, BadFrame> {
        let header = self.prefix.header_length();
        let taken = input.len().min(header - bytes);
        for byte in &input[..taken] {
            if let Some(at) = bytes.checked_sub(usize::from(self.prefix.offset)) {
                count = self.prefix.with(count, at, *byte);
            }
            bytes += 1;
        }
        self.state = match bytes == header {
            true => PrefixedState::Rest { left: total(self.prefix, count, self.longest)? - header },
            false => PrefixedState::Header { bytes, count },
        };
        Ok(taken)
    }
}

impl Answers for PrefixedAnswers {
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame> {
        let read = match self.state {
            PrefixedState::Header { bytes, count } => self.header(bytes, count, input)?,
            PrefixedState::Rest { .. } => 0,
        };
        let PrefixedState::Rest { left } = self.state else {
            return Ok(Progress { consumed: read, end: None });
        };
        let more = left.min(input.len() - read);
        self.state = PrefixedState::Rest { left: left - more };
        let ended = more == left;
        if ended {
            self.state = PrefixedState::START;
        }
        Ok(Progress { consumed: read + more, end: ended.then_some(Outcome::Answer) })
    }
}

impl Prefix {
    /// The count so far and its byte at this place, counted from its first: 8 at most, so nothing is lost.
    fn with(self, count: u64, at: usize, byte: u8) -> u64 {
        match self.little_endian {
            true => count | u64::from(byte) << (8 * at),
            false => count << 8 | u64::from(byte),
        }
    }
}

/// Bytes of a whole frame with this count: at least its header's, at most `longest`.
fn total(prefix: Prefix, count: u64, longest: usize) -> Result<usize, BadFrame> {
    let header = prefix.header_length() as u64;
    let total = match prefix.counts_header {
        true if count < header => {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            return Err(BadFrame::length("count smaller than the header it includes", count));
        }
        true => count,
        false => header.saturating_add(count),
    };
    usize::try_from(total).ok().filter(|total| *total <= longest).ok_or(BadFrame::TooLong(total))
}
