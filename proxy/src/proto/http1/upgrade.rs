//! What a connection may become (RFC 9110 section 7.8).
//! In: the tokens of Upgrade, and which of them the listener allows. Out: those that are offered on.
//! Knows nothing of what follows a 101.

use super::fields::Head;
use super::name::{Name, is_tchar, list};
use crate::config::Upgrades;

/// Whether any protocol that the head asks for is allowed.
pub(super) fn is_offered(head: &Head<'_, '_>, allowed: &Upgrades) -> bool {
    offered(head, allowed).next().is_some()
}

/// The protocols that the head asks for and that are allowed, in their order.
pub(super) fn offered<'b>(head: &Head<'_, 'b>, allowed: &Upgrades) -> impl Iterator<Item = &'b [u8]> {
    asked(head).filter(|protocol| may_become(allowed, protocol))
}

/// All protocols that the Upgrade lines of a head name.
pub(super) fn asked<'b>(head: &Head<'_, 'b>) -> impl Iterator<Item = &'b [u8]> {
    let lines = head.fields.iter().filter(|f| Name::of(f.name.as_bytes()) == Name::Upgrade);
    lines.flat_map(|f| list(f.value))
}

fn may_become(allowed: &Upgrades, protocol: &[u8]) -> bool {
    let word = protocol.split(|b| *b == b'/').next().unwrap_or_default();
    let well_said = protocol.iter().all(|b| *b == b'/' || is_tchar(*b));
    well_said
        && match allowed {
            Upgrades::Off => false,
            Upgrades::Any => !word.eq_ignore_ascii_case(b"h2c"),
            // A name without a version stands for all its versions.
            Upgrades::Only(names) => names
                .iter()
                .map(|name| name.as_bytes())
                .any(|name| name.eq_ignore_ascii_case(protocol) || name.eq_ignore_ascii_case(word)),
        }
}

/// Whether one of them is h2c, whose settings travel in a field of their own (RFC 7540 section 3.2.1).
pub(super) fn is_h2c(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"h2c")
}
