//! Checks how the source is found in X-Forwarded-For and Forwarded, against a walk that is written down here.
//!
//! The walk is that of D3.7 in `docs/http-rules.md` and of RFC 7239; `proto::http1::client_address` is not asked.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use penstock::config::{Forwarded, HttpRules, Networks};
use penstock::proto::http1::{FieldRoom, Forwarding, Parsed, parse_request};

use super::head::{Head, trim};
use super::input::Input;
use super::request_head::networks;

/// Checks lines of lists: those that begin with `f` are Forwarded, others X-Forwarded-For.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let styles =
        [Forwarded::XForwarded, Forwarded::Rfc7239, Forwarded::Both, Forwarded::Remove, Forwarded::Off];
    let forwarded = input.pick(styles);
    let rules = HttpRules { forwarded, trusted_proxies: networks(input.below(3)), ..HttpRules::default() };
    let peers = ["192.0.2.7", "2001:db8::7", "203.0.113.9", "::ffff:192.0.2.8"];
    let peer: IpAddr = input.pick(peers).parse().expect("an address");
    let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    for line in input.0.split(|b| *b == b'\n').take(20) {
        let (name, value) = match line {
            [b'f', value @ ..] => (&b"Forwarded: "[..], value),
            [_, value @ ..] => (&b"X-Forwarded-For: "[..], value),
            [] => continue,
        };
        bytes.extend_from_slice(&[name, value, b"\r\n"].concat());
    }
    bytes.extend_from_slice(b"\r\n");
    let mut fields = FieldRoom::new();
    let Ok(Parsed::Head { head, .. }) = parse_request(&bytes, &rules, &mut fields) else { return };
    let mut sent = Vec::new();
    head.forward(&Forwarding { peer, rules: &rules, no_expect: false }, &mut sent);
    let (came, told) = (Head::read(&bytes), Head::read(&sent));
    let walk = Walk::new(&came, peer, &rules);
    assert_eq!(head.source(peer, &rules), walk.source, "{}", bytes.escape_ascii());
    check_told(&told, &walk, peer, forwarded);
}

/// What a walk comes to.
struct Walk {
    source: IpAddr,
    /// The addresses that travel, from the source on.
    travels: Vec<IpAddr>,
}

impl Walk {
    fn new(came: &Head, peer: IpAddr, rules: &HttpRules) -> Self {
        if !is_in(&rules.trusted_proxies, peer) {
            return Self { source: peer, travels: Vec::new() };
        }
        let rfc7239 = came.all(b"forwarded").flat_map(|value| split(value, b',', true)).map(said_for);
        let x = came.all(b"x-forwarded-for").flat_map(|value| split(value, b',', false)).map(node);
        let (rfc7239, x) = (Self::along(rfc7239, peer, rules), Self::along(x, peer, rules));
        let walk = match rules.forwarded {
            Forwarded::XForwarded => x,
            Forwarded::Rfc7239 => rfc7239,
            // Whoever writes one of them passes the other on as its client made it up.
            _ => match (rfc7239, x) {
                (Some(one), Some(other)) if one.source != other.source => None,
                (one, other) => one.or(other),
            },
        };
        walk.unwrap_or(Self { source: peer, travels: Vec::new() })
    }

    /// From the right, to the first that is not trusted or no address, 64 at most; `None` where there is no list.
    fn along(list: impl Iterator<Item = Option<IpAddr>>, peer: IpAddr, rules: &HttpRules) -> Option<Self> {
        let list: Vec<_> = list.collect();
        let mut travels = Vec::new();
        for address in list.iter().rev().take(64).map_while(|address| *address) {
            travels.insert(0, address);
            if !is_in(&rules.trusted_proxies, address) {
                break;
            }
        }
        let source = travels.first().copied().unwrap_or(peer);
        (!list.is_empty()).then_some(Self { source, travels })
    }
}

fn is_in(networks: &Networks, address: IpAddr) -> bool {
    !networks.is_empty() && networks.contains(address)
}

/// Elements between separators that stand in no quotes, where quotes count; not the empty ones.
fn split(value: &[u8], separator: u8, quotes: bool) -> Vec<&[u8]> {
    let (mut parts, mut begin, mut quoted, mut at) = (Vec::new(), 0, false, 0);
    while at < value.len() {
        match value[at] {
            b'\\' if quoted => at += 1,
            b'"' if quotes => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(trim(&value[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(trim(&value[begin..]));
    parts.retain(|part| !part.is_empty());
    parts
}

/// The one `for=` of an element. Where a quote is left open, what was written behind it cannot be told from it.
fn said_for(element: &[u8]) -> Option<IpAddr> {
    if split(&[element, b",x"].concat(), b',', true).len() == 1 {
        return None;
    }
    let pairs = split(element, b';', true);
    let said = |pair: &&&[u8]| pair.len() >= 4 && pair[..4].eq_ignore_ascii_case(b"for=");
    let mut said = pairs.iter().filter(said).map(|pair| &pair[4..]);
    match (said.next(), said.next()) {
        (Some(value), None) => node(value),
        _ => None,
    }
}

/// An address, with a port or without, in quotes or without.
fn node(text: &[u8]) -> Option<IpAddr> {
    let inside = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
    let text = std::str::from_utf8(inside.unwrap_or(text)).ok()?;
    let obscure = text.rsplit_once(":_").filter(|(_, port)| {
        !port.is_empty() && port.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    });
    let with_port = obscure.map_or_else(|| text.to_owned(), |(node, _)| format!("{node}:0"));
    let bracketed =
        |text: &str| text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text.parse().ok().or_else(|| bracketed(text)).or_else(|| any_port(&with_port));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Ports may have any number of digits.
fn any_port(text: &str) -> Option<IpAddr> {
    let (node, port) = text.rsplit_once(':')?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let address = format!("{node}:0").parse::<SocketAddr>().ok().filter(|_| digits)?;
    // A zone is none of an address that came over the net.
    (!node.contains('%')).then_some(address.ip())
}

fn check_told(told: &Head, walk: &Walk, peer: IpAddr, style: Forwarded) {
    let mut due = walk.travels.clone();
    due.push(peer.to_canonical());
    if matches!(style, Forwarded::XForwarded | Forwarded::Both) {
        let list = told.one(b"x-forwarded-for").expect("X-Forwarded-For");
        let said: Vec<_> = split(list, b',', false).into_iter().map(node).collect();
        assert_eq!(said, due.iter().copied().map(Some).collect::<Vec<_>>(), "{}", list.escape_ascii());
    }
    if matches!(style, Forwarded::Rfc7239 | Forwarded::Both) {
        let list = told.one(b"forwarded").expect("Forwarded");
        let said: Vec<_> = split(list, b',', true).into_iter().map(said_for).collect();
        assert_eq!(said, due.into_iter().map(Some).collect::<Vec<_>>(), "{}", list.escape_ascii());
    }
}
