//! Bytes of field names and values, twins with underscores, and fields that we write ourselves (RFC 9110 section 5).

use crate::smuggling::case::{CHUNKED_END, Case, Row, case, post, table, with};

pub(crate) fn cases() -> Vec<Case> {
    let mut all = table(LINES, |case| Case { bytes: with(&case.bytes, CHUNKED_END), ..case }.refused(400));
    all.extend(names());
    all.extend(values());
    all.extend(taken());
    all.extend(ours());
    all
}

const LINES: &[Row] = &[
    ("no-colon", "RFC 9112 5", b"X\r\n"),
    ("no-name", "RFC 9112 5", b": y\r\n"),
    ("space-first", "RFC 9112 5.2", b" X: y\r\n"),
    ("blank-line", "a folded line of nothing", b"X: y\r\n \r\n"),
    ("tab-line", "a folded line of nothing", b"X: y\r\n\t\r\n"),
    ("lf-between", "RFC 9112 2.2", b"X: y\nY: z\r\n"),
    ("lf-lf", "the head ends there for some", b"X: y\n\nGET /hidden HTTP/1.1\r\n"),
    ("cr-between", "RFC 9112 2.2", b"X: y\rY: z\r\n"),
    ("cr-cr-lf", "the head ends there for some", b"X: y\r\r\n"),
    ("lf-cr-lf", "the head ends there for some", b"X: y\n\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n"),
    ("crlf-cr", "RFC 9112 2.2", b"X: y\r\n\rY: z\r\n"),
    ("request-line", "a line that is none of a field", b"GET /hidden HTTP/1.1\r\n"),
    ("status-line", "a line that is none of a field", b"HTTP/1.1 200 OK\r\n"),
    ("name-with-space-inside", "RFC 9110 5.1", b"X y: z\r\n"),
];

/// RFC 9110 section 5.1: every byte of which no token is made, at three places of a name.
fn names() -> Vec<Case> {
    let separators = b"\x01\x02\x08\x0b\x0c\x0e\x1b\x1f\x7f\x80\xa0\xff\"(),/;<=>?@[\\]{}";
    let bad = |byte: &u8| {
        let name = format!("name-with-{byte:#04x}");
        let lines = [b"X", &[*byte][..], b"y: z\r\n"].concat();
        case(name, "RFC 9110 5.1: names are tokens", with(lines, CHUNKED_END)).refused(400)
    };
    separators.iter().map(bad).collect()
}

/// RFC 9110 section 5.5: no control characters in values.
fn values() -> Vec<Case> {
    let bad = |byte: u8| {
        let lines = [b"X: before", &[byte][..], b"behind\r\n"].concat();
        case(format!("value-with-{byte:#04x}"), "RFC 9110 5.5", with(lines, CHUNKED_END)).refused(400)
    };
    (0..0x20).filter(|byte| *byte != b'\t').chain([0x7f]).map(bad).collect()
}

fn taken() -> Vec<Case> {
    let line = |name: &str, about, line: &[u8], kept: &'static str| {
        case(name, about, with(line, "")).sees(post("/c", "").line(kept))
    };
    vec![
        line("empty-value", "RFC 9110 5.5", b"X:\r\n", "x: "),
        line("colons", "RFC 9110 5.5", b"X: a:b: c\r\n", "x: a:b: c"),
        line("tab-inside", "RFC 9110 5.5", b"X: a\tb\r\n", "x: a\tb"),
        line("utf-8", "RFC 9110 5.5: obs-text", b"X: \xc3\xa4\r\n", "x: \u{e4}"),
        line("odd-token", "RFC 9110 5.6.2", b"!#$%&'*+-.^`|~: y\r\n", "!#$%&'*+-.^`|~: y"),
        line("escaped-crlf", "nobody decodes", b"X: %0d%0aHost: other\r\n", "x: %0d%0aHost: other"),
        case("latin", "RFC 9110 5.5: obs-text", with(b"X: \xe4\xff\x80\r\n", "")).sees(post("/c", "")),
    ]
}

/// What a member believes of us, a client must not say; nor in a spelling that is the same to a CGI program.
fn ours() -> Vec<Case> {
    let ours = || {
        post("/c", "").line("x-forwarded-for: 127.0.0.1").line("x-forwarded-proto: http").lacks("forwarded")
    };
    let said = |name: &str, about, lines: &str| case(name, about, with(lines, "")).sees(ours());
    let twin = |name: &str, lines: &str, lacks| {
        case(name, "the twin of CGI", with(lines, "")).sees(ours().lacks(lacks))
    };
    vec![
        said("forwarded-for", "nobody is trusted", "X-Forwarded-For: 6.6.6.6\r\n"),
        said(
            "forwarded-for-twice",
            "nobody is trusted",
            "X-Forwarded-For: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n",
        ),
        said("forwarded-proto", "nobody is trusted", "X-Forwarded-Proto: https\r\n"),
        said("forwarded", "nobody is trusted", "Forwarded: for=6.6.6.6;proto=https\r\n"),
        said(
            "forwarded-and-for",
            "nobody is trusted",
            "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n",
        ),
        twin("twin-for", "X_Forwarded_For: 6.6.6.6\r\n", "x_forwarded_for"),
        twin("twin-for-half", "X-Forwarded_For: 6.6.6.6\r\n", "x-forwarded_for"),
        twin("twin-proto", "X_Forwarded_Proto: https\r\n", "x_forwarded_proto"),
        case("forwarded-for-folded", "RFC 9112 5.2", with("X-Forwarded-For: 6.6.6.6\r\n ,7.7.7.7\r\n", ""))
            .refused(400),
    ]
}
