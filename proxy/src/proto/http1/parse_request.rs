//! Parses request heads, strictly where leniency would let two readers see two requests (RFC 9112).

use std::cell::Cell;

use super::error::Parsed;
use super::fields::{FieldRoom, LineFault, offset};
use super::request_fields::RequestFields;
use super::text::digits;
use crate::config::{HeadLimits, HttpRules, Underscores};
use crate::proto::http::coding::Codings;
use crate::proto::http::expect::Expect;
use crate::proto::http::fields::Head;
use crate::proto::http::framing::BodyFraming;
use crate::proto::http::method::Method;
use crate::proto::http::name::{FieldName, Ours};
use crate::proto::http::reject::Reject;
use crate::proto::http::request::RequestHead;
use crate::proto::http::target::Target;
use crate::proto::http::{upgrade, via};

/// The number of empty lines that are skipped before a request line. RFC 9112 section 2.2 asks for at least one; old clients
/// send one behind a body.
const MOST_EMPTY_LINES: usize = 2;
/// The number of bytes of the longest method that is passed on. The longest registered method has 17 (RFC 9112 section 3).
const LONGEST_METHOD: usize = 32;

/// Reads a request head from the start of `buf`.
///
/// # Errors
/// Returns the fault of the head. No later byte changes that, and no shorter input is judged differently.
pub fn parse_request<'h, 'b>(
    buf: &'b [u8],
    rules: &HttpRules,
    fields: &'h mut FieldRoom<'b>,
) -> Result<Parsed<RequestHead<'h, 'b>>, Reject> {
    let limits = &rules.head;
    // No byte over the limit is looked at, so that the verdict is the same however much has been read.
    let window = &buf[..buf.len().min(limits.bytes)];
    let start = skip_empty_lines(window)?;
    let bytes = &window[start..];
    let mut raw = httparse::Request::new(&mut []);
    match raw.parse_with_uninit_headers(bytes, fields.room(limits)) {
        Ok(httparse::Status::Complete(len)) => {
            Ok(Parsed::Head { head: believe(raw, &bytes[..len], rules)?, len: start + len })
        }
        Ok(httparse::Status::Partial) => unfinished(bytes, limits, window.len(), None),
        Err(error) => unfinished(bytes, limits, window.len(), Some(fault(error, bytes, raw.path))),
    }
}

/// Returns the offset at which the request line begins, or will begin.
fn skip_empty_lines(bytes: &[u8]) -> Result<usize, Reject> {
    let mut start = 0;
    loop {
        match bytes[start..] {
            [b'\r', ..] if start == 2 * MOST_EMPTY_LINES => {
                return Err(Reject::request("too many empty lines before the request line"));
            }
            [b'\r', b'\n', ..] => start += 2,
            [b'\n', ..] => return Err(Reject::request("an empty line ended by LF alone")),
            _ => return Ok(start),
        }
    }
}

/// Returns the fault at which httparse stopped, or `None` where the bytes so far may still become a head.
fn fault(error: httparse::Error, bytes: &[u8], target: Option<&str>) -> Option<Reject> {
    use httparse::Error as E;
    Some(match error {
        E::TooManyHeaders => Reject::head_too_large("too many field lines"),
        E::HeaderName => Reject::request("a field name is not a token followed by a colon"),
        E::HeaderValue => Reject::request("a control character in a field value"),
        E::NewLine => Reject::request("CR without LF"),
        E::Token | E::Status => Reject::request("the request line is not three words"),
        E::Version => {
            let target = target.unwrap_or_default().as_bytes();
            return version_fault(&bytes[offset(bytes, target) + target.len() + 1..]);
        }
    })
}

/// Returns the fault of a version: `HTTP/2.0` is well formed but not spoken here, and anything else is noise (RFC 9110 section
/// 2.5).
fn version_fault(version: &[u8]) -> Option<Reject> {
    let version = &version[..version.len().min(8)];
    let well_said = version.iter().zip(b"HTTP/0.0").all(|(b, form)| match form {
        b'0' => b.is_ascii_digit(),
        _ => b == form,
    });
    match (well_said, version.len()) {
        (true, 8) => Some(Reject::unsupported(505, "neither HTTP/1.0 nor HTTP/1.1")),
        (true, _) => None,
        (false, _) => Some(Reject::request("the request line does not end in an HTTP version")),
    }
}

/// Judges a head that is not complete, for want of bytes or because of a fault. `stopped` is `Some(None)` where httparse
/// stopped at bytes that may still become right.
#[cold]
fn unfinished<H>(
    bytes: &[u8],
    limits: &HeadLimits,
    seen: usize,
    stopped: Option<Option<Reject>>,
) -> Result<Parsed<H>, Reject> {
    let line = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
    // A request line that is too long is refused before its end has come.
    if line > limits.line + 1 {
        return Err(fault_in_line(&bytes[..limits.line + 2]).unwrap_or(Reject::target_too_long()));
    }
    if let Some(reject) = stopped.flatten() {
        return Err(reject);
    }
    // The head has reached the limit and is not complete, so it cannot become complete.
    if seen >= limits.bytes {
        return Err(Reject::head_too_large("the head is over the limit"));
    }
    Ok(Parsed::Partial)
}

/// Returns the fault in the beginning of a request line that is too long, if there is one: it comes before the length does.
fn fault_in_line(bytes: &[u8]) -> Option<Reject> {
    let mut raw = httparse::Request::new(&mut []);
    let error = raw.parse_with_uninit_headers(bytes, &mut []).err()?;
    fault(error, bytes, raw.path)
}

/// Turns a well-formed head into one that the proxy believes, in one pass over the fields.
fn believe<'h, 'b>(
    raw: httparse::Request<'h, 'b>,
    bytes: &'b [u8],
    rules: &HttpRules,
) -> Result<RequestHead<'h, 'b>, Reject> {
    let (Some(method_text), Some(target_text), Some(minor_version)) = (raw.method, raw.path, raw.version)
    else {
        return Err(Reject::request("no request line"));
    };
    let mut head = Head::new(bytes, raw.headers);
    let seen = read_fields(&mut head, bytes, minor_version, rules)?;
    if minor_version == 1 && seen.host.is_none() {
        return Err(Reject::request("HTTP/1.1 without Host")); // RFC 9112 section 3.2
    }
    seen.options.drop_named(&mut head).map_err(Reject::request)?;
    let method = permitted(method_text, rules)?;
    let body = permitted_body(seen.framing.decide(minor_version)?, method, rules)?;
    let target = Target::read(method, target_text.as_bytes()).map_err(Reject::request)?;
    let max_forwards = max_forwards(method, seen.max_forwards)?;
    // Most requests have no Via, and are not searched for a loop.
    if seen.ours & Ours::Via as u8 != 0 && via::loops(&head, rules.via.as_deref()) {
        return Err(Reject::loop_detected());
    }
    // RFC 9110 section 10.1.1: an expectation in HTTP/1.0 is ignored.
    let expect = if minor_version == 1 { seen.expect } else { Expect::Nothing };
    if seen.expect == Expect::Reworded {
        head.drop_all(FieldName::Expect);
    }
    let expect_continue = expect != Expect::Nothing;
    let asks = seen.upgrade && seen.options.upgrade && minor_version == 1;
    let may_upgrade = asks && !expect_continue && method != Method::Connect;
    Ok(RequestHead {
        method,
        minor_version,
        body,
        keep_alive: seen.options.persists(minor_version),
        expect_continue,
        expect,
        upgrade: method == Method::Connect
            || (may_upgrade && upgrade::is_offered(&head, body, &rules.upgrades)),
        binds: seen.binds,
        target,
        host: seen.host,
        max_forwards,
        te_trailers: seen.te_trailers && minor_version == 1,
        codings: if minor_version == 1 { seen.codings } else { Codings::NONE },
        head,
        ours: seen.ours,
        found_address: Cell::new(None),
        method_text,
        target_text,
    })
}

/// Reads the fields: checks each line, and drops those that stay behind.
#[inline]
fn read_fields<'b>(
    head: &mut Head<'_, 'b>,
    bytes: &[u8],
    minor_version: u8,
    rules: &HttpRules,
) -> Result<RequestFields<'b>, Reject> {
    let limit = rules.head.line;
    let mut seen = RequestFields::default();
    let mut begun = 0;
    for (line, field) in head.fields.iter().enumerate() {
        begun = head.check_line(bytes, begun, line, limit).map_err(|f| line_fault(f, line))?;
        let name = FieldName::of(field.name.as_bytes());
        seen.take(name, field.value)?;
        if is_left_behind(name, field.value, minor_version) {
            head.dropped.add(line);
        }
        if rules.underscores != Underscores::Pass && field.name.contains('_') {
            if rules.underscores == Underscores::Reject {
                return Err(Reject::request("an underscore in a field name"));
            }
            head.dropped.add(line);
        }
    }
    let lines = head.fields.len();
    head.check_line(bytes, begun, lines, limit).map_err(|f| line_fault(f, lines))?;
    Ok(seen)
}

/// Returns whether a line stays behind: a hop-by-hop field, or an expectation of a client of HTTP/1.0, whose request the proxy
/// forwards as 1.1 (RFC 9110 section 10.1.1).
fn is_left_behind(name: FieldName, value: &[u8], minor_version: u8) -> bool {
    match name {
        FieldName::TransferEncoding
        | FieldName::Connection
        | FieldName::KeepAlive
        | FieldName::Te
        | FieldName::Upgrade
        | FieldName::Http2Settings
        | FieldName::Hop => true,
        FieldName::Expect => minor_version == 0 || !Expect::travels(value),
        _ => false,
    }
}

#[cold]
fn line_fault(fault: LineFault, next_line: usize) -> Reject {
    match fault {
        LineFault::BareLf => Reject::request("a line ended by LF alone"),
        LineFault::TooLong if next_line == 0 => Reject::target_too_long(),
        LineFault::TooLong => Reject::head_too_large("a field line is over the limit"),
    }
}

fn permitted(token: &str, rules: &HttpRules) -> Result<Method, Reject> {
    match Method::of(token) {
        Method::Connect if !rules.connect => Err(Reject::unsupported(405, "CONNECT is refused")),
        Method::Trace if !rules.trace => Err(Reject::unsupported(405, "TRACE is refused")),
        Method::Other if token.len() > LONGEST_METHOD => {
            Err(Reject::unsupported(501, "a method longer than any")) // RFC 9112 section 3
        }
        allowed => Ok(allowed),
    }
}

/// Checks the content of a request: CONNECT and TRACE have none (RFC 9110 sections 9.3.6 and 9.3.8), and others as much as is
/// allowed.
fn permitted_body(body: BodyFraming, method: Method, rules: &HttpRules) -> Result<BodyFraming, Reject> {
    match (body, method) {
        (BodyFraming::None, _) => Ok(body),
        (_, Method::Connect | Method::Trace) => Err(Reject::request("content in CONNECT or TRACE")),
        (BodyFraming::Length(n), _) if rules.body.is_some_and(|most| n > most) => {
            Err(Reject::body_too_large())
        }
        _ => Ok(body),
    }
}

/// Reads Max-Forwards, which must be understood for OPTIONS and TRACE and may be ignored for other methods (RFC 9110 section
/// 7.6.2).
fn max_forwards(method: Method, value: Option<&[u8]>) -> Result<Option<u64>, Reject> {
    let Some(value) = value.filter(|_| matches!(method, Method::Options | Method::Trace)) else {
        return Ok(None);
    };
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Reject::request("Max-Forwards is not one number"));
    }
    // RFC 9110 section 7.6.2: "the lesser of the received value and our own maximum".
    Ok(Some(digits(value).unwrap_or(u64::MAX)))
}
