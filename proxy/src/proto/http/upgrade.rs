//! Decides which protocols of an Upgrade field are offered to the member (RFC 9110 section 7.8).

use super::fields::Head;
use super::framing::BodyFraming;
use super::name::{FieldName, is_tchar, list};
use crate::config::Upgrades;

/// Returns whether any protocol that the head of a request with this body asks for is allowed.
pub(in crate::proto) fn is_offered(head: &Head<'_, '_>, body: BodyFraming, allowed: &Upgrades) -> bool {
    offered(head, body, allowed).next().is_some()
}

/// Returns the allowed protocols of those that the head of a request with this body asks for, in their order.
pub(in crate::proto) fn offered<'b>(
    head: &Head<'_, 'b>,
    body: BodyFraming,
    allowed: &Upgrades,
) -> impl Iterator<Item = &'b [u8]> {
    let may_follow = move |protocol: &&[u8]| body == BodyFraming::None || may_follow_content(protocol);
    asked(head).filter(|protocol| may_become(allowed, protocol)).filter(may_follow)
}

/// The number of protocols of one head that are looked at. Each is compared with all that are allowed; real clients ask for
/// one.
const MOST_PROTOCOLS: usize = 16;

/// Returns the first protocols that the Upgrade lines of a head name.
pub(in crate::proto) fn asked<'b>(head: &Head<'_, 'b>) -> impl Iterator<Item = &'b [u8]> {
    let lines = head.fields.iter().filter(|f| FieldName::of(f.name.as_bytes()) == FieldName::Upgrade);
    lines.flat_map(|f| list(f.value)).take(MOST_PROTOCOLS)
}

fn may_become(allowed: &Upgrades, protocol: &[u8]) -> bool {
    let word = protocol.split(|b| *b == b'/').next().unwrap_or_default();
    let well_said = protocol.iter().all(|b| *b == b'/' || is_tchar(*b));
    well_said
        && match allowed {
            Upgrades::Off => false,
            // An upgrade to h2c would hide the following requests from every rule of the proxy.
            Upgrades::Any => !word.eq_ignore_ascii_case(b"h2c"),
            // A name without a version stands for all its versions.
            Upgrades::Only(names) => names
                .iter()
                .map(|name| name.as_bytes())
                .any(|name| name.eq_ignore_ascii_case(protocol) || name.eq_ignore_ascii_case(word)),
        }
}

/// Returns whether a request with content may ask for this protocol. The handshake of websocket has no content (RFC 6455
/// section 4.1), so a member that ignores content there would take the first frames for a request; h2c would answer the request
/// itself in HTTP/2.
fn may_follow_content(protocol: &[u8]) -> bool {
    let word = protocol.split(|b| *b == b'/').next().unwrap_or_default();
    !word.eq_ignore_ascii_case(b"websocket") && !word.eq_ignore_ascii_case(b"h2c")
}

/// Returns whether the protocol is h2c, whose settings travel in a field of their own (RFC 7540 section 3.2.1).
pub(in crate::proto) fn is_h2c(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"h2c")
}
