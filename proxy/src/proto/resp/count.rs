//! Reads a decimal number that ends in CRLF, as Redis's `string2ll` does, from bytes at any cut.

use crate::proto::frame::BadFrame;

/// More digits could not be added up.
const MOST_DIGITS: u8 = 18;

/// What was read of it so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CountReader {
    value: i64,
    digits: u8,
    negative: bool,
}

impl CountReader {
    /// The number that begins at `at`, and where its CRLF ends; `None`: it has not all come.
    pub(super) fn read(input: &[u8], at: usize) -> Result<Option<(i64, usize)>, BadFrame> {
        let mut count = Self::default();
        for (offset, &byte) in input.get(at..).unwrap_or_default().iter().enumerate() {
            if byte != b'\r' {
                count.push(byte)?;
                continue;
            }
            let value = count.value()?;
            return match input.get(at + offset + 1) {
                None => Ok(None),
                Some(b'\n') => Ok(Some((value, at + offset + 2))),
                Some(&byte) => Err(BadFrame::byte("not the LF after a length", byte)),
            };
        }
        Ok(None)
    }

    /// Another byte of it, before its CR.
    pub(super) fn push(&mut self, byte: u8) -> Result<(), BadFrame> {
        match byte {
            b'-' if self.digits == 0 && !self.negative => self.negative = true,
            b'0' if self.negative && self.digits == 0 => return Err(not_a_digit(byte)),
            b'0'..=b'9' if (self.digits == 0 || self.value > 0) && self.digits < MOST_DIGITS => {
                self.value = self.value * 10 + i64::from(byte - b'0');
                self.digits += 1;
            }
            _ => return Err(not_a_digit(byte)),
        }
        Ok(())
    }

    /// What it was, now that the CR is there.
    pub(super) const fn value(self) -> Result<i64, BadFrame> {
        match (self.digits, self.negative) {
            (0, _) => Err(not_a_digit(b'\r')),
            (_, true) => Ok(-self.value),
            (_, false) => Ok(self.value),
        }
    }
}

/// Neither a digit nor the CR, or one too many.
const fn not_a_digit(byte: u8) -> BadFrame {
    BadFrame::byte("not a digit of a length", byte)
}
