//! Declares sections of options with one macro and reads such sections from the file.
//!
//! The rows (`options.rs`) are the only source for reading, checking, defaults and the schema.

use std::collections::HashMap;

use serde_json::Value;

use super::diagnostic::{Diagnostics, Position};
use super::settings::Protocol;
use super::suggest::suggest;
use super::tree::{Content, MapEntry, Node};

/// One row of the table, which holds everything that the program knows about an option.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) key: &'static str,
    /// The default as the file would say it; `None` for required options and for sections.
    pub(super) default: Option<&'static str>,
    /// The description, one sentence.
    pub(super) doc: &'static str,
    /// The protocols to which the option applies; `None` if it applies to all.
    pub(super) only: Option<&'static [Protocol]>,
    pub(super) shape: OptionShape,
}

/// The kind of value that an option takes.
#[derive(Debug)]
pub(super) enum OptionShape {
    /// One word; the function returns its schema.
    Scalar(fn() -> Value),
    /// A list of words or one word alone. `short` returns the schema of the words that stand for a list,
    /// `item` the schema of an item.
    List { short: fn() -> Value, item: fn() -> Value },
    /// A map of options. If `short` names an option, the value of that option alone may stand for the map.
    Section { options: &'static [Opt], short: Option<&'static str> },
    /// A map from `least` to `most` names to sections or words.
    Named { item: &'static Self, least: usize, most: usize },
    /// A list of at most `most` sections.
    Sequence { item: &'static Self, most: usize },
}

/// A type that can be read from the file. Reading records mistakes and goes on, so that the user sees all of
/// them.
pub(super) trait Written: Sized {
    const SHAPE: OptionShape;

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self;
}

/// Declares sections of the table, each as a struct of what was written in that section.
///
/// A row is its description, `#[only(PROTOCOLS)]` if the option applies to some protocols only, `key: Type`
/// and, unless the option is required, `= "default"`. A key that is a keyword of Rust is renamed: `name as
/// "key": Type`.
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

/// Expands to `Some` of its argument, or to `None` without an argument.
macro_rules! maybe {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

/// Expands to the key as the file spells it.
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
    /// The place of the option, or of the map that lacks the option.
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) node: Option<&'a Node>,
    pub(super) default: Option<&'static str>,
    /// Whether the option is absent because its key is misspelt, which has been recorded.
    pub(super) misspelt: bool,
}

/// Reads the whole file as one section.
pub(super) fn read_root<T: Written>(root: &Node, diagnostics: &mut Diagnostics) -> T {
    T::read(
        &OptionSlot { at: Position { line: 1, column: 1 }, node: Some(root), ..OptionSlot::default() },
        diagnostics,
    )
}

/// The entries that the file has for one section, sorted by the rows of the table.
pub(super) struct SectionFields<'a> {
    at: Position,
    path: String,
    /// The option whose value stands for the whole section, if so; its path is then the section's path.
    short: Option<&'static str>,
    options: &'static [Opt],
    found: HashMap<&'static str, (Position, &'a Node)>,
    misspelt: Vec<&'static str>,
}

impl<'a> SectionFields<'a> {
    /// Sorts the entries at `slot` by the rows of a section, and records unknown and repeated keys.
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
            // A word in place of a map is the value of the section's short form.
            (Some(node), Some(key)) if matches!(node.content, Content::Scalar(_) | Content::Broken(..)) => {
                fields.short = Some(key);
                fields.found.insert(key, (slot.at, node));
            }
            _ => entries(slot, diagnostics).iter().for_each(|entry| fields.take(entry, diagnostics)),
        }
        fields
    }

    /// Returns the place where the option `key` stands, or would stand.
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

/// A map from names that the user chose to sections or words, in the order of the file.
#[derive(Debug)]
pub(super) struct Named<T, const MOST: usize, const LEAST: usize = 1> {
    pub(super) entries: Vec<(ChosenName, T)>,
}

/// A key that the user chose, such as the name of a listener.
#[derive(Debug)]
pub(super) struct ChosenName {
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) text: String,
    /// The options in this section that apply to some protocols only.
    pub(super) only: Vec<Only>,
}

/// An option in the file that applies to some protocols only.
#[derive(Debug)]
pub(super) struct Only {
    pub(super) at: Position,
    pub(super) path: String,
    pub(super) protocols: &'static [Protocol],
    /// The options inside of this one that apply to fewer protocols still.
    pub(super) inside: Vec<Self>,
}

/// The names that a user may choose, as a regular expression; `is_name` checks the same.
pub(super) const NAME: &str = "^[A-Za-z0-9_.-]{1,64}$";

pub(super) fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=64).contains(&text.len()) && text.chars().all(letter)
}

impl<T: Written, const MOST: usize, const LEAST: usize> Written for Named<T, MOST, LEAST> {
    const SHAPE: OptionShape = OptionShape::Named { item: &T::SHAPE, least: LEAST, most: MOST };

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let listed = entries(slot, diagnostics);
        // A misspelt key and a value of the wrong type have been recorded already.
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
            // The first entry counts, so that the second cannot change it unnoticed.
            if let Some(first) = seen.get(&entry.key) {
                diagnostics.error(entry.at, &path, twice(*first));
                continue;
            }
            if !is_name(&entry.key) {
                let text = "a name consists of 1 to 64 of the characters A-Z a-z 0-9 _ . -";
                diagnostics.error(entry.at, &path, text);
            }
            // An invalid name is recorded, yet its section is read, so that its mistakes show too.
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

/// Returns the options at `node` that apply to some protocols only.
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
            // The options inside apply to even fewer protocols, so that they hang below this one.
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

/// Returns the entries of the map at `slot`, or records that something else stands there.
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
