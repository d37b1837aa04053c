//! Reads options about the checks of members: the kind of check, the target of a request, and the statuses that are good.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde_json::{Value, json};

use super::scalar::{Keywords, ScalarKind, short, unexpected};

/// The kind of check, as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckKindWord {
    Off,
    Connect,
    Http,
    Ping,
    Bytes,
}

impl Keywords for CheckKindWord {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("connect", Self::Connect),
        ("http", Self::Http),
        ("ping", Self::Ping),
        ("bytes", Self::Bytes),
    ];
}

/// The target of a request in origin form (RFC 9112 section 3.2.1).
#[derive(Debug)]
pub(super) struct CheckTarget;

impl ScalarKind for CheckTarget {
    type Value = Arc<str>;
    const EXPECTED: &'static str = "a path such as `/healthz`";

    fn parse(text: &str) -> Result<Arc<str>, String> {
        if !text.starts_with('/') {
            return Err(unexpected::<Self>(text) + "; it begins with `/`");
        }
        match text.chars().find(|c| !c.is_ascii_graphic() || *c == '#') {
            Some(other) => Err(format!("`{}`: a request cannot contain `{other}`; encode it", short(text))),
            None => Ok(text.into()),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^/[!-\"$-~]*$" })
    }
}

/// One status code, or the first and the last of a range.
#[derive(Debug)]
pub(super) struct StatusRange;

impl ScalarKind for StatusRange {
    type Value = RangeInclusive<u16>;
    const EXPECTED: &'static str = "a status such as `200` or a range such as `200-299`";

    fn parse(text: &str) -> Result<RangeInclusive<u16>, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|code| digits && (200..=599).contains(code))
        };
        let (Some(first), Some(last)) = (code(first), code(last)) else {
            return Err(unexpected::<Self>(text) + "; final statuses are 200 to 599");
        };
        if first > last {
            return Err(format!("`{text}` is empty, because its first status is greater than its last"));
        }
        Ok(first..=last)
    }

    fn schema() -> Value {
        let code = "[2-5][0-9]{2}";
        json!({ "anyOf": [
            { "type": "integer", "minimum": 200, "maximum": 599 },
            { "type": "string", "pattern": format!("^{code}(-{code})?$") },
        ] })
    }
}
