//! Reads a request of words: the response that it asks for, its time, and deliberate faults in it.

use std::time::Duration;

use crate::arithmetic::{self, Operation};
use crate::fnv::Fnv1a;

/// The member and connection that got the request.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) member: &'a str,
    /// The connection's number among those of its member, from 1.
    pub(super) number: u64,
}

/// The way in which an answer is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// The additional work.
    pub(super) delay: Duration,
    /// The time for which the answer is held back after the work.
    pub(super) late: Duration,
    /// The number of bytes of the visible pattern after the text.
    pub(super) fill: u64,
    pub(super) shape: Shape,
    /// The time after which the answer is given again, if it is.
    pub(super) again: Option<Duration>,
    /// Whether the answer has been given once.
    pub(super) given: bool,
    pub(super) after: After,
}

/// The part of an answer that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Whole,
    /// The first half of the frame's bytes.
    Half,
    /// Everything but the end: the end of the line, or the last byte that was counted.
    Unended,
    /// The text without a frame.
    Bare,
    Nothing,
}

/// The fate of the connection after the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum After {
    #[default]
    Stay,
    Close,
    Reset,
    /// The connection stays open, and nothing more is answered.
    Ignore,
}

/// Reads a request and appends the text of the answer to `text`.
pub(super) fn read(request: &[u8], asked: Asked<'_>, text: &mut Vec<u8>) -> Script {
    let mut script = Script::default();
    if let Err(problem) = interpret(request, asked, text, &mut script) {
        text.extend_from_slice(b"error: ");
        text.extend_from_slice(problem.as_bytes());
    }
    script
}

/// Interprets leading words, each of which changes how the rest is answered, up to a word with an answer of
/// its own.
fn interpret(
    request: &[u8],
    asked: Asked<'_>,
    text: &mut Vec<u8>,
    script: &mut Script,
) -> Result<(), String> {
    let (mut word, mut rest) = split(request);
    loop {
        match word {
            b"tag" => {
                let (tag, request) = split(rest);
                text.extend_from_slice(tag);
                text.push(b' ');
                rest = request;
            }
            b"delay" => script.delay += take_millis(&mut rest)?,
            b"late" => script.late += take_millis(&mut rest)?,
            b"early" => script.again = Some(take_millis(&mut rest)?),
            b"twice" => script.again = Some(Duration::ZERO),
            b"midclose" => (script.shape, script.after) = (Shape::Half, After::Close),
            b"close" if !rest.is_empty() => script.after = After::Close,
            _ => return answer(word, rest, asked, text, script),
        }
        (word, rest) = split(rest);
    }
}

fn answer(
    word: &[u8],
    rest: &[u8],
    asked: Asked<'_>,
    text: &mut Vec<u8>,
    script: &mut Script,
) -> Result<(), String> {
    match word {
        b"echo" => text.extend_from_slice(rest),
        b"add" => compute(Operation::Add, rest, text)?,
        b"sub" => compute(Operation::Subtract, rest, text)?,
        b"mul" => compute(Operation::Multiply, rest, text)?,
        b"div" => compute(Operation::Divide, rest, text)?,
        b"fnv" => text.extend_from_slice(hash(rest).as_bytes()),
        b"id" => text.extend_from_slice(format!("{} {}", asked.member, asked.number).as_bytes()),
        b"size" => script.fill = number(rest).ok_or("expected a number of bytes")?,
        b"toolong" => {
            script.fill = number(rest).ok_or("expected a number of bytes")?;
            (script.shape, script.after) = (Shape::Unended, After::Ignore);
        }
        b"raw" => {
            text.extend(raw(rest).ok_or("expected hex digits, two for each byte")?);
            script.shape = Shape::Bare;
        }
        b"never" => (script.shape, script.after) = (Shape::Nothing, After::Ignore),
        b"close" => (script.shape, script.after) = (Shape::Nothing, After::Close),
        b"reset" => (script.shape, script.after) = (Shape::Nothing, After::Reset),
        b"" => return Err("an empty request".to_owned()),
        _ => return Err(format!("not understood: {}", word[..word.len().min(40)].escape_ascii())),
    }
    Ok(())
}

/// Returns the first word, and everything after the blank that follows it.
fn split(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b' ', text) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, b""),
    }
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// Reads a number of milliseconds up to 49 days, which any clock can add.
fn take_millis(rest: &mut &[u8]) -> Result<Duration, &'static str> {
    let (millis, request) = split(rest);
    let millis: u32 = number(millis).ok_or("expected milliseconds and a request")?;
    *rest = request;
    Ok(Duration::from_millis(millis.into()))
}

fn compute(operation: Operation, rest: &[u8], text: &mut Vec<u8>) -> Result<(), String> {
    let (a, b) = split(rest);
    let (Some(a), Some(b)) = (operand(a), operand(b)) else {
        return Err("expected two numbers".to_owned());
    };
    let result = arithmetic::result(operation, &a, &b)?;
    text.extend_from_slice(result.to_string().as_bytes());
    Ok(())
}

/// Reads a number. Whole numbers are tried first, because they are usual and fast to read.
fn operand(text: &[u8]) -> Option<serde_json::Number> {
    number::<i64>(text).map(Into::into).or_else(|| number(text))
}

fn hash(text: &[u8]) -> String {
    let mut fnv = Fnv1a::default();
    fnv.update(text);
    format!("{:016x}", fnv.value())
}

fn raw(hex: &[u8]) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? * 16 + digit(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests;
