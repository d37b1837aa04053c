//! The PROXY protocol, versions 1 and 2, read and written without I/O.
//!
//! "Section" here means a section of HAProxy's `doc/proxy-protocol.txt`.

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
