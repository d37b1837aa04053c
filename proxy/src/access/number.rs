//! Numbers and addresses as text, without a formatter in between: a line has ten of them.
//! In: integers, nanoseconds, addresses. Out: ASCII at the end of a buffer.
//! Knows nothing of lines.

use std::io::Write;
use std::net::IpAddr;

/// In decimal.
pub(super) fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return out.extend_from_slice(&digits[at..]);
        }
    }
}

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

/// As it is usually written (RFC 5952 for IPv6).
pub(super) fn address(address: IpAddr, out: &mut Vec<u8>) {
    let IpAddr::V4(v4) = address else {
        let _ = write!(out, "{address}"); // to a Vec, it cannot fail
        return;
    };
    for (i, octet) in v4.octets().into_iter().enumerate() {
        if i > 0 {
            out.push(b'.');
        }
        decimal(octet.into(), out);
    }
}
