//! Reads and writes the TLVs (type, length, value) of a version 2 header, and checks their bounds and the
//! checksum (section 2.2).

use crc::{CRC_32_ISCSI, Crc, Table};

use super::{BadHeader, BadHeaderReason};

/// `PP2_TYPE_AUTHORITY`: the host name that the client asked for, as in a TLS server name (section 2.2.2).
pub const AUTHORITY: u8 = 0x02;
/// `PP2_TYPE_CRC32C`: the checksum of the header (section 2.2.3).
pub const CRC32C: u8 = 0x03;
/// `PP2_TYPE_NOOP`: padding (section 2.2.4).
pub const NOOP: u8 = 0x04;
/// `PP2_TYPE_UNIQUE_ID`: an identifier of the connection, at most 128 bytes (section 2.2.5).
pub const UNIQUE_ID: u8 = 0x05;

/// The number of bytes of type and length.
const HEAD: usize = 3;
/// The largest length in bytes of a [`UNIQUE_ID`].
const UNIQUE_ID_MAX: usize = 128;
/// The number of bytes of a checksum.
pub(super) const CHECKSUM: usize = 4;

/// The CRC32c of RFC 4960 Appendix B, which iSCSI uses, too.
static CASTAGNOLI: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// The TLVs of a header. All of them were checked when the header was read.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tlvs<'a> {
    /// The TLVs that are left.
    bytes: &'a [u8],
}

impl<'a> Tlvs<'a> {
    /// Reads and checks the TLVs from `start` to the end of a complete header.
    pub(super) fn read(header: &'a [u8], start: usize) -> Result<Self, BadHeader> {
        let all = header.get(start..).unwrap_or_default();
        let (mut rest, mut checksum) = (all, None);
        while !rest.is_empty() {
            let at = header.len() - rest.len();
            let (kind, value, after) = split(rest).ok_or_else(|| BadHeader::at(at, BadHeaderReason::Tlv))?;
            match kind {
                UNIQUE_ID if value.len() > UNIQUE_ID_MAX => {
                    return Err(BadHeader::at(at, BadHeaderReason::UniqueId));
                }
                CRC32C if checksum.is_some() => return Err(BadHeader::at(at, BadHeaderReason::Checksum)),
                CRC32C => checksum = Some((at, value)),
                _ => {}
            }
            rest = after;
        }
        match checksum {
            Some((at, value)) if value != checksum_of(header, at + HEAD).as_slice() => {
                Err(BadHeader::at(at, BadHeaderReason::Checksum))
            }
            _ => Ok(Self { bytes: all }),
        }
    }

    /// Returns the host name that the client asked for: bytes as received, which need not be UTF-8.
    #[must_use]
    pub fn authority(&self) -> Option<&'a [u8]> {
        self.first(AUTHORITY)
    }

    /// Returns the identifier of the connection: 0 to 128 opaque bytes.
    #[must_use]
    pub fn unique_id(&self) -> Option<&'a [u8]> {
        self.first(UNIQUE_ID)
    }

    fn first(mut self, wanted: u8) -> Option<&'a [u8]> {
        self.find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }
}

/// Iterates in the order of the header, as (type, value), without padding.
impl<'a> Iterator for Tlvs<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (kind, value, rest) = split(self.bytes)?;
            self.bytes = rest;
            if kind != NOOP {
                return Some((kind, value));
            }
        }
    }
}

/// Splits off the type and value of the first TLV.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, high, low], rest) = bytes.split_first_chunk::<HEAD>()?;
    let (value, rest) = rest.split_at_checked(u16::from_be_bytes([high, low]).into())?;
    Some((kind, value, rest))
}

/// Writes a TLV behind a header that begins at `start` and may have `longest` bytes. Returns whether it was
/// written: a TLV that does not fit, or that is too long for its type, is left out.
pub(super) fn write((kind, value): (u8, &[u8]), start: usize, longest: usize, out: &mut Vec<u8>) -> bool {
    let too_long = kind == UNIQUE_ID && value.len() > UNIQUE_ID_MAX;
    let (Ok(length), false) = (u16::try_from(value.len()), too_long) else { return false };
    if out.len() - start + HEAD + value.len() > longest {
        return false;
    }
    out.push(kind);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(value);
    true
}

/// Returns the checksum of a header, computed as if the four bytes at `field` were zero.
pub(super) fn checksum_of(header: &[u8], field: usize) -> [u8; CHECKSUM] {
    let (before, after) = header.split_at(field.min(header.len()));
    let mut digest = CASTAGNOLI.digest();
    digest.update(before);
    digest.update(&[0; CHECKSUM]);
    digest.update(after.get(CHECKSUM..).unwrap_or_default());
    digest.finalize().to_be_bytes()
}
