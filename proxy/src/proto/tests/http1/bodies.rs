//! Tests content: where it ends, what breaks it, and how it is framed anew, whole and byte by byte.

use crate::proto::http::BodyFraming;
use crate::proto::http1::{BodyDecoder, BodyEncoder, BodyError};

use crate::proto::tests::http1::given::text;

/// What a body came to: its content, how many bytes it took, and whether it ended or broke.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Read {
    pub(crate) content: Vec<u8>,
    pub(crate) consumed: usize,
    pub(crate) end: Result<bool, BodyError>,
    pub(crate) trailers: String,
}

/// Reads `input`, at most `cuts[i]` new bytes at a time; what is not consumed comes again.
pub(crate) fn read(framing: BodyFraming, input: &[u8], cuts: &mut dyn Iterator<Item = usize>) -> Read {
    read_by(BodyDecoder::of_request(framing), input, cuts)
}

fn read_by(mut decoder: BodyDecoder, input: &[u8], cuts: &mut dyn Iterator<Item = usize>) -> Read {
    let (mut content, mut consumed, mut seen) = (Vec::new(), 0, 0);
    while !decoder.is_done() {
        if consumed == seen {
            if seen == input.len() {
                return Read { content, consumed, end: Ok(false), trailers: text(decoder.trailers()) };
            }
            seen = input.len().min(seen + cuts.next().unwrap_or(input.len()).max(1));
        }
        let window = &input[consumed..seen];
        match decoder.decode(window) {
            Err(error) => {
                return Read { content, consumed: 0, end: Err(error), trailers: text(decoder.trailers()) };
            }
            Ok(step) => {
                assert!(step.consumed > 0 && step.data.end <= step.consumed);
                assert_eq!(step.done, decoder.is_done());
                content.extend_from_slice(&window[step.data]);
                consumed += step.consumed;
            }
        }
    }
    Read { content, consumed, end: Ok(true), trailers: text(decoder.trailers()) }
}

/// Whole and byte by byte must be the same.
#[track_caller]
fn chunked(input: &[u8]) -> Read {
    let whole = read(BodyFraming::Chunked, input, &mut std::iter::empty());
    let bytewise = read(BodyFraming::Chunked, input, &mut std::iter::repeat(1));
    assert_eq!(whole, bytewise);
    whole
}

/// The same, of a member.
#[track_caller]
fn chunked_answer(input: &[u8]) -> Read {
    let decoder = || BodyDecoder::of_answer(BodyFraming::Chunked);
    let whole = read_by(decoder(), input, &mut std::iter::empty());
    assert_eq!(whole, read_by(decoder(), input, &mut std::iter::repeat(1)));
    whole
}

/// Members may pad their sizes; clients may not, and nobody may put blanks elsewhere, or too many of them.
#[test]
fn d4_m7_1_sizes_of_members_may_be_padded() {
    for padded in
        ["5 \r\nhello\r\n0\r\n\r\n", "5\t  \r\nhello\r\n0     \r\n\r\n", "005  ;a=b\r\nhello\r\n0 ;c\r\n\r\n"]
    {
        let read = chunked_answer(padded.as_bytes());
        assert_eq!(
            (read.content.as_slice(), read.consumed, read.end),
            (&b"hello"[..], padded.len(), Ok(true))
        );
        let strict = chunked(padded.as_bytes()).end;
        assert_eq!(strict.is_err(), !padded.contains(';'), "{padded:?} of a client");
    }
    for bad in [
        " 5\r\nhello",
        "5 5\r\nhello",
        "5 \nhello",
        "5 \rhello",
        "5 x\r\nhello",
        "5\x0b\r\nhello",
        "\t\r\n",
        "5 \r\nhello \r\n",
    ] {
        assert!(matches!(chunked_answer(bad.as_bytes()).end, Err(BodyError::BadChunk(_))), "{bad:?}");
    }
    let line = |pad: usize| format!("1{}\r\na\r\n", " ".repeat(pad));
    assert!(
        chunked_answer(line(254).as_bytes()).end.is_ok() && chunked_answer(line(255).as_bytes()).end.is_err()
    );
    let large = line(6).repeat(10_000) + "0\r\n\r\n";
    assert_eq!(chunked_answer(large.as_bytes()).end, Ok(true), "each chunk of a large body is padded");
}

/// RFC 9112 section 7.1.
#[test]
fn d4_m7_1_chunks_are_read_up_to_the_last() {
    for (input, content, trailers) in [
        ("0\r\n\r\n", "", ""),
        ("000\r\n\r\n", "", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("5\r\nhello\r\nA\r\n\r\nworld\r\n!\r\n0\r\n\r\n", "hello\r\nworld\r\n!", ""),
        ("00005;a=b\r\nhello\r\n1 ; c=\"d;e\"\t\r\n.\r\n0;x\r\n\r\n", "hello.", ""),
        ("1\r\na\r\n0\r\nX-Sum: 1\r\nB:\r\nC: \tx\r\n\r\n", "a", "X-Sum: 1\r\nB:\r\nC: \tx\r\n"),
    ] {
        let surplus = format!("{input}GET /");
        let (content, trailers) = (content.into(), trailers.to_owned());
        let expected = Read { content, consumed: input.len(), end: Ok(true), trailers };
        assert_eq!(chunked(surplus.as_bytes()), expected, "{input:?}");
    }
}

/// RFC 9112 sections 7.1 and 2.2, erratum 7633: nothing but CRLF, and nothing but hex digits.
#[test]
fn d4_m7_1_broken_chunks_are_faults() {
    for bad in [
        "\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\r\n",
        "5\r\nhelloo\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "0x5\r\nhello",
        "-5\r\n",
        "+5\r\n",
        " 5\r\n",
        "5 \r\nhello",
        "5 5\r\n",
        "g\r\n",
        "5;a\nb\r\nhello",
        "5;a\rb\r\nhello",
        "5;a\0b\r\nhello",
        "10000000000000000\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA: b\r c\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "0\r\nA\r\n\r\n",
    ] {
        assert!(matches!(chunked(bad.as_bytes()).end, Err(BodyError::BadChunk(_))), "{bad:?}");
    }
}

#[test]
fn d4_m8_content_before_a_fault_is_handed_out() {
    assert_eq!(chunked(b"5\r\nhello\r\n1\r\n!\nX").content, b"hello!");
    // The same fault is found again by the call after the one that handed out the content.
    let at_the_limit = [b"1\r\na\r\n1;", [b'x'; 253].as_slice(), b"\n"].concat();
    assert_eq!(chunked(&at_the_limit).content, b"a");
    let largest = chunked(b"ffffffffffffffff\r\nabc");
    assert_eq!((largest.content.as_slice(), largest.end), (&b"abc"[..], Ok(false)));
}

/// RFC 9112 section 7.1.1: a limit on the total length of extensions.
#[test]
fn d4_m7_1_1_extensions_and_trailers_are_bounded() {
    let faults = |body: String| chunked(body.as_bytes()).end.is_err();
    let chunk = |n: usize| format!("1;{}\r\na\r\n", "x".repeat(n));
    assert!(!faults(chunk(253)) && faults(chunk(254)), "a line");
    assert!(!faults(chunk(253).repeat(16)) && faults(chunk(253).repeat(17)), "a body");
    assert!(faults(format!("{}5", "0".repeat(256))), "zeros");
    let trailers = |n: usize| format!("0\r\n{}\r\n", "A: b\r\n".repeat(n));
    assert!(!faults(trailers(1600)) && faults(trailers(1700)), "trailers");
}

/// RFC 9112 sections 6.3 and 8.
#[test]
fn d4_m6_3_lengths_and_closes_end_bodies() {
    let mut decoder = BodyDecoder::of_request(BodyFraming::Length(5));
    assert_eq!(decoder.decode(b"abc").map(|s| (s.consumed, s.data, s.done)), Ok((3, 0..3, false)));
    assert_eq!(decoder.at_eof(), Err(BodyError::Truncated));
    assert_eq!(decoder.decode(b"defgh").map(|s| (s.consumed, s.data, s.done)), Ok((2, 0..2, true)));
    assert_eq!(decoder.at_eof(), Ok(()));
    assert_eq!(decoder.decode(b"more").map(|s| s.consumed), Ok(0));

    let mut decoder = BodyDecoder::of_request(BodyFraming::UntilClose);
    assert_eq!(decoder.decode(b"abc").map(|s| (s.consumed, s.data, s.done)), Ok((3, 0..3, false)));
    assert!(!decoder.is_done());
    assert_eq!(decoder.at_eof(), Ok(()));
    assert!(decoder.is_done());

    assert_eq!(BodyDecoder::of_request(BodyFraming::Chunked).at_eof(), Err(BodyError::Truncated));
    assert!(BodyDecoder::of_request(BodyFraming::None).is_done());
    assert!(BodyDecoder::of_request(BodyFraming::Length(0)).is_done());
}

#[test]
fn the_decoder_is_small() {
    assert!(size_of::<BodyDecoder>() <= 32, "{}", size_of::<BodyDecoder>());
}

/// RFC 9112 section 7.1: no chunk is empty but the last.
#[test]
fn d4_m7_1_encoders_frame_content() {
    for (encoder, expected) in [
        (BodyEncoder::None, ""),
        (BodyEncoder::Raw, "0123456789abcdefx"),
        (BodyEncoder::Chunked, "10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n"),
    ] {
        let mut out = Vec::new();
        for data in ["0123456789abcdef", "", "x"] {
            encoder.encode(data.as_bytes(), &mut out);
        }
        encoder.finish(b"", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
