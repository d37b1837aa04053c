//! Tests the headers that penstock sends (sections 2.1 and 2.2).
//!
//! HAProxy 2.6.12 and 3.5-dev were given 30 such headers once (every family, with and without TLVs and checksum) with
//! `accept-proxy`, and told the same addresses behind them. They look at checksums, too.

use crate::proto::proxy::{Addresses, CRC32C, LONGEST, UNIQUE_ID, write_v1, write_v2};

use crate::proto::tests::proxy::given::{SIGNATURE, V4, ends, tlv, v2, whole};

fn v1_of(addresses: Option<Addresses>) -> String {
    let mut out = Vec::new();
    write_v1(addresses, &mut out);
    String::from_utf8(out).unwrap()
}

fn v2_of(addresses: Option<Addresses>, tlvs: &[(u8, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    write_v2(addresses, tlvs, &mut out);
    out
}

#[test]
fn version_1_is_a_line() {
    for (source, destination, expected) in [
        ("192.0.2.7:50000", "198.51.100.9:443", "PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n"),
        ("[2001:db8::7]:0", "[::1]:65535", "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n"),
        // Mixed families: IPv6, in hexadecimal only.
        ("192.0.2.7:1", "[2001:db8::9]:2", "PROXY TCP6 ::ffff:c000:207 2001:db8::9 1 2\r\n"),
        ("[2001:db8::7]:1", "0.0.0.1:2", "PROXY TCP6 2001:db8::7 ::ffff:0:1 1 2\r\n"),
        // Both as a listener on [::] sees clients that came over IPv4.
        ("[::ffff:192.0.2.7]:1", "[::ffff:198.51.100.9]:2", "PROXY TCP4 192.0.2.7 198.51.100.9 1 2\r\n"),
        // A zone means nothing elsewhere.
        ("[fe80::1%3]:1", "[fe80::2%3]:2", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"),
    ] {
        assert_eq!(v1_of(Some(ends(source, destination))), expected);
    }
    assert_eq!(v1_of(None), "PROXY UNKNOWN\r\n");
}

#[test]
fn version_2_is_written_byte_for_byte() {
    let v4 = Some(ends("192.0.2.7:50000", "198.51.100.9:443"));
    assert_eq!(v2_of(v4, &[]), v2(0x21, 0x11, V4));
    let mapped = Some(ends("[::ffff:192.0.2.7]:50000", "[::ffff:198.51.100.9]:443"));
    assert_eq!(v2_of(mapped, &[]), v2(0x21, 0x11, V4));
    let tlvs = [V4, b"\x05\x00\x02id\xe0\x00\x00"].concat();
    assert_eq!(v2_of(v4, &[(5, b"id"), (0xe0, b"")]), v2(0x21, 0x11, &tlvs));

    let mixed =
        b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\0\x01\0\x02";
    assert_eq!(v2_of(Some(ends("192.0.2.7:1", "[2001:db8::9]:2")), &[]), v2(0x21, 0x21, mixed));
}

/// HAProxy closes connections that come with PROXY and an unspecified family (both versions that were tried).
#[test]
fn without_addresses_version_2_is_local() {
    assert_eq!(v2_of(None, &[]), [SIGNATURE, b"\x20\x00\0\0"].concat());
    assert_eq!(v2_of(None, &[(5, b"id")]), v2(0x20, 0x00, &tlv(5, b"id")));
}

#[test]
fn a_header_goes_behind_what_is_there_already() {
    let before = [b'x'; LONGEST];
    let mut out = before.to_vec();
    write_v2(None, &[(CRC32C, b"any"), (5, b"id")], &mut out);
    let (first, header) = out.split_at(LONGEST);
    assert_eq!((first, whole(header).tlvs.unique_id()), (&before[..], Some(&b"id"[..])));
    write_v1(None, &mut out);
    assert!(out.ends_with(b"idPROXY UNKNOWN\r\n"));
}

#[test]
fn what_receivers_would_refuse_is_left_out() {
    let most = vec![b'x'; LONGEST - 16 - 3];
    assert_eq!(v2_of(None, &[(0xe0, &most)]).len(), LONGEST);
    // No room for the first, and enough for the second.
    let more = vec![b'x'; LONGEST - 16 - 2];
    assert_eq!(v2_of(None, &[(0xe0, &more), (5, b"id")]), v2(0x20, 0x00, &tlv(5, b"id")));
    assert_eq!(v2_of(None, &[(0xe0, &vec![0; 70_000])]), v2(0x20, 0x00, b""));
    assert_eq!(v2_of(None, &[(UNIQUE_ID, &[b'x'; 129])]), v2(0x20, 0x00, b""));
    let twice = v2_of(None, &[(CRC32C, b""), (CRC32C, b"")]);
    assert_eq!(whole(&twice).tlvs.count(), 1);
    // No room for the checksum itself.
    let full = v2_of(None, &[(0xe0, &most), (CRC32C, b"")]);
    assert_eq!((full.len(), whole(&full).tlvs.count()), (LONGEST, 1));
}
