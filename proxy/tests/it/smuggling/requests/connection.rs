//! Connection and what it names, the fields of one hop, and loops (RFC 9110 section 7.6).

use crate::smuggling::case::{Case, Row, case, get, post, table, with};

pub(crate) fn cases() -> Vec<Case> {
    let hello = |case: Case| Case {
        bytes: with([b"Content-Length: 5\r\n", &case.bytes[..]].concat(), "hello"),
        ..case
    };
    let mut all = table(NAMED, |case| hello(case).refused(400));
    all.extend(table(PLAIN, |case| hello(case).sees(post("/c", "hello"))));
    all.extend(table(LAST, |case| hello(case).sees(post("/c", "hello")).closes()));
    all.extend(removed());
    all.extend(te());
    all.extend(loops());
    all
}

/// Nobody may have us remove what frames or routes.
const NAMED: &[Row] = &[
    ("names-host", "Kettle 2019 and many since", b"Connection: Host\r\n"),
    ("names-length", "CL.0 by removal", b"Connection: Content-Length\r\n"),
    ("names-length-beside", "CVE-2022-31813 kin", b"Connection: close, content-length\r\n"),
    (
        "names-length-on-its-own-line",
        "RFC 9110 7.6.1",
        b"Connection: keep-alive\r\nConnection: CONTENT-LENGTH\r\n",
    ),
    ("names-coding", "TE by removal", b"Connection: Transfer-Encoding\r\n"),
    ("names-type", "describes the content", b"Connection: Content-Type\r\n"),
    ("names-content-encoding", "describes the content", b"Connection: Content-Encoding\r\n"),
    ("names-content-range", "describes the content", b"Connection: Content-Range\r\n"),
    ("names-expect", "the member would not wait", b"Connection: Expect\r\n"),
    ("names-max-forwards", "RFC 9110 7.6.2", b"Connection: Max-Forwards\r\n"),
    (
        "names-authorization",
        "the member would take it for somebody else's",
        b"Authorization: x\r\nConnection: authorization\r\n",
    ),
    ("names-host-between", "empty elements", b"Connection: ,, , Host ,,\r\n"),
    ("space-behind-name", "RFC 9112 5.1", b"Connection : close\r\n"),
    ("folded", "RFC 9112 5.2", b"Connection: close,\r\n keep-alive\r\n"),
    ("vertical-tab", "RFC 9110 5.5", b"Connection: close\x0b\r\n"),
    ("nul", "RFC 9110 5.5", b"Connection: close\0\r\n"),
];

/// The connection stays.
const PLAIN: &[Row] = &[
    ("keep-alive", "RFC 9112 9.3", b"Connection: keep-alive\r\n"),
    ("not-quite-close", "RFC 9112 9.6", b"Connection: not-close\r\n"),
    ("proxy-connection", "RFC 9112 C.2.2", b"Proxy-Connection: close\r\n"),
    ("keep-alive-field", "RFC 9112 C.2.2", b"Keep-Alive: timeout=1, max=1\r\n"),
    ("keep-alive-named", "RFC 9110 7.6.1", b"Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n"),
    ("empty", "RFC 9110 5.6.1", b"Connection:\r\n"),
    ("commas", "RFC 9110 5.6.1", b"Connection: , ,\r\n"),
    ("names-nothing-there", "RFC 9110 7.6.1", b"Connection: x-nothing\r\n"),
];

/// What is behind it is not read.
const LAST: &[Row] = &[
    ("close", "RFC 9112 9.6", b"Connection: close\r\n"),
    ("close-capital", "RFC 9110 7.6.1: no case", b"Connection: CLOSE\r\n"),
    ("close-beside", "RFC 9110 7.6.1: a list", b"Connection: keep-alive, close\r\n"),
    ("close-on-its-own-line", "RFC 9110 7.6.1", b"Connection: keep-alive\r\nConnection: close\r\n"),
    ("close-between", "RFC 9110 5.6.1", b"Connection: ,, close ,,\r\n"),
];

/// RFC 9110 section 7.6.1: what Connection names does not travel on; what we write ourselves does.
fn removed() -> Vec<Case> {
    let hop = |name: &str, about, lines: &str, lacks| {
        case(name, about, with(lines, "")).sees(post("/c", "").lacks(lacks))
    };
    let many: String = (0..200).map(|i| format!("x{i},")).collect();
    vec![
        hop("names-cookie", "RFC 9110 7.6.1", "Cookie: a=b\r\nConnection: cookie\r\n", "cookie"),
        hop("names-any-case", "RFC 9110 7.6.1", "Cookie: a=b\r\nConnection: COOKIE\r\n", "cookie"),
        hop("names-all-lines", "RFC 9110 7.6.1", "X: 1\r\nX: 2\r\nConnection: x\r\n", "x"),
        hop("http2-settings", "RFC 9113 3.2", "HTTP2-Settings: x\r\n", "http2-settings"),
        case(
            "names-our-own",
            "CVE-2022-31813: the source stays",
            with("Connection: x-forwarded-for\r\n", ""),
        )
        .sees(post("/c", "").line("x-forwarded-for: 127.0.0.1")),
        case(
            "names-our-own-that-came",
            "CVE-2022-31813",
            with("X-Forwarded-For: 6.6.6.6\r\nConnection: close, X-Forwarded-For\r\n", ""),
        )
        .sees(post("/c", "").line("x-forwarded-for: 127.0.0.1"))
        .closes(),
        case("names-too-many", "an attack on our time", with(format!("Connection: {many}\r\n"), ""))
            .refused(400),
    ]
}

/// RFC 9110 section 10.1.4: of TE, only that trailers are welcome travels on.
fn te() -> Vec<Case> {
    let te = |name: &str, about, lines: &str| case(name, about, with(lines, ""));
    let trailers = || post("/c", "").line("te: trailers").line("connection: TE");
    vec![
        te("te-trailers", "RFC 9110 10.1.4", "TE: trailers\r\nConnection: TE\r\n").sees(trailers()),
        te("te-trailers-and-more", "RFC 9110 10.1.4", "TE: trailers, deflate;q=0.5\r\nConnection: te\r\n")
            .sees(trailers()),
        te("te-chunked", "RFC 9110 10.1.4", "TE: chunked\r\nConnection: TE\r\n")
            .sees(post("/c", "").lacks("te")),
        te("te-gzip", "a member might answer so", "TE: gzip\r\nConnection: TE\r\n")
            .sees(post("/c", "").lacks("te")),
    ]
}

/// RFC 9110 section 7.6.3: what has come through here before goes round.
fn loops() -> Vec<Case> {
    let via = |name: &str, lines: &str| {
        case(name, "RFC 9110 7.6.3", format!("GET /c HTTP/1.1\r\nHost: h\r\n{lines}\r\n"))
    };
    vec![
        via("loop", "Via: 1.1 penstock\r\n").refused(508),
        via("loop-behind-others", "Via: 1.0 a, 1.1 b\r\nVia: 1.1 c, 1.1 penstock\r\n").refused(508),
        via("no-loop", "Via: 1.1 another\r\n").sees(get("/c").line("via: 1.1 another, 1.1 penstock")),
        via("nearly-a-loop", "Via: 1.1 penstock2\r\n")
            .sees(get("/c").line("via: 1.1 penstock2, 1.1 penstock")),
    ]
}
