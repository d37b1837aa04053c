//! Writes the fields that every response has from the proxy: Date and Connection.

use crate::proto::http::request::ResponseFormat;

/// A time as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
pub type Date = [u8; 29];

/// Appends the Date field (RFC 9110 section 6.6.1).
pub(super) fn write_date(date: &Date, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
}

/// Appends the Connection field where one is needed. RFC 9112 section 9.3: HTTP/1.1 persists unless a message says otherwise,
/// and HTTP/1.0 closes unless a message says otherwise.
pub(super) fn write_connection(format: ResponseFormat, close: bool, out: &mut Vec<u8>) {
    if close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if format.minor_version == 0 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}
