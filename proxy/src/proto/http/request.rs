//! The meaning of a request head, in whatever form it came, and the part of it that its response needs.

use std::cell::Cell;
use std::net::IpAddr;

use super::coding::Codings;
use super::expect::Expect;
use super::fields::Head;
use super::framing::BodyFraming;
use super::method::Method;
use super::name::Ours;
use super::target::Target;

/// A request head whose every part has been checked.
#[derive(Debug)]
pub struct RequestHead<'h, 'b> {
    /// The method.
    pub method: Method,
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// The way in which the body is delimited.
    pub body: BodyFraming,
    /// The client wishes to keep its connection (RFC 9112 section 9.3).
    pub keep_alive: bool,
    /// The client waits for a 100 before it sends the body (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// The request asks for an upgrade that is offered to the member (RFC 9110 section 7.8), or is a CONNECT.
    pub upgrade: bool,
    /// The credentials belong to the connection (NTLM, Negotiate): the link must not serve other clients after this request.
    pub binds: bool,
    pub(in crate::proto) head: Head<'h, 'b>,
    pub(in crate::proto) target: Target<'b>,
    /// The value of Host, if the head has one.
    pub(in crate::proto) host: Option<&'b [u8]>,
    /// The value of Max-Forwards, for OPTIONS and TRACE only (RFC 9110 section 7.6.2).
    pub(in crate::proto) max_forwards: Option<u64>,
    /// The client accepts trailers (RFC 9110 section 10.1.4).
    pub(in crate::proto) te_trailers: bool,
    /// The expectation of the client; a client of HTTP/1.0 has none.
    pub(in crate::proto) expect: Expect,
    /// The transfer codings that the client accepts; a client of HTTP/1.0 accepts none.
    pub(in crate::proto) codings: Codings,
    /// The fields of [`Ours`] that came with the request, as bits.
    pub(in crate::proto) ours: u8,
    /// The result of the walk along the proxies that the request came through, for this peer, once it was asked for.
    pub(in crate::proto) found_address: Cell<Option<(IpAddr, ClientAddress)>>,
    pub(in crate::proto) method_text: &'b str,
    pub(in crate::proto) target_text: &'b str,
}

/// The part of a request that is kept to frame its response (RFC 9112 section 6.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// A 101, or a 2xx to CONNECT, makes the connection a tunnel.
    pub upgrade: bool,
    /// The request's body was sent chunked.
    pub chunked: bool,
}

/// The part of a request that is kept to write its response for the client that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseFormat {
    /// The client's version: 1 for HTTP/1.1, 0 for HTTP/1.0.
    pub minor_version: u8,
    /// The client wishes to keep its connection.
    pub keep_alive: bool,
    /// The transfer codings other than `chunked` that the client accepts.
    pub codings: Codings,
}

impl Default for ResponseFormat {
    /// Returns the format for a client of HTTP/1.1 that asks for nothing in particular.
    fn default() -> Self {
        Self { minor_version: 1, keep_alive: true, codings: Codings::NONE }
    }
}

impl<'b> RequestHead<'_, 'b> {
    /// Returns the part of the request that frames its response.
    #[must_use]
    pub const fn ask(&self) -> Ask {
        Ask { method: self.method, upgrade: self.upgrade, chunked: matches!(self.body, BodyFraming::Chunked) }
    }

    /// Returns the format in which the response is written.
    #[must_use]
    pub const fn format(&self) -> ResponseFormat {
        ResponseFormat {
            minor_version: self.minor_version,
            keep_alive: self.keep_alive,
            codings: self.codings,
        }
    }

    /// Returns the host that the request is for: the authority of the target, else the value of Host, both unchanged.
    #[must_use]
    pub const fn host(&self) -> Option<&'b [u8]> {
        match self.target {
            Target::Absolute { authority, .. } | Target::Authority(authority) => Some(authority),
            Target::AsIs => self.host,
        }
    }

    /// Returns the value of the first field line of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'b [u8]> {
        self.head.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)).map(|f| f.value)
    }

    /// Returns the method as it came.
    #[must_use]
    pub const fn method_text(&self) -> &str {
        self.method_text
    }

    /// Returns the request target as it came.
    #[must_use]
    pub const fn target(&self) -> &str {
        self.target_text
    }
}

/// The result of a walk along a list of proxies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::proto) struct ClientAddress {
    /// The address of the client; that of the peer where the list does not tell.
    pub(in crate::proto) source: IpAddr,
    /// The list that was walked.
    pub(in crate::proto) list: Ours,
    /// The number of elements at the end of the list that travel on. All of them are addresses; those before them stay behind.
    pub(in crate::proto) travel: usize,
}
