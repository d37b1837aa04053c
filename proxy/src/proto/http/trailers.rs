//! Decides which fields of a trailer section travel on (RFC 9110 section 6.5).

use super::name::{is_alike, is_told_by_proxies};

/// The names of fields that frame, route, authenticate, describe or modify a message: a receiver that reads them behind the
/// content has already decided without them (RFC 9110 section 6.5.1). The names are in lower case; twins with underscores count
/// as well.
const FORBIDDEN: [&[u8]; 29] = [
    b"host",
    b"connection",
    b"keep-alive",
    b"te",
    b"trailer",
    b"upgrade",
    b"http2-settings",
    b"transfer-encoding",
    b"authorization",
    b"www-authenticate",
    b"cookie",
    b"cookie2",
    b"set-cookie",
    b"set-cookie2",
    b"cache-control",
    b"pragma",
    b"expect",
    b"max-forwards",
    b"range",
    b"age",
    b"date",
    b"expires",
    b"location",
    b"retry-after",
    b"vary",
    b"warning",
    b"via",
    b"forwarded",
    b"x-http-method-override",
];

/// The beginnings of further names that may not be in trailers.
const FORBIDDEN_FAMILIES: [&[u8]; 3] = [b"content-", b"proxy-", b"if-"];

/// The one field of a forbidden family that is made for trailers (RFC 9530 section 2).
const DIGEST: &[u8] = b"content-digest";

/// The field lines of a trailer section that may travel on, each with its CRLF.
#[derive(Debug, Default)]
pub(in crate::proto) struct Trailers {
    lines: Vec<u8>,
    /// The offset at which the line that is being read begins.
    begun: usize,
}

impl Trailers {
    /// Returns the lines that are complete.
    pub(in crate::proto) fn lines(&self) -> &[u8] {
        &self.lines[..self.begun]
    }

    /// Takes a byte. With the LF of a line, the line is kept or forgotten.
    pub(in crate::proto) fn push(&mut self, b: u8) {
        self.lines.push(b);
        if b != b'\n' {
            return;
        }
        let name = self.lines[self.begun..].split(|b| *b == b':').next().unwrap_or_default();
        if may_travel(name) {
            self.begun = self.lines.len();
        } else {
            // The next line is read into the place of the forgotten one.
            self.lines.truncate(self.begun);
        }
    }
}

fn may_travel(name: &[u8]) -> bool {
    let is_of = |family: &&[u8]| name.get(..family.len()).is_some_and(|start| is_alike(start, family));
    let forbidden = FORBIDDEN.iter().any(|known| is_alike(name, known))
        || FORBIDDEN_FAMILIES.iter().any(is_of)
        || is_told_by_proxies(name);
    !forbidden || name.eq_ignore_ascii_case(DIGEST)
}
