//! Reads lines: frames that end with LF, or with CRLF and nothing less.

use memchr::memchr;

use crate::config::Framing;

use super::frame::{Answers, BadFrame, ClientMode, Frame, Need, Outcome, Pinning, Progress, Requests};

/// Reads requests of one line each.
#[derive(Clone, Copy, Debug)]
pub struct Lines {
    crlf: bool,
    longest: usize,
    repeatable: bool,
}

impl Lines {
    /// Makes a reader with these settings.
    #[must_use]
    pub const fn new(crlf: bool, framing: &Framing) -> Self {
        Self { crlf, longest: framing.max_length, repeatable: framing.repeatable }
    }
}

impl Requests for Lines {
    fn request(&self, input: &[u8], _: ClientMode) -> Result<Option<Frame>, BadFrame> {
        let line = LineReader::new(self.crlf, self.longest).read(input)?;
        Ok(line.ended.then_some(Frame {
            len: line.bytes,
            need: Need::Shared,
            pinning: Pinning::Free,
            repeatable: self.repeatable,
            class: 0,
            speaks: None,
        }))
    }
}

/// Reads answers of one line each.
#[derive(Clone, Copy, Debug)]
pub struct LineAnswers(LineReader);

impl LineAnswers {
    /// Makes a reader before its first answer.
    #[must_use]
    pub const fn new(crlf: bool, framing: &Framing) -> Self {
        Self(LineReader::new(crlf, framing.max_length))
    }
}

impl Answers for LineAnswers {
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame> {
        let before = self.0;
        self.0 = before.read(input)?;
        let consumed = self.0.bytes - before.bytes;
        if !self.0.ended {
            return Ok(Progress { consumed, end: None });
        }
        self.0 = LineReader::new(before.crlf, before.longest);
        Ok(Progress { consumed, end: Some(Outcome::Answer) })
    }
}

/// The state of reading a line.
#[derive(Clone, Copy, Debug)]
struct LineReader {
    crlf: bool,
    longest: usize,
    bytes: usize,
    /// Whether the last byte was a CR.
    cr: bool,
    ended: bool,
}

impl LineReader {
    const fn new(crlf: bool, longest: usize) -> Self {
        Self { crlf, longest, bytes: 0, cr: false, ended: false }
    }

    /// Reads the bytes that belong to the line, and returns the new state.
    fn read(self, input: &[u8]) -> Result<Self, BadFrame> {
        let end = if self.crlf { self.crlf(input) } else { memchr(b'\n', input).map(|at| at + 1) };
        let read = end.unwrap_or(input.len());
        let cr = input[..read].last().map_or(self.cr, |last| *last == b'\r');
        let line = Self { bytes: self.bytes + read, cr, ended: end.is_some(), ..self };
        // Counting the missing end refuses a long line one byte earlier, with any cut.
        if line.bytes + line.lacks() > self.longest {
            return Err(BadFrame::TooLong(self.longest as u64 + 1));
        }
        Ok(line)
    }

    /// Returns the end of the first CRLF, whose CR may have come before these bytes.
    fn crlf(&self, input: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            let lf = from + memchr(b'\n', &input[from..])?;
            let cr = if lf == 0 { self.cr } else { input[lf - 1] == b'\r' };
            if cr {
                return Some(lf + 1);
            }
            from = lf + 1;
        }
    }

    /// Returns the number of bytes that are missing at least.
    const fn lacks(&self) -> usize {
        match (self.ended, self.crlf && !self.cr) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => 2,
        }
    }
}
