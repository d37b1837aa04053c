//! A request head as it goes to a member (RFC 9110 section 7.6).
//! In: a parsed request, and whom it came from. Out: the head's bytes, appended to the caller's.
//! Knows nothing of members or links.

use std::net::IpAddr;

use super::framing::BodyFraming;
use super::name::{Name, Ours};
use super::request::Request;
use super::target::Target;
use super::text;
use crate::config::Forwarded;

/// Room for the fields we add, `Via`'s pseudonym apart.
const ADDED: usize = 256;

/// What the member is told of the way a request came.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The client's address.
    pub source: IpAddr,
    /// Which fields tell it.
    pub style: Forwarded,
    /// The pseudonym in `Via` (RFC 9110 section 7.6.3), or `None` to leave `Via` as it came.
    pub via: Option<&'a str>,
}

impl Forwarding<'_> {
    const fn has_x(&self) -> bool {
        matches!(self.style, Forwarded::XForwarded | Forwarded::Both)
    }

    const fn has_rfc7239(&self) -> bool {
        matches!(self.style, Forwarded::Rfc7239 | Forwarded::Both)
    }

    /// The fields that we write, as bits of `Ours`.
    const fn rewritten(&self) -> u8 {
        let x = if self.has_x() { Ours::XForwardedFor as u8 | Ours::XForwardedProto as u8 } else { 0 };
        let rfc7239 = if self.has_rfc7239() { Ours::Forwarded as u8 } else { 0 };
        let via = if self.via.is_some() { Ours::Via as u8 } else { 0 };
        x | rfc7239 | via
    }
}

impl Request<'_, '_> {
    /// Appends the head as it goes to a member: HTTP/1.1, without hop-by-hop fields, with the
    /// forwarding fields and `Via`, and framed as it came.
    pub fn forward(&self, from: &Forwarding<'_>, out: &mut Vec<u8>) {
        out.reserve(self.head.bytes.len() + ADDED + from.via.map_or(0, str::len));
        let copied = self.begin(out);
        self.copy_fields(copied, from.rewritten(), out);
        self.tell_source(from, out);
        if let Some(pseudonym) = from.via {
            self.tell_via(pseudonym, out);
        }
        if self.body == BodyFraming::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// The request line, and Host where it is not the one that came. Returns from where the bytes can
    /// be copied as they are.
    fn begin(&self, out: &mut Vec<u8>) -> usize {
        let fields = self.head.begin(0);
        match self.target {
            Target::AsIs if self.minor_version == 1 => return 0,
            Target::AsIs => {
                // Everything but the version: we speak our own (RFC 9110 section 2.5).
                out.extend_from_slice(&self.head.bytes[..fields - b"0\r\n".len()]);
                out.extend_from_slice(b"1\r\n");
                if !self.has_host {
                    // HTTP/1.1 must have one, empty where none is known (RFC 9112 section 3.2).
                    out.extend_from_slice(b"Host:\r\n");
                }
            }
            Target::Absolute { authority, path } => self.begin_origin_form(authority, path, out),
        }
        fields
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

    fn copy_fields(&self, from: usize, rewritten: u8, out: &mut Vec<u8>) {
        let replaces_host = self.has_host && self.target != Target::AsIs;
        if self.ours & rewritten == 0 && !replaces_host {
            return self.head.copy(from, &self.head.dropped, out);
        }
        let mut without = self.head.dropped;
        for (line, field) in self.head.fields.iter().enumerate() {
            match Name::of(field.name.as_bytes()) {
                Name::Host if replaces_host => without.add(line),
                Name::Ours(which) if which as u8 & rewritten != 0 => without.add(line),
                _ => {}
            }
        }
        self.head.copy(from, &without, out);
    }

    fn tell_source(&self, from: &Forwarding<'_>, out: &mut Vec<u8>) {
        if from.has_x() {
            out.extend_from_slice(b"X-Forwarded-For: ");
            self.join(Ours::XForwardedFor, out);
            text::address(from.source, out);
            out.extend_from_slice(b"\r\nX-Forwarded-Proto: http\r\n");
        }
        if from.has_rfc7239() {
            out.extend_from_slice(b"Forwarded: ");
            self.join(Ours::Forwarded, out);
            // RFC 7239 section 6: IPv6 in brackets, and therefore in quotes.
            let (open, close) = if from.source.to_canonical().is_ipv6() { ("\"[", "]\"") } else { ("", "") };
            out.extend_from_slice(b"for=");
            out.extend_from_slice(open.as_bytes());
            text::address(from.source, out);
            out.extend_from_slice(close.as_bytes());
            out.extend_from_slice(b";proto=http\r\n");
        }
    }

    fn tell_via(&self, pseudonym: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Via: ");
        self.join(Ours::Via, out);
        out.extend_from_slice(if self.minor_version == 1 { b"1.1 " } else { b"1.0 " });
        out.extend_from_slice(pseudonym.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    /// Appends what the client sent of a field, all its lines in their order, each followed by `, `.
    /// Lines that Connection names are not joined: the client asked for their removal.
    fn join(&self, which: Ours, out: &mut Vec<u8>) {
        if self.ours & which as u8 == 0 {
            return;
        }
        for (line, field) in self.head.fields.iter().enumerate() {
            let same = Name::of(field.name.as_bytes()) == Name::Ours(which);
            if same && !field.value.is_empty() && !self.head.dropped.has(line) {
                out.extend_from_slice(field.value);
                out.extend_from_slice(b", ");
            }
        }
    }
}
