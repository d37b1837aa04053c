//! The kinds of single words in the file: a number, a flag, one of a few words, or one of those or another kind.
//!
//! Each kind reads a word, says what it expected instead, and has a schema that says the same to an editor.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde_json::{Value, json};

use super::diagnostic::{Diagnostics, Position};
use super::suggest::suggest;
use super::table::{OptionShape, OptionSlot, Written};
use super::tree::Content;

/// A kind of word.
pub(super) trait ScalarKind: fmt::Debug {
    type Value: Clone + fmt::Debug;

    /// What is expected, with an example.
    const EXPECTED: &'static str;

    /// The value, or why it is none (and how it should read).
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// The JSON Schema of the words that `parse` takes.
    fn schema() -> Value;
}

/// One option's value, and where it was written.
#[derive(Debug)]
pub(super) struct Spanned<K: ScalarKind> {
    pub(super) at: Position,
    pub(super) path: String,
    /// None if it could not be read, which has been noted.
    pub(super) value: Option<K::Value>,
}

impl<K: ScalarKind> Written for Spanned<K> {
    const SHAPE: OptionShape = OptionShape::Scalar(K::schema);

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let at = slot.node.map_or(slot.at, |node| node.at);
        let value = word::<K>(slot).and_then(|word| K::parse(word).map_err(|why| (at, why)));
        let value = value.map_err(|(at, why)| {
            if slot.node.is_some() || !slot.misspelt {
                diagnostics.error(at, &slot.path, why);
            }
        });
        Self { at, path: slot.path.clone(), value: value.ok() }
    }
}

impl<K: ScalarKind> Spanned<K> {
    /// A copy of the value.
    pub(super) fn get(&self) -> Option<K::Value> {
        self.value.clone()
    }
}

/// The word at `slot`, or the default; or where and why there is none.
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

/// Says that `text` is not what `K` expects.
pub(super) fn unexpected<K: ScalarKind>(text: &str) -> String {
    format!("expected {}, not `{}`", K::EXPECTED, short(text))
}

/// Enough of a word to know it again.
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
        let value = if inside { text.parse().ok() } else { None };
        value.ok_or_else(outside)
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

/// One of a few words.
pub(super) trait Keywords: Clone + fmt::Debug + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

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

/// Yes or no, as YAML 1.2 writes them.
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

/// A word of its own that stands for "none".
pub(super) trait Keyword: fmt::Debug {
    const WORD: &'static str;
}

/// No such thing.
#[derive(Debug)]
pub(super) struct Off;
impl Keyword for Off {
    const WORD: &'static str = "off";
}

/// Whatever suits.
#[derive(Debug)]
pub(super) struct Auto;
impl Keyword for Auto {
    const WORD: &'static str = "auto";
}

/// The word `W`, or a `K`.
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
