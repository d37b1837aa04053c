//! Checks content: the same content, trailers and end at any cut, and the same again after they were encoded anew.
//!
//! `Plain` reads the chunked coding on its own, so that it cannot share the proxy's bugs.

use penstock::proto::http::BodyFraming;
use penstock::proto::http1::{BodyDecoder, BodyEncoder, BodyError};

use super::input::{Input, pieces};

/// Checks a body.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let kind = input.below(4);
    let length = u64::from(input.byte());
    let sizes = input.take(3);
    let bytes = input.0;
    let framing = match kind {
        0 | 1 => BodyFraming::Chunked,
        2 => BodyFraming::Length(length),
        _ => BodyFraming::UntilClose,
    };
    let decoder = if kind == 1 { BodyDecoder::of_answer } else { BodyDecoder::of_request };
    let decoder = || decoder(framing);
    let whole = Body::read(decoder(), [bytes].into_iter());
    assert_eq!(Body::read(decoder(), bytes.chunks(1)), whole, "byte by byte");
    assert_eq!(Body::read(decoder(), pieces(bytes, sizes)), whole, "in pieces of {sizes:?}");
    if framing == BodyFraming::Chunked {
        check_chunked(bytes, &whole, kind == 1);
    }
    check_again(&whole, sizes);
}

/// All that a decoder says of a body.
#[derive(PartialEq, Debug)]
struct Body {
    content: Vec<u8>,
    trailers: Vec<u8>,
    consumed: usize,
    /// Whether it has ended.
    end: Result<bool, BodyError>,
    at_eof: Result<(), BodyError>,
}

impl Body {
    fn read<'a>(mut decoder: BodyDecoder, pieces: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut content, mut consumed) = (Vec::new(), 0);
        let mut end = Ok(());
        'bytes: for mut piece in pieces {
            while !piece.is_empty() && !decoder.is_done() {
                let step = match decoder.decode(piece) {
                    Ok(step) => step,
                    Err(fault) => {
                        end = Err(fault);
                        break 'bytes;
                    }
                };
                assert!(step.consumed > 0 && step.data.end <= step.consumed, "{step:?} of {}", piece.len());
                assert_eq!(step.done, decoder.is_done());
                content.extend_from_slice(&piece[step.data]);
                consumed += step.consumed;
                piece = &piece[step.consumed..];
            }
        }
        // Where it breaks depends on the cut; that it does, and what was good before, does not.
        let consumed = if end.is_ok() { consumed } else { 0 };
        let end = end.map(|()| decoder.is_done());
        let trailers = decoder.trailers().to_vec();
        Self { content, trailers, consumed, end, at_eof: decoder.at_eof() }
    }
}

/// A chunked body in the words of RFC 9112 section 7.1, without limits.
struct Plain {
    content: Vec<u8>,
    /// Each with its CRLF.
    trailers: Vec<Vec<u8>>,
    len: usize,
}

impl Plain {
    /// `None` where it is not whole, or is none. `padded`: there may be blanks behind a size.
    fn read(bytes: &[u8], padded: bool) -> Option<Self> {
        let (mut content, mut at) = (Vec::new(), 0);
        loop {
            let line = line(&bytes[at..])?;
            at += line.len();
            let size = size(&line[..line.len() - 2], padded)?;
            if size == 0 {
                break;
            }
            let end = at.checked_add(usize::try_from(size).ok()?)?;
            content.extend_from_slice(bytes.get(at..end)?);
            at = end + 2;
            (bytes.get(end..at)? == b"\r\n").then_some(())?;
        }
        let mut trailers = Vec::new();
        loop {
            let line = line(&bytes[at..])?;
            at += line.len();
            if line == b"\r\n" {
                return Some(Self { content, trailers, len: at });
            }
            let colon = line.iter().position(|b| *b == b':')?;
            is_token(&line[..colon]).then_some(())?;
            trailers.push(line.to_vec());
        }
    }
}

/// A line of text and its CRLF.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.windows(2).position(|two| two == b"\r\n")?;
    let text = |b: &u8| *b == b'\t' || (*b >= b' ' && *b != 0x7f);
    bytes[..end].iter().all(text).then_some(&bytes[..end + 2])
}

/// `1*HEXDIG`, and extensions behind a `;` before which there may be whitespace.
fn size(line: &[u8], padded: bool) -> Option<u64> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at(digits);
    let behind = extensions.trim_ascii_start();
    let ended = extensions.is_empty() || behind.starts_with(b";") || (padded && behind.is_empty());
    let digits = std::str::from_utf8(digits).ok().filter(|_| ended)?;
    u64::from_str_radix(digits, 16).ok()
}

fn is_token(name: &[u8]) -> bool {
    let token = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b);
    !name.is_empty() && name.iter().all(token)
}

/// The plain reader says the same, but for what is over a limit.
fn check_chunked(bytes: &[u8], body: &Body, padded: bool) {
    let over = matches!(body.end, Err(BodyError::BadChunk(why)) if why.contains("over the limit"));
    match (Plain::read(bytes, padded), body.end == Ok(true)) {
        (Some(plain), true) => {
            assert_eq!((&body.content, body.consumed), (&plain.content, plain.len));
            check_trailers(&body.trailers, &plain.trailers);
        }
        (None, false) => {}
        (Some(_), false) => assert!(over, "{:?}: {}", body.end, bytes.escape_ascii()),
        (None, true) => panic!("not the chunked coding: {}", bytes.escape_ascii()),
    }
}

/// What travels on is of what came, in its order; what frames or routes stays behind, what means nothing to us does not.
fn check_trailers(kept: &[u8], came: &[Vec<u8>]) {
    const NEVER: [&[u8]; 8] = [
        b"host:",
        b"content-length:",
        b"transfer-encoding:",
        b"connection:",
        b"authorization:",
        b"set-cookie:",
        b"x-forwarded-for:",
        b"trailer:",
    ];
    let mut rest = kept;
    for line in came {
        let lower = line.to_ascii_lowercase();
        let travels = rest.strip_prefix(&line[..]);
        assert!(
            travels.is_none() || !NEVER.iter().any(|name| lower.starts_with(name)),
            "{}",
            line.escape_ascii()
        );
        assert!(travels.is_some() || !lower.starts_with(b"x-t"), "{} is lost", line.escape_ascii());
        rest = travels.unwrap_or(rest);
    }
    assert_eq!(rest.escape_ascii().to_string(), "", "trailers that did not come");
}

/// What was found, framed anew, is found again.
fn check_again(body: &Body, sizes: &[u8]) {
    let mut out = Vec::new();
    for piece in pieces(&body.content, sizes) {
        BodyEncoder::Chunked.encode(piece, &mut out);
    }
    BodyEncoder::Chunked.finish(&body.trailers, &mut out);
    let again = Body::read(BodyDecoder::of_request(BodyFraming::Chunked), [&out[..]].into_iter());
    assert_eq!(again.content, body.content, "encoded anew");
    assert_eq!(again.trailers.escape_ascii().to_string(), body.trailers.escape_ascii().to_string());
    assert_eq!((again.consumed, again.end), (out.len(), Ok(true)));
}
