//! The meaning of a response head, in whatever form it came.

use super::coding::Codings;
use super::fields::{Field, Head};
use super::framing::BodyFraming;

/// A response head.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// The status code, from 100 to 599.
    pub status: u16,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// The way in which the body is delimited.
    pub body: BodyFraming,
    /// The link may carry another exchange after this one.
    pub keep_alive: bool,
    /// The number of seconds for which the member keeps an unused link, from `Keep-Alive: timeout=`.
    pub keep_alive_timeout: Option<u32>,
    /// The value of the first `Server` field.
    pub server: Option<&'b [u8]>,
    /// The head announces content where there can be none: with 1xx and 204 (RFC 9112 section 6.3).
    pub odd_content: bool,
    pub(in crate::proto) head: Head<'h, 'b>,
    /// The Content-Length that is written anew, in place of lines that gave it more than once.
    pub(in crate::proto) rewritten_length: Option<u64>,
    /// The transfer codings of the content besides `chunked`, which the proxy leaves on it.
    pub(in crate::proto) codings: Codings,
    /// The content has a transfer coding that nobody has registered.
    pub(in crate::proto) unknown_coding: bool,
    /// The head has a Date line.
    pub(in crate::proto) has_date: bool,
    /// The head names protocols that the client may hear of.
    pub(in crate::proto) tells_upgrade: bool,
    pub(in crate::proto) switches: bool,
}

impl ResponseHead<'_, '_> {
    /// Returns whether this is a 1xx that is followed by another response. A 101 is not: it ends HTTP on the link (RFC 9110
    /// section 15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// Returns whether the connection is a tunnel behind this head: a 101, or a 2xx to CONNECT (RFC 9110 sections 7.8 and
    /// 9.3.6).
    #[must_use]
    pub const fn switches(&self) -> bool {
        self.switches
    }

    /// Returns whether the content is an event stream (WHATWG HTML section 9.2.5), which lasts for as long as its client stays.
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        const EVENTS: &[u8] = b"text/event-stream";
        let of_type = |f: &&Field<'_>| f.name.eq_ignore_ascii_case("content-type");
        let events = |value: &[u8]| value.get(..EVENTS.len()).is_some_and(|t| t.eq_ignore_ascii_case(EVENTS));
        self.head.fields.iter().find(of_type).is_some_and(|f| events(f.value))
    }

    /// Returns whether the content has no transfer codings but `chunked` and those of `asked` (RFC 9112 section 7.4). The proxy
    /// removes none but `chunked`, so the client must accept the others; a client of HTTP/1.0 accepts none (section 6.1).
    pub(in crate::proto) fn is_coded_as(&self, asked: Codings) -> bool {
        !self.unknown_coding && asked.has_all_of(self.codings)
    }
}
