//! Reads and writes version 1 of the PROXY protocol (section 2.1): one line of text.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use memchr::{memchr, memchr2};

use super::addresses::InOneFamily;
use super::bad_header::{Stop, expect};
use super::{Addresses, BadHeader, BadHeaderReason, Header, Tlvs};

/// The length in bytes of the longest line, including CRLF.
const LONGEST: usize = 107;

/// The number of bytes among which the CR must be.
const WINDOW: usize = LONGEST - 1;

/// Writes the line for these addresses, or `UNKNOWN` if there are none (a client of a Unix socket).
///
/// If one is IPv4 and the other IPv6, both are written as IPv6, and always as groups of hexadecimal digits:
/// section 2.1 has no dotted tail, although HAProxy writes one and the reader here accepts it.
pub fn write_v1(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    let Some(addresses) = addresses else { return out.extend_from_slice(b"PROXY UNKNOWN\r\n") };
    let [from, to] = addresses.ports();
    match addresses.in_one_family() {
        InOneFamily::V4(source, destination) => drop(write!(out, "PROXY TCP4 {source} {destination}")),
        InOneFamily::V6(source, destination) => {
            out.extend_from_slice(b"PROXY TCP6 ");
            write_groups(source, out);
            out.push(b' ');
            write_groups(destination, out);
        }
    }
    // Writing to a `Vec` cannot fail.
    drop(write!(out, " {from} {to}\r\n"));
}

/// Writes an IPv6 address as the standard library does, except for mapped IPv4 addresses.
fn write_groups(address: Ipv6Addr, out: &mut Vec<u8>) {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => drop(write!(out, "::ffff:{high:x}:{low:x}")),
        _ => drop(write!(out, "{address}")),
    }
}

/// Reads the line at the start of the bytes, and returns its length and content.
pub(super) fn read(bytes: &[u8]) -> Result<(usize, Header<'_>), Stop> {
    let mut line = V1Line { bytes, at: 0 };
    line.word(b"PROXY ", BadHeaderReason::NotProxy)?;
    let addresses = match line.next()? {
        b'U' => line.unknown()?,
        _ => Some(line.tcp()?),
    };
    line.word(b"\n", |_| BadHeaderReason::LineEnd)?;
    Ok((line.at, Header { addresses, tlvs: Tlvs::default() }))
}

/// A line that was read up to `at`.
struct V1Line<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> V1Line<'a> {
    /// Reads `UNKNOWN` and everything before the CR: "the receiver must ignore anything presented before the
    /// CRLF". A bare CR or LF is refused, because other readers might treat it as the end.
    fn unknown(&mut self) -> Result<Option<Addresses>, Stop> {
        self.word(b"UNKNOWN", |_| BadHeaderReason::Protocol)?;
        if !matches!(self.next()?, b' ' | b'\r') {
            return Err(self.wrong(0, BadHeaderReason::Protocol));
        }
        let ignored = self.window();
        match memchr2(b'\r', b'\n', ignored) {
            None => Err(self.unended()),
            Some(end) if ignored[end] == b'\n' => Err(self.wrong(end, BadHeaderReason::LineEnd)),
            Some(end) => {
                self.at += end + 1;
                Ok(None)
            }
        }
    }

    fn tcp(&mut self) -> Result<Addresses, Stop> {
        self.word(b"TCP", |_| BadHeaderReason::Protocol)?;
        match self.next()? {
            b'4' => self.addresses::<Ipv4Addr>(b"4 "),
            _ => self.addresses::<Ipv6Addr>(b"6 "),
        }
    }

    /// Reads the part after `TCP`, up to the CR.
    fn addresses<A: V1Field + Into<IpAddr>>(&mut self, family: &[u8]) -> Result<Addresses, Stop> {
        self.word(family, |_| BadHeaderReason::Protocol)?;
        let source = self.field::<A>(b' ')?.into();
        let destination = self.field::<A>(b' ')?.into();
        let from = self.field::<Port>(b' ')?.0;
        let to = self.field::<Port>(b'\r')?.0;
        Ok(Addresses::plain((source, from), (destination, to)))
    }

    /// Reads a field and the byte that ends it.
    fn field<T: V1Field>(&mut self, end: u8) -> Result<T, Stop> {
        let window = self.window();
        let Some(len) = memchr(end, window) else {
            let wrong = first_wrong::<T>(window).map(|offset| self.wrong(offset, T::REASON));
            return Err(wrong.unwrap_or_else(|| self.unended()));
        };
        let text = &window[..len];
        let read = value(text).ok_or_else(|| self.wrong(first_wrong::<T>(text).unwrap_or(len), T::REASON))?;
        self.at += len + 1;
        Ok(read)
    }

    fn word(&mut self, word: &[u8], why: impl Fn(u8) -> BadHeaderReason) -> Result<(), Stop> {
        expect(self.bytes, self.at, word, why)?;
        self.at += word.len();
        Ok(())
    }

    /// Returns the next byte without reading it.
    fn next(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::Partial)
    }

    /// Returns the unread part of the bytes among which the CR must be.
    fn window(&self) -> &'a [u8] {
        self.bytes.get(self.at..self.bytes.len().min(WINDOW)).unwrap_or_default()
    }

    /// Returns the error for a missing CR, or that more bytes are needed.
    const fn unended(&self) -> Stop {
        if self.bytes.len() < WINDOW {
            return Stop::Partial;
        }
        Stop::Malformed(BadHeader::at(WINDOW, BadHeaderReason::LineTooLong))
    }

    const fn wrong(&self, offset: usize, reason: BadHeaderReason) -> Stop {
        Stop::Malformed(BadHeader::at(self.at + offset, reason))
    }
}

/// A field between two spaces.
trait V1Field: Sized {
    /// The reason if the field is invalid.
    const REASON: BadHeaderReason;

    /// Parses the field. The standard library reads addresses as section 2.1 wants them: no leading zeros in
    /// IPv4, one `::` in IPv6, no zone. It also accepts the dotted tail of `::ffff:192.0.2.1`, which HAProxy
    /// writes.
    fn read(text: &str) -> Option<Self>;
}

struct Port(u16);

impl V1Field for Ipv4Addr {
    const REASON: BadHeaderReason = BadHeaderReason::Address;

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl V1Field for Ipv6Addr {
    const REASON: BadHeaderReason = BadHeaderReason::Address;

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl V1Field for Port {
    const REASON: BadHeaderReason = BadHeaderReason::Port;

    fn read(text: &str) -> Option<Self> {
        // `parse` would also take `+80` and `080`.
        let canonical = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
        canonical.then(|| text.parse().ok()).flatten().map(Self)
    }
}

fn value<T: V1Field>(text: &[u8]) -> Option<T> {
    T::read(str::from_utf8(text).ok()?)
}

/// Returns the offset of the first byte with which the text can no longer begin a field.
fn first_wrong<T: V1Field>(text: &[u8]) -> Option<usize> {
    if may_begin::<T>(text) {
        return None;
    }
    (0..text.len()).find(|&offset| !may_begin::<T>(&text[..=offset]))
}

/// Returns whether the text is a field or becomes one with some ending: the rest of a group, then parts of an
/// IPv4 address or groups of an IPv6 address. Trying all endings is shorter than repeating the grammars
/// exactly, and happens only for incomplete text.
fn may_begin<T: V1Field>(text: &[u8]) -> bool {
    const PARTS: [&str; 2] = ["", "0"];
    const DOTTED: &str = ".0.0.0";
    const GROUPS: &str = ":0:0:0:0:0:0:0";
    let mut ends = PARTS.iter().flat_map(|part| {
        let more =
            [DOTTED, GROUPS].into_iter().flat_map(|all| (0..=all.len()).step_by(2).map(|to| &all[..to]));
        more.map(move |more| [text, part.as_bytes(), more.as_bytes()])
    });
    ends.any(|pieces| joined(pieces, &mut [0; LONGEST + 16]).and_then(value::<T>).is_some())
}

/// Joins the pieces; `None` if there is no room.
fn joined<'a>(pieces: [&[u8]; 3], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut len = 0;
    for piece in pieces {
        room.get_mut(len..len + piece.len())?.copy_from_slice(piece);
        len += piece.len();
    }
    Some(&room[..len])
}
