//! Checks that the bytes to be sent in place of a response are one whole frame, since clients would wait for the rest otherwise.

use std::sync::Arc;

use crate::config::diagnostic::{Diagnostics, bytes};
use crate::config::frame::Refusal;
use crate::config::scalar::{Auto, Or, Spanned};
use crate::config::settings::{FrameKind, Prefix};

/// What `Framing::refusal` is believed to be.
pub(super) fn believed(
    written: &Spanned<Or<Auto, Refusal>>,
    kind: FrameKind,
    max_length: usize,
    diagnostics: &mut Diagnostics,
) -> Option<Option<Arc<[u8]>>> {
    let frame = match written.get()? {
        None => return Some(None),
        Some(None) => return Some((kind == FrameKind::Resp).then(|| Arc::from([]))),
        Some(Some(frame)) => frame,
    };
    if let Some(why) = no_frame(&frame, kind).or_else(|| too_long(&frame, max_length)) {
        diagnostics.error(written.at, &written.path, why);
    }
    Some(Some(frame))
}

fn too_long(frame: &[u8], max_length: usize) -> Option<String> {
    let long = frame.len() > max_length;
    long.then(|| format!("has {}, and `max_length` allows {max_length}", bytes(frame.len())))
}

/// Why these bytes are not one whole frame.
fn no_frame(frame: &[u8], kind: FrameKind) -> Option<String> {
    match kind {
        FrameKind::Lines { crlf: false } => no_line(frame, b"\n", "LF", r#""ERR busy\n""#),
        FrameKind::Lines { crlf: true } => no_line(frame, b"\r\n", "CR LF", r#""ERR busy\r\n""#),
        FrameKind::LengthPrefixed(prefix) => no_counted(frame, prefix),
        FrameKind::Resp => (after_reply(frame) != Some(b"")).then(|| {
            r#"is not one whole reply of Redis, so clients would wait or lose count; one is "-ERR busy\r\n""#.to_owned()
        }),
    }
}

fn no_line(frame: &[u8], end: &[u8], name: &str, example: &str) -> Option<String> {
    if !frame.ends_with(end) {
        return Some(format!(
            "does not end with {name}, so clients would wait for the rest of the line; write it in quotes, as in {example}"
        ));
    }
    let lines = frame.windows(end.len()).filter(|bytes| *bytes == end).count();
    (lines > 1).then(|| format!("is {lines} lines; a request is answered with one, as in {example}"))
}

fn no_counted(frame: &[u8], prefix: Prefix) -> Option<String> {
    let header = prefix.header_length();
    let Some(count) = frame.get(prefix.offset.into()..header) else {
        return Some(format!(
            "has {}, and the header alone has {header}; write a whole frame, its header included",
            bytes(frame.len())
        ));
    };
    let counted = if prefix.counts_header { frame.len() } else { frame.len() - header };
    let push = |count: u64, byte: &u8| count << 8 | u64::from(*byte);
    let count =
        if prefix.little_endian { count.iter().rev().fold(0, push) } else { count.iter().fold(0, push) };
    (count != counted as u64).then(|| {
        format!("is not one whole frame: its header counts {count}, and {} to be counted", are_bytes(counted))
    })
}

fn are_bytes(n: usize) -> String {
    if n == 1 { "1 byte is there".to_owned() } else { format!("{n} bytes are there") }
}

/// What stands behind the first reply (of RESP2, which every client understands); none if it is no whole one.
/// <https://redis.io/docs/latest/develop/reference/protocol-spec/>
fn after_reply(bytes: &[u8]) -> Option<&[u8]> {
    let (mut rest, mut replies) = (bytes, 1_usize);
    while replies > 0 {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let (kind, text) = rest[..end].split_first()?;
        rest = &rest[end + 2..];
        replies -= 1;
        match (kind, text) {
            (b'+' | b'-', _) | (b'$' | b'*', b"-1") => {}
            (b':', _) => _ = str::from_utf8(text).ok()?.parse::<i64>().ok()?,
            (b'$', _) => rest = rest.get(number(text)?..)?.strip_prefix(b"\r\n")?,
            (b'*', _) => replies = replies.checked_add(number(text)?)?,
            _ => return None,
        }
    }
    Some(rest)
}

/// A length: digits only.
fn number(text: &[u8]) -> Option<usize> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
