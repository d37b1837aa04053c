//! Writes numbers and addresses as text without the formatting machinery.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// Appends `n` in decimal.
pub(crate) fn decimal(mut n: u64, out: &mut Vec<u8>) {
    let mut text = [0; 20];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            return out.extend_from_slice(&text[at..]);
        }
    }
}

/// Appends `n` in hexadecimal.
pub(crate) fn hex(mut n: usize, out: &mut Vec<u8>) {
    let mut text = [0; 16];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b"0123456789abcdef"[n % 16];
        n /= 16;
        if n == 0 {
            return out.extend_from_slice(&text[at..]);
        }
    }
}

/// Appends an address. An IPv4 address mapped into IPv6 is written as IPv4.
pub(crate) fn address(address: IpAddr, out: &mut Vec<u8>) {
    match address.to_canonical() {
        IpAddr::V4(v4) => dotted(v4, out),
        // IPv6 needs the formatter of RFC 5952. Writing to a `Vec` cannot fail.
        IpAddr::V6(v6) => drop(write!(out, "{v6}")),
    }
}

/// Each forwarded request carries one: it is put together here and appended at once.
fn dotted(v4: Ipv4Addr, out: &mut Vec<u8>) {
    const LONGEST: usize = "255.255.255.255".len();
    let mut text = [b'.'; LONGEST + 1];
    let mut end = 0;
    for octet in v4.octets() {
        if octet >= 100 {
            text[end] = b'0' + octet / 100;
            end += 1;
        }
        if octet >= 10 {
            text[end] = b'0' + octet / 10 % 10;
            end += 1;
        }
        text[end] = b'0' + octet % 10;
        text[end + 1] = b'.';
        end += 2;
    }
    out.extend_from_slice(&text[..end - 1]);
}

/// Reads decimal digits; `None` for anything else, and for more than a `u64`.
pub(crate) fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |n, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::{address, decimal, digits, hex};

    fn written<T>(value: T, write: impl Fn(T, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(value, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_read_as_the_formatting_machinery_writes_them() {
        for n in [0, 1, 9, 10, 255, 4096, 65_535, u64::MAX] {
            assert_eq!(written(n, decimal), n.to_string());
            assert_eq!(written(n as usize, hex), format!("{n:x}"));
            assert_eq!(digits(n.to_string().as_bytes()), Some(n));
        }
    }

    #[test]
    fn digits_take_nothing_but_digits() {
        for bad in ["", "+5", "-5", " 5", "5 ", "0x5", "5,5", "18446744073709551616", "5e1", "\u{665}"] {
            assert_eq!(digits(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(digits(b"0000000000000000000000000005"), Some(5));
    }

    #[test]
    fn mapped_addresses_are_written_as_ipv4() {
        for (given, text) in [
            ("127.0.0.1", "127.0.0.1"),
            ("255.255.255.255", "255.255.255.255"),
            ("0.10.99.100", "0.10.99.100"),
            ("109.200.1.19", "109.200.1.19"),
            ("::ffff:10.0.0.9", "10.0.0.9"),
            ("2001:db8::1", "2001:db8::1"),
        ] {
            assert_eq!(written(given.parse().unwrap(), address), text);
        }
    }
}
