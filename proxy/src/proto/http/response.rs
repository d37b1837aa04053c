//! What a response head means, however it came.

use super::coding::Codings;
use super::fields::{Field, Head};
use super::framing::BodyFraming;

/// A response head.
#[derive(Debug)]
pub struct ResponseHead<'h, 'b> {
    /// 100 to 599.
    pub status: u16,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// How the body is delimited.
    pub body: BodyFraming,
    /// May this link carry another exchange after it?
    pub keep_alive: bool,
    /// Seconds an unused link will be kept by the member, from `Keep-Alive: timeout=`.
    pub keep_alive_timeout: Option<u32>,
    /// The value of its first `Server` field.
    pub server: Option<&'b [u8]>,
    /// It says that content follows where there can be none: 1xx and 204 (RFC 9112 section 6.3).
    pub odd_content: bool,
    pub(in crate::proto) head: Head<'h, 'b>,
    /// Content-Length to be written anew, in place of lines that said it more than once.
    pub(in crate::proto) rewritten_length: Option<u64>,
    /// The transfer codings that the content is under besides `chunked`, which we pass on with it.
    pub(in crate::proto) codings: Codings,
    /// One of them is a coding that nobody has registered.
    pub(in crate::proto) unknown_coding: bool,
    /// There is a Date line.
    pub(in crate::proto) has_date: bool,
    /// It names protocols that the client may be told of.
    pub(in crate::proto) tells_upgrade: bool,
    pub(in crate::proto) switches: bool,
}

impl ResponseHead<'_, '_> {
    /// Is it a 1xx that is followed by another response? 101 is not: it ends HTTP on the link
    /// (RFC 9110 section 15.2).
    #[must_use]
    pub const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    /// After this head the connection is a tunnel: 101, or 2xx to CONNECT (RFC 9110 sections 7.8 and 9.3.6).
    #[must_use]
    pub const fn switches(&self) -> bool {
        self.switches
    }

    /// Is the content an event stream (WHATWG HTML section 9.2.5), which goes on for as long as its client stays?
    #[must_use]
    pub fn is_event_stream(&self) -> bool {
        const EVENTS: &[u8] = b"text/event-stream";
        let of_type = |f: &&Field<'_>| f.name.eq_ignore_ascii_case("content-type");
        let events = |value: &[u8]| value.get(..EVENTS.len()).is_some_and(|t| t.eq_ignore_ascii_case(EVENTS));
        self.head.fields.iter().find(of_type).is_some_and(|f| events(f.value))
    }

    /// Whether the content is in no transfer coding but `chunked` and those of `asked` (RFC 9112 section 7.4). We take none
    /// off but `chunked`, so the others must be those that the client takes; one of HTTP/1.0 takes none (section 6.1).
    pub(in crate::proto) fn is_coded_as(&self, asked: Codings) -> bool {
        !self.unknown_coding && asked.has_all_of(self.codings)
    }
}
