//! Writes the heads of answers, and the prepared answers of the quick routes.

use std::io::Write;

use crate::clock::http_date;

/// The form that an answer must have for its client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    /// Whether the request was HEAD: the head is as for GET, and there is no body (RFC 9110 section 9.3.2).
    pub(crate) head_only: bool,
    /// Whether the connection closes after this answer, which then says so.
    pub(crate) close: bool,
    /// Whether the client speaks HTTP/1.0 and must be told that the connection stays open.
    pub(crate) old: bool,
}

/// The way in which the body of an answer ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Extent {
    Length(u64),
    Chunked,
    /// The body ends with the connection.
    Close,
    /// The status allows no body (204, 304).
    None,
}

/// The content types that the routes use.
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain";
pub(crate) const JSON: &str = "application/json";
pub(crate) const BINARY: &str = "application/octet-stream";

/// The routes whose complete answer is prepared once a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Hello,
    Json,
    Simple,
}

impl Ready {
    const ALL: [Self; 3] = [Self::Hello, Self::Json, Self::Simple];

    pub(crate) fn content(self) -> (&'static str, &'static str) {
        match self {
            Self::Hello => (TEXT, "Hello, World!"),
            Self::Json => (JSON, r#"{"message":"Hello, World!"}"#),
            Self::Simple => (JSON, r#"{"message":"hi"}"#),
        }
    }
}

/// The answers of one member in the current second.
pub(crate) struct Answers {
    member: String,
    second: u64,
    /// The fields `Server`, `Date` and `X-Member`.
    common: Vec<u8>,
    ready: [Vec<u8>; 3],
}

impl Answers {
    pub(crate) fn new(member: &str, unix_seconds: u64) -> Self {
        let mut answers = Self {
            member: member.to_owned(),
            second: unix_seconds,
            common: Vec::new(),
            ready: Default::default(),
        };
        answers.rebuild();
        answers
    }

    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    /// Updates `Date` to this second (RFC 9110 section 6.6.1).
    pub(crate) fn refresh(&mut self, unix_seconds: u64) {
        if self.second != unix_seconds {
            self.second = unix_seconds;
            self.rebuild();
        }
    }

    fn rebuild(&mut self) {
        let date = http_date(self.second);
        self.common =
            format!("Server: penstock-origin\r\nDate: {date}\r\nX-Member: {}\r\n", self.member).into_bytes();
        let usual = Reply { head_only: false, close: false, old: false };
        for ready in Ready::ALL {
            let mut answer = Vec::new();
            let (kind, body) = ready.content();
            self.whole(&mut answer, usual, 200, kind, body.as_bytes());
            self.ready[ready as usize] = answer;
        }
    }

    /// Appends the answer of a quick route: a copy for the usual client, and an assembled one for the others.
    pub(crate) fn ready(&self, out: &mut Vec<u8>, reply: Reply, ready: Ready) {
        if !(reply.head_only || reply.close || reply.old) {
            return out.extend_from_slice(&self.ready[ready as usize]);
        }
        let (kind, body) = ready.content();
        self.whole(out, reply, 200, kind, body.as_bytes());
    }

    /// Appends a head and its whole body.
    pub(crate) fn whole(&self, out: &mut Vec<u8>, reply: Reply, status: u16, kind: &str, body: &[u8]) {
        self.head(out, reply, status, kind, Extent::Length(body.len() as u64));
        if !reply.head_only {
            out.extend_from_slice(body);
        }
    }

    /// Appends an answer of text, with additional fields: lines, each with its CRLF.
    pub(crate) fn words(&self, out: &mut Vec<u8>, reply: Reply, status: u16, fields: &str, body: &str) {
        self.open(out, reply, status, TEXT, Extent::Length(body.len() as u64));
        put(out, &[fields, "\r\n", if reply.head_only { "" } else { body }]);
    }

    /// Appends a head with additional fields for a chunked body, which the caller writes.
    pub(crate) fn chunked(&self, out: &mut Vec<u8>, reply: Reply, fields: &str) {
        self.open(out, reply, 200, TEXT, Extent::Chunked);
        put(out, &[fields, "\r\n"]);
    }

    /// Appends an answer of text without `Date`, as a server without a clock sends it (RFC 9110 section
    /// 6.6.1).
    pub(crate) fn undated(&self, out: &mut Vec<u8>, reply: Reply, body: &str) {
        put(out, &["HTTP/1.1 200 OK\r\nX-Member: ", &self.member, "\r\n"]);
        finish_head(out, reply, TEXT, Extent::Length(body.len() as u64));
        put(out, &["\r\n", if reply.head_only { "" } else { body }]);
    }

    /// Appends an answer in HTTP/1.0, whose body ends with the connection.
    pub(crate) fn old(&self, out: &mut Vec<u8>, reply: Reply, body: &str) {
        put(out, &["HTTP/1.0 200 OK\r\n"]);
        out.extend_from_slice(&self.common);
        put(out, &["Content-Type: ", TEXT, "\r\n\r\n", if reply.head_only { "" } else { body }]);
    }

    /// Appends a head without a body, with additional fields, after which the connection is no longer HTTP.
    pub(crate) fn switch(&self, out: &mut Vec<u8>, status: u16, fields: &str) {
        put_number(out, "HTTP/1.1 ", u64::from(status));
        put(out, &[" ", reason(status), "\r\n"]);
        out.extend_from_slice(&self.common);
        put(out, &[fields, "\r\n"]);
    }

    /// Appends a head; the caller writes the body, if any.
    pub(crate) fn head(&self, out: &mut Vec<u8>, reply: Reply, status: u16, kind: &str, extent: Extent) {
        self.open(out, reply, status, kind, extent);
        out.extend_from_slice(b"\r\n");
    }

    fn open(&self, out: &mut Vec<u8>, reply: Reply, status: u16, kind: &str, extent: Extent) {
        put_number(out, "HTTP/1.1 ", u64::from(status));
        put(out, &[" ", reason(status), "\r\n"]);
        out.extend_from_slice(&self.common);
        finish_head(out, reply, kind, extent);
    }
}

/// Appends the fields about the body and the connection.
fn finish_head(out: &mut Vec<u8>, reply: Reply, kind: &str, extent: Extent) {
    if !matches!(extent, Extent::None) {
        put(out, &["Content-Type: ", kind, "\r\n"]);
    }
    match extent {
        Extent::Length(length) => put_number(out, "Content-Length: ", length),
        Extent::Chunked => put(out, &["Transfer-Encoding: chunked"]),
        Extent::Close | Extent::None => {}
    }
    if matches!(extent, Extent::Length(_) | Extent::Chunked) {
        out.extend_from_slice(b"\r\n");
    }
    match reply {
        Reply { close: true, .. } => put(out, &["Connection: close\r\n"]),
        Reply { old: true, .. } => put(out, &["Connection: keep-alive\r\n"]),
        _ => {}
    }
}

fn put(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

fn put_number(out: &mut Vec<u8>, before: &str, number: u64) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{before}{number}");
}

/// Returns the reason phrase of a status, which only people read. Other codes have an empty phrase (RFC 9112
/// section 4).
fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(build: impl FnOnce(&Answers, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        build(&Answers::new("a", 0), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ready_answer_is_what_putting_it_together_gives() {
        let usual = Reply { head_only: false, close: false, old: false };
        let expected = "HTTP/1.1 200 OK\r\nServer: penstock-origin\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
                        X-Member: a\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!";
        assert_eq!(text(|answers, out| answers.ready(out, usual, Ready::Hello)), expected);
    }

    #[test]
    fn the_date_moves_with_the_second() {
        let mut answers = Answers::new("a", 0);
        answers.refresh(1);
        let mut out = Vec::new();
        answers.ready(&mut out, Reply { head_only: false, close: false, old: false }, Ready::Json);
        assert!(String::from_utf8(out).unwrap().contains("00:00:01 GMT"));
    }

    #[test]
    fn old_clients_are_told_whether_the_connection_stays() {
        let to = |close| {
            text(|answers, out| answers.ready(out, Reply { head_only: true, close, old: true }, Ready::Json))
        };
        assert!(to(false).ends_with("Content-Length: 27\r\nConnection: keep-alive\r\n\r\n"));
        assert!(to(true).ends_with("Content-Length: 27\r\nConnection: close\r\n\r\n"));
    }
}
