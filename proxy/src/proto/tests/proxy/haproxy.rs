//! Headers that HAProxy itself wrote, so that writer and reader cannot share a mistake.
//!
//! Got from Debian's haproxy 2.6.12 (a 3.5-dev wrote the same): `send-proxy-v2 proxy-v2-options
//! authority,unique-id,crc32c` (or `send-proxy`) to a Python listener that printed what came, on 127.0.0.1; the
//! addresses and the authority were given to HAProxy's `accept-proxy` in a header made with Python's `struct`.

use crate::proto::proxy::{AUTHORITY, CRC32C, UNIQUE_ID, write_v2};

use crate::proto::tests::proxy::given::{ends, whole};

const V4: &str = "0d0a0d0a000d0a515549540a21110030c0000207c6336409c35001bb0300046c60c8e002000b6578616d706c652e\
                  6f726705000c69642d353831342d30303031";
const MIXED: &str = "0d0a0d0a000d0a515549540a2121004820010db800000000000000000000000700000000000000000000ffffc633\
                     6409c35001bb0300045ff6201c02000b6578616d706c652e6f726705000c69642d353831342d30303031";
const UNIX: &str = "0d0a0d0a000d0a515549540a20000011030004e035ff4505000769642d756e6978";

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn its_version_2_is_read_and_written_byte_for_byte() {
    let v4 = ends("192.0.2.7:50000", "198.51.100.9:443");
    let mixed = ends("[2001:db8::7]:50000", "198.51.100.9:443");
    for (hex, addresses) in [(V4, v4), (MIXED, mixed)] {
        let sent = bytes(hex);
        let header = whole(&sent);
        assert_eq!(header.addresses, Some(addresses));
        assert_eq!(header.tlvs.authority(), Some(&b"example.org"[..]));
        assert_eq!(header.tlvs.unique_id(), Some(&b"id-5814-0001"[..]));

        let tlvs = [(CRC32C, &b""[..]), (AUTHORITY, b"example.org"), (UNIQUE_ID, b"id-5814-0001")];
        let mut ours = Vec::new();
        write_v2(header.addresses, &tlvs, &mut ours);
        assert_eq!(ours, sent);
    }
}

/// LOCAL, with TLVs and a checksum all the same.
#[test]
fn its_header_for_a_client_of_a_unix_socket_is_read_and_written_byte_for_byte() {
    let sent = bytes(UNIX);
    let header = whole(&sent);
    assert_eq!((header.addresses, header.tlvs.unique_id()), (None, Some(&b"id-unix"[..])));

    let mut ours = Vec::new();
    write_v2(None, &[(CRC32C, b""), (UNIQUE_ID, b"id-unix")], &mut ours);
    assert_eq!(ours, sent);
}

#[test]
fn its_version_1_is_read() {
    let mixed = ends("[2001:db8::7]:50000", "198.51.100.9:443");
    let line = b"PROXY TCP6 2001:db8::7 ::ffff:198.51.100.9 50000 443\r\n";
    assert_eq!(whole(line).addresses, Some(mixed));
    let v4 = ends("192.0.2.7:50000", "198.51.100.9:443");
    assert_eq!(whole(b"PROXY TCP4 192.0.2.7 198.51.100.9 50000 443\r\n").addresses, Some(v4));
    assert_eq!(whole(b"PROXY UNKNOWN\r\n").addresses, None);
}
