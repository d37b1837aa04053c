//! Writes a request head for a member (RFC 9110 section 7.6, D3 in `docs/http-rules.md`).

use std::net::IpAddr;

use super::text;
use crate::config::{Forwarded, HttpRules};
use crate::proto::http::client_address::{MOST_HOPS, address_in, trusts};
use crate::proto::http::expect::Expect;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::method::Method;
use crate::proto::http::name::{FieldName, Ours};
use crate::proto::http::request::{ClientAddress, RequestHead};
use crate::proto::http::target::Target;
use crate::proto::http::upgrade;

/// The number of bytes of room for the fields that the proxy adds, without the pseudonym in `Via`. A head that needs more costs
/// one more allocation.
const ADDED: usize = 256;

/// The facts about the way of a request that the member is told.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The connected peer, after a PROXY header.
    pub peer: IpAddr,
    /// The rules: which fields tell the way, and which peers may speak for others.
    pub rules: &'a HttpRules,
    /// The proxy answers 100-continue itself, so that Expect stays behind.
    pub no_expect: bool,
}

impl Forwarding<'_> {
    const fn has_x(&self) -> bool {
        matches!(self.rules.forwarded, Forwarded::XForwarded | Forwarded::Both)
    }

    const fn has_rfc7239(&self) -> bool {
        matches!(self.rules.forwarded, Forwarded::Rfc7239 | Forwarded::Both)
    }

    /// Returns the fields of which the client's own lines stay behind, as bits of `Ours`. A line that the proxy does not write
    /// could contradict one that it does. `came` has the fields that came.
    fn rewritten(&self, came: u8) -> u8 {
        let forwarding = match self.rules.forwarded {
            Forwarded::Off => 0,
            _ => {
                let x = Ours::XForwardedFor as u8 | Ours::XForwardedProto as u8 | Ours::Twin as u8;
                x | Ours::Forwarded as u8
            }
        };
        let told = Ours::Told as u8;
        // A trusted proxy's fields are the only source of facts that this proxy does not write.
        let strange = came & told != 0
            && match self.rules.forwarded {
                Forwarded::Off => false,
                Forwarded::Remove => true,
                _ => !trusts(self.rules, self.peer),
            };
        let forwarding = forwarding | if strange { told } else { 0 };
        forwarding | if self.rules.via.is_some() { Ours::Via as u8 } else { 0 }
    }
}

impl RequestHead<'_, '_> {
    /// Appends the head for a member: HTTP/1.1, without hop-by-hop fields, with the forwarding fields and `Via`, in the framing
    /// in which it came.
    pub fn forward(&self, way: &Forwarding<'_>, out: &mut Vec<u8>) {
        let via = way.rules.via.as_deref();
        out.reserve(self.head.wire_len() + ADDED + via.map_or(0, str::len));
        let start = self.begin(out);
        self.copy_fields(start, way, out);
        if self.expect == Expect::Reworded && !way.no_expect {
            out.extend_from_slice(b"Expect: 100-continue\r\n");
        }
        self.write_source(way, out);
        if let Some(pseudonym) = via {
            self.write_via(pseudonym, out);
        }
        if let Some(hops) = self.max_forwards {
            // RFC 9110 section 7.6.2: the value is one less. A request with 0 got a response of the proxy's own.
            out.extend_from_slice(b"Max-Forwards: ");
            text::decimal(hops.saturating_sub(1), out);
            out.extend_from_slice(b"\r\n");
        }
        // The connection options of the client are gone; these are the ones that the proxy means itself.
        if self.te_trailers || self.upgrade {
            self.write_options(way.rules, out);
        }
        if self.body == BodyFraming::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the request line, and Host where it is not the one that came. Returns whether the line can be copied together
    /// with the fields instead.
    fn begin(&self, out: &mut Vec<u8>) -> bool {
        match self.target {
            Target::AsIs if self.minor_version == 1 && self.head.wire.is_some() => return true,
            Target::AsIs => {
                // The version is the proxy's own (RFC 9110 section 2.5).
                for part in [self.method_text(), " ", self.target(), " HTTP/1.1\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
                if self.host.is_none() {
                    // HTTP/1.1 must have a Host, empty where none is known (RFC 9112 section 3.2).
                    out.extend_from_slice(b"Host:\r\n");
                }
            }
            Target::Absolute { authority, path } => self.begin_origin_form(authority, path, out),
            Target::Authority(authority) => {
                // Host must be the same as the target (RFC 9112 section 3.2), so the proxy writes it.
                for part in [b"CONNECT ", authority, b" HTTP/1.1\r\nHost: ", authority, b"\r\n"] {
                    out.extend_from_slice(part);
                }
            }
        }
        false
    }

    /// Appends the request line as it came. A head that did not come as HTTP/1.1 gets the line that it would have had.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        let version = if self.minor_version == 1 { " HTTP/1.1\r\n" } else { " HTTP/1.0\r\n" };
        for part in [self.method_text(), " ", self.target(), version] {
            out.extend_from_slice(part.as_bytes());
        }
    }

    fn begin_origin_form(&self, authority: &[u8], path: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.method_text().as_bytes());
        out.push(b' ');
        if matches!(path, [] | [b'?', ..]) {
            out.push(b'/');
        }
        out.extend_from_slice(path);
        out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        out.extend_from_slice(authority);
        out.extend_from_slice(b"\r\n");
    }

    fn copy_fields(&self, start: bool, way: &Forwarding<'_>, out: &mut Vec<u8>) {
        let rewritten = way.rewritten(self.ours);
        let replaces_host = self.host.is_some() && self.target != Target::AsIs;
        let no_expect = way.no_expect && self.expect == Expect::AsItCame;
        // Most requests carry none of these, and their lines need no second look.
        if self.ours & rewritten == 0 && !replaces_host && !no_expect && self.max_forwards.is_none() {
            return self.head.copy(start, &self.head.dropped, out);
        }
        let mut without = self.head.dropped;
        for (line, field) in self.head.fields.iter().enumerate() {
            match FieldName::of(field.name.as_bytes()) {
                FieldName::Host if replaces_host => without.add(line),
                FieldName::Expect if no_expect => without.add(line),
                FieldName::MaxForwards if self.max_forwards.is_some() => without.add(line),
                FieldName::Ours(which) if which as u8 & rewritten != 0 => without.add(line),
                _ => {}
            }
        }
        self.head.copy(start, &without, out);
    }

    fn write_source(&self, way: &Forwarding<'_>, out: &mut Vec<u8>) {
        let (has_x, has_rfc7239) = (way.has_x(), way.has_rfc7239());
        if !has_x && !has_rfc7239 {
            return;
        }
        // The list of a peer that is not trusted stays behind: it may be made up.
        let walk = trusts(way.rules, way.peer).then(|| self.client_address(way.peer, way.rules));
        if has_x {
            out.extend_from_slice(b"X-Forwarded-For: ");
            self.write_walked(Ours::XForwardedFor, walk, out);
            text::address(way.peer, out);
            let proto = if walk.is_some() && self.came_as_https() { "https" } else { "http" };
            out.extend_from_slice(b"\r\nX-Forwarded-Proto: ");
            out.extend_from_slice(proto.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if has_rfc7239 {
            out.extend_from_slice(b"Forwarded: ");
            self.write_walked(Ours::Forwarded, walk, out);
            write_node(way.peer, out);
            out.extend_from_slice(b";proto=http\r\n");
        }
    }

    /// Appends the part of a trusted peer's list that travels on, each element followed by `, `. A list that was not walked
    /// gets the elements of the one that was: its own were not checked.
    fn write_walked(&self, which: Ours, walk: Option<ClientAddress>, out: &mut Vec<u8>) {
        let Some(walk) = walk else { return };
        let mut elements: [&[u8]; MOST_HOPS] = [b""; MOST_HOPS];
        let found = elements.iter_mut().zip(self.last_first(walk.list).take(walk.travel));
        let count = found.map(|(place, element)| *place = element).count();
        for element in elements[..count].iter().rev().copied() {
            match address_in(walk.list, element) {
                _ if walk.list == which => out.extend_from_slice(element),
                Some(address) if which == Ours::Forwarded => write_node(address, out),
                Some(address) => text::address(address, out),
                None => continue,
            }
            out.extend_from_slice(b", ");
        }
    }

    /// Returns whether a trusted peer's X-Forwarded-Proto says https, and says so only once.
    fn came_as_https(&self) -> bool {
        let mut said = self.lines_of(Ours::XForwardedProto);
        said.next().is_some_and(|proto| proto.eq_ignore_ascii_case(b"https")) && said.next().is_none()
    }

    /// Appends the proxy's own connection options (RFC 9110 section 7.6.1), and the fields that they stand for.
    #[cold]
    fn write_options(&self, rules: &HttpRules, out: &mut Vec<u8>) {
        let upgrade = self.upgrade && self.method != Method::Connect;
        if upgrade {
            self.write_upgrade(rules, out);
        }
        if self.te_trailers {
            out.extend_from_slice(b"Connection: TE\r\nTE: trailers\r\n");
        }
    }

    fn write_upgrade(&self, rules: &HttpRules, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Upgrade: ");
        let mut settings = false;
        for (n, protocol) in upgrade::offered(&self.head, self.body, &rules.upgrades).enumerate() {
            out.extend_from_slice(if n == 0 { b"" } else { b", " });
            out.extend_from_slice(protocol);
            settings |= upgrade::is_h2c(protocol);
        }
        out.extend_from_slice(b"\r\nConnection: Upgrade\r\n");
        let settings = self.field("http2-settings").filter(|_| settings);
        if let Some(settings) = settings {
            out.extend_from_slice(b"Connection: HTTP2-Settings\r\nHTTP2-Settings: ");
            out.extend_from_slice(settings);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends Via. All lines of the field are one list, and the proxy's element is the last.
    fn write_via(&self, pseudonym: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Via: ");
        // A comment may hold commas, so elements are not told apart; but a line may have nothing but empty ones.
        for value in self.lines_of(Ours::Via).map(without_outer_commas).filter(|value| !value.is_empty()) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(if self.minor_version == 1 { b"1.1 " } else { b"1.0 " });
        out.extend_from_slice(pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Returns a list without the empty elements at its ends (RFC 9110 section 5.6.1.2).
fn without_outer_commas(value: &[u8]) -> &[u8] {
    let counts = |b: &u8| !matches!(b, b',' | b' ' | b'\t');
    let first = value.iter().position(counts).unwrap_or(value.len());
    let end = value.iter().rposition(counts).map_or(first, |last| last + 1);
    &value[first..end]
}

/// Appends `for=` and the address. IPv6 stands in brackets, and therefore in quotes (RFC 7239 section 6).
fn write_node(address: IpAddr, out: &mut Vec<u8>) {
    let (open, close) = if address.to_canonical().is_ipv6() { ("\"[", "]\"") } else { ("", "") };
    out.extend_from_slice(b"for=");
    out.extend_from_slice(open.as_bytes());
    text::address(address, out);
    out.extend_from_slice(close.as_bytes());
}
