//! Version 2 of the PROXY protocol (section 2.2): 16 fixed bytes, addresses and TLVs.

use std::net::IpAddr;

use super::addresses::InOneFamily;
use super::bad_header::{Stop, expect};
use super::tlv::{self, CHECKSUM, CRC32C};
use super::{Addresses, BadHeader, BadHeaderReason, Header, LONGEST, Tlvs};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Where the version and the command are.
const COMMAND: usize = 12;
/// Where family and transport are.
const FAMILY: usize = 13;
/// Where the length of all that follows the fixed bytes is.
const LENGTH: usize = 14;
/// How many bytes are fixed.
const FIXED: usize = 16;

/// Version 2 in the upper half; the connection is the sender's own.
const LOCAL: u8 = 0x20;
/// Version 2 in the upper half; the connection is a client's.
const PROXY: u8 = 0x21;

/// Writes the header for these addresses, with TLVs as (type, value).
///
/// Without addresses (a client of a Unix socket) it is LOCAL, as HAProxy sends it: receivers must accept that,
/// whereas they may reject PROXY with an unspecified family, and HAProxy does. The value of a [`CRC32C`] is
/// worked out, whatever was given. A TLV with which the header would be longer than [`LONGEST`] is left out, and
/// so is a unique id of more than 128 bytes.
pub fn write_v2(addresses: Option<Addresses>, tlvs: &[(u8, &[u8])], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    write_addresses(addresses, out);
    let checksum = write_tlvs(tlvs, start, out);
    // At most LONGEST, which fits in 16 bits.
    let length = (out.len() - start - FIXED) as u16;
    out[start + LENGTH..start + FIXED].copy_from_slice(&length.to_be_bytes());
    if let Some(at) = checksum {
        let sum = tlv::checksum_of(&out[start..], at - start);
        out[at..at + CHECKSUM].copy_from_slice(&sum);
    }
}

/// Command, family, two bytes for the length, addresses.
fn write_addresses(addresses: Option<Addresses>, out: &mut Vec<u8>) {
    let Some(addresses) = addresses else { return out.extend_from_slice(&[LOCAL, 0x00, 0, 0]) };
    match addresses.in_one_family() {
        InOneFamily::V4(source, destination) => {
            out.extend_from_slice(&[PROXY, 0x11, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
        InOneFamily::V6(source, destination) => {
            out.extend_from_slice(&[PROXY, 0x21, 0, 0]);
            out.extend_from_slice(&source.octets());
            out.extend_from_slice(&destination.octets());
        }
    }
    for port in addresses.ports() {
        out.extend_from_slice(&port.to_be_bytes());
    }
}

/// Where in `out` the checksum must go, if there is one.
fn write_tlvs(tlvs: &[(u8, &[u8])], start: usize, out: &mut Vec<u8>) -> Option<usize> {
    let mut checksum = None;
    for &(kind, value) in tlvs {
        if kind != CRC32C {
            tlv::write((kind, value), start, LONGEST, out);
        } else if checksum.is_none() && tlv::write((kind, &[0; CHECKSUM]), start, LONGEST, out) {
            checksum = Some(out.len() - CHECKSUM);
        }
    }
    checksum
}

/// The header at the start of the bytes, and its length.
pub(super) fn read(bytes: &[u8]) -> Result<(usize, Header<'_>), Stop> {
    expect(bytes, 0, SIGNATURE, BadHeaderReason::NotProxy)?;
    let command = command(*bytes.get(COMMAND).ok_or(Stop::Partial)?)?;
    let block = AddressBlock::of(command, *bytes.get(FAMILY).ok_or(Stop::Partial)?)?;
    let len = length(bytes.get(LENGTH..).unwrap_or_default(), block)?;
    let header = bytes.get(..len).ok_or(Stop::Partial)?;
    Ok((len, block.read(header)?))
}

const fn command(byte: u8) -> Result<u8, BadHeader> {
    match byte {
        LOCAL | PROXY => Ok(byte),
        0x20..=0x2f => Err(BadHeader::at(COMMAND, BadHeaderReason::Command(byte))),
        _ => Err(BadHeader::at(COMMAND, BadHeaderReason::Version(byte))),
    }
}

/// The length of the whole header. The first of its two bytes alone may say that it is too long.
fn length(bytes: &[u8], block: AddressBlock) -> Result<usize, Stop> {
    let &high = bytes.first().ok_or(Stop::Partial)?;
    let low = bytes.get(1).copied();
    let length = u16::from_be_bytes([high, low.unwrap_or(0)]);
    if FIXED + usize::from(length) > LONGEST {
        return Err(BadHeader::at(LENGTH, BadHeaderReason::TooLong).into());
    }
    if low.is_none() {
        return Err(Stop::Partial);
    }
    if usize::from(length) < block.len() {
        return Err(BadHeader::at(LENGTH, BadHeaderReason::TooShort(length)).into());
    }
    Ok(FIXED + usize::from(length))
}

/// What follows the fixed bytes.
#[derive(Clone, Copy)]
enum AddressBlock {
    /// Two IPv4 addresses, two ports; TLVs.
    V4,
    /// Two IPv6 addresses, two ports; TLVs.
    V6,
    /// Addresses of this many bytes that tell nothing to a proxy of TCP; TLVs.
    Other(usize),
    /// TLVs, or an address of a family that the sender could not name.
    Unspecified,
    /// Nobody knows; it is skipped.
    Opaque,
}

impl AddressBlock {
    /// LOCAL: "discard the protocol block including the family". It may come with TLVs all the same (HAProxy
    /// sends a unique id and a checksum), and where they begin is known when the family is unspecified. A known
    /// family with an unspecified transport or the other way round is as good as unspecified, but nobody says how
    /// long its addresses are.
    const fn of(command: u8, family: u8) -> Result<Self, BadHeader> {
        match (command, family) {
            (_, 0x00) => Ok(Self::Unspecified),
            (LOCAL, _) | (_, 0x01 | 0x02 | 0x10 | 0x20 | 0x30) => Ok(Self::Opaque),
            (_, 0x11) => Ok(Self::V4),
            (_, 0x21) => Ok(Self::V6),
            (_, 0x12) => Ok(Self::Other(12)),
            (_, 0x22) => Ok(Self::Other(36)),
            (_, 0x31 | 0x32) => Ok(Self::Other(216)),
            (_, 0x40..) => Err(BadHeader::at(FAMILY, BadHeaderReason::Family(family))),
            _ => Err(BadHeader::at(FAMILY, BadHeaderReason::Transport(family))),
        }
    }

    /// The bytes of its addresses.
    const fn len(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Other(len) => len,
            Self::Unspecified | Self::Opaque => 0,
        }
    }

    /// What a whole header says.
    fn read(self, header: &[u8]) -> Result<Header<'_>, BadHeader> {
        let (fixed, block) = (FIXED.min(header.len()), self.len());
        let addresses = match self {
            Self::V4 => addresses::<4>(&header[fixed..]),
            Self::V6 => addresses::<16>(&header[fixed..]),
            Self::Other(_) | Self::Unspecified | Self::Opaque => None,
        };
        let tlvs = match (self, Tlvs::read(header, fixed + block)) {
            (Self::Opaque, _) => Tlvs::default(),
            (Self::Unspecified, Err(BadHeader { reason: BadHeaderReason::Tlv, .. })) => Tlvs::default(),
            (_, tlvs) => tlvs?,
        };
        Ok(Header { addresses, tlvs })
    }
}

/// Source, destination, source port, destination port, in network order. The length was looked at before.
fn addresses<const N: usize>(bytes: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (&source, rest) = bytes.split_first_chunk::<N>()?;
    let (&destination, rest) = rest.split_first_chunk::<N>()?;
    let (&from, rest) = rest.split_first_chunk::<2>()?;
    let &to = rest.first_chunk::<2>()?;
    let end = |address, port| (IpAddr::from(address), u16::from_be_bytes(port));
    Some(Addresses::plain(end(source, from), end(destination, to)))
}
