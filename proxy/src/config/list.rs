//! Options that take a list of words, or one word alone.

use std::fmt;
use std::marker::PhantomData;
use std::rc::Rc;

use serde_json::{Value, json};

use super::mistake::{At, Notes};
use super::scalar::{Kind, word};
use super::table::{Shape, Slot, Written, twice};
use super::tree::{Content, Node};

/// Most items of a list: each is looked at for every connection.
pub(super) const MOST_ITEMS: usize = 256;

/// Words that stand alone, each for a list.
pub(super) trait Short: fmt::Debug {
    const WORDS: &'static [(&'static str, &'static [&'static str])];
}

/// One or more `K`, or one of the words `S` alone.
#[derive(Debug)]
pub(super) struct List<K: Kind, S> {
    pub(super) at: At,
    pub(super) path: String,
    /// None if one of them could not be read, which has been noted.
    pub(super) items: Option<Vec<Item<K::Value>>>,
    short: PhantomData<S>,
}

/// One value, and where it was written.
#[derive(Debug)]
pub(super) struct Item<V> {
    pub(super) at: At,
    pub(super) value: V,
}

impl<K: Kind<Value: PartialEq>, S: Short> Written for List<K, S> {
    const SHAPE: Shape = Shape::List { short: words::<S>, item: K::schema };

    fn read(slot: &Slot<'_>, notes: &mut Notes) -> Self {
        let at = slot.node.map_or(slot.at, |node| node.at);
        let items = match slot.node.map(|node| &node.content) {
            Some(Content::List(nodes)) => several::<K, S>(nodes, at, &slot.path, notes),
            _ => alone::<K, S>(slot, at, notes),
        };
        Self { at, path: slot.path.clone(), items, short: PhantomData }
    }
}

impl<K: Kind, S> List<K, S> {
    /// The values.
    pub(super) fn get(&self) -> Option<Vec<K::Value>> {
        Some(self.items.as_ref()?.iter().map(|item| item.value.clone()).collect())
    }
}

fn words<S: Short>() -> Value {
    json!({ "enum": S::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
}

/// The list that one word stands for.
fn alone<K: Kind, S: Short>(slot: &Slot<'_>, at: At, notes: &mut Notes) -> Option<Vec<Item<K::Value>>> {
    let read = |text: &str| match S::WORDS.iter().find(|(word, _)| *word == text) {
        Some((_, list)) => list.iter().map(|text| K::parse(text)).collect(),
        None => K::parse(text).map(|value| vec![value]).map_err(|why| why + &or_words::<S>()),
    };
    let values = word::<K>(slot).and_then(|text| read(text).map_err(|why| (at, why)));
    let values = values.map_err(|(at, why)| notes.mistake(at, &slot.path, why)).ok()?;
    Some(values.into_iter().map(|value| Item { at, value }).collect())
}

fn or_words<S: Short>() -> String {
    let words: Vec<_> = S::WORDS.iter().map(|(word, _)| format!("`{word}`")).collect();
    format!(" (or {})", words.join(", "))
}

fn several<K: Kind<Value: PartialEq>, S: Short>(
    nodes: &[Rc<Node>],
    at: At,
    path: &str,
    notes: &mut Notes,
) -> Option<Vec<Item<K::Value>>> {
    if nodes.is_empty() {
        notes.mistake(at, path, format!("an empty list; expected {}{}", K::EXPECTED, or_words::<S>()));
    }
    if let Some(over) = nodes.get(MOST_ITEMS) {
        notes.mistake(over.at, path, format!("{} are too many; {MOST_ITEMS} at most", nodes.len()));
    }
    let mut items: Vec<Item<K::Value>> = Vec::new();
    let mut whole = true;
    for node in nodes.iter().take(MOST_ITEMS) {
        let item = item::<K, S>(node, path).and_then(|value| match items.iter().find(|i| i.value == value) {
            Some(first) => Err((node.at, twice(first.at))),
            None => Ok(Item { at: node.at, value }),
        });
        match item {
            Ok(item) => items.push(item),
            Err((at, why)) => {
                notes.mistake(at, path, why);
                whole = false;
            }
        }
    }
    whole.then_some(items)
}

/// The value of one item; or where and why there is none.
fn item<K: Kind, S: Short>(node: &Node, path: &str) -> Result<K::Value, (At, String)> {
    let slot = Slot { at: node.at, path: path.to_owned(), node: Some(node), ..Slot::default() };
    let text = word::<K>(&slot)?;
    if S::WORDS.iter().any(|(word, _)| *word == text) {
        return Err((node.at, format!("`{text}` stands alone, not in a list")));
    }
    K::parse(text).map_err(|why| (node.at, why))
}
