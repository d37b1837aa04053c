//! Parses version 2 of the PROXY header (section 2.2): binary, with type-length-value fields after the
//! addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Introduction, SIGNATURE, Said, Wrong};

/// The number of bytes of signature, version and command, family, and length.
const FIXED: usize = 16;

const AUTHORITY: u8 = 0x02;
const CRC32C: u8 = 0x03;
const UNIQUE_ID: u8 = 0x05;
/// The length in bytes of the longest unique id that the specification allows.
const LONGEST_ID: usize = 128;

pub(super) fn parse(bytes: &[u8]) -> Result<Introduction, Wrong> {
    let Some(&[what, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else {
        return Ok(Introduction::NeedMore);
    };
    let end = FIXED + usize::from(u16::from_be_bytes([high, low]));
    let said: fn(&[u8], u8) -> Result<Said, Wrong> = match what {
        // LOCAL is the proxy's own connection, so the rest is ignored.
        0x20 => |_, _| Ok(Said { version: 2, ..Said::default() }),
        0x21 => proxied,
        _ => return Err("version 2: unknown version or command"),
    };
    match bytes.get(..end) {
        None => Ok(Introduction::NeedMore),
        Some(header) => Ok(Introduction::Done(end, said(header, family)?)),
    }
}

fn proxied(header: &[u8], family: u8) -> Result<Said, Wrong> {
    let length = match family {
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        _ => return Err("version 2: a family that no stream has"),
    };
    let (block, fields) =
        header[FIXED..].split_at_checked(length).ok_or("version 2: too short for its addresses")?;
    let addresses = match family {
        0x11 => Some(both::<4, Ipv4Addr>(block)),
        0x21 => Some(both::<16, Ipv6Addr>(block)),
        // Unspecified families and paths of Unix sockets leave the connection's own addresses.
        _ => None,
    };
    let mut said = Said { version: 2, addresses, ..Said::default() };
    take_fields(&mut said, header, fields)?;
    Ok(said)
}

/// Reads two addresses of `N` bytes and two ports from a block of exactly this length.
fn both<const N: usize, A: From<[u8; N]> + Into<IpAddr>>(block: &[u8]) -> (SocketAddr, SocketAddr) {
    let ip = |at: usize| {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&block[at..at + N]);
        A::from(bytes).into()
    };
    let port = |at: usize| u16::from_be_bytes([block[at], block[at + 1]]);
    (SocketAddr::new(ip(0), port(2 * N)), SocketAddr::new(ip(N), port(2 * N + 2)))
}

fn take_fields(said: &mut Said, header: &[u8], mut fields: &[u8]) -> Result<(), Wrong> {
    while !fields.is_empty() {
        let at = header.len() - fields.len() + 3;
        let [kind, high, low, rest @ ..] = fields else { return Err("version 2: a field is cut off") };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let (value, rest) = rest.split_at_checked(length).ok_or("version 2: a field is cut off")?;
        fields = rest;
        match *kind {
            AUTHORITY => once(&mut said.authority, value)?,
            UNIQUE_ID if length > LONGEST_ID => return Err("version 2: a unique id of more than 128 bytes"),
            UNIQUE_ID => once(&mut said.unique_id, value)?,
            CRC32C if value != crc32c_without(header, at).to_be_bytes() => {
                return Err("version 2: wrong checksum");
            }
            _ => {}
        }
    }
    Ok(())
}

/// Stores a value that may occur only once.
fn once(place: &mut Option<Vec<u8>>, value: &[u8]) -> Result<(), Wrong> {
    match place.replace(value.to_owned()) {
        None => Ok(()),
        Some(_) => Err("version 2: a field comes twice"),
    }
}

/// Returns the checksum of the whole header with its own four bytes (at `at`) counted as zero (section
/// 2.2.3). It is computed bit by bit, because headers are rare and short.
pub(super) fn crc32c_without(header: &[u8], at: usize) -> u32 {
    let byte = |(index, byte): (usize, &u8)| if (at..at + 4).contains(&index) { 0 } else { *byte };
    let sum = header.iter().enumerate().map(byte).fold(!0_u32, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(byte),
            |sum, _| {
                if sum & 1 == 1 { (sum >> 1) ^ 0x82f6_3b78 } else { sum >> 1 }
            },
        )
    });
    !sum
}
