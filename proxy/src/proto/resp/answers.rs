//! Finds where responses of Redis end (RESP2 and RESP3), and whether they are errors, while they stream by.
//!
//! A response is a tree, but to find its end no tree is needed, only how many elements must still come. A push
//! (`>`) answers nothing, so it is refused where a response should begin: to count it as one would give every later
//! client the response of another. So are the streamed types of RESP3, which no server sends.

use memchr::memchr2;

use crate::proto::frame::{Answers, Malformed, Outcome, Progress};

use super::count::Count;

/// How far an answer was read.
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
enum State {
    Type,
    Text,
    Size { of: u8, count: Count },
    SizeLf { of: u8, size: i64 },
    Bulk { left: u64 },
    Cr,
    Lf,
}

/// Answers, read to the end of one at a time.
#[derive(Clone, Copy, Debug)]
pub struct RespAnswers {
    state: State,
    /// Elements that must still come, the one that is being read included.
    elements: u64,
    /// What the answer is, once it has begun: attributes may come before it.
    outcome: Option<Outcome>,
}

impl Default for RespAnswers {
    fn default() -> Self {
        Self { state: State::Type, elements: 1, outcome: None }
    }
}

impl Answers for RespAnswers {
    fn read(&mut self, input: &[u8]) -> Result<Progress, Malformed> {
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
    /// Reads on, of at least one byte; gives how many. None only of an empty string, whose CR is next.
    fn step(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let first = input[0];
        match self.state {
            State::Type => self.begin(first)?,
            State::Text => return self.text(input),
            State::Size { of, count } => self.state = size(of, count, first)?,
            State::SizeLf { of, size } => {
                expect(b'\n', first)?;
                self.sized(of, size)?;
            }
            State::Bulk { left } => return Ok(self.bulk(left, input)),
            State::Cr => {
                expect(b'\r', first)?;
                self.state = State::Lf;
            }
            State::Lf => {
                expect(b'\n', first)?;
                self.came();
            }
        }
        Ok(1)
    }

    /// Whether no answer has begun that has not ended.
    pub const fn is_between(&self) -> bool {
        matches!(self.state, State::Type) && self.elements == 1 && self.outcome.is_none()
    }

    /// The byte that says what an element is.
    fn begin(&mut self, of: u8) -> Result<(), Malformed> {
        let is_answer = self.outcome.is_none() && self.elements == 1 && of != b'|';
        self.state = match of {
            b'>' if is_answer => return Err(Malformed::byte("a push instead of an answer", of)),
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => State::Text,
            b'$' | b'!' | b'=' | b'*' | b'~' | b'%' | b'>' | b'|' => {
                State::Size { of, count: Count::default() }
            }
            _ => return Err(Malformed::byte("not a type of RESP", of)),
        };
        if is_answer {
            self.outcome = Some(if matches!(of, b'-' | b'!') { Outcome::Error } else { Outcome::Answer });
        }
        Ok(())
    }

    /// A line without a length. A CR or LF that is no end is refused: to some clients it is one.
    fn text(&mut self, input: &[u8]) -> Result<usize, Malformed> {
        let Some(end) = memchr2(b'\r', b'\n', input) else { return Ok(input.len()) };
        expect(b'\r', input[end])?;
        self.state = State::Lf;
        Ok(end + 1)
    }

    /// The whole length of a string, or the whole number of elements.
    fn sized(&mut self, of: u8, size: i64) -> Result<(), Malformed> {
        self.state = State::Type;
        let Ok(count) = u64::try_from(size) else { return self.null(of, size) };
        let elements = match of {
            b'$' | b'!' | b'=' => {
                self.state = State::Bulk { left: count };
                return Ok(());
            }
            b'%' => count.checked_mul(2).map(|all| (1, all)),
            b'|' => count.checked_mul(2).map(|all| (0, all)), // is no element, but says something of the next
            _ => Some((1, count)),
        };
        let more = elements.and_then(|(itself, all)| (self.elements - itself).checked_add(all));
        self.elements = more.ok_or_else(|| Malformed::length("too many elements in an answer", size))?;
        Ok(())
    }

    /// RESP2 has a string and an array that are not there.
    fn null(&mut self, of: u8, size: i64) -> Result<(), Malformed> {
        if size != -1 || !matches!(of, b'$' | b'*') {
            return Err(Malformed::length("not a length in an answer", size));
        }
        self.came();
        Ok(())
    }

    fn bulk(&mut self, left: u64, input: &[u8]) -> usize {
        let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        self.state = match left - here as u64 {
            0 => State::Cr,
            left => State::Bulk { left },
        };
        here
    }

    /// An element has come.
    const fn came(&mut self) {
        self.state = State::Type;
        self.elements -= 1;
    }
}

/// A length, with another byte of it.
fn size(of: u8, mut count: Count, byte: u8) -> Result<State, Malformed> {
    if byte == b'\r' {
        return Ok(State::SizeLf { of, size: count.value()? });
    }
    count.push(byte)?;
    Ok(State::Size { of, count })
}

fn expect(expected: u8, found: u8) -> Result<(), Malformed> {
    if found == expected {
        return Ok(());
    }
    Err(Malformed::byte("not the CRLF of an answer", found))
}
