//! Version 2, section 2.2: fixed bytes, families and lengths.

use crate::proto::proxy::{BadHeaderReason, LONGEST, ParsedHeader, parse};

use crate::proto::tests::proxy::given::{SIGNATURE, V4, ends, malformed, malformed_at_once, tlv, v2, whole};

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

/// [2001:db8::7]:50000 to [2001:db8::9]:443.
const V6: &[u8] =
    b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x09\xc3\x50\x01\xbb";

#[test]
fn addresses_of_either_family_are_read() {
    let v4 = ends("192.0.2.7:50000", "198.51.100.9:443");
    assert_eq!(whole(&v2(PROXY, 0x11, V4)).addresses, Some(v4));
    let v6 = ends("[2001:db8::7]:50000", "[2001:db8::9]:443");
    assert_eq!(whole(&v2(PROXY, 0x21, V6)).addresses, Some(v6));
}

#[test]
fn a_mapped_address_comes_out_as_the_ipv4_address_that_it_is() {
    let mapped = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x07";
    let bytes = v2(PROXY, 0x21, &[mapped, &V6[16..]].concat());
    assert_eq!(whole(&bytes).addresses, Some(ends("192.0.2.7:50000", "[2001:db8::9]:443")));
}

/// "Must accept this connection as valid and must use the real connection endpoints and discard the protocol
/// block including the family which is ignored"; "must not assume zero is presented for LOCAL connections".
#[test]
fn local_tells_no_addresses_whatever_its_block_says() {
    for (family, block) in
        [(0x00, &b""[..]), (0x11, V4), (0x11, b"x"), (0xff, b"xyz"), (0x4f, b""), (0x31, V4)]
    {
        let bytes = v2(LOCAL, family, block);
        let header = whole(&bytes);
        assert_eq!((header.addresses, header.tlvs.count()), (None, 0), "family {family:#04x}");
    }
}

/// A stream proxy has no use for these; "falls back to the UNSPEC mode for the valid combinations".
#[test]
fn unspecified_families_unix_sockets_and_datagrams_tell_no_addresses() {
    let unix = [0x2f; 216];
    for (family, block) in [
        (0x00, &b""[..]),
        (0x00, b"address of some kind"),
        (0x01, b""),
        (0x02, b"xy"),
        (0x10, V4),
        (0x20, b"x"),
        (0x30, b""),
        (0x12, V4),
        (0x22, V6),
        (0x31, &unix),
        (0x32, &unix),
    ] {
        let bytes = v2(PROXY, family, block);
        let header = whole(&bytes);
        assert_eq!((header.addresses, header.tlvs.count()), (None, 0), "family {family:#04x}");
    }
}

#[test]
fn tlvs_are_found_behind_addresses_of_every_length() {
    let unix = [0x2f; 216];
    for (command, family, block) in [
        (PROXY, 0x11, V4),
        (PROXY, 0x12, V4),
        (PROXY, 0x21, V6),
        (PROXY, 0x22, V6),
        (PROXY, 0x31, &unix),
        (PROXY, 0x32, &unix),
        (PROXY, 0x00, b""),
        (LOCAL, 0x00, b""),
    ] {
        let bytes = v2(command, family, &[block, &tlv(5, b"id")].concat());
        assert_eq!(whole(&bytes).tlvs.unique_id(), Some(&b"id"[..]), "family {family:#04x}");
    }
}

#[test]
fn what_follows_the_header_is_the_clients() {
    let bytes = [&v2(PROXY, 0x11, V4)[..], b"SSH-2.0-x\r\n"].concat();
    assert!(matches!(parse(&bytes), Ok(ParsedHeader::Header { len: 28, .. })));
}

#[test]
fn what_is_wrong_in_the_fixed_bytes_is_malformed_by_its_first_wrong_byte() {
    let fixed = |rest: &[u8]| [SIGNATURE, rest].concat();
    for (bytes, expected) in [
        (b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(), (BadHeaderReason::NotProxy(b'G'), 4)),
        (b"\x16\x03\x01\x02\x00\x01".to_vec(), (BadHeaderReason::NotProxy(0x16), 0)),
        (b"\r\n\r\n\0\r\nQUIT\r".to_vec(), (BadHeaderReason::NotProxy(b'\r'), 11)),
        // "The receiver must only accept this value": 2.
        (fixed(b"\x11\x11\0\x0c"), (BadHeaderReason::Version(0x11), 12)),
        (fixed(b"\x31"), (BadHeaderReason::Version(0x31), 12)),
        (fixed(b"\x01"), (BadHeaderReason::Version(0x01), 12)),
        // "Receivers must drop connections presenting unexpected values here."
        (fixed(b"\x22"), (BadHeaderReason::Command(0x22), 12)),
        (fixed(b"\x2f\x11\0\x0c"), (BadHeaderReason::Command(0x2f), 12)),
        // "Must be rejected as invalid by receivers."
        (fixed(b"\x21\x41\0\x0c"), (BadHeaderReason::Family(0x41), 13)),
        (fixed(b"\x21\xf0"), (BadHeaderReason::Family(0xf0), 13)),
        (fixed(b"\x21\x13\0\x0c"), (BadHeaderReason::Transport(0x13), 13)),
        (fixed(b"\x21\x03"), (BadHeaderReason::Transport(0x03), 13)),
        (fixed(b"\x21\x3f"), (BadHeaderReason::Transport(0x3f), 13)),
        (fixed(b"\x21\x11\x10\x00"), (BadHeaderReason::TooLong, 14)),
        (fixed(b"\x20\x00\xff\xff"), (BadHeaderReason::TooLong, 14)),
    ] {
        assert_eq!(malformed_at_once(&bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_length_shorter_than_the_addresses_is_malformed_without_waiting_for_them() {
    for (family, needed) in [(0x11, 12), (0x12, 12), (0x21, 36), (0x22, 36), (0x31, 216), (0x32, 216)] {
        for short in [0, 1, needed - 1] {
            let bytes = &v2(PROXY, family, &vec![0; usize::from(short)])[..16];
            assert_eq!(parse(&bytes[..15]), Ok(ParsedHeader::Partial));
            assert_eq!(
                malformed(bytes),
                (BadHeaderReason::TooShort(short), 14),
                "family {family:#04x}, {short}"
            );
        }
        assert_eq!(parse(&v2(PROXY, family, &vec![0; usize::from(needed)])[..16]), Ok(ParsedHeader::Partial));
    }
}

#[test]
fn a_header_may_have_4096_bytes_and_no_more() {
    let longest = v2(LOCAL, 0, &vec![0; LONGEST - 16]);
    assert_eq!(whole(&longest).addresses, None);
    assert_eq!(malformed(&v2(LOCAL, 0, &vec![0; LONGEST - 15])[..16]), (BadHeaderReason::TooLong, 14));
    assert_eq!(malformed(&v2(LOCAL, 0, &[0; 4096])[..15]), (BadHeaderReason::TooLong, 14));
    let words = parse(&v2(LOCAL, 0, &[0; 4096])).unwrap_err().to_string();
    assert_eq!(words, "a PROXY v2 header of more than 4096 bytes at offset 14");
}
