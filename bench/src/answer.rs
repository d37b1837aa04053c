//! Reads HTTP/1.1 responses strictly (RFC 9112), and finds where they begin and end.
//!
//! It has no buffer: the caller keeps an incomplete head.

use crate::chunked::{self, Chunked};
use crate::frame::Whole;

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Head(Head<'a>),
    Body(&'a [u8]),
    End,
    /// A complete answer of a protocol of frames.
    Whole(Whole<'a>),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    pub(crate) status: u16,
    /// The value of the `X-Member` field.
    pub(crate) member: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) struct Reader {
    state: State,
    closes: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Chunked),
    UntilClose,
}

const LONGEST_HEAD: usize = 64 * 1024;
const MOST_FIELDS: usize = 64;

impl Reader {
    pub(crate) fn new() -> Self {
        Self { state: State::Head, closes: false }
    }

    /// Returns whether the last head said that the connection ends after its answer.
    pub(crate) fn closes(&self) -> bool {
        self.closes
    }

    /// Returns whether an end of input ends the answer here, as it does without length or chunks.
    pub(crate) fn ends_by_close(&self) -> bool {
        matches!(self.state, State::UntilClose)
    }

    /// Takes the next piece off `input`; `None` asks for more bytes after those left in it.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, &'static str> {
        match self.state {
            State::Head => self.head(input),
            State::Length(0) => Ok(Some(self.end())),
            _ if input.is_empty() => Ok(None),
            State::Length(left) => {
                let n = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.state = State::Length(left - n as u64);
                Ok(Some(Piece::Body(take(input, n))))
            }
            State::Chunked(mut chunked) => {
                let piece = chunked.next(input)?;
                self.state = State::Chunked(chunked);
                Ok(piece.map(|piece| match piece {
                    chunked::Piece::Data(data) => Piece::Body(data),
                    chunked::Piece::End => self.end(),
                }))
            }
            State::UntilClose => Ok(Some(Piece::Body(take(input, input.len())))),
        }
    }

    fn end<'a>(&mut self) -> Piece<'a> {
        self.state = State::Head;
        Piece::End
    }

    fn head<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Piece<'a>>, &'static str> {
        loop {
            let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
            let mut parsed = httparse::Response::new(&mut fields);
            let whole: &'a [u8] = input;
            let length = match parsed.parse(whole).map_err(|_| "not an HTTP answer")? {
                httparse::Status::Complete(length) => length,
                httparse::Status::Partial if whole.len() > LONGEST_HEAD => return Err("a head without end"),
                httparse::Status::Partial => return Ok(None),
            };
            take(input, length);
            let status = parsed.code.ok_or("no status")?;
            match status {
                // No request asked for an upgrade, so that a 101 ends HTTP on the connection without reason.
                101 => return Err("an unasked 101"),
                // Interim answers precede the final one (RFC 9110 section 15.2).
                100..200 => continue,
                200..600 => {}
                _ => return Err("a status outside 100 to 599"),
            }
            let fields = Fields::read(&parsed)?;
            self.closes = fields.closes || matches!(fields.body, State::UntilClose);
            self.state = fields.body;
            return Ok(Some(Piece::Head(Head { status, member: fields.member })));
        }
    }
}

fn take<'a>(input: &mut &'a [u8], n: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(n);
    *input = rest;
    taken
}

/// The information of the fields of a final answer.
struct Fields<'a> {
    body: State,
    closes: bool,
    member: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(head: &httparse::Response<'_, 'a>) -> Result<Self, &'static str> {
        let old = head.version == Some(0);
        let (mut length, mut chunked, mut member) = (None, false, None);
        let (mut close, mut keep) = (false, false);
        for field in head.headers.iter() {
            let name = field.name;
            if name.eq_ignore_ascii_case("content-length") {
                length = one_length(length, field.value)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = only_chunked(chunked, old, field.value)?;
            } else if name.eq_ignore_ascii_case("connection") {
                close |= lists(field.value, b"close");
                keep |= lists(field.value, b"keep-alive");
            } else if name.eq_ignore_ascii_case("x-member") {
                member = Some(std::str::from_utf8(field.value).map_err(|_| "X-Member is not text")?);
            }
        }
        let body = match (head.code, chunked, length) {
            (_, true, Some(_)) => return Err("both Content-Length and Transfer-Encoding"),
            (Some(204 | 304), true, _) => return Err("a chunked answer that has no body"),
            (Some(204 | 304), ..) => State::Length(0),
            (_, true, None) => State::Chunked(Chunked::Size),
            (_, false, Some(length)) => State::Length(length),
            (_, false, None) => State::UntilClose,
        };
        Ok(Self { body, closes: close || (old && !keep), member })
    }
}

fn one_length(before: Option<u64>, value: &[u8]) -> Result<Option<u64>, &'static str> {
    let digits = !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits);
    let length = text.and_then(|text| text.parse().ok()).ok_or("Content-Length is not a number")?;
    match before {
        None => Ok(Some(length)),
        Some(_) => Err("more than one Content-Length"),
    }
}

fn only_chunked(before: bool, old: bool, value: &[u8]) -> Result<bool, &'static str> {
    if before || old || !value.eq_ignore_ascii_case(b"chunked") {
        return Err("a transfer coding other than chunked, once, in HTTP/1.1");
    }
    Ok(true)
}

fn lists(value: &[u8], option: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(option))
}

#[cfg(test)]
mod tests;
