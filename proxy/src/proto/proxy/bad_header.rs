//! The reasons why bytes are no PROXY header, in words for the log.

use std::fmt::{self, Display, Formatter};

/// The longest header that is read or written, in bytes, TLVs included. Section 2 wants headers to fit in the
/// 536 bytes of the smallest TCP segment, and the length field could say 65,551; this leaves room for a
/// certificate among the TLVs, and bounds what may be kept of a client before it is known. nginx has the same.
pub const LONGEST: usize = 4096;

/// The bytes are no header, and no byte that follows can make them one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadHeader {
    /// What is wrong.
    pub reason: BadHeaderReason,
    /// Where: the first byte that is wrong, counted from 0.
    pub offset: usize,
}

/// What is wrong with a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadHeaderReason {
    /// The signature of neither version: this byte is not in it.
    NotProxy(u8),
    /// Version 1: the protocol is none of `TCP4`, `TCP6` and `UNKNOWN`.
    Protocol,
    /// Version 1: not an address of the family that was named, in canonical form.
    Address,
    /// Version 1: not a port in decimal, 0 to 65535 without leading zeros.
    Port,
    /// Version 1: a CR or an LF that is not part of CRLF.
    LineEnd,
    /// Version 1: no CRLF within 107 bytes.
    LineTooLong,
    /// Version 2: the upper half of this byte should be 2.
    Version(u8),
    /// Version 2: the lower half of this byte is neither LOCAL (0) nor PROXY (1).
    Command(u8),
    /// Version 2: the upper half of this byte is no known address family.
    Family(u8),
    /// Version 2: the lower half of this byte is no known transport.
    Transport(u8),
    /// Version 2: the header is longer than [`LONGEST`].
    TooLong,
    /// Version 2: this length is less than the addresses of the family take.
    TooShort(u16),
    /// Version 2: a TLV runs past the end of the header.
    Tlv,
    /// Version 2: a unique id of more than 128 bytes (section 2.2.5).
    UniqueId,
    /// Version 2: a checksum that is not the header's, not of four bytes, or there twice (section 2.2.3).
    Checksum,
}

impl BadHeader {
    pub(super) const fn at(offset: usize, reason: BadHeaderReason) -> Self {
        Self { reason, offset }
    }
}

impl Display for BadHeader {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{} at offset {}", self.reason, self.offset)
    }
}

impl std::error::Error for BadHeader {}

impl Display for BadHeaderReason {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotProxy(byte) => write!(out, "not a PROXY header: byte {byte:#04x}"),
            Self::Protocol => out.write_str("not TCP4, TCP6 or UNKNOWN in a PROXY v1 header"),
            Self::Address => out.write_str("not an address of the named family in a PROXY v1 header"),
            Self::Port => out.write_str("not a port in a PROXY v1 header"),
            Self::LineEnd => out.write_str("a line end that is not CRLF in a PROXY v1 header"),
            Self::LineTooLong => out.write_str("no CRLF within the 107 bytes of a PROXY v1 header"),
            Self::Version(byte) => write!(out, "not version 2 of a PROXY header: byte {byte:#04x}"),
            Self::Command(byte) => {
                write!(out, "neither LOCAL nor PROXY in a PROXY v2 header: byte {byte:#04x}")
            }
            Self::Family(byte) => {
                write!(out, "unknown address family in a PROXY v2 header: byte {byte:#04x}")
            }
            Self::Transport(byte) => write!(out, "unknown transport in a PROXY v2 header: byte {byte:#04x}"),
            Self::TooLong => write!(out, "a PROXY v2 header of more than {LONGEST} bytes"),
            Self::TooShort(length) => {
                write!(out, "a PROXY v2 header too short for its addresses: length {length}")
            }
            Self::Tlv => out.write_str("a TLV runs past the end of a PROXY v2 header"),
            Self::UniqueId => out.write_str("a unique id of more than 128 bytes in a PROXY v2 header"),
            Self::Checksum => out.write_str("wrong checksum in a PROXY v2 header"),
        }
    }
}

/// Why a reader came to no header.
pub(super) enum Stop {
    Partial,
    Malformed(BadHeader),
}

impl From<BadHeader> for Stop {
    fn from(malformed: BadHeader) -> Self {
        Self::Malformed(malformed)
    }
}

/// `word` stands at `at`, as far as the bytes go; otherwise the first byte that is wrong says why.
pub(super) fn expect(
    bytes: &[u8],
    at: usize,
    word: &[u8],
    why: impl Fn(u8) -> BadHeaderReason,
) -> Result<(), Stop> {
    let found = bytes.get(at..).unwrap_or_default();
    let wrong = found.iter().zip(word).enumerate().find(|(_, (byte, expected))| byte != expected);
    match wrong {
        Some((offset, (&byte, _))) => Err(BadHeader::at(at + offset, why(byte)).into()),
        None if found.len() < word.len() => Err(Stop::Partial),
        None => Ok(()),
    }
}
