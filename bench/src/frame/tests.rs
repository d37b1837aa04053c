//! Tests frames on raw bytes: complete, with any cut, and wrong.

use super::*;

const LF: Protocol = Protocol::Lines { crlf: false };
const CRLF: Protocol = Protocol::Lines { crlf: true };

fn prefixed(length_bytes: u8, little_endian: bool, includes_header: bool, offset: u16) -> Protocol {
    Protocol::LengthPrefixed(Prefix { length_bytes, little_endian, includes_header, offset })
}

/// Returns each answer as "STATUS CONTENT|BEHIND", after feeding the bytes cut in two at `cut`.
fn read(protocol: Protocol, wire: &[u8], cut: usize) -> Result<Vec<String>, &'static str> {
    let reader = Reader::new(protocol, Some(b"busy\n".to_vec()));
    let (mut held, mut answers) = (Vec::new(), Vec::new());
    for part in [&wire[..cut], &wire[cut..]] {
        held.extend_from_slice(part);
        let mut input = &held[..];
        while let Some(whole) = reader.next(&mut input)? {
            let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
            answers.push(format!("{} {}|{}", whole.status, text(whole.content), text(whole.behind)));
        }
        held = input.to_vec();
    }
    Ok(answers)
}

fn reads(protocol: Protocol, wire: &[u8], expected: &[&str]) {
    for cut in 0..=wire.len() {
        assert_eq!(read(protocol, wire, cut).unwrap(), expected, "{protocol:?} cut at {cut}");
    }
}

#[test]
fn every_cut_reads_the_same() {
    reads(LF, b"1-2 5\n\na\r\nbusy\nhal", &["200 1-2 5|", "200 |", "200 a\r|", "503 busy|"]);
    reads(CRLF, b"1-2 5\r\n\r\na\rb\r\n", &["200 1-2 5|", "200 |", "200 a\rb|"]);
    reads(prefixed(2, false, false, 0), b"\0\x03abc\0\0\0\x01", &["200 abc|", "200 |"]);
    reads(prefixed(4, true, true, 2), b"xy\x09\0\0\0abczz\x06\0\0\0", &["200 abc|xy", "200 |zz"]);
    reads(prefixed(1, false, false, 1), b"h\x02\n\nh", &["200 \n\n|h"]);
    reads(prefixed(8, false, true, 0), b"\0\0\0\0\0\0\0\x09!", &["200 !|"]);
    let replies = b"+OK\r\n:12\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n-ERR no\r\n$5\r\nhal";
    reads(
        Protocol::Resp,
        replies,
        &["200 OK|+", "200 12|:", "200 a\r\n|$", "200 |$", "200 |_", "503 ERR no|-"],
    );
}

#[test]
fn what_is_put_into_a_frame_is_read_out_of_it() {
    for protocol in
        [LF, CRLF, prefixed(1, false, true, 0), prefixed(2, true, false, 5), prefixed(8, true, true, 1)]
    {
        let mut wire = Vec::new();
        let behind = put(protocol, b"1-2 hello", b"0123456789", &mut wire);
        let behind = String::from_utf8_lossy(behind);
        reads(protocol, &wire, &[&format!("200 1-2 hello|{behind}")]);
    }
}

#[test]
fn a_loose_frame_is_refused() {
    for (protocol, wire) in [
        (CRLF, &b"a\n"[..]),
        (prefixed(2, false, true, 0), b"\0\x01"),
        (prefixed(8, false, false, 0), b"\xff\0\0\0\0\0\0\0"),
        (Protocol::Resp, b"+OK\n"),
        (Protocol::Resp, b"\r\n"),
        (Protocol::Resp, b"*1\r\n$1\r\na\r\n"),
        (Protocol::Resp, b"$2\r\nabc\r\n"),
        (Protocol::Resp, b"$+2\r\nab\r\n"),
        (Protocol::Resp, b"$-2\r\n"),
        (Protocol::Resp, b"HTTP/1.1 200 OK\r\n"),
    ] {
        assert!(read(protocol, wire, 0).is_err(), "{protocol:?} {wire:?}");
    }
}
