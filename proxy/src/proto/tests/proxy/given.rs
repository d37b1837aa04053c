//! Shorthand of these tests: headers made of bytes by hand, and verdicts that can be compared.

use crate::proto::proxy::{Addresses, BadHeader, BadHeaderReason, Header, ParsedHeader, parse};

pub(crate) const SIGNATURE: &[u8] = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a";

/// 192.0.2.7:50000 to 198.51.100.9:443.
pub(crate) const V4: &[u8] = &[192, 0, 2, 7, 198, 51, 100, 9, 0xc3, 0x50, 0x01, 0xbb];

/// A version 2 header: command, family, what follows the length.
pub(crate) fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap();
    [SIGNATURE, &[command, family], &length.to_be_bytes(), block].concat()
}

pub(crate) fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), value].concat()
}

pub(crate) fn ends(source: &str, destination: &str) -> Addresses {
    Addresses { source: source.parse().unwrap(), destination: destination.parse().unwrap() }
}

/// The header, which is all of the bytes.
pub(crate) fn whole(bytes: &[u8]) -> Header<'_> {
    match parse(bytes) {
        Ok(ParsedHeader::Header { len, header }) if len == bytes.len() => header,
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

pub(crate) fn malformed(bytes: &[u8]) -> (BadHeaderReason, usize) {
    match parse(bytes) {
        Err(BadHeader { reason, offset }) => (reason, offset),
        other => panic!("{}: {other:?}", bytes.escape_ascii()),
    }
}

/// The bytes are malformed, and were partial until the one that is wrong had come.
pub(crate) fn malformed_at_once(bytes: &[u8]) -> (BadHeaderReason, usize) {
    let (reason, offset) = malformed(bytes);
    for cut in 0..=offset.min(bytes.len()) {
        assert_eq!(parse(&bytes[..cut]), Ok(ParsedHeader::Partial), "{} cut at {cut}", bytes.escape_ascii());
    }
    for cut in offset + 1..bytes.len() {
        assert_eq!(malformed(&bytes[..cut]), (reason, offset), "{} cut at {cut}", bytes.escape_ascii());
    }
    (reason, offset)
}
