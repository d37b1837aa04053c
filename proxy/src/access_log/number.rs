//! Writes durations as text without a formatter, because each line has several numbers.
//!
//! `seconds` is here; `proto::text` has the functions for integers and addresses.

pub(super) use crate::proto::text::{address, decimal};

/// Appends nanoseconds as seconds with six decimals. Smaller fractions are cut off.
pub(super) fn seconds(nanos: u64, out: &mut Vec<u8>) {
    let micros = nanos / 1000;
    decimal(micros / 1_000_000, out);
    let mut rest = micros % 1_000_000;
    let mut text = *b".000000";
    for digit in text[1..].iter_mut().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text);
}
