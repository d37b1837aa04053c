//! Checks frames of lines, length_prefixed and resp: requests and responses end at the same places at any cut.

use penstock::config::{FrameKind, Framing, Prefix};
use penstock::proto::framing::{
    Answers, BadFrame, Frame, FrameReader, Need, Outcome, Pinning, least, request,
};

use super::input::{Input, cuts, pieces};

/// Checks a stream, as requests and as answers.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let framing = framing(&mut input);
    let pinning = input.pick([Pinning::Free, Pinning::Watching, Pinning::Multi, Pinning::Forever]);
    let sizes = input.take(3);
    let bytes = input.0;
    check_requests(&framing, bytes, pinning);
    check_answers(&framing, bytes, sizes);
}

fn framing(input: &mut Input<'_>) -> Framing {
    let kind = input.below(6);
    let prefix = Prefix {
        width: input.pick([1, 2, 4, 8]),
        little_endian: input.flag(),
        counts_header: input.flag(),
        offset: input.below(4) as u16,
    };
    let shortest = usize::from(prefix.width) + usize::from(prefix.offset) + 8;
    let max_length = input.pick([1 << 20, 64, shortest]);
    let kind = match kind {
        0 | 1 => FrameKind::Resp,
        2 => FrameKind::Lines { crlf: true },
        3 => FrameKind::Lines { crlf: false },
        _ => FrameKind::LengthPrefixed(prefix),
    };
    Framing { kind, max_length, repeatable: max_length == 64, refusal: None }
}

/// One request after the other, until there is none.
fn check_requests(framing: &Framing, bytes: &[u8], mut pinning: Pinning) {
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let verdict = same_at_any_cut(framing, rest, pinning);
        let Ok(Some(frame)) = verdict else { return };
        check_frame(framing, &rest[..frame.len.min(rest.len())], frame, pinning);
        at += frame.len;
        pinning = frame.pinning;
    }
}

/// Whoever waits for `least` bytes misses no frame, and gets the same verdict as everybody.
fn same_at_any_cut(framing: &Framing, bytes: &[u8], pinning: Pinning) -> Result<Option<Frame>, BadFrame> {
    let whole = request(framing, bytes, pinning);
    let (mut decided, mut waits) = (false, 0);
    for cut in cuts(bytes.len()) {
        let verdict = request(framing, &bytes[..cut], pinning);
        if verdict == Ok(None) {
            assert!(!decided, "{} is nothing again at {cut}", bytes.escape_ascii());
            let next = least(framing, &bytes[..cut]);
            assert!(next > cut && next >= waits, "{} at {cut}: {next}", bytes.escape_ascii());
            waits = next;
            continue;
        }
        decided = true;
        assert_eq!(verdict, whole, "{} cut at {cut}", bytes.escape_ascii());
        assert!(verdict.is_err() || waits <= cut, "{} waits for {waits} at {cut}", bytes.escape_ascii());
    }
    whole
}

fn check_frame(framing: &Framing, bytes: &[u8], frame: Frame, pinning: Pinning) {
    assert!(frame.len > 0 && frame.len == bytes.len(), "{frame:?} of {}", bytes.len());
    assert!(frame.len <= framing.max_length, "{frame:?} is over the limit");
    assert_eq!(request(framing, &bytes[..frame.len - 1], pinning), Ok(None), "it ends before its end");
    if let FrameKind::Resp = framing.kind {
        let kept = pinning == Pinning::Forever && frame.pinning != Pinning::Forever;
        assert!(!kept, "a link that was given for good comes back: {}", bytes.escape_ascii());
        let alters = frame.pinning != Pinning::Free || !matches!(frame.need, Need::Shared | Need::Patient);
        let alters = alters && frame.speaks.is_none(); // HELLO 3 is the same a second time
        assert!(!(frame.repeatable && alters), "{frame:?} is sent twice");
        return;
    }
    let due = Frame {
        len: end(framing, bytes),
        need: Need::Shared,
        pinning: Pinning::Free,
        repeatable: framing.repeatable,
        class: 0,
        speaks: None,
    };
    assert_eq!(frame, due, "{}", bytes.escape_ascii());
}

/// Where the first line or counted frame ends; beyond the bytes where it is not whole.
fn end(framing: &Framing, bytes: &[u8]) -> usize {
    match framing.kind {
        FrameKind::Lines { crlf: true } => {
            bytes.windows(2).position(|two| two == b"\r\n").map_or(usize::MAX, |at| at + 2)
        }
        FrameKind::Lines { crlf: false } => {
            bytes.iter().position(|b| *b == b'\n').map_or(usize::MAX, |at| at + 1)
        }
        FrameKind::LengthPrefixed(prefix) => counted(prefix, bytes),
        FrameKind::Resp => unreachable!("replies are not looked at here"),
    }
}

fn counted(prefix: Prefix, bytes: &[u8]) -> usize {
    let (offset, width) = (usize::from(prefix.offset), usize::from(prefix.width));
    let Some(count) = bytes.get(offset..offset + width) else { return usize::MAX };
    let mut wide = [0; 8];
    match prefix.little_endian {
        true => wide[..width].copy_from_slice(count),
        false => wide[8 - width..].copy_from_slice(count),
    }
    let count = if prefix.little_endian { u64::from_le_bytes(wide) } else { u64::from_be_bytes(wide) };
    let header = if prefix.counts_header { 0 } else { offset + width };
    usize::try_from(count).unwrap_or(usize::MAX).saturating_add(header)
}

/// Where answers ended, and what was wrong then.
type Ends = (Vec<(usize, Outcome)>, Option<BadFrame>);

fn check_answers(framing: &Framing, bytes: &[u8], sizes: &[u8]) {
    let whole = answer_ends(framing, [bytes].into_iter());
    assert_eq!(answer_ends(framing, bytes.chunks(1)), whole, "byte by byte: {}", bytes.escape_ascii());
    assert_eq!(
        answer_ends(framing, pieces(bytes, sizes)),
        whole,
        "pieces of {sizes:?}: {}",
        bytes.escape_ascii()
    );
    if framing.kind == FrameKind::Resp {
        return;
    }
    let mut at = 0;
    for (ended, outcome) in whole.0 {
        at += end(framing, &bytes[at..]);
        assert_eq!((ended, outcome), (at, Outcome::Answer), "{}", bytes.escape_ascii());
    }
}

fn answer_ends<'a>(framing: &Framing, pieces: impl Iterator<Item = &'a [u8]>) -> Ends {
    let (mut reader, mut ends, mut at) = (FrameReader::new(framing), Vec::new(), 0);
    for mut piece in pieces {
        while !piece.is_empty() {
            let progress = match reader.read(piece) {
                Ok(progress) => progress,
                Err(malformed) => return (ends, Some(malformed)),
            };
            assert!(progress.consumed <= piece.len() && (progress.consumed > 0 || progress.end.is_some()));
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
