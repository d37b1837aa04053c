//! Shorthand of these tests: parse, forward, and hand back an owned result that can be compared.

use std::net::IpAddr;

use crate::config::{Forwarded, HeadLimits, HttpRules, Networks};
use crate::proto::http::{self, BodyFraming, Codings, Method, Reject, RequestHead, ResponseFormat};
use crate::proto::http1::{Date, FieldRoom, Forwarding, Outgoing, Parsed, parse_request, parse_response};

/// What is kept of a request: what frames its response, and what shapes that for the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) minor_version: u8,
    pub(crate) keep_alive: bool,
    pub(crate) upgrade: bool,
    pub(crate) chunked: bool,
    pub(crate) codings: Codings,
}

impl Ask {
    pub(crate) fn of(head: &RequestHead<'_, '_>) -> Self {
        let http::Ask { method, upgrade, chunked } = head.ask();
        let ResponseFormat { minor_version, keep_alive, codings } = head.format();
        Self { method, minor_version, keep_alive, upgrade, chunked, codings }
    }

    pub(crate) const fn framing(self) -> http::Ask {
        http::Ask { method: self.method, upgrade: self.upgrade, chunked: self.chunked }
    }

    pub(crate) const fn format(self) -> ResponseFormat {
        let Self { minor_version, keep_alive, codings, .. } = self;
        ResponseFormat { minor_version, keep_alive, codings }
    }
}

/// A verdict without its borrows; `forwarded` stands for everything private.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Partial,
    Reject(Reject),
    Request { ask: Ask, body: BodyFraming, expects: bool, binds: bool, len: usize, forwarded: String },
    Response { status: u16, body: BodyFraming, keep: bool, switches: bool, len: usize, forwarded: String },
}

/// How a request came, and what its listener makes of it.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) peer: IpAddr,
    pub(crate) rules: HttpRules,
    pub(crate) no_expect: bool,
}

pub(crate) const GET: Ask = Ask {
    method: Method::Get,
    minor_version: 1,
    keep_alive: true,
    upgrade: false,
    chunked: false,
    codings: Codings::NONE,
};
pub(crate) const HEAD: Ask = Ask { method: Method::Head, ..GET };
pub(crate) const OLD: Ask = Ask { minor_version: 0, keep_alive: false, ..GET };
pub(crate) const OLD_KEPT: Ask = Ask { minor_version: 0, ..GET };
/// `TE: gzip` of HTTP/1.1.
pub(crate) fn gzip() -> Ask {
    Ask { codings: Codings::asked_for(b"gzip"), ..GET }
}

pub(crate) const UPGRADE: Ask = Ask { upgrade: true, ..GET };
pub(crate) const CONNECT: Ask = Ask { method: Method::Connect, ..UPGRADE };

pub(crate) const NOW: &Date = b"Sun, 06 Nov 1994 08:49:37 GMT";
/// The line that an answer without a date gets.
pub(crate) const DATED: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

impl Way {
    /// With nothing said of the way; the rest is as by default.
    pub(crate) fn silent() -> Self {
        source("192.0.2.7", Forwarded::Off)
    }

    pub(crate) fn ruled(mut self, change: impl FnOnce(&mut HttpRules)) -> Self {
        change(&mut self.rules);
        self
    }
}

/// A peer, and how it is told; no `Via`.
pub(crate) fn source(address: &str, style: Forwarded) -> Way {
    let peer = address.parse().expect("an address");
    Way { peer, rules: HttpRules { forwarded: style, via: None, ..HttpRules::default() }, no_expect: false }
}

/// Networks to trust.
pub(crate) fn networks(networks: &[&str]) -> Networks {
    networks.iter().map(|network| network.parse().expect("a network")).collect()
}

pub(crate) fn request(bytes: impl AsRef<[u8]>) -> Verdict {
    request_by(bytes, &Way::silent())
}

pub(crate) fn request_within(bytes: impl AsRef<[u8]>, limits: &HeadLimits) -> Verdict {
    request_by(bytes, &Way::silent().ruled(|rules| rules.head = *limits))
}

/// The head as it goes to a member.
pub(crate) fn forwarded(bytes: impl AsRef<[u8]>, way: &Way) -> String {
    match request_by(bytes, way) {
        Verdict::Request { forwarded, .. } => forwarded,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn request_by(bytes: impl AsRef<[u8]>, way: &Way) -> Verdict {
    let mut fields = FieldRoom::new();
    match parse_request(bytes.as_ref(), &way.rules, &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Reject(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut out = Vec::new();
            head.forward(
                &Forwarding { peer: way.peer, rules: &way.rules, no_expect: way.no_expect },
                &mut out,
            );
            Verdict::Request {
                ask: Ask::of(&head),
                body: head.body,
                expects: head.expect_continue,
                binds: head.binds,
                len,
                forwarded: text(&out),
            }
        }
    }
}

/// What `look` sees in a request, which must be taken.
#[track_caller]
pub(crate) fn seen<T>(bytes: impl AsRef<[u8]>, way: &Way, look: impl FnOnce(&RequestHead<'_, '_>) -> T) -> T {
    let mut fields = FieldRoom::new();
    match parse_request(bytes.as_ref(), &way.rules, &mut fields) {
        Ok(Parsed::Head { head, .. }) => look(&head),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn response(bytes: impl AsRef<[u8]>, ask: Ask) -> Verdict {
    response_within(bytes, ask, &HeadLimits::default())
}

pub(crate) fn response_within(bytes: impl AsRef<[u8]>, ask: Ask, limits: &HeadLimits) -> Verdict {
    let mut fields = FieldRoom::new();
    match parse_response(bytes.as_ref(), limits, ask.framing(), &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Reject(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut out = Vec::new();
            if let Err(cause) = head.forward(ask.format(), false, NOW, &mut out) {
                return Verdict::Reject(cause.into());
            }
            Verdict::Response {
                status: head.status,
                body: head.body,
                keep: head.keep_alive,
                switches: head.switches(),
                len,
                forwarded: text(&out),
            }
        }
    }
}

/// The head as the client gets it, and how the body follows.
pub(crate) fn relayed(bytes: impl AsRef<[u8]>, ask: Ask, close: bool) -> (String, Outgoing) {
    let mut fields = FieldRoom::new();
    let parsed = parse_response(bytes.as_ref(), &HeadLimits::default(), ask.framing(), &mut fields);
    let Ok(Parsed::Head { head, .. }) = parsed else { panic!("{parsed:?}") };
    let mut out = Vec::new();
    let outgoing = head.forward(ask.format(), close, NOW, &mut out).expect("an answer that the client takes");
    (text(&out), outgoing)
}

/// Bytes as text, one character a byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The status a request is refused with; 0 where it is not complete, 200 where it is taken.
pub(crate) fn status(bytes: impl AsRef<[u8]>) -> u16 {
    status_by(bytes, &Way::silent())
}

pub(crate) fn status_by(bytes: impl AsRef<[u8]>, way: &Way) -> u16 {
    match request_by(bytes, way) {
        Verdict::Partial => 0,
        Verdict::Reject(reject) => reject.status,
        _ => 200,
    }
}

/// A request with these field lines after a Host, each ended by CRLF.
pub(crate) fn with(lines: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}
