//! What a request head means, however it came, and what is kept of it for its response.

use std::cell::Cell;
use std::net::IpAddr;

use super::coding::Codings;
use super::expect::Expect;
use super::fields::Head;
use super::framing::BodyFraming;
use super::method::Method;
use super::name::Ours;
use super::target::Target;

/// A request head; everything that could be wrong with it has been looked at.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method.
    pub method: Method,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// How the body is delimited.
    pub body: BodyFraming,
    /// Does the client wish to keep its connection (RFC 9112 section 9.3)?
    pub keep_alive: bool,
    /// Does the client wait for a 100 before it sends the body (RFC 9110 section 10.1.1)?
    pub expect_continue: bool,
    /// It asks for an upgrade that is offered on (RFC 9110 section 7.8), or is a CONNECT.
    pub upgrade: bool,
    /// Its credentials belong to the connection (NTLM, Negotiate): the link must not serve others after it.
    pub binds: bool,
    pub(in crate::proto) head: Head<'h, 'b>,
    pub(in crate::proto) target: Target<'b>,
    /// The value of Host, where there is one.
    pub(in crate::proto) host: Option<&'b [u8]>,
    /// What Max-Forwards allows; of OPTIONS and TRACE only (RFC 9110 section 7.6.2).
    pub(in crate::proto) max_forwards: Option<u64>,
    /// The client takes trailers (RFC 9110 section 10.1.4).
    pub(in crate::proto) te_trailers: bool,
    /// How Expect came; nothing of HTTP/1.0.
    pub(in crate::proto) expect: Expect,
    /// Transfer codings that the client takes; none of HTTP/1.0.
    pub(in crate::proto) codings: Codings,
    /// Fields of `Ours` that came with the request, as bits.
    pub(in crate::proto) ours: u8,
    /// What the list of those it came through came to for this peer, once that was asked.
    pub(in crate::proto) found_address: Cell<Option<(IpAddr, ClientAddress)>>,
    pub(in crate::proto) method_text: &'b str,
    pub(in crate::proto) target_text: &'b str,
}

/// What must be kept of a request to frame its response (RFC 9112 section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// 101 (or 2xx to CONNECT) makes it a tunnel.
    pub upgrade: bool,
    /// The request's body was sent chunked.
    pub chunked: bool,
}

/// What must be kept of a request to write its response for the client that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseFormat {
    /// The client's version: 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// Does the client wish to keep its connection?
    pub keep_alive: bool,
    /// Transfer codings other than `chunked` that the client takes.
    pub codings: Codings,
}

impl Default for ResponseFormat {
    /// For a client of HTTP/1.1 that asks for nothing in particular.
    fn default() -> Self {
        Self { minor_version: 1, keep_alive: true, codings: Codings::NONE }
    }
}

impl<'b> RequestHead<'_, 'b> {
    /// What frames its response.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        Ask { method: self.method, upgrade: self.upgrade, chunked: matches!(self.body, BodyFraming::Chunked) }
    }

    /// How its response is to be written.
    #[must_use]
    pub const fn format(&self) -> ResponseFormat {
        ResponseFormat {
            minor_version: self.minor_version,
            keep_alive: self.keep_alive,
            codings: self.codings,
        }
    }

    /// Whom it is for: the authority of the target, else the value of Host, as it came.
    #[must_use]
    pub const fn host(&self) -> Option<&'b [u8]> {
        match self.target {
            Target::Absolute { authority, .. } | Target::Authority(authority) => Some(authority),
            Target::AsIs => self.host,
        }
    }

    /// The value of the first field line of that name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.head.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
    }

    /// The method as it came.
    #[must_use]
    pub const fn method_text(&self) -> &str {
        self.method_text
    }

    /// The request target as it came.
    #[must_use]
    pub const fn target(&self) -> &str {
        self.target_text
    }
}

/// What a list came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto) struct ClientAddress {
    /// Who asked; the peer itself where the list does not tell.
    pub(in crate::proto) source: IpAddr,
    /// Which list was walked.
    pub(in crate::proto) list: Ours,
    /// So many elements at the end of the list travel, and all of them are addresses. Those before them do not.
    pub(in crate::proto) travel: usize,
}
