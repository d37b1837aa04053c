//! Shorthand of these tests: framings, and verdicts on bytes, after they were the same at every cut.

use crate::config::{FrameKind, Framing, Prefix};
use crate::proto::framing::{
    Answers, BadFrame, ClientMode, Found, Frame, FrameFault, FrameReader, Need, Outcome, Pinning, least,
    request,
};

pub(crate) const LF: FrameKind = FrameKind::Lines { crlf: false };
pub(crate) const CRLF: FrameKind = FrameKind::Lines { crlf: true };

/// Four bytes, big endian, which count what follows them.
pub(crate) const PLAIN: Prefix = Prefix { width: 4, little_endian: false, counts_header: false, offset: 0 };

pub(crate) fn framing(kind: FrameKind, max_length: usize) -> Framing {
    Framing { kind, max_length, repeatable: false, refusal: None }
}

pub(crate) fn resp() -> Framing {
    framing(FrameKind::Resp, 1 << 20)
}

/// A frame that needs and leaves nothing in particular.
pub(crate) fn shared(len: usize) -> Frame {
    Frame { len, need: Need::Shared, pinning: Pinning::Free, repeatable: false, class: 0, speaks: None }
}

pub(crate) fn bad_byte(what: &'static str, byte: u8) -> BadFrame {
    BadFrame::Bad(FrameFault { what, found: Found::Byte(byte) })
}

pub(crate) fn bad_length(what: &'static str, length: i64) -> BadFrame {
    BadFrame::Bad(FrameFault { what, found: Found::Length(length) })
}

/// What the first request is, and after how many bytes that was known: before them it was nothing, and after them
/// it stays. Nobody who waits for `least` bytes misses a frame.
pub(crate) fn first(
    framing: &Framing,
    input: &[u8],
    pinning: impl Into<ClientMode>,
) -> (Result<Option<Frame>, BadFrame>, usize) {
    let pinning = pinning.into();
    let whole = request(framing, input, pinning);
    let mut known = None;
    let mut waits = 0;
    for cut in 0..=input.len() {
        let verdict = request(framing, &input[..cut], pinning);
        if verdict == Ok(None) {
            assert_eq!(known, None, "{} is nothing again at {cut}", input.escape_ascii());
            let next = least(framing, &input[..cut]);
            assert!(next > cut && next >= waits, "{} at {cut}: {next}", input.escape_ascii());
            waits = next;
            continue;
        }
        assert_eq!(verdict, whole, "{} cut at {cut}", input.escape_ascii());
        assert!(verdict.is_err() || waits <= cut, "{} waits for {waits} at {cut}", input.escape_ascii());
        known.get_or_insert(cut);
    }
    (whole, known.unwrap_or(usize::MAX))
}

/// The first request, which was known as soon as its last byte was there.
pub(crate) fn frame(framing: &Framing, input: &[u8], pinning: impl Into<ClientMode>) -> Frame {
    match first(framing, input, pinning) {
        (Ok(Some(frame)), known) if frame.len == known => frame,
        (verdict, known) => panic!("{}: {verdict:?} at {known}", input.escape_ascii()),
    }
}

/// Why there is no first request, and after how many bytes that was known.
pub(crate) fn malformed(framing: &Framing, input: &[u8]) -> (BadFrame, usize) {
    match first(framing, input, Pinning::Free) {
        (Err(malformed), known) => (malformed, known),
        (verdict, _) => panic!("{}: {verdict:?}", input.escape_ascii()),
    }
}

/// Where things ended, each with what it was, and what was wrong then.
pub(crate) type Ends = (Vec<(usize, Outcome)>, Option<BadFrame>);

/// Where the requests in `input` end.
pub(crate) fn request_ends(framing: &Framing, input: &[u8]) -> Ends {
    let (mut ends, mut at) = (Vec::new(), 0);
    loop {
        match request(framing, &input[at..], Pinning::Free) {
            Ok(Some(frame)) => at += frame.len,
            Ok(None) => return (ends, None),
            Err(malformed) => return (ends, Some(malformed)),
        }
        ends.push((at, Outcome::Answer));
    }
}

/// Where the answers in `input` end, if it comes in these pieces.
pub(crate) fn answer_ends<'a>(framing: &Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Ends {
    let (mut reader, mut ends, mut at) = (FrameReader::new(framing), Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            let progress = match reader.read(piece) {
                Ok(progress) => progress,
                Err(malformed) => return (ends, Some(malformed)),
            };
            at += progress.consumed;
            piece = &piece[progress.consumed..];
            match progress.end {
                Some(outcome) => ends.push((at, outcome)),
                None => assert!(piece.is_empty(), "what is an answer's was left"),
            }
        }
    }
    (ends, None)
}

/// Where the answers in `input` end: the same whole, in two pieces however cut, and byte by byte.
pub(crate) fn answers(framing: &Framing, input: &[u8]) -> Ends {
    let whole = answer_ends(framing, [input]);
    for cut in 0..=input.len() {
        let (before, after) = input.split_at(cut);
        assert_eq!(answer_ends(framing, [before, after]), whole, "{} cut at {cut}", input.escape_ascii());
    }
    assert_eq!(answer_ends(framing, input.chunks(1)), whole, "{}", input.escape_ascii());
    whole
}
