//! Length-prefixed frames: any width, order and place of the count, whatever it counts.

use crate::config::{FrameKind, Framing, Prefix};
use crate::proto::framing::{BadFrame, Frame, Outcome, Pinning, least, request};

use crate::proto::tests::framing::given::{
    PLAIN, answers, bad_length, first, frame, framing, malformed, request_ends, shared,
};

fn prefixed(prefix: Prefix) -> Framing {
    framing(FrameKind::LengthPrefixed(prefix), 64)
}

#[test]
fn a_frame_has_as_many_bytes_as_its_count_says() {
    let little = Prefix { little_endian: true, ..PLAIN };
    let whole = Prefix { counts_header: true, ..PLAIN };
    for (prefix, input, len) in [
        (Prefix { width: 1, ..PLAIN }, b"\x03abcd".as_slice(), 4),
        (Prefix { width: 2, ..PLAIN }, b"\x00\x03abcd", 5),
        (PLAIN, b"\x00\x00\x00\x03abcd", 7),
        (Prefix { width: 8, ..PLAIN }, b"\x00\x00\x00\x00\x00\x00\x00\x03abcd", 11),
        (Prefix { width: 2, ..little }, b"\x03\x00abcd", 5),
        (little, b"\x03\x00\x00\x00abcd", 7),
        (Prefix { width: 8, ..little }, b"\x03\x00\x00\x00\x00\x00\x00\x00abcd", 11),
        (whole, b"\x00\x00\x00\x07abcd", 7),
        (Prefix { offset: 3, ..PLAIN }, b"xyz\x00\x00\x00\x03abcd", 10),
        (Prefix { offset: 3, ..whole }, b"xyz\x00\x00\x00\x0aabcd", 10),
        (PLAIN, b"\x00\x00\x00\x00abcd", 4),
        (whole, b"\x00\x00\x00\x04abcd", 4),
        (
            Prefix { width: 1, ..PLAIN },
            b"\x3f000000000000000000000000000000000000000000000000000000000000000",
            64,
        ),
    ] {
        assert_eq!(frame(&prefixed(prefix), input, Pinning::Free), shared(len), "{prefix:?}");
        let (ends, _) = answers(&prefixed(prefix), input);
        assert_eq!(ends[0], (len, Outcome::Answer), "{prefix:?}");
    }
}

#[test]
fn a_count_over_the_limit_is_known_with_its_last_byte() {
    let eight = Prefix { width: 8, ..PLAIN };
    for (prefix, input, least) in [
        (Prefix { width: 1, ..PLAIN }, b"\x40".as_slice(), 65),
        (PLAIN, b"\x00\x00\x00\x3d", 65),
        (Prefix { counts_header: true, ..PLAIN }, b"\x00\x00\x00\x41", 65),
        (PLAIN, b"\xff\xff\xff\xff", (1 << 32) + 3),
        (Prefix { little_endian: true, ..PLAIN }, b"\x00\x00\x00\x80", (1 << 31) + 4),
        (eight, b"\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX),
        (eight, b"\xff\xff\xff\xff\xff\xff\xff\xf6", u64::MAX - 1),
        (Prefix { counts_header: true, ..eight }, b"\xff\xff\xff\xff\xff\xff\xff\xff", u64::MAX),
    ] {
        let more = [input, b"and more"].concat();
        assert_eq!(
            malformed(&prefixed(prefix), &more),
            (BadFrame::TooLong(least), input.len()),
            "{prefix:?}"
        );
        assert_eq!(
            answers(&prefixed(prefix), &more),
            (Vec::new(), Some(BadFrame::TooLong(least))),
            "{prefix:?}"
        );
    }
}

#[test]
fn a_count_that_includes_its_header_is_not_smaller_than_it() {
    let what = "count smaller than the header it includes";
    let prefix = Prefix { width: 2, counts_header: true, offset: 3, ..PLAIN };
    for count in 0..5 {
        let input = [b"xyz\x00", [count].as_slice(), b"more"].concat();
        assert_eq!(malformed(&prefixed(prefix), &input), (bad_length(what, count.into()), 5));
        assert_eq!(answers(&prefixed(prefix), &input), (Vec::new(), Some(bad_length(what, count.into()))));
    }
}

#[test]
fn frames_follow_each_other() {
    let input = b"\x00\x00\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x02bc\x00\x00\x00";
    let ends = (vec![(5, Outcome::Answer), (9, Outcome::Answer), (15, Outcome::Answer)], None);
    assert_eq!(request_ends(&prefixed(PLAIN), input), ends);
    assert_eq!(answers(&prefixed(PLAIN), input), ends);
}

#[test]
fn a_header_without_its_frame_says_how_long_to_wait() {
    let framing = prefixed(PLAIN);
    assert_eq!(least(&framing, b""), 4);
    assert_eq!(least(&framing, b"\x00\x00\x00"), 4);
    assert_eq!(least(&framing, b"\x00\x00\x00\x10"), 20);
    assert_eq!(first(&framing, b"\x00\x00\x00\x10abc", Pinning::Free).0, Ok(None));
}

#[test]
fn whether_a_frame_may_be_sent_twice_is_what_the_configuration_says() {
    let framing = Framing { repeatable: true, ..prefixed(Prefix { width: 1, ..PLAIN }) };
    assert_eq!(request(&framing, b"\x01a", Pinning::Free), Ok(Some(Frame { repeatable: true, ..shared(2) })));
}
