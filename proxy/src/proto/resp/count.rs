//! Reads a decimal number that ends in CRLF, as `string2ll` of Redis does, from bytes with any cut.

use crate::proto::frame::BadFrame;

/// The number of digits that certainly fit into an `i64`.
const MOST_DIGITS: u8 = 18;

/// The part of the number that was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CountReader {
    value: i64,
    digits: u8,
    negative: bool,
}

impl CountReader {
    /// Returns the number that begins at `at` and the end of its CRLF, or `None` if it is incomplete.
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

    /// Adds a byte before the CR.
    pub(super) fn push(&mut self, byte: u8) -> Result<(), BadFrame> {
        match byte {
            b'-' if self.digits == 0 && !self.negative => self.negative = true,
            // `-0` is no number for Redis.
            b'0' if self.negative && self.digits == 0 => return Err(not_a_digit(byte)),
            b'0'..=b'9' if (self.digits == 0 || self.value > 0) && self.digits < MOST_DIGITS => {
                self.value = self.value * 10 + i64::from(byte - b'0');
                self.digits += 1;
            }
            _ => return Err(not_a_digit(byte)),
        }
        Ok(())
    }

    /// Returns the number after its CR was read.
    pub(super) const fn value(self) -> Result<i64, BadFrame> {
        match (self.digits, self.negative) {
            (0, _) => Err(not_a_digit(b'\r')),
            (_, true) => Ok(-self.value),
            (_, false) => Ok(self.value),
        }
    }
}

/// Makes the error for a byte that is neither a digit nor the CR, or one digit too many.
const fn not_a_digit(byte: u8) -> BadFrame {
    BadFrame::byte("not a digit of a length", byte)
}
