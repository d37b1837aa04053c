//! Reads and writes the PROXY protocol, versions 1 and 2, without I/O.
//!
//! "Section" refers to HAProxy's `doc/proxy-protocol.txt`.

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

/// The length in bytes of the longest header that is read or written, including TLVs. Section 2 wants headers
/// to fit into the 536 bytes of the smallest TCP segment, and the length field allows 65,551. This value
/// leaves room for a certificate among the TLVs, and limits what is kept of an unknown client. nginx has the
/// same limit.
pub const LONGEST: usize = 4096;

/// The result of parsing the bytes so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParsedHeader<'a> {
    /// The bytes are the beginning of a header. The caller must call again with more bytes after the same
    /// ones.
    Partial,
    /// The header is complete.
    Header {
        /// The length in bytes, at most [`LONGEST`]. Bytes after it belong to the client.
        len: usize,
        /// The content, which borrows the bytes.
        header: Header<'a>,
    },
}

/// The content of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// The ends of the client's connection. `None` if the header has no usable ones (LOCAL, UNKNOWN, UNSPEC,
    /// Unix sockets, datagrams); then the ends of the connection that carries the header count.
    pub addresses: Option<Addresses>,
    /// The other information; empty in version 1.
    pub tlvs: Tlvs<'a>,
}

/// Parses the header at the start of a connection, in either version.
///
/// The result does not depend on how the bytes were cut. Bytes that cannot become a header are refused at the
/// first wrong byte, so that nobody waits for a sender that speaks another protocol. The part after the 16
/// fixed bytes of version 2 is checked when all of it has come.
///
/// # Errors
/// Returns an error if the connection cannot be used. Section 2.1 wants it closed as soon as possible.
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
