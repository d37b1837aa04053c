//! Who asked, as trusted proxies tell it: X-Forwarded-For and Forwarded (RFC 7239), walked from the right.
//! In: the elements of the list, and who is believed. Out: the source, and from which element on the list travels.
//! Knows nothing of what is written of it.

use std::net::{IpAddr, Ipv4Addr};

use super::name::{Name, Ours};
use super::request::Request;
use crate::config::{Forwarded, HttpRules};

/// What a list came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Walk {
    /// Who asked; the peer itself where the list does not tell.
    pub(super) source: IpAddr,
    /// Which list was walked.
    pub(super) list: Ours,
    /// The elements from this one on travel, and all of them are addresses. Those before it do not.
    pub(super) from: usize,
}

/// Whether the peer may speak for others.
pub(super) fn trusts(rules: &HttpRules, peer: IpAddr) -> bool {
    !rules.trusted_proxies.is_empty() && rules.trusted_proxies.contains(peer)
}

impl<'b> Request<'_, 'b> {
    /// Whose request it is: the peer's, or where that is trusted, whoever it is said to speak for. The lines of the
    /// list are one, read from the right: trusted addresses are passed over, the first other one is the source (the
    /// leftmost, if there is no other), and what is no address ends the walk.
    #[must_use]
    pub fn source(&self, peer: IpAddr, rules: &HttpRules) -> IpAddr {
        if trusts(rules, peer) { self.walk(peer, rules).source } else { peer }
    }

    /// For a trusted peer. Where either list may tell, they must not tell different sources: whoever writes one of them
    /// passes the other on as its client made it up.
    pub(super) fn walk(&self, peer: IpAddr, rules: &HttpRules) -> Walk {
        let along = |list| self.walk_along(list, peer, rules);
        let walk = match rules.forwarded {
            Forwarded::XForwarded => along(Ours::XForwardedFor),
            Forwarded::Rfc7239 => along(Ours::Forwarded),
            Forwarded::Both | Forwarded::Remove | Forwarded::Off => {
                match (along(Ours::Forwarded), along(Ours::XForwardedFor)) {
                    (Some(one), Some(other)) if one.source != other.source => None,
                    (one, other) => one.or(other),
                }
            }
        };
        walk.unwrap_or(Walk { source: peer, list: Ours::Forwarded, from: usize::MAX })
    }

    /// Done from the left, in one pass: what is found later counts. `None` where there is no such list.
    fn walk_along(&self, list: Ours, peer: IpAddr, rules: &HttpRules) -> Option<Walk> {
        let mut found: Option<(IpAddr, usize)> = None;
        let mut seen = 0;
        for (n, element) in self.elements(list).enumerate() {
            seen = n + 1;
            found = match address_in(list, element) {
                None => None,
                Some(address) if found.is_none() || !rules.trusted_proxies.contains(address) => {
                    Some((address, n))
                }
                Some(_) => found,
            };
        }
        let (source, from) = found.unwrap_or((peer, seen));
        (seen > 0).then_some(Walk { source, list, from })
    }

    /// The elements of all lines of a list, in their order; not of lines that Connection names, because it was asked
    /// for their removal.
    pub(super) fn elements(&self, which: Ours) -> impl Iterator<Item = &'b [u8]> {
        self.lines_of(which).flat_map(move |value| split(value, b',', which == Ours::Forwarded))
    }

    /// The values of a field that we write, as far as they may travel on.
    pub(super) fn lines_of(&self, which: Ours) -> impl Iterator<Item = &'b [u8]> {
        let fields = if self.ours & which as u8 == 0 { &[] } else { self.head.fields };
        let of = move |(line, field): (usize, &httparse::Header<'b>)| {
            let same = Name::of(field.name.as_bytes()) == Name::Ours(which) && !self.head.dropped.has(line);
            same.then_some(field.value)
        };
        fields.iter().enumerate().filter_map(of)
    }
}

/// The address that an element tells, if it does.
pub(super) fn address_in(which: Ours, element: &[u8]) -> Option<IpAddr> {
    if which == Ours::Forwarded { address(said_for(element)?) } else { address(element) }
}

/// The value of the one `for` of an element (RFC 7239 section 4). An element whose quotes do not end says nothing: it
/// would swallow what is written behind it.
fn said_for(element: &[u8]) -> Option<&[u8]> {
    let mut quotes = Quotes::default();
    if element.iter().fold(false, |_, b| quotes.hold(*b)) {
        return None;
    }
    let mut values = split(element, b';', true).filter_map(|pair| {
        let (name, value) = pair.split_at_checked(b"for=".len())?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let value = values.next()?;
    // Said twice, it may be read in two ways.
    values.next().is_none().then_some(value)
}

/// `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, each in quotes, too
/// (RFC 7239 section 6).
fn address(node: &[u8]) -> Option<IpAddr> {
    let node = match node {
        [b'"', inside @ .., b'"'] => inside,
        _ => node,
    };
    let node = std::str::from_utf8(node).ok()?;
    if let Some(bracketed) = node.strip_prefix('[') {
        let (inside, port) = bracketed.split_once(']')?;
        let fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return inside.parse().ok().map(IpAddr::V6).filter(|_| fine).map(|a| a.to_canonical());
    }
    if let Some((v4, _)) = node.split_once(':').filter(|(_, port)| is_port(port)) {
        return v4.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
    }
    node.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Digits, or what stands for them: `_` and a word (RFC 7239 section 6).
fn is_port(port: &str) -> bool {
    let digits = port.strip_prefix('_').is_none();
    let fits = |b: u8| b.is_ascii_digit() || (!digits && (b.is_ascii_alphabetic() || b"._-".contains(&b)));
    port.len() > usize::from(!digits) && port.bytes().all(fits)
}

/// The parts of a value between separators, without whitespace and empty ones. Where quotes count, a separator in them
/// is none; what is in quotes that do not end is one part.
fn split(value: &[u8], separator: u8, quoted: bool) -> impl Iterator<Item = &[u8]> {
    let mut quotes = Quotes::default();
    let separates = move |b: &u8| !(quoted && quotes.hold(*b)) && *b == separator;
    value.split(separates).map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

/// Follows the quoted strings of a value (RFC 9110 section 5.6.4).
#[derive(Clone, Copy, Default)]
struct Quotes {
    open: bool,
    escaped: bool,
}

impl Quotes {
    /// Takes the next byte. Whether it is in quotes, of which the last is not in itself.
    fn hold(&mut self, b: u8) -> bool {
        let literal = std::mem::take(&mut self.escaped);
        match b {
            b'"' if !literal => self.open = !self.open,
            b'\\' => self.escaped = self.open && !literal,
            _ => {}
        }
        self.open
    }
}
