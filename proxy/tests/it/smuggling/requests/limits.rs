//! Requests that end exactly at a limit, or one byte over it, with another behind them.

use crate::smuggling::case::{Case, HIDDEN, case, get, post, with};

/// What the listener of these cases says, in lines of its section.
pub(crate) const HEADS: &str = "limits: { head: 1KiB, line: 256B, fields: 10 }";
pub(crate) const BODIES: &str = "limits: { body: 64B }";

/// A head of so many bytes, in lines within their limit.
fn head(bytes: usize) -> Vec<u8> {
    let mut head = b"GET /c HTTP/1.1\r\nHost: h\r\n".to_vec();
    let mut left = bytes - head.len() - 2;
    while left > 0 {
        let line = if left <= 250 { left } else { 200.min(left - 10) };
        head.extend(format!("X: {}\r\n", "y".repeat(line - 5)).as_bytes());
        left -= line;
    }
    head.extend(b"\r\n");
    head
}

fn line(bytes: usize) -> Vec<u8> {
    format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(bytes - 14)).into_bytes()
}

fn field(bytes: usize) -> Vec<u8> {
    format!("GET /c HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "y".repeat(bytes - 3)).into_bytes()
}

fn fields(count: usize) -> Vec<u8> {
    format!("GET /c HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(count - 1)).into_bytes()
}

pub(crate) fn heads() -> Vec<Case> {
    let fits = |name: &str, bytes: Vec<u8>, target: &str| {
        case(name, "the limit itself", [&bytes, HIDDEN].concat()).sees(get(target)).sees(get("/hidden"))
    };
    let over = |name: &str, about, bytes: Vec<u8>, status| {
        case(name, about, [&bytes, HIDDEN].concat()).refused(status)
    };
    let behind = |name: &str, bytes: Vec<u8>, status| {
        case(name, "behind a good one", [HIDDEN, &bytes].concat()).sees(get("/hidden")).refused(status)
    };
    vec![
        fits("head-at-limit", head(1024), "/c"),
        fits("head-below-limit", head(1023), "/c"),
        fits("line-at-limit", line(256), &format!("/{}", "x".repeat(242))),
        fits("field-at-limit", field(256), "/c"),
        fits("fields-at-limit", fields(10), "/c"),
        over("head-over", "RFC 6585 5", head(1025), 431),
        over("head-two-over", "RFC 6585 5: CRLF is cut", head(1026), 431),
        over("head-far-over", "RFC 6585 5", head(8000), 431),
        over("line-over", "RFC 9112 3", line(257), 414),
        over("line-far-over", "RFC 9112 3", line(5000), 414),
        over("field-over", "RFC 6585 5", field(257), 431),
        over("fields-over", "RFC 6585 5", fields(11), 431),
        behind("second-head-over", head(1025), 431),
        behind("second-line-over", line(257), 414),
        behind("second-field-over", field(257), 431),
        case("empty-lines-and-head-at-limit", "empty lines count", [b"\r\n\r\n", &head(1020)[..]].concat())
            .sees(get("/c")),
    ]
}

pub(crate) fn bodies() -> Vec<Case> {
    let length = |name: &str, size: usize| {
        let body = "x".repeat(size);
        case(name, "RFC 9110 15.5.14", with(format!("Content-Length: {size}\r\n"), &body))
    };
    let chunks = |name: &str, size: usize| {
        let body =
            format!("20\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(32), size - 32, "x".repeat(size - 32));
        case(name, "RFC 9110 15.5.14", with("Transfer-Encoding: chunked\r\n", body))
    };
    let far = [&b"ffffffffffffffff\r\n"[..], HIDDEN, HIDDEN, HIDDEN].concat();
    vec![
        length("length-at-limit", 64).sees(post("/c", "x".repeat(64))),
        length("length-over", 65).refused(413),
        length("length-far-over", 5000).refused(413),
        chunks("chunks-at-limit", 64).sees(post("/c", "x".repeat(64))),
        chunks("chunks-over", 65).broken(413),
        case("chunk-far-over", "RFC 9110 15.5.14", with("Transfer-Encoding: chunked\r\n", far)).broken(413),
        case("length-greatest", "RFC 9110 15.5.14", with("Content-Length: 18446744073709551615\r\n", HIDDEN))
            .refused(413),
    ]
}
