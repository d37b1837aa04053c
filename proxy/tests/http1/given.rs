//! Shorthand of these tests: parse, forward, and hand back what came of it.
//! In: raw bytes. Out: owned verdicts that can be compared.
//! Knows nothing of what is right.

use std::net::IpAddr;

use penstock::config::{Forwarded, HeadLimits};
use penstock::proto::http1::{
    Ask, BodyFraming, Fields, Forwarding, Method, Outgoing, Parsed, Reject, parse_request, parse_response,
};

/// A verdict without its borrows; `forwarded` stands for everything private.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Partial,
    Reject(Reject),
    Request { ask: Ask, body: BodyFraming, expects: bool, len: usize, forwarded: String },
    Response { status: u16, body: BodyFraming, keep: bool, len: usize, forwarded: String },
}

pub(crate) const GET: Ask = Ask { method: Method::Get, minor_version: 1, keep_alive: true };
pub(crate) const HEAD: Ask = Ask { method: Method::Head, ..GET };
pub(crate) const OLD: Ask = Ask { minor_version: 0, keep_alive: false, ..GET };
pub(crate) const OLD_KEPT: Ask = Ask { minor_version: 0, ..GET };

pub(crate) fn request(bytes: impl AsRef<[u8]>) -> Verdict {
    request_within(bytes, &HeadLimits::default())
}

pub(crate) fn request_within(bytes: impl AsRef<[u8]>, limits: &HeadLimits) -> Verdict {
    let from = source("192.0.2.7", Forwarded::Off);
    forwarded_within(bytes.as_ref(), limits, &from)
}

pub(crate) fn source(address: &str, style: Forwarded) -> Forwarding<'static> {
    let source: IpAddr = address.parse().expect("an address");
    Forwarding { source, style, via: None }
}

/// The head as it goes to a member.
pub(crate) fn forwarded(bytes: impl AsRef<[u8]>, from: &Forwarding<'_>) -> String {
    match forwarded_within(bytes.as_ref(), &HeadLimits::default(), from) {
        Verdict::Request { forwarded, .. } => forwarded,
        other => panic!("{other:?}"),
    }
}

fn forwarded_within(bytes: &[u8], limits: &HeadLimits, from: &Forwarding<'_>) -> Verdict {
    let mut fields = Fields::new();
    match parse_request(bytes, limits, &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Reject(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut out = Vec::new();
            head.forward(from, &mut out);
            Verdict::Request {
                ask: head.ask(),
                body: head.body,
                expects: head.expect_continue,
                len,
                forwarded: text(&out),
            }
        }
    }
}

pub(crate) fn response(bytes: impl AsRef<[u8]>, ask: Ask) -> Verdict {
    response_within(bytes, ask, &HeadLimits::default())
}

pub(crate) fn response_within(bytes: impl AsRef<[u8]>, ask: Ask, limits: &HeadLimits) -> Verdict {
    let mut fields = Fields::new();
    match parse_response(bytes.as_ref(), limits, ask, &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Reject(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut out = Vec::new();
            head.forward(ask, false, &mut out);
            Verdict::Response {
                status: head.status,
                body: head.body,
                keep: head.keep_alive,
                len,
                forwarded: text(&out),
            }
        }
    }
}

/// The head as the client gets it, and how the body follows.
pub(crate) fn relayed(bytes: impl AsRef<[u8]>, ask: Ask, close: bool) -> (String, Outgoing) {
    let mut fields = Fields::new();
    let parsed = parse_response(bytes.as_ref(), &HeadLimits::default(), ask, &mut fields);
    let Ok(Parsed::Head { head, .. }) = parsed else { panic!("{parsed:?}") };
    let mut out = Vec::new();
    let outgoing = head.forward(ask, close, &mut out);
    (text(&out), outgoing)
}

/// Bytes as text, one character a byte.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The status a request is refused with; 0 where it is not complete, 200 where it is taken.
pub(crate) fn status(bytes: impl AsRef<[u8]>) -> u16 {
    match request(bytes) {
        Verdict::Partial => 0,
        Verdict::Reject(reject) => reject.status,
        _ => 200,
    }
}

/// A request with these field lines after a Host, each ended by CRLF.
pub(crate) fn with(lines: &str) -> String {
    format!("POST /p HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}
