//! TLVs of version 2, sections 2.2 to 2.2.5: within bounds, under the right checksum, and found.

use crate::proto::proxy::{AUTHORITY, BadHeaderReason, CRC32C, NOOP, UNIQUE_ID};

use crate::proto::tests::proxy::given::{V4, malformed, tlv, v2, whole};

/// CRC32c bit by bit, as RFC 4960 Appendix B defines it (reflected polynomial 0x82f63b78).
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

fn with(tlvs: &[&[u8]]) -> Vec<u8> {
    v2(0x21, 0x11, &[V4, &tlvs.concat()].concat())
}

/// A header with a checksum between two other TLVs: its bytes, and where the checksum is.
fn summed() -> (Vec<u8>, usize) {
    let mut bytes = with(&[&tlv(AUTHORITY, b"example.org"), &tlv(CRC32C, &[0; 4]), &tlv(UNIQUE_ID, b"7")]);
    let at = 28 + 14 + 3;
    let sum = crc32c(&bytes);
    bytes[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    (bytes, at)
}

#[test]
fn the_reference_is_crc32c() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283); // the check value that everybody publishes
    assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa); // RFC 3720 appendix B.4
}

#[test]
fn authority_and_unique_id_are_found_and_the_first_counts() {
    let bytes = with(&[&tlv(UNIQUE_ID, b"\0\xff"), &tlv(AUTHORITY, b"a.example"), &tlv(UNIQUE_ID, b"two")]);
    let tlvs = whole(&bytes).tlvs;
    assert_eq!(tlvs.unique_id(), Some(&b"\0\xff"[..]));
    assert_eq!(tlvs.authority(), Some(&b"a.example"[..]));
    let none = with(&[]);
    assert_eq!((whole(&none).tlvs.unique_id(), whole(&none).tlvs.authority()), (None, None));
    let empty = with(&[&tlv(UNIQUE_ID, b"")]);
    assert_eq!(whole(&empty).tlvs.unique_id(), Some(&b""[..]));
}

#[test]
fn all_are_listed_in_order_but_for_padding() {
    let padding = tlv(NOOP, b"\x05\0\x01x");
    let bytes =
        with(&[&padding, &tlv(0xe0, b"own"), &tlv(NOOP, b""), &tlv(0x20, b""), &tlv(0xe0, b"2"), &padding]);
    let listed: Vec<_> = whole(&bytes).tlvs.collect();
    assert_eq!(listed, [(0xe0, &b"own"[..]), (0x20, b""), (0xe0, b"2")]);
}

#[test]
fn a_tlv_that_runs_past_the_end_is_malformed_where_it_begins() {
    for last in [&b"\x05"[..], b"\x05\0", b"\x05\0\x01", b"\x05\0\x05abcd", b"\x04\x01\x00", b"\xff\xff\xff"]
    {
        let bytes = with(&[&tlv(0xe0, b"own"), last]);
        assert_eq!(malformed(&bytes), (BadHeaderReason::Tlv, 34), "{last:?}");
    }
}

/// "The receiver is free to accept the connection anyway"; an address that nobody can name is no mistake.
#[test]
fn after_an_unspecified_family_what_is_no_tlv_is_skipped() {
    for (command, block) in [(0x21, &b"\x05\0\x05abcd"[..]), (0x20, b"\x05"), (0x21, V4)] {
        let bytes = v2(command, 0x00, block);
        assert_eq!(whole(&bytes).tlvs.count(), 0);
    }
}

#[test]
fn a_unique_id_has_128_bytes_at_most() {
    let longest = with(&[&tlv(UNIQUE_ID, &[b'x'; 128])]);
    assert_eq!(whole(&longest).tlvs.unique_id().map(<[u8]>::len), Some(128));
    assert_eq!(malformed(&with(&[&tlv(UNIQUE_ID, &[b'x'; 129])])), (BadHeaderReason::UniqueId, 28));
}

#[test]
fn a_right_checksum_is_accepted_and_any_flipped_bit_is_not() {
    let (bytes, _) = summed();
    assert_eq!(whole(&bytes).tlvs.authority(), Some(&b"example.org"[..]));
    for at in 16..bytes.len() {
        for bit in 0..8 {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << bit;
            // In a type or a length, other things may be wrong as well; nothing may be believed but a header
            // whose checksum was made into another TLV.
            match crate::proto::proxy::parse(&flipped) {
                Err(_) => {}
                Ok(_) if at == 28 + 14 => {}
                other => panic!("bit {bit} of byte {at}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_wrong_checksum_is_malformed_also_where_there_are_no_addresses() {
    let (mut bytes, at) = summed();
    bytes[at] ^= 1;
    assert_eq!(malformed(&bytes), (BadHeaderReason::Checksum, at - 3));
    assert_eq!(malformed(&v2(0x20, 0x00, &tlv(CRC32C, &[0; 4]))), (BadHeaderReason::Checksum, 16));
    assert_eq!(malformed(&v2(0x21, 0x00, &tlv(CRC32C, &[0; 4]))), (BadHeaderReason::Checksum, 16));
}

#[test]
fn a_checksum_of_another_length_or_two_of_them_are_malformed() {
    for value in [&b""[..], &[0; 3], &[0; 5]] {
        assert_eq!(malformed(&with(&[&tlv(CRC32C, value)])), (BadHeaderReason::Checksum, 28));
    }
    // Two, and the second is right for all that stands before it.
    let mut twice = with(&[&tlv(CRC32C, &[0; 4]), &tlv(CRC32C, &[0; 4])]);
    let sum = crc32c(&twice);
    twice[28 + 7 + 3..].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(malformed(&twice), (BadHeaderReason::Checksum, 28 + 7));
}
