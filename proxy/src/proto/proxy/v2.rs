//! Reads and writes version 2 of the PROXY protocol (section 2.2): 16 fixed bytes, addresses and TLVs.

use std::net::IpAddr;

use super::addresses::InOneFamily;
use super::bad_header::{Stop, expect};
use super::tlv::{self, CHECKSUM, CRC32C};
use super::{Addresses, BadHeader, BadHeaderReason, Header, LONGEST, Tlvs};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The offset of the version and the command.
const COMMAND: usize = 12;
/// The offset of the family and the transport.
const FAMILY: usize = 13;
/// The offset of the length of everything after the fixed bytes.
const LENGTH: usize = 14;
/// The number of fixed bytes.
const FIXED: usize = 16;

/// Version 2 (upper half) of the command LOCAL: the sender's own connection.
const LOCAL: u8 = 0x20;
/// Version 2 (upper half) of the command PROXY: a client's connection.
const PROXY: u8 = 0x21;

/// Writes the header for these addresses, with TLVs as (type, value).
///
/// Without addresses (a client of a Unix socket) the command is LOCAL, as HAProxy sends it: receivers must
/// accept that, whereas they may reject PROXY with an unspecified family, as HAProxy does. The value of a
/// [`CRC32C`] is computed, whatever was given. A TLV that would make the header longer than [`LONGEST`] is
/// left out, and so is a unique id of more than 128 bytes.
pub fn write_v2(addresses: Option<Addresses>, tlvs: &[(u8, &[u8])], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(SIGNATURE);
    write_addresses(addresses, out);
    let checksum = write_tlvs(tlvs, start, out);
    // The length is at most LONGEST, which fits in 16 bits.
    let length = (out.len() - start - FIXED) as u16;
    out[start + LENGTH..start + FIXED].copy_from_slice(&length.to_be_bytes());
    if let Some(at) = checksum {
        let sum = tlv::checksum_of(&out[start..], at - start);
        out[at..at + CHECKSUM].copy_from_slice(&sum);
    }
}

/// Writes command, family, two bytes for the length, and addresses.
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

/// Writes the TLVs, and returns the offset of the checksum in `out`, if there is one.
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

/// Reads the header at the start of the bytes, and returns its length and content.
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

/// Returns the length of the whole header. The first of its two bytes may already show that it is too long.
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

/// The content after the fixed bytes.
#[derive(Clone, Copy)]
enum AddressBlock {
    /// Two IPv4 addresses and two ports, then TLVs.
    V4,
    /// Two IPv6 addresses and two ports, then TLVs.
    V6,
    /// Addresses of this many bytes that mean nothing to a proxy of TCP, then TLVs.
    Other(usize),
    /// TLVs, or an address of a family that the sender could not name.
    Unspecified,
    /// Unknown content, which is skipped.
    Opaque,
}

impl AddressBlock {
    /// Returns the kind of the content. LOCAL means: "discard the protocol block including the family". TLVs
    /// may follow nevertheless (HAProxy sends a unique id and a checksum), and their start is known if the
    /// family is unspecified. A known family with an unspecified transport, or the reverse, is as good as
    /// unspecified, but the length of its addresses is not defined.
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

    /// Returns the number of bytes of the addresses.
    const fn len(self) -> usize {
        match self {
            Self::V4 => 12,
            Self::V6 => 36,
            Self::Other(len) => len,
            Self::Unspecified | Self::Opaque => 0,
        }
    }

    /// Reads the content of a complete header.
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

/// Reads source, destination, source port and destination port in network order. The caller has checked the
/// length.
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
