//! Defines the requests of a probe, and the orders and pieces in which they are sent.

use crate::proto::http::Method;

/// A request of a probe. All of them are safe (RFC 9110 section 9.2.1) and have no content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// The method: GET, HEAD or OPTIONS.
    pub(super) method: Method,
    /// The target in origin form, in which [`ID`] stands for the request's token.
    pub(super) target: String,
}

/// The placeholder of a request's token in a target.
pub(super) const ID: &str = "{id}";

impl Question {
    pub(super) fn new(method: Method, target: impl Into<String>) -> Self {
        Self { method, target: target.into() }
    }

    /// Appends the request. Its token is in the target and in `X-Request-Id`, which some services echo.
    pub(super) fn write(&self, host: &str, token: Option<&str>, out: &mut Vec<u8>) {
        let line = self.line(token);
        let version = env!("CARGO_PKG_VERSION");
        let id = token.map(|token| format!("X-Request-Id: {token}\r\n")).unwrap_or_default();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: penstock/{version} (pipelining probe)\r\n\
             Accept: */*\r\n{id}\r\n"
        );
        out.extend_from_slice(head.as_bytes());
    }

    /// Returns the method and the target.
    pub(super) fn line(&self, token: Option<&str>) -> String {
        let method = match self.method {
            Method::Head => "HEAD",
            Method::Options => "OPTIONS",
            _ => "GET",
        };
        format!("{method} {}", self.target.replace(ID, token.unwrap_or_default()))
    }
}

/// Returns the requests that every member gets: paths that hardly any server has, and a path that every
/// server has.
#[must_use]
pub(super) fn usual() -> Vec<Question> {
    vec![
        Question::new(Method::Get, "/.well-known/penstock-probe/1"),
        Question::new(Method::Get, "/"),
        Question::new(Method::Options, "/.well-known/penstock-probe/2"),
        Question::new(Method::Head, "/.well-known/penstock-probe/1"),
        Question::new(Method::Head, "/"),
    ]
}

/// Returns an order of `count` requests out of `kinds`, beginning with `first`. Neighbours always differ, and
/// every kind follows every other in time, because each kind passes on to the others in turn (a rotor-router
/// walk).
#[must_use]
pub(super) fn order(kinds: usize, first: usize, count: usize) -> Vec<usize> {
    let mut turns = vec![0; kinds];
    let mut at = first % kinds;
    let mut next = || {
        let step = 1 + turns[at] % (kinds - 1).max(1);
        turns[at] += 1;
        let next = (at + step) % kinds;
        std::mem::replace(&mut at, next)
    };
    (0..count).map(|_| next()).collect()
}

/// Cuts the bytes of a pipeline inside of heads, at these shares of each request, in hundredths.
#[must_use]
pub(super) fn cut<'b>(bytes: &'b [u8], ends: &[usize], hundredths: &[usize]) -> Vec<&'b [u8]> {
    let mut cuts = Vec::new();
    let mut begun = 0;
    for (i, end) in ends.iter().enumerate() {
        cuts.push(begun + (end - begun) * hundredths[i % hundredths.len()] / 100);
        begun = *end;
    }
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in cuts.into_iter().chain([bytes.len()]) {
        if to > from {
            pieces.push(&bytes[from..to]);
            from = to;
        }
    }
    pieces
}
