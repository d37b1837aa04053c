//! Reads options about frames and bytes: line terminators, byte order and width of counts, refusals, and the bytes of a check.

use std::sync::Arc;

use serde_json::{Value, json};

use super::scalar::{Keywords, ScalarKind, unexpected};

/// The bytes that end a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Terminator {
    Lf,
    Crlf,
}

impl Keywords for Terminator {
    const WORDS: &'static [(&'static str, Self)] = &[("lf", Self::Lf), ("crlf", Self::Crlf)];
}

/// The byte order of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByteOrder {
    Big,
    Little,
}

impl Keywords for ByteOrder {
    const WORDS: &'static [(&'static str, Self)] = &[("big", Self::Big), ("little", Self::Little)];
}

/// The width of a count in bytes.
#[derive(Debug)]
pub(super) struct CountBytes;

impl ScalarKind for CountBytes {
    type Value = u8;
    const EXPECTED: &'static str = "1, 2, 4 or 8";

    fn parse(text: &str) -> Result<u8, String> {
        match text {
            "1" => Ok(1),
            "2" => Ok(2),
            "4" => Ok(4),
            "8" => Ok(8),
            _ => Err(unexpected::<Self>(text)),
        }
    }

    fn schema() -> Value {
        json!({ "enum": [1, 2, 4, 8] })
    }
}

/// The bytes that a client gets in place of an answer; `None` closes the client's connection.
#[derive(Debug)]
pub(super) struct Refusal;

/// The prefix of bytes that are written in hexadecimal.
const HEX: &str = "hex:";

impl ScalarKind for Refusal {
    type Value = Option<Arc<[u8]>>;
    const EXPECTED: &'static str =
        "`close`, text such as \"ERR busy\\n\" in quotes, or bytes such as `hex:00ff`";

    fn parse(text: &str) -> Result<Self::Value, String> {
        match text {
            "close" => Ok(None),
            "" => Err(unexpected::<Self>(text)),
            _ => Bytes::parse(text).map(Some),
        }
    }

    fn schema() -> Value {
        json!({ "anyOf": [
            { "const": "close" },
            { "type": "string", "minLength": 1, "pattern": "^(hex:([0-9A-Fa-f]{2})+$|(?!hex:))" },
        ] })
    }
}

/// Bytes, written as text or in hexadecimal.
#[derive(Debug)]
pub(super) struct Bytes;

impl ScalarKind for Bytes {
    type Value = Arc<[u8]>;
    const EXPECTED: &'static str = "text such as \"PING\\r\\n\" in quotes, or bytes such as `hex:00ff`";

    fn parse(text: &str) -> Result<Self::Value, String> {
        match text.strip_prefix(HEX) {
            _ if text.is_empty() => Err(unexpected::<Self>(text)),
            Some(digits) => bytes(digits).map(Arc::from).map_err(|why| format!("`{text}` {why}")),
            None => Ok(text.as_bytes().into()),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "minLength": 1, "pattern": "^(hex:([0-9A-Fa-f]{2})+$|(?!hex:))" })
    }
}

/// Returns the bytes that `digits` stand for, or says what is wrong with the digits.
fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    if let Some(other) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("has `{other}` among its digits; the digits are 0 to 9 and a to f"));
    }
    if digits.is_empty() {
        return Err("has no digits; a byte has two".to_owned());
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("has an odd number of digits ({}); a byte has two", digits.len()));
    }
    let value = |digit: &u8| char::from(*digit).to_digit(16).map_or(0, |value| value as u8);
    Ok(digits
        .as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | value(digit)))
        .collect())
}
