//! Finds the client's address in X-Forwarded-For and Forwarded (RFC 7239), walking the list from the right.
//!
//! The left part of a list may be forged by any stranger. So the walk stops at the first address that is not trusted, happens
//! once for each request, and never takes more than [`MOST_HOPS`] steps.

use std::net::{IpAddr, Ipv4Addr};

use super::fields::Field;
use super::name::{FieldName, Ours};
use super::request::{ClientAddress, RequestHead};
use crate::config::{Forwarded, HttpRules};

/// The number of elements of a list that are looked at, from the right. It bounds the work for a forged list, and no real chain
/// of proxies is as long. A longer chain of trusted addresses counts as if it had only the last ones.
pub(in crate::proto) const MOST_HOPS: usize = 64;

/// Returns whether the peer may speak for other sources.
pub(in crate::proto) fn trusts(rules: &HttpRules, peer: IpAddr) -> bool {
    !rules.trusted_proxies.is_empty() && rules.trusted_proxies.contains(peer)
}

impl<'b> RequestHead<'_, 'b> {
    /// Returns the source of the request: the peer, or where the peer is trusted, the source that it speaks for. The lines of
    /// the list are one, read from the right: trusted addresses are passed over, the first other one is the source (or the
    /// leftmost, if there is no other), and an element that is no address ends the walk.
    #[must_use]
    pub fn source(&self, peer: IpAddr, rules: &HttpRules) -> IpAddr {
        if trusts(rules, peer) { self.client_address(peer, rules).source } else { peer }
    }

    /// Returns the address that a trusted peer tells, which is kept for the rest of the request. Where both lists may tell,
    /// they must name the same source: a proxy that writes only one of them passes the other on as its client made it up.
    pub(in crate::proto) fn client_address(&self, peer: IpAddr, rules: &HttpRules) -> ClientAddress {
        // Both the choice of a destination and the forwarded head ask for it.
        if let Some((_, walk)) = self.found_address.get().filter(|(of, _)| *of == peer) {
            return walk;
        }
        let walk = self.walk_anew(peer, rules.forwarded, |address| rules.trusted_proxies.contains(address));
        self.found_address.set(Some((peer, walk)));
        walk
    }

    fn walk_anew(
        &self,
        peer: IpAddr,
        forwarded: Forwarded,
        trusts: impl Fn(IpAddr) -> bool,
    ) -> ClientAddress {
        let along = |list| self.walk_along(list, peer, &trusts);
        let walk = match forwarded {
            Forwarded::XForwarded => along(Ours::XForwardedFor),
            Forwarded::Rfc7239 => along(Ours::Forwarded),
            Forwarded::Both | Forwarded::Remove | Forwarded::Off => {
                match (along(Ours::Forwarded), along(Ours::XForwardedFor)) {
                    // Nobody can tell which of the two lists is true.
                    (Some(one), Some(other)) if one.source != other.source => None,
                    (one, other) => one.or(other),
                }
            }
        };
        walk.unwrap_or(ClientAddress { source: peer, list: Ours::Forwarded, travel: 0 })
    }

    /// Walks along one list; `None` where the request has no such list.
    fn walk_along(&self, list: Ours, peer: IpAddr, trusts: impl Fn(IpAddr) -> bool) -> Option<ClientAddress> {
        let mut elements = self.last_first(list).take(MOST_HOPS).peekable();
        elements.peek()?;
        let mut walk = ClientAddress { source: peer, list, travel: 0 };
        for address in elements.map_while(|element| address_in(list, element)) {
            (walk.source, walk.travel) = (address, walk.travel + 1);
            if !trusts(address) {
                break;
            }
        }
        Some(walk)
    }

    /// Returns the elements of all lines of a list, the last one first. Lines that Connection names are left out, because their
    /// sender asked for their removal.
    pub(in crate::proto) fn last_first(&self, which: Ours) -> impl Iterator<Item = &'b [u8]> {
        self.lines_of(which).rev().flat_map(move |value| match which {
            Ours::Forwarded if memchr::memchr(b'"', value).is_some() => {
                ListElements::Quoted(Box::new(LastElements::of(split(value, b',', true))))
            }
            _ => ListElements::Plain(value.rsplit(|b: &u8| *b == b',')),
        })
    }

    /// Returns the values of a field that the proxy writes, without lines that do not travel on.
    pub(in crate::proto) fn lines_of(&self, which: Ours) -> impl DoubleEndedIterator<Item = &'b [u8]> {
        // Most requests have no such field, and their lines need no search.
        let fields = if self.ours & which as u8 == 0 { &[] } else { self.head.fields };
        let of = move |(line, field): (usize, &Field<'b>)| {
            let same = FieldName::of(field.name.as_bytes()) == FieldName::Ours(which)
                && !self.head.dropped.has(line);
            same.then_some(field.value)
        };
        fields.iter().enumerate().filter_map(of)
    }
}

/// An iterator over the elements of one line, the last one first.
enum ListElements<'b, S> {
    /// Every comma is a separator.
    Plain(S),
    /// Some commas may be in quotes, which only a reading from the left can tell.
    Quoted(Box<LastElements<'b>>),
}

impl<'b, S: Iterator<Item = &'b [u8]>> Iterator for ListElements<'b, S> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        match self {
            Self::Plain(parts) => parts.map(<[u8]>::trim_ascii).find(|part| !part.is_empty()),
            Self::Quoted(last) => last.pop(),
        }
    }
}

/// The last elements of a line: as many as are looked at.
struct LastElements<'b> {
    elements: [&'b [u8]; MOST_HOPS],
    /// The place of the next element, counted on round the end of `elements`.
    end: usize,
    left: usize,
}

impl<'b> LastElements<'b> {
    fn of(parts: impl Iterator<Item = &'b [u8]>) -> Self {
        let mut last = Self { elements: [b""; MOST_HOPS], end: 0, left: 0 };
        for part in parts {
            last.elements[last.end % MOST_HOPS] = part;
            last.end += 1;
        }
        last.left = last.end.min(MOST_HOPS);
        last
    }

    fn pop(&mut self) -> Option<&'b [u8]> {
        self.left = self.left.checked_sub(1)?;
        self.end -= 1;
        Some(self.elements[self.end % MOST_HOPS])
    }
}

/// Returns the address that an element names, if it names one.
pub(in crate::proto) fn address_in(which: Ours, element: &[u8]) -> Option<IpAddr> {
    if which == Ours::Forwarded { address(said_for(element)?) } else { address(element) }
}

/// Returns the value of the one `for` of an element (RFC 7239 section 4). An element whose quotes do not end has none: the open
/// quotes would swallow the elements behind it.
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
    // An element that has two may be read in two ways.
    values.next().is_none().then_some(value)
}

/// Reads `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`, each also in quotes (RFC 7239
/// section 6).
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

/// Returns whether this is a port: digits, or an obfuscated one of `_` and a word (RFC 7239 section 6).
fn is_port(port: &str) -> bool {
    let digits = port.strip_prefix('_').is_none();
    let fits = |b: u8| b.is_ascii_digit() || (!digits && (b.is_ascii_alphabetic() || b"._-".contains(&b)));
    port.len() > usize::from(!digits) && port.bytes().all(fits)
}

/// Splits a value at separators, and leaves out whitespace and empty parts. With `quoted`, a separator in quotes does not
/// count, and quotes that do not end make one part of the rest.
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
    /// Takes the next byte. Returns whether it stands in quotes; the closing quote itself does not.
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::proto::http1::{FieldRoom, Parsed, parse_request};

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 9));

    /// Returns the result of a walk, and how many addresses were looked up.
    fn walk(lines: &str) -> (ClientAddress, usize) {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
        let mut fields = FieldRoom::new();
        let Ok(Parsed::Head { head, .. }) =
            parse_request(head.as_bytes(), &HttpRules::default(), &mut fields)
        else {
            panic!("{lines}")
        };
        let steps = Cell::new(0);
        let trusts = |address: IpAddr| {
            steps.set(steps.get() + 1);
            matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
        };
        let walk = head.walk_anew(PEER, Forwarded::Both, trusts);
        (walk, steps.get())
    }

    #[test]
    fn what_a_stranger_made_up_is_not_looked_up() {
        let made_up = "10.1.1.1, ".repeat(1500);
        for lines in [
            format!("X-Forwarded-For: {made_up}192.0.2.7, 10.0.0.1\r\n"),
            format!("Forwarded: {}for=192.0.2.7, for=10.0.0.1\r\n", "for=10.1.1.1, ".repeat(1000)),
            format!("Forwarded: {}for=\"192.0.2.7\", for=10.0.0.1\r\n", "for=\"10.1.1.1\", ".repeat(800)),
        ] {
            let (walk, steps) = walk(&lines);
            assert_eq!((walk.source.to_string(), walk.travel, steps), ("192.0.2.7".to_owned(), 2, 2));
        }
    }

    #[test]
    fn a_list_of_trusted_addresses_alone_is_walked_so_far_and_no_further() {
        for (list, element) in [
            ("X-Forwarded-For", "10.1.1.1"),
            ("Forwarded", "for=10.1.1.1"),
            ("Forwarded", "for=\"10.1.1.1\""),
        ] {
            let elements: Vec<_> = (0..1000).map(|_| element).collect();
            let (walk, steps) = walk(&format!("{list}: {}\r\n", elements.join(",")));
            assert_eq!(
                (walk.source.to_string(), walk.travel, steps),
                ("10.1.1.1".to_owned(), MOST_HOPS, MOST_HOPS)
            );
        }
    }

    /// The source is asked for where the way of a request is found, and again where its head is written.
    #[test]
    fn a_request_is_walked_once() {
        let rules = HttpRules {
            trusted_proxies: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
            ..HttpRules::default()
        };
        let mut fields = FieldRoom::new();
        let bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n";
        let Ok(Parsed::Head { head, .. }) = parse_request(bytes, &rules, &mut fields) else { panic!() };
        assert_eq!(head.source(PEER, &rules).to_string(), "192.0.2.7");
        let again = HttpRules { trusted_proxies: crate::config::Networks::default(), ..rules };
        assert_eq!(head.client_address(PEER, &again).travel, 1, "nothing is looked up again");
        assert_eq!(
            head.client_address(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 8)), &again).source.to_string(),
            "192.0.2.7"
        );
    }
}
