//! Parses YAML into a tree of nodes with their positions, keeping duplicate keys and the order of keys.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

use super::diagnostic::Position;
use super::interpolate::Interpolated;

/// One value of the file.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    /// An empty value, or `null`.
    Nothing,
    Scalar(String),
    /// A scalar that refers to an environment variable without a value: the place of the reference and the
    /// reason.
    Broken(Position, String),
    List(Vec<Rc<Node>>),
    Map(Vec<MapEntry>),
}

/// One `key: value` of a map.
#[derive(Debug)]
pub(super) struct MapEntry {
    pub(super) at: Position,
    pub(super) key: String,
    /// The value, shared with every alias (`*name`) of it.
    pub(super) value: Rc<Node>,
}

/// The depth of nesting at which a file is refused. No option lies as deep, and the limit bounds recursion
/// over the tree.
const DEEPEST: usize = 32;

/// Parses the one document of the file, or returns the place and the reason of the first fault in its YAML.
pub(super) fn read(interpolated: &Interpolated) -> Result<Rc<Node>, (Position, String)> {
    let mut builder = Builder { interpolated, open: Vec::new(), anchors: HashMap::new(), root: None };
    let mut parser = Parser::new_from_str(&interpolated.text);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|e| not_yaml(at(e.marker()), e.info(), &interpolated.text))?;
        builder.event(event, at(&span.start))?;
    }
    let empty = || Rc::new(Node { at: Position { line: 1, column: 1 }, content: Content::Nothing });
    Ok(builder.root.unwrap_or_else(empty))
}

/// Describes a syntax error. An address such as `[::1]:80` gets a hint, because `[` begins a list in YAML.
fn not_yaml(at: Position, why: &str, text: &str) -> (Position, String) {
    let is_address = text.lines().nth(at.line - 1).is_some_and(|line| line.contains("]:"));
    let hint = if is_address { "; an IPv6 address wants quotes: \"[::1]:80\"" } else { "" };
    (at, format!("not YAML: {why}{hint}"))
}

fn at(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

struct Builder<'a> {
    interpolated: &'a Interpolated,
    open: Vec<OpenNode>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

/// A map or list whose end has not been read yet.
struct OpenNode {
    at: Position,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Rc<Node>>),
    /// The entries so far, and the key that waits for its value.
    Map(Vec<MapEntry>, Option<(Position, String)>),
}

type Built = Result<(), (Position, String)>;

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, at: Position) -> Built {
        match event {
            Event::Scalar(_, _, _, Some(tag))
            | Event::SequenceStart(_, Some(tag))
            | Event::MappingStart(_, Some(tag))
                if !tag.is_yaml_core_schema() =>
            {
                Err((at, format!("the tag `{tag}` has no meaning here")))
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err((at, "a second document; one file is one document".to_owned()))
            }
            Event::Scalar(text, style, anchor, _) => {
                let content = self.scalar(&text, style);
                self.value(Node { at, content }, anchor)
            }
            Event::SequenceStart(anchor, _) => {
                self.open(OpenNode { at, anchor, inside: Inside::List(Vec::new()) })
            }
            Event::MappingStart(anchor, _) => {
                self.open(OpenNode { at, anchor, inside: Inside::Map(Vec::new(), None) })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.place(Rc::clone(node), at),
                None => Err((at, "an alias inside of what it names".to_owned())),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle) -> Content {
        let plain = style == ScalarStyle::Plain;
        // Only plain scalars can be null; a quoted "null" is text.
        if plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Content::Nothing;
        }
        match self.interpolated.reveal(text) {
            Ok(text) => Content::Scalar(text),
            Err((at, why)) => Content::Broken(at, why),
        }
    }

    fn open(&mut self, open: OpenNode) -> Built {
        if self.open.len() == DEEPEST {
            return Err((open.at, format!("nested deeper than {DEEPEST} levels")));
        }
        self.open.push(open);
        Ok(())
    }

    fn close(&mut self) -> Built {
        let Some(OpenNode { at, anchor, inside }) = self.open.pop() else { return Ok(()) };
        let content = match inside {
            Inside::List(items) => Content::List(items),
            Inside::Map(entries, _) => Content::Map(entries),
        };
        self.value(Node { at, content }, anchor)
    }

    /// Places a complete node and remembers it under its anchor, if it has one.
    fn value(&mut self, node: Node, anchor: usize) -> Built {
        let (at, node) = (node.at, Rc::new(node));
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node, at)
    }

    /// Adds a complete node to the innermost open map or list.
    fn place(&mut self, node: Rc<Node>, at: Position) -> Built {
        match self.open.last_mut().map(|open| &mut open.inside) {
            None => self.root = Some(node),
            Some(Inside::List(items)) => items.push(node),
            Some(Inside::Map(entries, key)) => match mem::take(key) {
                Some((at, key)) => entries.push(MapEntry { at, key, value: node }),
                None => *key = Some((at, text_of_key(&node, at)?)),
            },
        }
        Ok(())
    }
}

fn text_of_key(node: &Node, at: Position) -> Result<String, (Position, String)> {
    match &node.content {
        Content::Scalar(text) => Ok(text.clone()),
        Content::Broken(at, why) => Err((*at, why.clone())),
        Content::Nothing => Err((at, "a value without a key".to_owned())),
        Content::List(_) | Content::Map(_) => Err((at, "a key must be one word".to_owned())),
    }
}
