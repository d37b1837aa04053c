//! Writes the responses that the proxy generates itself (D8 and D2.5 in `docs/http-rules.md`).

use super::added_fields::{Date, write_connection, write_date};
use super::text::decimal;
use crate::cause::Cause;
use crate::proto::http::fields::LineSet;
use crate::proto::http::method::Method;
use crate::proto::http::name::FieldName;
use crate::proto::http::request::{RequestHead, ResponseFormat};

/// The Allow field, with the methods that the proxy forwards by default (RFC 9110 section 10.2.1).
const ALLOW: &[u8] = b"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";

/// The text behind the name of the cause, where the operator is likely to be the one who has to act.
const LOOP: &str = ": the Via field of the request contains the name of this proxy. If there is no loop, another proxy \
                    has the same name: give each proxy its own name with the option listeners.*.via.";

/// Appends a response that the proxy generates: a line of text that begins with the name of the cause, with its exact length.
/// `to` holds the method of the request and the format of its response; it is `None` where no head could be read, and then the
/// response closes the connection, because the bytes behind such a request cannot be trusted. `date` is the present time.
pub fn error_answer(
    status: u16,
    cause: Cause,
    to: Option<(Method, ResponseFormat)>,
    close: bool,
    date: &Date,
    out: &mut Vec<u8>,
) {
    let close = close || to.is_none_or(|(_, format)| !format.keep_alive);
    let more = if cause == Cause::LoopDetected { LOOP } else { "" };
    begin(status, Some("text/plain"), cause.name().len() + more.len() + 1, date, out);
    match status {
        // RFC 9110 section 15.5.6: a 405 names what is allowed.
        405 => out.extend_from_slice(ALLOW),
        503 => out.extend_from_slice(b"Retry-After: 1\r\n"),
        _ => {}
    }
    write_connection(to.map_or_else(ResponseFormat::default, |(_, format)| format), close, out);
    out.extend_from_slice(b"\r\n");
    // RFC 9110 section 9.3.2: the response to HEAD has the fields of its content, but no content.
    if to.is_none_or(|(method, _)| method != Method::Head) {
        out.extend_from_slice(cause.name().as_bytes());
        out.extend_from_slice(more.as_bytes());
        out.push(b'\n');
    }
}

impl RequestHead<'_, '_> {
    /// Appends the proxy's own response where the request may go no further (`Max-Forwards: 0` of OPTIONS or TRACE, RFC 9110
    /// section 7.6.2), and returns its status. `close` says that the client's connection ends with the response.
    pub fn own_answer(&self, date: &Date, close: bool, out: &mut Vec<u8>) -> Option<u16> {
        if self.max_forwards != Some(0) {
            return None;
        }
        let format = self.format();
        let close = close || !format.keep_alive;
        if self.method == Method::Trace {
            let echo = self.echo();
            begin(200, Some("message/http"), echo.len(), date, out); // RFC 9110 section 9.3.8
            write_connection(format, close, out);
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(&echo);
        } else {
            begin(200, None, 0, date, out);
            out.extend_from_slice(ALLOW);
            write_connection(format, close, out);
            out.extend_from_slice(b"\r\n");
        }
        Some(200)
    }

    /// Returns the head as it came, without fields that are likely to be secret (RFC 9110 section 9.3.8).
    fn echo(&self) -> Vec<u8> {
        let mut without = LineSet::default();
        for (line, field) in self.head.fields.iter().enumerate() {
            let name = field.name.as_bytes();
            if FieldName::of(name) == FieldName::Authorization || name.eq_ignore_ascii_case(b"cookie") {
                without.add(line);
            }
        }
        let mut echo = Vec::new();
        if self.head.wire.is_none() {
            self.write_line(&mut echo);
        }
        self.head.copy(true, &without, &mut echo);
        echo.extend_from_slice(b"\r\n");
        echo
    }
}

/// Appends the status line and the fields that every response of the proxy has.
fn begin(status: u16, kind: Option<&str>, length: usize, date: &Date, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(status.into(), out);
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    if let Some(kind) = kind {
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(kind.as_bytes());
    }
    out.extend_from_slice(b"\r\nContent-Length: ");
    decimal(length as u64, out);
    out.extend_from_slice(b"\r\n");
    write_date(date, out);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        508 => "Loop Detected",
        _ => "Error",
    }
}
