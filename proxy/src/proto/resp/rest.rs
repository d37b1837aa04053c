//! Finds the end of a request that is passed on while it arrives, with the same result as for the complete
//! request.
//!
//! `Resp::long` has read its first words before.

use crate::proto::frame::BadFrame;

use super::count::CountReader;
use super::{LONGEST_WORD, SHORTEST_WORD};

/// The progress of reading the present word.
///
/// ```text
///   Dollar ──$──▶ Size ──CR──▶ SizeLf ──LF──▶ Word ──its last byte──▶ Cr ──CR──▶ Lf ──LF──▶ Dollar, or the end
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum RestState {
    Dollar,
    Size(CountReader),
    SizeLf(u64),
    Word(u64),
    Cr,
    Lf,
}

/// The part of a request that is still to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rest {
    state: RestState,
    /// The number of words that have not ended.
    words: u64,
    /// The number of bytes that have come.
    read: u64,
    /// The largest number of bytes.
    longest: u64,
}

impl Rest {
    /// Makes the rest of a request with this number of words, of which `read` bytes have come, up to its
    /// first word.
    pub(super) fn new(words: u64, read: usize, longest: usize) -> Self {
        Self { state: RestState::Dollar, words, read: read as u64, longest: longest as u64 }
    }

    /// Reads on, to the end of the request at most. Returns the number of input bytes that belong to the
    /// request, and whether it has ended.
    ///
    /// # Errors
    /// Returns an error if the bytes are no request, or the request is too long.
    pub fn read(&mut self, input: &[u8]) -> Result<(usize, bool), BadFrame> {
        let mut at = 0;
        while at < input.len() {
            let read = self.step(&input[at..])?;
            (at, self.read) = (at + read, self.read + read as u64);
            if self.words == 0 {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// Reads at least one byte, and returns how many. It reads none only of an empty word, whose CR is next.
    fn step(&mut self, input: &[u8]) -> Result<usize, BadFrame> {
        let first = input[0];
        self.state = match self.state {
            RestState::Dollar => {
                // The words that must follow are counted, so that a long request is refused at once.
                self.fits(self.read + self.words * SHORTEST_WORD)?;
                expect(b'$', first, "not the `$` of a word")?;
                RestState::Size(CountReader::default())
            }
            RestState::Size(count) if first == b'\r' => RestState::SizeLf(length(count)?),
            RestState::Size(mut count) => {
                count.push(first)?;
                RestState::Size(count)
            }
            RestState::SizeLf(bytes) => {
                expect(b'\n', first, "not the LF after a length")?;
                self.fits(self.read + 1 + bytes + 2 + (self.words - 1) * SHORTEST_WORD)?;
                RestState::Word(bytes)
            }
            RestState::Word(left) => {
                let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let left = left - here as u64;
                self.state = if left == 0 { RestState::Cr } else { RestState::Word(left) };
                return Ok(here);
            }
            RestState::Cr => {
                expect(b'\r', first, "not the CRLF after a word")?;
                RestState::Lf
            }
            RestState::Lf => {
                expect(b'\n', first, "not the CRLF after a word")?;
                self.words -= 1;
                RestState::Dollar
            }
        };
        Ok(1)
    }

    fn fits(&self, least: u64) -> Result<(), BadFrame> {
        if least <= self.longest { Ok(()) } else { Err(BadFrame::TooLong(least)) }
    }
}

fn length(count: CountReader) -> Result<u64, BadFrame> {
    let bytes = count.value()?;
    let known = u64::try_from(bytes).ok().filter(|known| *known <= LONGEST_WORD);
    known.ok_or_else(|| BadFrame::length("not a length of a word", bytes))
}

fn expect(expected: u8, found: u8, otherwise: &'static str) -> Result<(), BadFrame> {
    if found == expected { Ok(()) } else { Err(BadFrame::byte(otherwise, found)) }
}
