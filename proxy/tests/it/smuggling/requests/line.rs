//! The request line: its words, its version, its target (RFC 9112 section 3).

use crate::smuggling::case::{Case, Row, ask, case, get, table};

pub(crate) fn cases() -> Vec<Case> {
    let lined = |case: Case| Case { bytes: [&case.bytes[..], b"\r\nHost: h\r\n\r\n"].concat(), ..case };
    let mut all = table(&[WORDS, VERSIONS, TARGETS].concat(), |case| lined(case).refused(400));
    all.extend(table(UNSPOKEN, |case| lined(case).refused(505)));
    all.extend(table(FORBIDDEN, |case| lined(case).refused(405)));
    all.extend(table(RAW, |case| case.refused(400)));
    all.extend(taken());
    all
}

/// Three words with one SP between them.
const WORDS: &[Row] = &[
    ("two-spaces-before-target", "RFC 9112 3", b"GET  /c HTTP/1.1"),
    ("two-spaces-before-version", "RFC 9112 3", b"GET /c  HTTP/1.1"),
    ("space-first", "RFC 9112 2.2", b" GET /c HTTP/1.1"),
    ("space-last", "RFC 9112 3", b"GET /c HTTP/1.1 "),
    ("tab-last", "RFC 9112 3", b"GET /c HTTP/1.1\t"),
    ("tab-before-target", "RFC 9112 3", b"GET\t/c HTTP/1.1"),
    ("tab-before-version", "RFC 9112 3", b"GET /c\tHTTP/1.1"),
    ("vertical-tab", "RFC 9112 3: lenient whitespace", b"GET\x0b/c HTTP/1.1"),
    ("form-feed", "RFC 9112 3: lenient whitespace", b"GET /c\x0cHTTP/1.1"),
    ("bare-cr-as-space", "RFC 9112 3: lenient whitespace", b"GET /c\rHTTP/1.1"),
    ("no-break-space", "Latin-1 whitespace", b"GET /c\xa0HTTP/1.1"),
    ("space-in-target", "RFC 9112 3.2", b"GET /c /hidden HTTP/1.1"),
    ("version-twice", "Kettle 2019: which version?", b"GET /c HTTP/1.1 HTTP/1.1"),
    ("version-of-1.0-first", "CVE-2022-32214 kin", b"GET /c HTTP/1.0 HTTP/1.1"),
    ("no-target", "RFC 9112 3", b"GET HTTP/1.1"),
    ("empty-target", "RFC 9112 3", b"GET  HTTP/1.1"),
    ("no-version", "HTTP/0.9", b"GET /c"),
    ("method-alone", "RFC 9112 3", b"GET"),
    ("method-with-bracket", "RFC 9110 9.1: a token", b"G(T /c HTTP/1.1"),
    ("method-with-nul", "RFC 9110 9.1", b"GE\0T /c HTTP/1.1"),
    ("method-with-cr", "RFC 9112 2.2", b"GE\rT /c HTTP/1.1"),
    ("method-with-lf", "RFC 9112 2.2", b"GE\nT /c HTTP/1.1"),
    ("method-with-colon", "a field line?", b"GET: /c HTTP/1.1"),
    ("method-quoted", "RFC 9110 9.1", b"\"GET\" /c HTTP/1.1"),
    ("method-of-high-bytes", "RFC 9110 9.1", b"G\xc9T /c HTTP/1.1"),
    ("byte-order-mark", "a text file", b"\xef\xbb\xbfGET /c HTTP/1.1"),
];

const VERSIONS: &[Row] = &[
    ("version-lower-case", "RFC 9112 2.3: case-sensitive", b"GET /c http/1.1"),
    ("version-https", "RFC 9112 2.3", b"GET /c HTTPS/1.1"),
    ("version-two-digits", "RFC 9112 2.3", b"GET /c HTTP/1.10"),
    ("version-leading-zero", "RFC 9112 2.3", b"GET /c HTTP/01.1"),
    ("version-zero-inside", "RFC 9112 2.3", b"GET /c HTTP/1.01"),
    ("version-with-comma", "RFC 9112 2.3", b"GET /c HTTP/1,1"),
    ("version-with-letter", "RFC 9112 2.3", b"GET /c HTTP/1.1x"),
    ("version-with-nul", "RFC 9112 2.3", b"GET /c HTTP/1.1\0"),
    ("version-with-space", "RFC 9112 2.3", b"GET /c HTTP/ 1.1"),
    ("version-without-minor", "RFC 9112 2.3", b"GET /c HTTP/1"),
    ("version-without-slash", "RFC 9112 2.3", b"GET /c HTTP1.1"),
    ("version-minus", "RFC 9112 2.3", b"GET /c HTTP/-1.1"),
    ("version-icy", "another protocol", b"GET /c ICY/1.1"),
];

/// RFC 9112 section 3.2.
const TARGETS: &[Row] = &[
    ("fragment", "RFC 9110 4.2.5", b"GET /c#x HTTP/1.1"),
    ("fragment-encloses", "proxies cut it, members may not", b"GET /c#/../hidden HTTP/1.1"),
    ("userinfo", "RFC 9110 4.2.4", b"GET http://u@h/c HTTP/1.1"),
    ("userinfo-with-password", "RFC 9110 4.2.4", b"GET http://h:80@other/c HTTP/1.1"),
    ("asterisk-of-get", "RFC 9112 3.2.4", b"GET * HTTP/1.1"),
    ("authority-of-get", "RFC 9112 3.2.3", b"GET h:80 HTTP/1.1"),
    ("relative", "RFC 9112 3.2", b"GET c HTTP/1.1"),
    ("dot", "RFC 9112 3.2", b"GET ./c HTTP/1.1"),
    ("at-first", "CVE-2021-40438 kin: @ joins a host", b"GET @other/c HTTP/1.1"),
    ("colon-first", "Kettle 2017: :80 joins a host", b"GET :80/c HTTP/1.1"),
    ("question-first", "RFC 9112 3.2.1", b"GET ?c HTTP/1.1"),
    ("backslash-first", "RFC 9112 3.2", b"GET \\c HTTP/1.1"),
    ("scheme-ftp", "RFC 9112 3.2.2", b"GET ftp://h/c HTTP/1.1"),
    ("scheme-file", "RFC 9112 3.2.2", b"GET file:///c HTTP/1.1"),
    ("scheme-one-slash", "RFC 9110 4.2.1", b"GET http:/h/c HTTP/1.1"),
    ("scheme-no-slash", "RFC 9110 4.2.1", b"GET http:h/c HTTP/1.1"),
    ("absolute-no-host", "RFC 9110 4.2.1", b"GET http:///c HTTP/1.1"),
    ("absolute-port-alone", "RFC 9110 4.2.1", b"GET http://:80/c HTTP/1.1"),
    ("absolute-bad-port", "RFC 3986 3.2.3", b"GET http://h:8x/c HTTP/1.1"),
    ("absolute-backslash", "a slash for some", b"GET http://h\\other/c HTTP/1.1"),
    ("absolute-open-bracket", "RFC 3986 3.2.2", b"GET http://[::1/c HTTP/1.1"),
    ("absolute-comma-host", "two hosts?", b"GET http://h\"other/c HTTP/1.1"),
    ("nul-in-target", "RFC 9112 3.2", b"GET /c\0 HTTP/1.1"),
    ("lf-in-target", "a line ends there for some", b"GET /c\nX: y HTTP/1.1"),
    ("cr-in-target", "a line ends there for some", b"GET /c\rX: y HTTP/1.1"),
    ("escape-in-target", "RFC 9112 3.2: no CTLs", b"GET /c\x1b[2J HTTP/1.1"),
    ("delete-in-target", "RFC 9112 3.2: no CTLs", b"GET /c\x7f HTTP/1.1"),
];

/// RFC 9110 sections 2.5 and 15.6.6.
const UNSPOKEN: &[Row] = &[
    ("version-2.0", "RFC 9110 15.6.6", b"GET /c HTTP/2.0"),
    ("version-3.0", "RFC 9110 15.6.6", b"GET /c HTTP/3.0"),
    ("version-0.9", "a version 0.9 that is said", b"GET /c HTTP/0.9"),
    ("version-1.2", "not spoken by anybody", b"GET /c HTTP/1.2"),
    ("version-9.9", "RFC 9110 15.6.6", b"GET /c HTTP/9.9"),
    ("preface-of-2", "RFC 9113 3.4", b"PRI * HTTP/2.0"),
];

/// RFC 9110 sections 9.3.6 and 9.3.8: not unless the listener says so.
const FORBIDDEN: &[Row] = &[
    ("connect", "RFC 9110 9.3.6", b"CONNECT t200:443 HTTP/1.1"),
    ("trace", "RFC 9110 9.3.8", b"TRACE /c HTTP/1.1"),
];

/// Not even a request line and a Host.
const RAW: &[Row] = &[
    ("tls", "a ClientHello", b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03\r\n\r\n"),
    ("lf-lines", "RFC 9112 2.2, we are strict", b"GET /c HTTP/1.1\nHost: h\n\n"),
    ("lf-line-first", "RFC 9112 2.2", b"GET /c HTTP/1.1\nHost: h\r\n\r\n"),
    ("lf-end", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\nHost: h\r\n\n"),
    ("cr-lines", "RFC 9112 2.2", b"GET /c HTTP/1.1\rHost: h\r\r"),
    ("cr-end", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\nHost: h\r\n\rX"),
    ("lf-cr-lines", "the wrong way round", b"GET /c HTTP/1.1\n\rHost: h\n\r\n\r"),
    ("cr-cr-lf", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\r\nHost: h\r\n\r\n"),
    ("lf-before", "RFC 9112 2.2", b"\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("three-empty-lines", "more than we skip", b"\r\n\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n"),
    ("space-before-fields", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\n Host: h\r\n\r\n"),
    ("tab-before-fields", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\n\tHost: h\r\n\r\n"),
    ("blank-line-before-fields", "RFC 9112 2.2", b"GET /c HTTP/1.1\r\n \r\nHost: h\r\n\r\n"),
    ("field-first", "no request line", b"Host: h\r\nGET /c HTTP/1.1\r\n\r\n"),
    ("http-0.9", "a request of one line", b"GET /c\r\n"),
    ("smtp", "another protocol", b"EHLO h\r\nMAIL FROM:<x>\r\n\r\n"),
];

fn taken() -> Vec<Case> {
    let line =
        |name: &str, about, line: &str| case(name, about, format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"));
    let raw = |name: &str, about, bytes: &str| case(name, about, bytes);
    vec![
        line("two-slashes", "RFC 9110 4.2.3: we do not normalise", "GET //other/c").sees(get("//other/c")),
        line("dots", "RFC 9110 7.7: no transformation", "GET /a/../c").sees(get("/a/../c")),
        line("escaped-dots", "RFC 9110 7.7", "GET /a/%2e%2e/c").sees(get("/a/%2e%2e/c")),
        line("escaped-nul", "RFC 9110 7.7", "GET /c%00").sees(get("/c%00")),
        line("escaped-crlf", "CVE-2022-41721 kin: stays escaped", "GET /c%0d%0aX:%20y")
            .sees(get("/c%0d%0aX:%20y")),
        line("escaped-fragment", "stays escaped", "GET /c%23x").sees(get("/c%23x")),
        line("backslash-inside", "RFC 9110 7.7", "GET /a\\c").sees(get("/a\\c")),
        line("at-inside", "a path", "GET /@other/c").sees(get("/@other/c")),
        line("uri-in-path", "a path", "GET /http://other/c").sees(get("/http://other/c")),
        line("uri-in-query", "a query", "GET /c?http://other/").sees(get("/c?http://other/")),
        line("asterisk", "RFC 9112 3.2.4", "OPTIONS *").sees(ask("OPTIONS", "*")),
        line("absolute", "RFC 9112 3.2.2", "GET http://h/c").sees(get("/c")),
        line("absolute-other-host", "RFC 9112 3.2.2: Host is ignored", "GET http://other/c")
            .sees(get("/c").host("other")),
        line("absolute-port", "RFC 9112 3.2.2", "GET HTTP://other:80/c").sees(get("/c").host("other:80")),
        line("absolute-no-path", "RFC 9112 3.2.1", "GET http://other").sees(get("/").host("other")),
        line("absolute-query", "RFC 9112 3.2.1", "GET http://other?c").sees(get("/?c").host("other")),
        line("absolute-asterisk", "RFC 9112 3.2.4", "OPTIONS http://other")
            .sees(ask("OPTIONS", "*").host("other")),
        line("absolute-at-in-path", "no userinfo", "GET http://other/@h").sees(get("/@h").host("other")),
        line("lower-case-method", "RFC 9110 9.1: another method", "get /c").sees(ask("get", "/c")),
        raw("two-empty-lines", "RFC 9112 2.2", "\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n").sees(get("/c")),
        raw("1.0", "RFC 9112 9.3", "GET /c HTTP/1.0\r\nHost: h\r\n\r\n").sees(get("/c")).closes(),
        raw("1.0-kept", "RFC 9112 9.3", "GET /c HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n")
            .sees(get("/c")),
    ]
}
