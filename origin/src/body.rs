//! Reads request content and finds its end (RFC 9112 sections 6 and 7.1), without a buffer of its own.

use crate::head::{Framing, Reject};

/// The length in bytes of the longest chunk-size or trailer line that is accepted.
const LONGEST_LINE: usize = 4096;
/// The number of trailer lines that are accepted.
const MOST_TRAILERS: u8 = 100;

/// The part of a body that is still to come. It changes in this order: `Length(n) -> Length(0)`, and `Size ->
/// Data -> DataEnd -> Size -> ... -> Trailers -> Length(0)`.
#[derive(Debug)]
pub(crate) enum Body {
    Length(u64),
    Size,
    Data(u64),
    DataEnd,
    Trailers(u8),
}

/// The next piece of the available bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Content(&'a [u8]),
    /// A line after the last chunk, without its end.
    Trailer(&'a [u8]),
    NeedMore,
    End,
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Size,
        }
    }
}

impl Body {
    /// Takes the next piece off `input`, and leaves bytes that cannot be used yet.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Piece<'a>, Reject> {
        loop {
            match self {
                Self::Length(0) => return Ok(Piece::End),
                Self::Length(left) | Self::Data(left) if *left > 0 => return Ok(content(left, input)),
                Self::Length(_) | Self::Data(_) => *self = Self::DataEnd,
                Self::DataEnd => match input.get(..2) {
                    None => return Ok(Piece::NeedMore),
                    Some(b"\r\n") => *self = Self::after(input, 2),
                    Some(_) => return Err(Reject::bad("chunk longer than its size")),
                },
                Self::Size => {
                    let Some(line) = line(input)? else { return Ok(Piece::NeedMore) };
                    let size = chunk_size(line).ok_or(Reject::bad("malformed chunk size"))?;
                    *self = if size == 0 { Self::Trailers(0) } else { Self::Data(size) };
                }
                Self::Trailers(MOST_TRAILERS) => return Err(Reject::bad("too many trailers")),
                Self::Trailers(read) => {
                    let Some(line) = line(input)? else { return Ok(Piece::NeedMore) };
                    if line.is_empty() {
                        *self = Self::Length(0);
                    } else {
                        *self = Self::Trailers(*read + 1);
                        return Ok(Piece::Trailer(line));
                    }
                }
            }
        }
    }

    fn after(input: &mut &[u8], count: usize) -> Self {
        *input = &input[count..];
        Self::Size
    }
}

fn content<'a>(left: &mut u64, input: &mut &'a [u8]) -> Piece<'a> {
    if input.is_empty() {
        return Piece::NeedMore;
    }
    let count = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    let (piece, rest) = input.split_at(count);
    *left -= count as u64;
    *input = rest;
    Piece::Content(piece)
}

/// Takes the next line without its CRLF. A bare LF is refused (RFC 9112 erratum 7633).
fn line<'a>(input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Reject> {
    let seen = &input[..input.len().min(LONGEST_LINE)];
    let Some(end) = memchr::memchr(b'\n', seen) else {
        let too_long = seen.len() == LONGEST_LINE;
        return if too_long { Err(Reject::bad("line too long in a chunked body")) } else { Ok(None) };
    };
    let line = input[..end].strip_suffix(b"\r").ok_or(Reject::bad("a chunk line ends without CR"))?;
    *input = &input[end + 1..];
    Ok(Some(line))
}

/// Reads `chunk-size [ chunk-ext ]` (RFC 9112 section 7.1) and ignores extensions.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii_end();
    if digits.is_empty() || digits.len() > 15 {
        return None;
    }
    digits.iter().try_fold(0, |sum, byte| Some(sum * 16 + u64::from((*byte as char).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `bytes` in steps of `step`. Returns the content, with trailers in brackets, and the bytes
    /// after the end.
    fn decode(framing: Framing, bytes: &[u8], step: usize) -> Result<(Vec<u8>, Vec<u8>), Reject> {
        let (mut body, mut content, mut at_hand) = (Body::from(framing), Vec::new(), Vec::new());
        for arrival in bytes.chunks(step) {
            at_hand.extend_from_slice(arrival);
            let mut input = at_hand.as_slice();
            loop {
                match body.next(&mut input)? {
                    Piece::Content(piece) => content.extend_from_slice(piece),
                    Piece::Trailer(line) => content.extend([b"[", line, b"]"].concat()),
                    Piece::NeedMore | Piece::End => break,
                }
            }
            at_hand = input.to_vec();
        }
        let ended = body.next(&mut at_hand.as_slice())? == Piece::End;
        assert!(ended, "the body did not end");
        Ok((content, at_hand))
    }

    #[test]
    fn any_cut_yields_the_same_content() {
        let chunked = b"5\r\nhello\r\n6;name=value\r\n world\r\n0\r\nA: b\r\nC:\r\n\r\nGET";
        for step in 1..=chunked.len() {
            let decoded = decode(Framing::Chunked, chunked, step);
            assert_eq!(decoded, Ok((b"hello world[A: b][C:]".to_vec(), b"GET".to_vec())), "step {step}");
            let decoded = decode(Framing::Length(5), b"helloGET", step);
            assert_eq!(decoded, Ok((b"hello".to_vec(), b"GET".to_vec())), "step {step}");
        }
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let cases =
            ["x\r\n", "\r\n", "5\nhello", "2\r\nhello\r\n", "-1\r\n", "0x5\r\n", "ffffffffffffffffff\r\n"];
        for bytes in cases {
            let mut body = Body::from(Framing::Chunked);
            let mut input = bytes.as_bytes();
            let verdict = loop {
                match body.next(&mut input) {
                    Ok(Piece::Content(_)) => {}
                    other => break other,
                }
            };
            assert!(verdict.is_err(), "{bytes:?} gave {verdict:?}");
        }
    }
}
