//! Reads and writes the PROXY protocol, versions 1 and 2, without I/O.
//!
//! "Section" refers to HAProxy's `doc/proxy-protocol.txt`.

mod addresses;
mod bad_header;
mod header;
mod tlv;
mod v1;
mod v2;

pub use addresses::Addresses;
pub use bad_header::{BadHeader, BadHeaderReason, LONGEST};
pub use header::{Header, ParsedHeader};
pub use tlv::{AUTHORITY, CRC32C, NOOP, Tlvs, UNIQUE_ID};
pub use v1::write_v1;
pub use v2::write_v2;

use bad_header::Stop;

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
