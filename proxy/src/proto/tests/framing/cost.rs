//! Measures what reading frames costs. It prints, and asserts nothing on time.
//!
//! Run it by hand, alone and optimised: `cargo test --release -p penstock --lib -- --ignored --nocapture framing::cost`.

use std::hint::black_box;
use std::time::Instant;

use crate::config::{FrameKind, Framing};
use crate::proto::framing::{Answers, FrameReader, Pinning, request};

use crate::proto::tests::framing::given::{LF, PLAIN, framing, resp};

const ROUNDS: u32 = 2_000_000;

fn measure(name: &str, mut once: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..7 {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            once();
        }
        best = best.min(begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS));
    }
    println!("{name}: {best:.1} ns");
}

fn requests(name: &str, framing: &Framing, input: &[u8]) {
    measure(name, || {
        let frame = request(framing, black_box(input), Pinning::Free);
        assert_eq!(black_box(frame).unwrap().unwrap().len, input.len());
    });
}

fn answers(name: &str, framing: &Framing, input: &[u8]) {
    let mut reader = FrameReader::new(framing);
    measure(name, || {
        let progress = reader.read(black_box(input)).unwrap();
        assert!(black_box(progress).end.is_some());
    });
}

#[test]
#[ignore = "a measurement, to be run alone and optimised"]
fn cost() {
    let lines = framing(LF, 1024);
    let prefixed = framing(FrameKind::LengthPrefixed(PLAIN), 1024);
    let set = b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$3\r\nxxx\r\n";
    requests("request: SET key:000000000001 xxx", &resp(), set);
    requests("request: GET key:000000000001", &resp(), b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n");
    requests("request: CONFIG GET save", &resp(), b"*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n");
    requests("request: PING, a line", &resp(), b"PING\r\n");
    requests("request: a line", &lines, b"tag 17-1234 add 2 3\n");
    requests("request: length-prefixed", &prefixed, b"\x00\x00\x00\x13tag 17-1234 add 2 3");
    answers("answer: +OK", &resp(), b"+OK\r\n");
    answers("answer: $3 xxx", &resp(), b"$3\r\nxxx\r\n");
    answers("answer: 1000 bytes", &resp(), &[b"$1000\r\n".as_slice(), &[b'x'; 1000], b"\r\n"].concat());
    answers("answer: array of 10", &resp(), format!("*10\r\n{}", "$3\r\nxxx\r\n".repeat(10)).as_bytes());
    answers("answer: a line", &lines, b"17-1234 5\n");
    answers("answer: length-prefixed", &prefixed, b"\x00\x00\x00\x0917-1234 5");
}
