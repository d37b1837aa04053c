//! The macro that declares a section of options once, and the reader of such sections.
//!
//! Reading, checking, defaults and the schema follow from the rows (`options.rs`).

use std::collections::HashMap;

use serde_json::Value;

use super::diagnostic::{Diagnostics, Position};
use super::settings::Protocol;
use super::suggest::suggest;
use super::tree::{Content, MapEntry, Node};

/// One row of the table: everything there is to say about an option.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) key: &'static str,
    /// As it would be written in the file; none where it must be written, and for sections.
    pub(super) default: Option<&'static str>,
    /// One sentence.
    pub(super) doc: &'static str,
    /// The protocols for which it means something; none if it does for all.
    pub(super) only: Option<&'static [Protocol]>,
    pub(super) shape: OptionShape,
}

/// What may stand at an option.
#[derive(Debug)]
pub(super) enum OptionShape {
    /// One word; the schema of that word.
    Scalar(fn() -> Value),
    /// A list of words or one alone; the schemas of the words that stand for a list, and of an item.
    List { short: fn() -> Value, item: fn() -> Value },
    /// A map of options. With `short`, the value of that one alone may stand for the map.
    Section { options: &'static [Opt], short: Option<&'static str> },
    /// A map from names to sections, or to words, with at least and at most so many entries.
    Named { item: &'static Self, least: usize, most: usize },
    /// A list of sections, with at most so many.
    Sequence { item: &'static Self, most: usize },
}

/// What can be read from the file. Where that fails, it is noted and the rest is read all the same.
pub(super) trait Written: Sized {
    const SHAPE: OptionShape;

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self;
}

/// Declares sections of the table, each as a struct of what was written in it.
///
/// A row is its sentence, `#[only(PROTOCOLS)]` if it means nothing to others, `key: Type` and, unless it must be
/// written, `= "default"`. A key that is a word of Rust has another name here: `name as "key": Type`.
macro_rules! sections {
    ($(
        $(#[doc = $about:literal])*
        $section:ident $(or $short:ident)? {
            $(
                #[doc = $doc:literal]
                $(#[only($only:expr)])?
                $key:ident $(as $written:literal)?: $type:ty $(= $default:literal)?,
            )*
        }
    )*) => {$(
        $(#[doc = $about])*
        #[derive(Debug)]
        pub(super) struct $section {
            $(#[doc = $doc] pub(super) $key: $type,)*
        }

        impl $crate::config::table::Written for $section {
            const SHAPE: $crate::config::table::OptionShape = $crate::config::table::OptionShape::Section {
                options: &[$($crate::config::table::Opt {
                    key: $crate::config::table::key!($key $($written)?),
                    default: $crate::config::table::maybe!($($default)?),
                    doc: $doc.trim_ascii(),
                    only: $crate::config::table::maybe!($($only)?),
                    shape: <$type as $crate::config::table::Written>::SHAPE,
                },)*],
                short: $crate::config::table::maybe!($(stringify!($short))?),
            };

            fn read(
                slot: &$crate::config::table::OptionSlot<'_>,
                diagnostics: &mut $crate::config::diagnostic::Diagnostics,
            ) -> Self {
                let fields = $crate::config::table::SectionFields::of(slot, &Self::SHAPE, diagnostics);
                Self {
                    $($key: $crate::config::table::Written::read(
                        &fields.slot($crate::config::table::key!($key $($written)?)),
                        diagnostics,
                    ),)*
                }
            }
        }
    )*};
}

/// `Some` of what is there.
macro_rules! maybe {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// The key in the file.
macro_rules! key {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $written:literal) => {
        $written
    };
}

pub(super) use {key, maybe, sections};

/// A place in the file where an option may stand.
#[derive(Clone, Debug, Default)]
pub(super) struct OptionSlot<'a> {
    /// Where it stands; else, where the map that could hold it stands.
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) node: Option<&'a Node>,
    pub(super) default: Option<&'static str>,
    /// It is absent because its key is misspelt, which has been said already.
    pub(super) misspelt: bool,
}

/// Reads the whole file.
pub(super) fn read_root<T: Written>(root: &Node, diagnostics: &mut Diagnostics) -> T {
    T::read(
        &OptionSlot { at: Position { line: 1, column: 1 }, node: Some(root), ..OptionSlot::default() },
        diagnostics,
    )
}

/// The entries of one section, by the table.
pub(super) struct SectionFields<'a> {
    at: Position,
    path: String,
    /// The short form's key has the path of the section itself.
    short: Option<&'static str>,
    options: &'static [Opt],
    found: HashMap<&'static str, (Position, &'a Node)>,
    misspelt: Vec<&'static str>,
}

impl<'a> SectionFields<'a> {
    /// Sorts what stands at `slot` by the rows of a section; notes what is in no row.
    pub(super) fn of(slot: &OptionSlot<'a>, shape: &OptionShape, diagnostics: &mut Diagnostics) -> Self {
        let (options, short) = match shape {
            OptionShape::Section { options, short } => (*options, *short),
            _ => (&[][..], None),
        };
        let mut fields = Self {
            at: slot.at,
            path: slot.path.clone(),
            short: None,
            options,
            found: HashMap::new(),
            misspelt: Vec::new(),
        };
        match (slot.node, short) {
            (Some(node), Some(key)) if matches!(node.content, Content::Scalar(_) | Content::Broken(..)) => {
                fields.short = Some(key);
                fields.found.insert(key, (slot.at, node));
            }
            _ => entries(slot, diagnostics).iter().for_each(|entry| fields.take(entry, diagnostics)),
        }
        fields
    }

    /// Where the option `key` stands, or would.
    pub(super) fn slot(&self, key: &'static str) -> OptionSlot<'a> {
        let found = self.found.get(key);
        OptionSlot {
            at: found.map_or(self.at, |(at, _)| *at),
            path: if self.short == Some(key) { self.path.clone() } else { join(&self.path, key) },
            node: found.map(|(_, node)| *node),
            default: self.options.iter().find(|option| option.key == key).and_then(|option| option.default),
            misspelt: self.misspelt.contains(&key),
        }
    }

    fn take(&mut self, entry: &'a MapEntry, diagnostics: &mut Diagnostics) {
        let known = self.options.iter().map(|option| option.key);
        let path = join(&self.path, &entry.key);
        let Some(key) = known.clone().find(|key| *key == entry.key) else {
            let near = suggest(&entry.key, known.clone());
            self.misspelt.extend(near);
            let known = || format!("known here: {}", known.collect::<Vec<_>>().join(", "));
            let hint = near.map_or_else(known, |near| format!("did you mean `{near}`?"));
            return diagnostics.error(entry.at, &path, format!("unknown key; {hint}"));
        };
        match self.found.get(key) {
            Some((first, _)) => diagnostics.error(entry.at, &path, twice(*first)),
            None => _ = self.found.insert(key, (entry.at, &entry.value)),
        }
    }
}

/// A map from names to sections, or to words, in the order of the file.
#[derive(Debug)]
pub(super) struct Named<T, const MOST: usize, const LEAST: usize = 1> {
    pub(super) entries: Vec<(ChosenName, T)>,
}

/// A key that the user chose.
#[derive(Debug)]
pub(super) struct ChosenName {
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) text: String,
    /// What is written in its section that means something for some protocols only.
    pub(super) only: Vec<Only>,
}

/// Something written that means something for some protocols only.
#[derive(Debug)]
pub(super) struct Only {
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) protocols: &'static [Protocol],
    /// What is written inside of it for fewer still.
    pub(super) inside: Vec<Self>,
}

/// What a name may consist of, as a regular expression.
pub(super) const NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";

pub(super) fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(letter)
}

impl<T: Written, const MOST: usize, const LEAST: usize> Written for Named<T, MOST, LEAST> {
    const SHAPE: OptionShape = OptionShape::Named { item: &T::SHAPE, least: LEAST, most: MOST };

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let listed = entries(slot, diagnostics);
        if LEAST > 0 && listed.is_empty() && !slot.misspelt && slot.node.is_none_or(Node::is_empty) {
            diagnostics.error(slot.at, &slot.path, "at least one is needed here");
        }
        if let Some(over) = listed.get(MOST) {
            let text = format!("{} are too many; {MOST} at most", listed.len());
            diagnostics.error(over.at, &slot.path, text);
        }
        let mut seen = HashMap::new();
        let mut named = Self { entries: Vec::new() };
        for entry in listed.iter().take(MOST) {
            let path = join(&slot.path, &entry.key);
            if let Some(first) = seen.get(&entry.key) {
                diagnostics.error(entry.at, &path, twice(*first));
                continue;
            }
            if !is_name(&entry.key) {
                let text = "a name consists of 1 to 64 of the characters A-Z a-z 0-9 _ . -";
                diagnostics.error(entry.at, &path, text);
            }
            seen.insert(&entry.key, entry.at);
            let slot = OptionSlot {
                at: entry.at,
                path: path.clone(),
                node: Some(&entry.value),
                ..OptionSlot::default()
            };
            let item = T::read(&slot, diagnostics);
            let only = for_some_protocols(&entry.value, &T::SHAPE, &path);
            named.entries.push((ChosenName { at: entry.at, path, text: entry.key.clone(), only }, item));
        }
        named
    }
}

/// What is written at `node` that means something for some protocols only.
fn for_some_protocols(node: &Node, shape: &OptionShape, path: &str) -> Vec<Only> {
    let mut found = Vec::new();
    let (Content::Map(entries), OptionShape::Section { options, .. }) = (&node.content, shape) else {
        return found;
    };
    for entry in entries {
        let Some(option) = options.iter().find(|option| option.key == entry.key) else { continue };
        let path = join(path, &entry.key);
        let inside = for_some_protocols(&entry.value, &option.shape, &path);
        match option.only {
            Some(protocols) => found.push(Only { at: entry.at, path, protocols, inside }),
            None => found.extend(inside),
        }
    }
    found
}

impl Node {
    fn is_empty(&self) -> bool {
        match &self.content {
            Content::Nothing => true,
            Content::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }
}

/// What stands at `slot`, which should be a map.
fn entries<'a>(slot: &OptionSlot<'a>, diagnostics: &mut Diagnostics) -> &'a [MapEntry] {
    let Some(node) = slot.node else { return &[] };
    match &node.content {
        Content::Map(entries) => return entries,
        Content::Nothing => {}
        Content::Broken(at, why) => diagnostics.error(*at, &slot.path, why),
        Content::Scalar(_) => {
            diagnostics.error(node.at, &slot.path, "expected a map of `key: value`, not a word")
        }
        Content::List(_) => {
            diagnostics.error(node.at, &slot.path, "expected a map of `key: value`, not a list")
        }
    }
    &[]
}

pub(super) fn twice(first: Position) -> String {
    format!("written twice; first in line {}", first.line)
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
