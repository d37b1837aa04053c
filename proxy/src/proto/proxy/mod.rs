//! The PROXY protocol, versions 1 and 2, read and written without I/O.
//!
//! "Section" here means a section of HAProxy's `doc/proxy-protocol.txt`.

mod addresses;
mod bad_header;
mod tlv;
mod v1;
mod v2;

pub use addresses::Addresses;
pub use bad_header::{BadHeader, BadHeaderReason};
pub use tlv::{AUTHORITY, CRC32C, NOOP, Tlvs, UNIQUE_ID};
pub use v1::write_v1;
pub use v2::write_v2;

use bad_header::Stop;

/// The longest header that is read or written, in bytes, TLVs included. Section 2 wants headers to fit in the
/// 536 bytes of the smallest TCP segment, and the length field could say 65,551; this leaves room for a
/// certificate among the TLVs, and bounds what may be kept of a client before it is known. nginx has the same.
pub const LONGEST: usize = 4096;

/// What the bytes so far amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsedHeader<'a> {
    /// They begin a header, and there must be more; call again with more bytes after the same ones.
    Partial,
    /// The header is complete.
    Header {
        /// Its bytes, at most [`LONGEST`]: what follows is the client's.
        len: usize,
        /// What it says; it borrows the bytes.
        header: Header<'a>,
    },
}

/// What a header says of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The ends of the client's own connection. None where the header tells none that could be used: LOCAL,
    /// UNKNOWN, UNSPEC, Unix sockets, datagrams. Then those of the connection that brought it count.
    pub addresses: Option<Addresses>,
    /// What else it tells; empty in version 1.
    pub tlvs: Tlvs<'a>,
}

/// Reads the header that must stand at the start of a connection, of either version.
///
/// The verdict does not depend on how the bytes were cut: what cannot become a header is malformed as soon as
/// its first wrong byte is there, so that whoever talks something else need not be waited for. What comes after
/// the 16 fixed bytes of version 2 is judged when all of it has come.
///
/// # Errors
/// The connection cannot be used: section 2.1 wants it closed as soon as possible.
pub fn parse(bytes: &[u8]) -> Result<ParsedHeader<'_>, BadHeader> {
    let found = match bytes.first() {
        None => return Ok(ParsedHeader::Partial),
        Some(b'P') => v1::read(bytes),
        Some(_) => v2::read(bytes),
    };
    match found {
        Ok((len, header)) => Ok(ParsedHeader::Header { len, header }),
        Err(Stop::Partial) => Ok(ParsedHeader::Partial),
        Err(Stop::Malformed(malformed)) => Err(malformed),
    }
}
