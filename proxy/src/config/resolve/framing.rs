//! Resolves how a listener's frames are read, and checks that listeners which share links agree on it.

use std::sync::Arc;

use super::refusal;
use crate::config::diagnostic::{Diagnostics, bytes};
use crate::config::frame::{ByteOrder, Terminator};
use crate::config::options::{FramingSection, RootSection};
use crate::config::settings::{self, FrameKind, Prefix, Protocol};

/// The frames of a protocol: `Some(None)` where it has none, `None` if something has been noted.
pub(super) fn framing(
    f: &FramingSection,
    protocol: Option<Protocol>,
    diagnostics: &mut Diagnostics,
) -> Option<Option<settings::Framing>> {
    let kind = match protocol? {
        Protocol::Http | Protocol::Tcp => return Some(None),
        Protocol::Lines => FrameKind::Lines { crlf: f.terminator.get()? == Terminator::Crlf },
        Protocol::LengthPrefixed => FrameKind::LengthPrefixed(prefix(f)?),
        Protocol::Resp => FrameKind::Resp,
    };
    let max_length = f.max_length.get()?.unwrap_or_else(|| usual(kind));
    let repeatable = f.repeatable.get()? && kind != FrameKind::Resp;
    room(f, kind, max_length, diagnostics);
    let refusal = refusal::believed(&f.refusal, kind, max_length, diagnostics)?;
    Some(Some(settings::Framing { kind, max_length, repeatable, refusal }))
}

fn prefix(f: &FramingSection) -> Option<Prefix> {
    Some(Prefix {
        width: f.length_bytes.get()?,
        little_endian: f.byte_order.get()? == ByteOrder::Little,
        counts_header: f.length_includes_header.get()?,
        offset: f.length_offset.get()?,
    })
}

/// `auto` for `max_length`: lines are read by people, length-prefixed frames by programs, and Redis takes a word of so many
/// bytes (`proto-max-bulk-len`); what is passed on while it comes costs no memory.
const fn usual(kind: FrameKind) -> usize {
    match kind {
        FrameKind::Lines { .. } => 64 << 10,
        FrameKind::LengthPrefixed(_) => 1 << 20,
        FrameKind::Resp => 512 << 20,
    }
}

/// There has to be a frame that is not too long.
fn room(f: &FramingSection, kind: FrameKind, max_length: usize, diagnostics: &mut Diagnostics) {
    let (least, what) = match kind {
        FrameKind::Lines { crlf } => (1 + usize::from(crlf), "the end of a line"),
        FrameKind::LengthPrefixed(prefix) => (prefix.header_length(), "the header"),
        FrameKind::Resp => ("*1\r\n$4\r\nPING\r\n".len(), "a PING"),
    };
    if max_length < least {
        let text = format!("a frame of {} has no room for {what}, {}", bytes(max_length), bytes(least));
        diagnostics.error(f.max_length.at, &f.max_length.path, text);
    }
    if let FrameKind::LengthPrefixed(prefix) = kind {
        reach(f, prefix, diagnostics);
    }
}

/// A count that includes the header has to be able to.
fn reach(f: &FramingSection, prefix: Prefix, diagnostics: &mut Diagnostics) {
    let most = u64::MAX >> (64 - 8 * u32::from(prefix.width));
    if prefix.counts_header && most < prefix.header_length() as u64 {
        let text = format!(
            "a count of {} reaches {most}, and with `length_includes_header` it counts the header, {}",
            bytes(prefix.width.into()),
            bytes(prefix.header_length())
        );
        diagnostics.error(f.length_bytes.at, &f.length_bytes.path, text);
    }
}

/// Listeners that use a backend share its links, so its frames are the same for all. Where they do not even speak
/// the same protocol, that has been said.
pub(super) fn agree(
    root: &RootSection,
    believed: &[Option<Arc<settings::Listener>>],
    diagnostics: &mut Diagnostics,
) {
    let written = root.listeners.entries.iter().zip(believed);
    let all: Vec<_> = written.filter_map(|((name, l), b)| Some((name, l, b.as_ref()?))).collect();
    for (i, (name, listener, one)) in all.iter().enumerate() {
        let Some((first, _, other)) = all[..i].iter().find(|(_, _, o)| o.backend == one.backend) else {
            continue;
        };
        let framings = one.framing.as_deref().zip(other.framing.as_deref());
        let Some(key) = framings.and_then(|(one, other)| difference(one, other)) else { continue };
        let text = format!(
            "`{}` and `{}` use the backend `{}` with a different `framing.{key}`, and their clients share its \
             links; write a backend for each",
            first.path, name.path, root.backends.entries[one.backend].0.text
        );
        diagnostics.error(listener.backend.at, &listener.backend.path, text);
    }
}

/// The first option in which two framings of a protocol differ.
fn difference(one: &settings::Framing, other: &settings::Framing) -> Option<&'static str> {
    let of_kind = match (one.kind, other.kind) {
        (FrameKind::Lines { crlf: one }, FrameKind::Lines { crlf: other }) => {
            vec![("terminator", one == other)]
        }
        (FrameKind::LengthPrefixed(one), FrameKind::LengthPrefixed(other)) => vec![
            ("length_bytes", one.width == other.width),
            ("byte_order", one.little_endian == other.little_endian),
            ("length_offset", one.offset == other.offset),
            ("length_includes_header", one.counts_header == other.counts_header),
        ],
        (FrameKind::Resp, FrameKind::Resp) => Vec::new(),
        _ => return None,
    };
    let of_all = [
        ("max_length", one.max_length == other.max_length),
        ("repeatable", one.repeatable == other.repeatable),
        ("refusal", one.refusal == other.refusal),
    ];
    of_kind.into_iter().chain(of_all).find(|(_, same)| !same).map(|(key, _)| key)
}
