//! Reads single words of the file: a number, a flag, a keyword, or a keyword or something else.
//!
//! Each kind parses a word, says what it expected, and has a JSON Schema that tells an editor the same.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde_json::{Value, json};

use super::diagnostic::{Diagnostics, Position};
use super::suggest::suggest;
use super::table::{OptionShape, OptionSlot, Written};
use super::tree::Content;

/// A kind of word that an option can take.
pub(super) trait ScalarKind: fmt::Debug {
    type Value: Clone + fmt::Debug;

    /// A description of valid words, with an example, for mistakes.
    const EXPECTED: &'static str;

    /// Returns the value, or a sentence that says why `text` has none and how it should read.
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// Returns the JSON Schema of the words that `parse` accepts.
    fn schema() -> Value;
}

/// The value of one option and its place in the file.
#[derive(Debug)]
pub(super) struct Spanned<K: ScalarKind> {
    pub(super) at: Position,
    pub(super) path: String,
    /// The value, or `None` if it could not be read, which has been recorded.
    pub(super) value: Option<K::Value>,
}

impl<K: ScalarKind> Written for Spanned<K> {
    const SHAPE: OptionShape = OptionShape::Scalar(K::schema);

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let at = slot.node.map_or(slot.at, |node| node.at);
        let value = word::<K>(slot).and_then(|word| K::parse(word).map_err(|why| (at, why)));
        let value = value.map_err(|(at, why)| {
            // A misspelt key has been recorded; that the right one is missing too would be noise.
            if slot.node.is_some() || !slot.misspelt {
                diagnostics.error(at, &slot.path, why);
            }
        });
        Self { at, path: slot.path.clone(), value: value.ok() }
    }
}

impl<K: ScalarKind> Spanned<K> {
    /// Returns a copy of the value.
    pub(super) fn get(&self) -> Option<K::Value> {
        self.value.clone()
    }
}

/// Returns the word at `slot` or the default, or the place of the mistake and the reason.
pub(super) fn word<'a, K: ScalarKind>(slot: &OptionSlot<'a>) -> Result<&'a str, (Position, String)> {
    let expected = K::EXPECTED;
    let Some(node) = slot.node else {
        return slot.default.ok_or_else(|| (slot.at, format!("missing; expected {expected}")));
    };
    match &node.content {
        Content::Scalar(text) => Ok(text),
        Content::Broken(at, why) => Err((*at, why.clone())),
        Content::Nothing => Err((slot.at, format!("has no value; expected {expected}"))),
        Content::List(_) => Err((node.at, format!("expected {expected}, not a list"))),
        Content::Map(_) => Err((node.at, format!("expected {expected}, not a map"))),
    }
}

/// Returns the message that `text` is not what `K` expects.
pub(super) fn unexpected<K: ScalarKind>(text: &str) -> String {
    format!("expected {}, not `{}`", K::EXPECTED, short(text))
}

/// Shortens a word to 64 characters, enough to recognize the word in a message.
pub(super) fn short(text: &str) -> String {
    if text.chars().count() <= 64 {
        return text.to_owned();
    }
    text.chars().take(60).chain("...".chars()).collect()
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug)]
pub(super) struct WholeNumber<T, const MIN: u64, const MAX: u64>(PhantomData<T>);

impl<T: FromStr + Clone + fmt::Debug, const MIN: u64, const MAX: u64> ScalarKind
    for WholeNumber<T, MIN, MAX>
{
    type Value = T;
    const EXPECTED: &'static str = "a whole number such as `64`";

    fn parse(text: &str) -> Result<T, String> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unexpected::<Self>(text));
        }
        let outside = || format!("{} is outside of {MIN} to {MAX}", short(text));
        let inside = text.parse().is_ok_and(|n: u64| (MIN..=MAX).contains(&n));
        // The range is checked in 64 bits first, because `T` may be too small for the message.
        let value = if inside { text.parse().ok() } else { None };
        value.ok_or_else(outside)
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// A type whose values are written as one of a few words.
pub(super) trait Keywords: Clone + fmt::Debug + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

/// A kind of word that stands for a value of `T`.
#[derive(Debug)]
pub(super) struct OneOf<T>(PhantomData<T>);

impl<T: Keywords> ScalarKind for OneOf<T> {
    type Value = T;
    const EXPECTED: &'static str = "one of a few words";

    fn parse(text: &str) -> Result<T, String> {
        let known = T::WORDS.iter().find(|(word, _)| *word == text);
        known
            .map(|(_, value)| value.clone())
            .ok_or_else(|| none_of(text, T::WORDS.iter().map(|(word, _)| *word)))
    }

    fn schema() -> Value {
        json!({ "enum": T::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }
}

fn none_of(text: &str, words: impl Iterator<Item = &'static str> + Clone) -> String {
    let text = short(text);
    let all: Vec<_> = words.clone().map(|word| format!("`{word}`")).collect();
    if let [only] = &all[..] {
        return format!("`{text}` is not known; this version has only {only}");
    }
    let near = suggest(&text, words).map(|word| format!("; did you mean `{word}`?"));
    format!("`{text}` is none of {}{}", all.join(", "), near.unwrap_or_default())
}

/// A truth value as YAML 1.2 writes it: `true` or `false`.
#[derive(Debug)]
pub(super) struct Flag;

impl ScalarKind for Flag {
    type Value = bool;
    const EXPECTED: &'static str = "`true` or `false`";

    fn parse(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| unexpected::<Self>(text))
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// A keyword that stands for "no value" in an option that otherwise takes values.
pub(super) trait Keyword: fmt::Debug {
    const WORD: &'static str;
}

/// The keyword `off`.
#[derive(Debug)]
pub(super) struct Off;
impl Keyword for Off {
    const WORD: &'static str = "off";
}

/// The keyword `auto`.
#[derive(Debug)]
pub(super) struct Auto;
impl Keyword for Auto {
    const WORD: &'static str = "auto";
}

/// The keyword `W`, read as `None`, or a value of `K`.
#[derive(Debug)]
pub(super) struct Or<W, K>(PhantomData<(W, K)>);

impl<W: Keyword, K: ScalarKind> ScalarKind for Or<W, K> {
    type Value = Option<K::Value>;
    const EXPECTED: &'static str = K::EXPECTED;

    fn parse(text: &str) -> Result<Self::Value, String> {
        if text == W::WORD {
            return Ok(None);
        }
        K::parse(text).map(Some).map_err(|why| format!("{why} (or `{}`)", W::WORD))
    }

    fn schema() -> Value {
        json!({ "anyOf": [{ "const": W::WORD }, K::schema()] })
    }
}
