//! Reads and writes frames: lines, length-prefixed frames, and replies of Redis (RESP2). It has no buffer.

use crate::plan::{Prefix, Protocol};

/// A complete answer. The bytes that show its kind or came before its count follow the content, so that the
/// content begins with the tag of its exchange.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Whole<'a> {
    /// The status: 200, or 503 for a refusal, as in HTTP, so that all protocols are counted alike.
    pub(crate) status: u16,
    pub(crate) content: &'a [u8],
    /// For RESP, the byte of the reply's kind (`_` for nil); for length-prefixed frames, the bytes before the
    /// count.
    pub(crate) behind: &'a [u8],
}

const ANSWER: u16 = 200;
const REFUSAL: u16 = 503;
/// The length in bytes of the longest frame that is accepted.
const LONGEST: usize = 64 << 20;

/// Finds the ends of answers in a protocol of frames.
#[derive(Debug)]
pub(crate) struct Reader {
    protocol: Protocol,
    refusal: Option<Vec<u8>>,
}

/// The length of a frame and its content.
type Found<'a> = Result<Option<(usize, Whole<'a>)>, &'static str>;

impl Reader {
    pub(crate) fn new(protocol: Protocol, refusal: Option<Vec<u8>>) -> Self {
        Self { protocol, refusal }
    }

    /// Takes the next frame off `input`; `None` asks for more bytes after those left in it.
    pub(crate) fn next<'a>(&self, input: &mut &'a [u8]) -> Result<Option<Whole<'a>>, &'static str> {
        let bytes = *input;
        let found = match self.protocol {
            Protocol::Lines { crlf } => line(bytes, crlf)?,
            Protocol::LengthPrefixed(prefix) => counted(bytes, prefix)?,
            Protocol::Resp => reply(bytes)?,
            Protocol::Http | Protocol::Echo => return Err("no protocol of frames"),
        };
        let Some((length, mut whole)) = found else {
            return if bytes.len() > LONGEST { Err("a frame without end") } else { Ok(None) };
        };
        if self.refusal.as_deref().is_some_and(|refusal| refusal == &bytes[..length]) {
            whole.status = REFUSAL;
        }
        *input = &bytes[length..];
        Ok(Some(whole))
    }
}

/// Frames `payload` with a count or an end of line, and returns the bytes that must come back with it.
pub(crate) fn put<'a>(protocol: Protocol, payload: &[u8], before: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Protocol::LengthPrefixed(prefix) = protocol else {
        out.extend_from_slice(payload);
        out.extend_from_slice(if protocol == (Protocol::Lines { crlf: true }) { b"\r\n" } else { b"\n" });
        return &[];
    };
    let before = &before[..before.len().min(usize::from(prefix.offset))];
    let header = if prefix.includes_header { prefix.header() } else { 0 };
    let count = (payload.len() + header) as u64;
    let width = usize::from(prefix.length_bytes);
    out.extend_from_slice(before);
    match prefix.little_endian {
        true => out.extend_from_slice(&count.to_le_bytes()[..width]),
        false => out.extend_from_slice(&count.to_be_bytes()[8 - width..]),
    }
    out.extend_from_slice(payload);
    before
}

impl Prefix {
    /// Returns the number of bytes before the payload.
    fn header(self) -> usize {
        usize::from(self.offset) + usize::from(self.length_bytes)
    }

    /// Returns the length of the longest payload that the count can express.
    pub(crate) fn longest(self) -> usize {
        let most = u64::MAX >> (64 - 8 * u32::from(self.length_bytes.clamp(1, 8)));
        let header = if self.includes_header { self.header() } else { 0 };
        usize::try_from(most).unwrap_or(usize::MAX).min(LONGEST).saturating_sub(header)
    }
}

fn answer<'a>(content: &'a [u8], behind: &'a [u8]) -> Whole<'a> {
    Whole { status: ANSWER, content, behind }
}

fn line(bytes: &[u8], crlf: bool) -> Found<'_> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let content = &bytes[..end];
    let content =
        if crlf { content.strip_suffix(b"\r").ok_or("a line that ends in a bare LF")? } else { content };
    Ok(Some((end + 1, answer(content, &[]))))
}

fn counted(bytes: &[u8], prefix: Prefix) -> Found<'_> {
    let (offset, header) = (usize::from(prefix.offset), prefix.header());
    let Some(count) = bytes.get(offset..header) else { return Ok(None) };
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    let count =
        if prefix.little_endian { count.iter().rev().fold(0, add) } else { count.iter().fold(0, add) };
    let count =
        usize::try_from(count).ok().filter(|count| *count <= LONGEST).ok_or("a count out of reason")?;
    let included = if prefix.includes_header { header } else { 0 };
    let payload = count.checked_sub(included).ok_or("a count that is less than the header it includes")?;
    let Some(content) = bytes.get(header..header + payload) else { return Ok(None) };
    Ok(Some((header + payload, answer(content, &bytes[..offset]))))
}

/// Reads a reply to `SET`, `GET` or `INCR`. An array is no answer to these.
fn reply(bytes: &[u8]) -> Found<'_> {
    let Some(end) = bytes.iter().take(LONGEST).position(|byte| *byte == b'\n') else { return Ok(None) };
    let line = bytes[..end].strip_suffix(b"\r").ok_or("a reply's line ends in a bare LF")?;
    let (kind, text) = line.split_at_checked(1).ok_or("an empty line instead of a reply")?;
    match kind {
        b"+" | b":" => Ok(Some((end + 1, answer(text, kind)))),
        b"-" => Ok(Some((end + 1, Whole { status: REFUSAL, content: text, behind: kind }))),
        b"$" if text == b"-1" => Ok(Some((end + 1, answer(&[], b"_")))),
        b"$" => bulk(bytes, end + 1, length(text)?),
        _ => Err("no reply of RESP2 that was asked for"),
    }
}

fn bulk(bytes: &[u8], start: usize, length: usize) -> Found<'_> {
    let end = start + length;
    let Some(tail) = bytes.get(end..end + 2) else { return Ok(None) };
    if tail != b"\r\n" {
        return Err("a bulk string that is longer than its count");
    }
    Ok(Some((end + 2, answer(&bytes[start..end], &bytes[..1]))))
}

fn length(text: &[u8]) -> Result<usize, &'static str> {
    let digits = !text.is_empty() && text.len() < 10 && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits);
    text.and_then(|text| text.parse().ok())
        .filter(|n| *n <= LONGEST)
        .ok_or("a bulk string's count is no number")
}

#[cfg(test)]
mod tests;
