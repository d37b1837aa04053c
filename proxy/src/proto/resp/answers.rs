//! Finds the ends of responses of Redis (RESP2 and RESP3), and whether they are errors, without storing them.
//!
//! A response is a tree, but its end is found by counting the elements that are still missing. A push (`>`)
//! answers nothing and is refused in place of a response: if it counted as one, every later client would get
//! the response of another. The streamed types of RESP3, which no server sends, are refused, too.

use memchr::memchr2;

use crate::proto::frame::{Answers, BadFrame, Outcome, Progress};

use super::count::CountReader;

/// The progress of reading an answer.
///
/// ```text
///         + - : _ # , (               $ ! =           * ~ % > |
///   Type ───────────────▶ Text  Type ───────▶ Size   Type ─────▶ Size
///   Text ──CR──▶ Lf                           Size ──CR──▶ SizeLf
///   Lf ──LF──▶ Type, one element fewer to come
///   SizeLf ──LF──▶ Bulk ──its last byte──▶ Cr ──CR──▶ Lf      (of $ ! =)
///   SizeLf ──LF──▶ Type, its elements more to come            (of * ~ % > |)
/// ```
#[derive(Clone, Copy, Debug)]
enum ReplyState {
    Type,
    Text,
    Size { of: u8, count: CountReader },
    SizeLf { of: u8, size: i64 },
    Bulk { left: u64 },
    Cr,
    Lf,
}

/// Reads answers, to the end of one at a time.
#[derive(Clone, Copy, Debug)]
pub struct RespAnswers {
    state: ReplyState,
    /// The number of elements that must still come, including the current one.
    elements: u64,
    /// The outcome, once the answer has begun; attributes may precede it.
    outcome: Option<Outcome>,
}

impl Default for RespAnswers {
    fn default() -> Self {
        Self { state: ReplyState::Type, elements: 1, outcome: None }
    }
}

impl Answers for RespAnswers {
    fn read(&mut self, input: &[u8]) -> Result<Progress, BadFrame> {
        let mut read = 0;
        while read < input.len() {
            read += self.step(&input[read..])?;
            if self.elements == 0 {
                let ended = std::mem::take(self);
                return Ok(Progress { consumed: read, end: ended.outcome });
            }
        }
        Ok(Progress { consumed: read, end: None })
    }
}

impl RespAnswers {
    /// Reads at least one byte, and returns how many. It reads none only of an empty string, whose CR is
    /// next.
    fn step(&mut self, input: &[u8]) -> Result<usize, BadFrame> {
        let first = input[0];
        match self.state {
            ReplyState::Type => self.begin(first)?,
            ReplyState::Text => return self.text(input),
            ReplyState::Size { of, count } => self.state = size(of, count, first)?,
            ReplyState::SizeLf { of, size } => {
                expect(b'\n', first)?;
                self.sized(of, size)?;
            }
            ReplyState::Bulk { left } => return Ok(self.bulk(left, input)),
            ReplyState::Cr => {
                expect(b'\r', first)?;
                self.state = ReplyState::Lf;
            }
            ReplyState::Lf => {
                expect(b'\n', first)?;
                self.came();
            }
        }
        Ok(1)
    }

    /// Returns whether the reader is between two answers.
    pub const fn is_between(&self) -> bool {
        matches!(self.state, ReplyState::Type) && self.elements == 1 && self.outcome.is_none()
    }

    /// Handles the byte with the type of an element.
    fn begin(&mut self, of: u8) -> Result<(), BadFrame> {
        // Attributes come before an answer, and elements inside of it do not decide the outcome.
        let is_answer = self.outcome.is_none() && self.elements == 1 && of != b'|';
        self.state = match of {
            b'>' if is_answer => return Err(BadFrame::byte("a push instead of an answer", of)),
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => ReplyState::Text,
            b'$' | b'!' | b'=' | b'*' | b'~' | b'%' | b'>' | b'|' => {
                ReplyState::Size { of, count: CountReader::default() }
            }
            _ => return Err(BadFrame::byte("not a type of RESP", of)),
        };
        if is_answer {
            self.outcome = Some(if matches!(of, b'-' | b'!') { Outcome::Error } else { Outcome::Answer });
        }
        Ok(())
    }

    /// Reads a line without a length. A CR or LF that is no end is refused, because some clients would treat
    /// it as one.
    fn text(&mut self, input: &[u8]) -> Result<usize, BadFrame> {
        let Some(end) = memchr2(b'\r', b'\n', input) else { return Ok(input.len()) };
        expect(b'\r', input[end])?;
        self.state = ReplyState::Lf;
        Ok(end + 1)
    }

    /// Handles the complete length of a string or number of elements.
    fn sized(&mut self, of: u8, size: i64) -> Result<(), BadFrame> {
        self.state = ReplyState::Type;
        let Ok(count) = u64::try_from(size) else { return self.null(of, size) };
        let elements = match of {
            b'$' | b'!' | b'=' => {
                self.state = ReplyState::Bulk { left: count };
                return Ok(());
            }
            b'%' => count.checked_mul(2).map(|all| (1, all)),
            b'|' => count.checked_mul(2).map(|all| (0, all)), // belongs to the next element
            _ => Some((1, count)),
        };
        let more = elements.and_then(|(itself, all)| (self.elements - itself).checked_add(all));
        self.elements = more.ok_or_else(|| BadFrame::length("too many elements in an answer", size))?;
        Ok(())
    }

    /// Handles the null string and the null array of RESP2.
    fn null(&mut self, of: u8, size: i64) -> Result<(), BadFrame> {
        if size != -1 || !matches!(of, b'$' | b'*') {
            return Err(BadFrame::length("not a length in an answer", size));
        }
        self.came();
        Ok(())
    }

    fn bulk(&mut self, left: u64, input: &[u8]) -> usize {
        let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        self.state = match left - here as u64 {
            0 => ReplyState::Cr,
            left => ReplyState::Bulk { left },
        };
        here
    }

    /// Counts a complete element.
    const fn came(&mut self) {
        self.state = ReplyState::Type;
        self.elements -= 1;
    }
}

/// Adds a byte to a length.
fn size(of: u8, mut count: CountReader, byte: u8) -> Result<ReplyState, BadFrame> {
    if byte == b'\r' {
        return Ok(ReplyState::SizeLf { of, size: count.value()? });
    }
    count.push(byte)?;
    Ok(ReplyState::Size { of, count })
}

fn expect(expected: u8, found: u8) -> Result<(), BadFrame> {
    if found == expected {
        return Ok(());
    }
    Err(BadFrame::byte("not the CRLF of an answer", found))
}
