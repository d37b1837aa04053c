//! Numbers and addresses as text, without a formatter in between: a line has ten of them.
//! In: integers, nanoseconds, addresses. Out: ASCII at the end of a buffer, by `proto::text` where that has it.
//! Knows nothing of lines.

pub(super) use crate::proto::text::{address, decimal};

/// Nanoseconds as seconds with six decimals; what is below is cut off.
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
