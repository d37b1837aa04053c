//! Tests headers of both versions, valid and invalid, with any cut.

use super::*;

const SOURCE: &str = "192.0.2.1:56324";
const DESTINATION: &str = "198.51.100.7:443";

fn addresses(source: &str, destination: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((source.parse().unwrap(), destination.parse().unwrap()))
}

/// Makes a header of version 2.
fn two(what: u8, family: u8, rest: &[&[u8]]) -> Vec<u8> {
    let rest = rest.concat();
    let length = (rest.len() as u16).to_be_bytes();
    [SIGNATURE.as_slice(), &[what, family], &length, &rest].concat()
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    [[kind].as_slice(), &(value.len() as u16).to_be_bytes(), value].concat()
}

const FOUR: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb];

/// Checks that the parser waits for the complete header, and that bytes after it change nothing.
fn assert_good(header: &[u8], expected: Said) {
    for cut in 0..header.len() {
        assert_eq!(parse(&header[..cut]), Ok(Introduction::NeedMore), "{header:?} cut at {cut}");
    }
    let with_more = [header, b"PROXY more"].concat();
    assert_eq!(parse(&with_more), Ok(Introduction::Done(header.len(), expected)), "{header:?}");
}

#[test]
fn version_one() {
    let said = |addresses| Said { version: 1, addresses, ..Said::default() };
    let four = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";
    assert_good(four.as_bytes(), said(addresses(SOURCE, DESTINATION)));
    assert_good(b"PROXY TCP6 ::1 2001:db8::2 0 65535\r\n", said(addresses("[::1]:0", "[2001:db8::2]:65535")));
    assert_good(b"PROXY UNKNOWN\r\n", said(None));
    assert_good(b"PROXY UNKNOWN ffff::1 whatever 1\r\n", said(None));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 16));
    assert_good(longest.as_bytes(), said(None));
}

#[test]
fn version_one_malformed() {
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(108 - 16));
    let cases = [
        longer.as_str(),
        "GET / HTTP/1.1\r\n",
        "proxy TCP4 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY\r\n",
        "PROXY TCP5 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443 \r\n",
        "PROXY TCP4 192.0.2.1  198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.256 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 ::1 ::2 56324 443\r\n",
        "PROXY TCP6 192.0.2.1 198.51.100.7 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 056324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 +1 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\n\r\n",
    ];
    for text in cases {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn version_two() {
    let said = |addresses| Said { version: 2, addresses, ..Said::default() };
    assert_good(&two(0x21, 0x11, &[FOUR]), said(addresses(SOURCE, DESTINATION)));
    let mut six = [0; 36];
    (six[15], six[31], six[33], six[35]) = (1, 2, 3, 4);
    assert_good(&two(0x21, 0x21, &[&six]), said(addresses("[::1]:3", "[::2]:4")));
    for header in [
        two(0x20, 0x00, &[]),
        two(0x20, 0x11, &[FOUR]),
        two(0x20, 0xff, &[b"any"]),
        two(0x21, 0x00, &[]),
        two(0x21, 0x31, &[&[0; 216]]),
    ] {
        assert_good(&header, said(None));
    }
}

#[test]
fn version_two_with_fields() {
    let fields =
        [field(0x05, b"\x01\xfe"), field(0x04, &[0; 300]), field(0x02, b"db.example"), field(0xee, b"")];
    let fields = fields.concat();
    let said = |addresses| Said {
        version: 2,
        addresses,
        unique_id: Some(vec![1, 0xfe]),
        authority: Some(b"db.example".to_vec()),
    };
    assert_good(&two(0x21, 0x11, &[FOUR, &fields]), said(addresses(SOURCE, DESTINATION)));
    assert_good(&two(0x21, 0x00, &[&fields]), said(None));
    let Introduction::Done(_, said) = parse(&two(0x21, 0x00, &[&fields])).unwrap() else { panic!() };
    let client = said.client(Some("127.0.0.1:9".parse().unwrap()));
    assert_eq!(client.address, Some("127.0.0.1:9".parse().unwrap()));
    assert_eq!((client.destination, client.header), (None, Some(2)));
    assert_eq!(
        (client.unique_id.as_deref(), client.authority.as_deref()),
        (Some("01fe"), Some("db.example"))
    );
}

#[test]
fn version_two_malformed() {
    let cases = [
        two(0x11, 0x11, &[FOUR]),
        two(0x22, 0x11, &[FOUR]),
        two(0x21, 0x12, &[FOUR]),
        two(0x21, 0x41, &[FOUR]),
        two(0x21, 0x11, &[&FOUR[1..]]),
        two(0x21, 0x21, &[FOUR]),
        two(0x21, 0x11, &[FOUR, &[5, 0]]),
        two(0x21, 0x11, &[FOUR, &[5, 0, 2, 0]]),
        two(0x21, 0x11, &[FOUR, &field(5, &[7; 129])]),
        two(0x21, 0x11, &[FOUR, &field(5, b"a"), &field(5, b"a")]),
        two(0x21, 0x11, &[FOUR, &field(3, &[0; 4])]),
        two(0x21, 0x11, &[FOUR, &field(3, &[0; 3])]),
    ];
    for header in cases {
        assert!(parse(&header).is_err(), "{header:?}");
    }
    let mut wrong = SIGNATURE.to_vec();
    wrong[11] = b'\r';
    assert!(parse(&wrong).is_err());
}

/// CRC-32C of "123456789" is e3069283 in every list of checksums; here it is computed over a header.
#[test]
fn the_checksum_is_looked_at() {
    let without = [two(0x21, 0x00, &[&field(3, &[0; 4])]), vec![]].concat();
    let good = two::crc32c_without(&without, 19).to_be_bytes();
    assert_good(&two(0x21, 0x00, &[&field(3, &good)]), Said { version: 2, ..Said::default() });
    assert!(parse(&two(0x21, 0x00, &[&field(3, &[good[0] ^ 1, good[1], good[2], good[3]])])).is_err());
    assert_eq!(two::crc32c_without(b"123456789", 9), 0xe306_9283);
}
