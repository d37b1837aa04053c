//! Finds loops: a request whose Via has the proxy's own name has come through here before (RFC 9110 section 7.6.3).

use super::fields::Head;
use super::name::{FieldName, Ours, list};

/// Returns whether an element of Via names this proxy: `received-protocol received-by (comment)`. Lines that Connection names
/// count as well, because naming Via must not hide a loop.
pub(in crate::proto) fn loops(head: &Head<'_, '_>, pseudonym: Option<&str>) -> bool {
    // A proxy without a name of its own cannot recognise itself.
    let Some(pseudonym) = pseudonym else { return false };
    let lines = head.fields.iter().filter(|f| FieldName::of(f.name.as_bytes()) == FieldName::Ours(Ours::Via));
    lines.flat_map(|f| list(f.value)).any(|element| is_by(element, pseudonym.as_bytes()))
}

fn is_by(element: &[u8], pseudonym: &[u8]) -> bool {
    let mut words = element.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    // A comment may follow the name without a space.
    let received_by = words.nth(1).and_then(|word| word.split(|b| *b == b'(').next());
    received_by.is_some_and(|name| name.eq_ignore_ascii_case(pseudonym))
}
