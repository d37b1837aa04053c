//! Reads options that are a list of sections in which the order counts.

use std::rc::Rc;

use super::diagnostic::{Diagnostics, Position};
use super::table::{OptionShape, OptionSlot, Written};
use super::tree::{Content, Node};

/// Sections in the order of the file, at most `MOST`.
#[derive(Debug)]
pub(super) struct Sequence<T, const MOST: usize> {
    pub(super) items: Vec<(ItemPlace, T)>,
}

/// The place of one section in the file.
#[derive(Debug)]
pub(super) struct ItemPlace {
    pub(super) at: Position,
    /// The path, such as `routes[0]`.
    pub(super) path: String,
}

impl<T: Written, const MOST: usize> Written for Sequence<T, MOST> {
    const SHAPE: OptionShape = OptionShape::Sequence { item: &T::SHAPE, most: MOST };

    fn read(slot: &OptionSlot<'_>, diagnostics: &mut Diagnostics) -> Self {
        let nodes = nodes(slot, diagnostics);
        if let Some(over) = nodes.get(MOST) {
            let text = format!("{} are too many; {MOST} at most", nodes.len());
            diagnostics.error(over.at, &slot.path, text);
        }
        let mut items = Vec::new();
        for (i, node) in nodes.iter().take(MOST).enumerate() {
            let place = ItemPlace { at: node.at, path: format!("{}[{i}]", slot.path) };
            let slot = OptionSlot {
                at: node.at,
                path: place.path.clone(),
                node: Some(&**node),
                ..OptionSlot::default()
            };
            items.push((place, T::read(&slot, diagnostics)));
        }
        Self { items }
    }
}

/// Returns the items of the list at `slot`, or records that something else stands there.
fn nodes<'a>(slot: &OptionSlot<'a>, diagnostics: &mut Diagnostics) -> &'a [Rc<Node>] {
    let Some(node) = slot.node else { return &[] };
    let (at, why) = match &node.content {
        Content::List(nodes) => return nodes,
        Content::Nothing => return &[],
        Content::Broken(at, why) => (*at, why.as_str()),
        Content::Scalar(_) => (node.at, "expected a list of `- key: value`, not a word"),
        Content::Map(_) => (node.at, "expected a list of `- key: value`, not a map; a `-` begins each item"),
    };
    diagnostics.error(at, &slot.path, why);
    &[]
}
