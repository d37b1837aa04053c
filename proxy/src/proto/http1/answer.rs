//! The answers that are the proxy's own (HTTP-RULES D8).
//! In: the status, the cause, what was asked. Out: a complete response, appended to the caller's bytes.
//! Knows nothing of how the exchange came to this.

use super::method::Method;
use super::relay::tell_connection;
use super::request::Ask;
use super::text::decimal;
use crate::cause::Cause;

/// Appends an answer of the proxy's own: a line of text that names the cause, with its exact length.
/// `ask` is `None` where no head could be read; nothing after such a request can be trusted, so the
/// answer says close.
pub fn error_answer(status: u16, cause: Cause, ask: Option<Ask>, close: bool, out: &mut Vec<u8>) {
    let reason = reason(status);
    let close = close || ask.is_none_or(|ask| !ask.keep_alive);
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(status.into(), out);
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\nContent-Type: text/plain\r\nContent-Length: ");
    decimal(cause.name().len() as u64 + 1, out);
    out.extend_from_slice(b"\r\n");
    match status {
        // RFC 9110 section 15.5.6: a 405 names what is allowed.
        405 => out.extend_from_slice(b"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"),
        503 => out.extend_from_slice(b"Retry-After: 1\r\n"),
        _ => {}
    }
    tell_connection(ask.unwrap_or(UNREAD), close, out);
    out.extend_from_slice(b"\r\n");
    if ask.is_none_or(|ask| ask.method != Method::Head) {
        out.extend_from_slice(cause.name().as_bytes());
        out.push(b'\n');
    }
}

/// What stands for a request whose head could not be read.
const UNREAD: Ask = Ask { method: Method::Other, minor_version: 1, keep_alive: false };

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
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
        _ => "Error",
    }
}
