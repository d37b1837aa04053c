//! Checks PROXY headers: the same verdict at any cut, and a header that is written again is read as the same.

use penstock::proto::proxy::{
    Addresses, BadHeader, CRC32C, Header, LONGEST, NOOP, ParsedHeader, Tlvs, parse, write_v1, write_v2,
};

use super::input::cuts;

/// Checks the start of a connection.
pub fn check(bytes: &[u8]) {
    let whole = parse(bytes);
    let mut decided = false;
    for cut in cuts(bytes.len()) {
        let verdict = parse(&bytes[..cut]);
        decided |= verdict != Ok(ParsedHeader::Partial);
        let due = if decided { whole } else { Ok(ParsedHeader::Partial) };
        assert_eq!(verdict, due, "{} cut at {cut}", bytes.escape_ascii());
    }
    match whole {
        Ok(ParsedHeader::Partial) => assert!(bytes.len() < LONGEST, "for ever partial"),
        Ok(ParsedHeader::Header { len, header }) => check_header(bytes, len, header),
        Err(malformed) => check_malformed(bytes, malformed),
    }
}

fn check_malformed(bytes: &[u8], malformed: BadHeader) {
    assert!(!malformed.to_string().is_empty());
    assert!(malformed.offset <= bytes.len(), "{malformed} in {} bytes", bytes.len());
}

fn check_header(bytes: &[u8], len: usize, header: Header<'_>) {
    assert!(len <= bytes.len().min(LONGEST), "{len} of {}", bytes.len());
    assert_eq!(parse(&bytes[..len - 1]), Ok(ParsedHeader::Partial), "it ends before its end");
    if let Some(Addresses { source, destination }) = header.addresses {
        assert_eq!(source.ip(), source.ip().to_canonical());
        assert_eq!(destination.ip(), destination.ip().to_canonical());
    }
    let tlvs: Vec<_> = header.tlvs.filter(|(kind, _)| *kind != CRC32C).collect();
    assert!(tlvs.iter().all(|(kind, _)| *kind != NOOP), "padding is left out");
    let mut text = Vec::new();
    write_v1(header.addresses, &mut text);
    assert_eq!(read(&text), Header { addresses: header.addresses, tlvs: Tlvs::default() });
    let mut told = tlvs.clone();
    told.push((CRC32C, b"work"));
    let mut binary = Vec::new();
    write_v2(header.addresses, &told, &mut binary);
    let again = read(&binary);
    assert_eq!(again.addresses, header.addresses);
    let again: Vec<_> = again.tlvs.filter(|(kind, _)| *kind != CRC32C).collect();
    // With a checksum more, and with addresses of the other family, it may be too long for all of them.
    let fits = len + 7 + 24 <= LONGEST;
    assert!(if fits { again == tlvs } else { again.iter().all(|tlv| tlvs.contains(tlv)) }, "{again:?}");
}

fn read(bytes: &[u8]) -> Header<'_> {
    match parse(bytes) {
        Ok(ParsedHeader::Header { len, header }) if len == bytes.len() => header,
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}
