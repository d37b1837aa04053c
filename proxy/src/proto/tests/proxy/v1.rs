//! Version 1, section 2.1: a line is taken exactly as it is written there, or not at all.

use crate::proto::proxy::{BadHeaderReason, ParsedHeader, parse};

use crate::proto::tests::proxy::given::{ends, malformed, malformed_at_once, whole};

#[test]
fn addresses_of_either_family_are_read() {
    let longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let longest_line = format!("PROXY TCP6 {longest} {longest} 65535 65535\r\n");
    let longest_end = format!("[{longest}]:65535");
    assert_eq!(longest_line.len(), 104); // as section 2.1 counts
    for (line, source, destination) in [
        // The example of section 2.1.
        ("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "192.168.0.1:56324", "192.168.0.11:443"),
        ("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", "0.0.0.0:0", "255.255.255.255:65535"),
        ("PROXY TCP6 2001:db8::7 ::1 50000 443\r\n", "[2001:db8::7]:50000", "[::1]:443"),
        ("PROXY TCP6 :: 1:2:3:4:5:6:7:: 1 2\r\n", "[::]:1", "[1:2:3:4:5:6:7:0]:2"),
        // "Upper or lower case"; leading zeros are only forbidden in decimal.
        ("PROXY TCP6 2001:0DB8::Ab 0::0 1 2\r\n", "[2001:db8::ab]:1", "[::]:2"),
        // Not in the text of the section, but HAProxy writes it. What is IPv4 comes out as IPv4.
        ("PROXY TCP6 2001:db8::7 ::ffff:198.51.100.9 1 2\r\n", "[2001:db8::7]:1", "198.51.100.9:2"),
        ("PROXY TCP6 ::ffff:c000:207 ::ffff:198.51.100.9 1 2\r\n", "192.0.2.7:1", "198.51.100.9:2"),
        (&longest_line, &longest_end, &longest_end),
    ] {
        let header = whole(line.as_bytes());
        assert_eq!(header.addresses, Some(ends(source, destination)), "{line:?}");
        assert_eq!(header.tlvs.count(), 0);
    }
}

#[test]
fn unknown_tells_no_addresses_whatever_it_says() {
    let longest = format!("PROXY UNKNOWN {}\r\n", "f".repeat(107 - 16));
    assert_eq!(longest.len(), 107);
    for line in [
        "PROXY UNKNOWN\r\n",
        "PROXY UNKNOWN \r\n",
        "PROXY UNKNOWN 192.0.2.7 198.51.100.9 50000 443\r\n",
        "PROXY UNKNOWN  any \t\0 thing\u{e9} at all\r\n",
        &longest,
    ] {
        assert_eq!(whole(line.as_bytes()).addresses, None, "{line:?}");
    }
}

#[test]
fn what_follows_the_line_is_the_clients() {
    let bytes = b"PROXY TCP4 192.0.2.7 198.51.100.9 1 2\r\nGET / HTTP/1.1\r\n";
    let Ok(ParsedHeader::Header { len, .. }) = parse(bytes) else { panic!("no header") };
    assert_eq!(&bytes[len..], b"GET / HTTP/1.1\r\n");
}

#[test]
fn what_is_not_exactly_a_line_is_malformed_by_its_first_wrong_byte() {
    for (line, expected) in [
        // A client that talks something else, section 5.
        ("GET / HTTP/1.1\r\n", (BadHeaderReason::NotProxy(b'G'), 0)),
        ("POST / HTTP/1.1\r\n", (BadHeaderReason::NotProxy(b'O'), 1)),
        ("PROXX TCP4", (BadHeaderReason::NotProxy(b'X'), 4)),
        ("proxy TCP4", (BadHeaderReason::NotProxy(b'p'), 0)),
        (" PROXY TCP4", (BadHeaderReason::NotProxy(b' '), 0)),
        ("PROXY\tTCP4", (BadHeaderReason::NotProxy(b'\t'), 5)),
        // "Exactly one space", and three protocols.
        ("PROXY  TCP4", (BadHeaderReason::Protocol, 6)),
        ("PROXY tcp4", (BadHeaderReason::Protocol, 6)),
        ("PROXY TCP5", (BadHeaderReason::Protocol, 9)),
        ("PROXY TCP46", (BadHeaderReason::Protocol, 10)),
        ("PROXY TCP4\r\n", (BadHeaderReason::Protocol, 10)),
        ("PROXY UDP4", (BadHeaderReason::Protocol, 7)),
        ("PROXY UNKNOWNS\r\n", (BadHeaderReason::Protocol, 13)),
        ("PROXY UNKNOWN\n", (BadHeaderReason::Protocol, 13)),
        ("PROXY \r\n", (BadHeaderReason::Protocol, 6)),
        // "Must not tolerate a single CR or LF".
        ("PROXY UNKNOWN x\n", (BadHeaderReason::LineEnd, 15)),
        ("PROXY UNKNOWN\rx", (BadHeaderReason::LineEnd, 14)),
        ("PROXY UNKNOWN a\rb\r\n", (BadHeaderReason::LineEnd, 16)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx", (BadHeaderReason::LineEnd, 31)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", (BadHeaderReason::Port, 30)),
        // Addresses of the family that was named, "exactly 4 integers in the range [0..255]".
        ("PROXY TCP4  1.2.3.4", (BadHeaderReason::Address, 11)),
        ("PROXY TCP4 1.2.3 ", (BadHeaderReason::Address, 16)),
        ("PROXY TCP4 1.2.3.4.", (BadHeaderReason::Address, 18)),
        ("PROXY TCP4 1..3.4", (BadHeaderReason::Address, 13)),
        ("PROXY TCP4 256.0.0.1", (BadHeaderReason::Address, 13)),
        ("PROXY TCP4 01.2.3.4", (BadHeaderReason::Address, 12)),
        ("PROXY TCP4 1.2.3.00", (BadHeaderReason::Address, 18)),
        ("PROXY TCP4 0x7f.1", (BadHeaderReason::Address, 12)),
        ("PROXY TCP4 -1.2.3.4", (BadHeaderReason::Address, 11)),
        ("PROXY TCP4 ::1 ::1 1 2\r\n", (BadHeaderReason::Address, 11)),
        ("PROXY TCP4 localhost", (BadHeaderReason::Address, 11)),
        ("PROXY TCP4 1.2.3.4  1.2.3.4", (BadHeaderReason::Address, 19)),
        ("PROXY TCP4 1.2.3.4\r\n", (BadHeaderReason::Address, 18)),
        ("PROXY TCP4 1.2.3.4\u{ff}", (BadHeaderReason::Address, 18)),
        ("PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n", (BadHeaderReason::Address, 12)),
        // "One double colon sequence", 128 bits, no zone.
        ("PROXY TCP6 1::2::3", (BadHeaderReason::Address, 16)),
        ("PROXY TCP6 :::", (BadHeaderReason::Address, 13)),
        ("PROXY TCP6 :1:", (BadHeaderReason::Address, 12)),
        ("PROXY TCP6 12345::", (BadHeaderReason::Address, 15)),
        ("PROXY TCP6 1:2:3:4:5:6:7:8:", (BadHeaderReason::Address, 26)),
        ("PROXY TCP6 1:2:3:4:5:6:7 ", (BadHeaderReason::Address, 24)),
        ("PROXY TCP6 fe80::1%eth0", (BadHeaderReason::Address, 18)),
        ("PROXY TCP6 [::1]", (BadHeaderReason::Address, 11)),
        ("PROXY TCP6 ::g", (BadHeaderReason::Address, 13)),
        ("PROXY TCP6 1:2:3:4:5:6:7:1.2.3.4", (BadHeaderReason::Address, 26)),
        // "[0..65535] inclusive", no "heading zeroes".
        ("PROXY TCP4 1.2.3.4 1.2.3.4 65536", (BadHeaderReason::Port, 31)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 123456", (BadHeaderReason::Port, 32)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 01", (BadHeaderReason::Port, 28)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 00", (BadHeaderReason::Port, 28)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 +1", (BadHeaderReason::Port, 27)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 -1", (BadHeaderReason::Port, 27)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 0x1", (BadHeaderReason::Port, 28)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4  1", (BadHeaderReason::Port, 27)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n", (BadHeaderReason::Port, 29)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n", (BadHeaderReason::Port, 30)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", (BadHeaderReason::Port, 30)),
        ("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", (BadHeaderReason::Port, 28)),
    ] {
        let latin: Vec<_> = line.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(malformed_at_once(&latin), expected, "{line:?}");
    }
}

/// "If the CRLF sequence is not found in the first 107 characters": the CR is the 106th at the latest.
#[test]
fn a_line_without_end_is_malformed_after_107_bytes() {
    let unended = format!("PROXY UNKNOWN {}", "x".repeat(4096));
    assert_eq!(parse(&unended.as_bytes()[..105]), Ok(ParsedHeader::Partial));
    for len in [106, 107, 108, 4110] {
        assert_eq!(malformed(&unended.as_bytes()[..len]), (BadHeaderReason::LineTooLong, 106), "{len} bytes");
    }
    let late = format!("PROXY UNKNOWN {}\r\n", "x".repeat(107 - 15));
    assert_eq!((late.len(), malformed(late.as_bytes())), (108, (BadHeaderReason::LineTooLong, 106)));
    // Dotted tails make longer addresses than the section counts with; the line keeps to its limit.
    let dotted = "1111:2222:3333:4444:5555:6666:111.111.111.111";
    let line = format!("PROXY TCP6 {dotted} {dotted} 65535 65535\r\n");
    assert_eq!(malformed(line.as_bytes()), (BadHeaderReason::LineTooLong, 106));
}

#[test]
fn a_mistake_is_told_in_words() {
    let words = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
    assert_eq!(words(b"GET / HTTP/1.1\r\n"), "not a PROXY header: byte 0x47 at offset 0");
    assert_eq!(words(b"PROXY TCP4 1.2.3.4 1.2.3.4 +"), "not a port in a PROXY v1 header at offset 27");
}
