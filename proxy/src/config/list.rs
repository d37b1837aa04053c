//! Reads options that take a list of words, or one word alone.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde_json::{Value, json};

use super::diagnostic::{Diagnostics, Position};
use super::scalar::{ScalarKind, word};
use super::table::{OptionShape, OptionSlot, Written, twice};
use super::tree::{Content, Node};

/// The largest number of items in a list. Every connection or request may be compared with each item.
pub(super) const MOST_ITEMS: usize = 256;

/// Words that stand alone, each an abbreviation of a list.
pub(super) trait Short: fmt::Debug {
    const WORDS: &'static [(&'static str, &'static [&'static str])];
}

/// A list of at least one `K`, or one of the words of `S` alone.
#[derive(Debug)]
pub(super) struct List<K: ScalarKind, S> {
    pub(super) at: Position,
    pub(super) path: String,
    /// The items, or `None` if one of them could not be read, which has been recorded.
    pub(super) items: Option<Vec<ListItem<K::Value>>>,
    short: PhantomData<S>,
}

/// One item and its place in the file.
#[derive(Debug)]
pub(super) struct ListItem<V> {
    pub(super) at: Position,
    pub(super) value: V,
}

impl<K: ScalarKind<Value: PartialEq>, S: Short> Written for List<K, S> {
    const SHAPE: OptionShape = OptionShape::List { short: words::<S>, item: K::schema };

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let at = slot.node.map_or(slot.at, |node| node.at);
        let items = match slot.node.map(|node| &node.content) {
            Some(Content::List(nodes)) => several::<K, S>(nodes, at, &slot.path, diagnostics),
            _ => alone::<K, S>(slot, at, diagnostics),
        };
        Self { at, path: slot.path.clone(), items, short: PhantomData }
    }
}

impl<K: ScalarKind, S> List<K, S> {
    /// Returns a copy of the values, or `None` if one could not be read.
    pub(super) fn get(&self) -> Option<Vec<K::Value>> {
        Some(self.items.as_ref()?.iter().map(|item| item.value.clone()).collect())
    }
}

fn words<S: Short>() -> Value {
    json!({ "enum": S::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

/// Reads a value that is not a list: a word of `S`, which stands for a list, or one item.
fn alone<K: ScalarKind, S: Short>(
    slot: &OptionSlot<'_>,
    at: Position,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<ListItem<K::Value>>> {
    let read = |text: &str| match S::WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, list)) => list.iter().map(|text| K::parse(text)).collect(),
        None => K::parse(text).map(|value| vec![value]).map_err(|why| why + &or_words::<S>()),
    };
    let values = word::<K>(slot).and_then(|text| read(text).map_err(|why| (at, why)));
    let values = values.map_err(|(at, why)| diagnostics.error(at, &slot.path, why)).ok()?;
    Some(values.into_iter().map(|value| ListItem { at, value }).collect())
}

fn or_words<S: Short>() -> String {
    let words: Vec<_> = S::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
    format!(" (or {})", words.join(", "))
}

fn several<K: ScalarKind<Value: PartialEq>, S: Short>(
    nodes: &[Rc<Node>],
    at: Position,
    path: &str,
    diagnostics: &mut Diagnostics,
) -> Option<Vec<ListItem<K::Value>>> {
    if nodes.is_empty() {
        diagnostics.error(at, path, format!("an empty list; expected {}{}", K::EXPECTED, or_words::<S>()));
    }
    // The items up to the limit are still read, so that their mistakes show, too.
    if let Some(over) = nodes.get(MOST_ITEMS) {
        diagnostics.error(over.at, path, format!("{} are too many; {MOST_ITEMS} at most", nodes.len()));
    }
    let mut items: Vec<ListItem<K::Value>> = Vec::new();
    let mut whole = true;
    for node in nodes.iter().take(MOST_ITEMS) {
        let item = item::<K, S>(node, path).and_then(|value| match items.iter().find(|i| i.value == value) {
            // A repeated item is harmless but most likely a slip for another value.
            Some(first) => Err((node.at, twice(first.at))),
            None => Ok(ListItem { at: node.at, value }),
        });
        match item {
            Ok(item) => items.push(item),
            Err((at, why)) => {
                diagnostics.error(at, path, why);
                whole = false;
            }
        }
    }
    whole.then_some(items)
}

/// Returns the value of one item, or the place of the mistake and the reason.
fn item<K: ScalarKind, S: Short>(node: &Node, path: &str) -> Result<K::Value, (Position, String)> {
    let slot = OptionSlot { at: node.at, path: path.to_owned(), node: Some(node), ..OptionSlot::default() };
    let text = word::<K>(&slot)?;
    if S::WORDS.iter().any(|(word, _)| *word == text) {
        return Err((node.at, format!("`{text}` must stand alone, not in a list")));
    }
    K::parse(text).map_err(|why| (node.at, why))
}
