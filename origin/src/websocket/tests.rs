//! Tests that frames come back as RFC 6455 wants with any cut, and that violations end with 1002.

use super::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Makes a frame as a client sends it.
fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put_head(&mut frame, first, payload.len() as u64);
    frame[1] |= 0x80;
    frame.extend(KEY);
    Mask(KEY).lift(payload, &mut frame);
    frame
}

/// Makes a frame as the server sends it.
fn plain(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    put(&mut frame, first, payload);
    frame
}

/// Feeds `bytes` in steps of `step`.
fn talk(bytes: &[u8], step: usize) -> (Vec<u8>, Next) {
    let (mut socket, mut out, mut at_hand) = (WebSocket::default(), Vec::new(), Vec::new());
    for arrival in bytes.chunks(step) {
        at_hand.extend_from_slice(arrival);
        let mut input = at_hand.as_slice();
        let next = socket.hear(&mut input, &mut out);
        if next != Next::Read {
            return (out, next);
        }
        at_hand = input.to_vec();
    }
    (out, Next::Read)
}

#[test]
fn the_example_of_the_rfc() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(masked(FIN | TEXT, b"Hello"), hello);
    assert_eq!(talk(&hello, 99), (b"\x81\x05Hello".to_vec(), Next::Read));
}

#[test]
fn any_cut_gives_the_same_frames() {
    let long = |length: usize| (0..length).map(|at| at as u8).collect::<Vec<_>>();
    let said = [
        (FIN | TEXT, b"text".to_vec()),
        (BINARY, long(125)),
        (FIN | PING, b"are you there?".to_vec()),
        (CONTINUATION, long(126)),
        (FIN | PONG, b"unasked".to_vec()),
        (FIN | CONTINUATION, Vec::new()),
        (FIN | BINARY, long(65_535)),
        (FIN | BINARY, long(65_536)),
        (FIN | PING, Vec::new()),
        (FIN | CLOSE, b"\x03\xe8enough".to_vec()),
    ];
    let bytes: Vec<u8> = said.iter().flat_map(|(first, payload)| masked(*first, payload)).collect();
    let mut expected = Vec::new();
    for (first, payload) in &said {
        match first & 0xf {
            PING => expected.extend(plain(FIN | PONG, payload)),
            PONG => {}
            CLOSE => expected.extend(plain(*first, &payload[..2])),
            _ => expected.extend(plain(*first, payload)),
        }
    }
    for step in [1, 2, 3, 7, 64, 1000, 70_000, bytes.len()] {
        assert!(talk(&bytes, step) == (expected.clone(), Next::Close), "step {step}");
    }
}

#[test]
fn what_breaks_the_rules_ends_it() {
    let cases: [(&str, Vec<u8>); 13] = [
        ("not masked", plain(FIN | TEXT, b"x")),
        ("a reserved bit", masked(FIN | TEXT | 0x40, b"x")),
        ("a reserved opcode", masked(FIN | 3, b"x")),
        ("a reserved control opcode", masked(FIN | 11, b"x")),
        ("a continuation of nothing", masked(FIN | CONTINUATION, b"x")),
        ("a message within another", [masked(TEXT, b"x"), masked(FIN | TEXT, b"x")].concat()),
        ("a ping in fragments", masked(PING, b"x")),
        ("a ping too long", masked(FIN | PING, &[0; 126])),
        ("a length in too many bytes", b"\x81\xfe\x00\x7dkey!".to_vec()),
        ("a length in far too many", b"\x82\xff\0\0\0\0\0\0\xff\xffkey!".to_vec()),
        ("a length with a sign", b"\x82\xff\x80\0\0\0\0\0\0\0key!".to_vec()),
        ("half a status", masked(FIN | CLOSE, b"\x03")),
        ("a status that is never sent", masked(FIN | CLOSE, &1005_u16.to_be_bytes())),
    ];
    for (what, bytes) in cases {
        let (said, next) = talk(&bytes, bytes.len());
        assert!(said.ends_with(b"\x88\x02\x03\xea") && next == Next::Close, "{what}: {said:?}, {next:?}");
    }
}

#[test]
fn a_close_without_a_status_gets_one_without() {
    assert_eq!(talk(&masked(FIN | CLOSE, b""), 1), (b"\x88\x00".to_vec(), Next::Close));
}
