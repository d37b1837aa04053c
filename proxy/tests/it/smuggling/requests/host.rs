//! Host: that it comes once, and is one (RFC 9112 section 3.2, RFC 9110 section 7.2).

use crate::smuggling::case::{Case, Row, case, get, table};

pub(crate) fn cases() -> Vec<Case> {
    let headed = |version: &str, case: Case| {
        let line = format!("GET /c HTTP/{version}\r\n");
        Case { bytes: [line.as_bytes(), &case.bytes, b"\r\n"].concat(), ..case }
    };
    let mut all = table(&[TWICE, VALUES, SPACES].concat(), |case| headed("1.1", case).refused(400));
    all.extend(table(&TWICE[1..], |case| {
        let name = format!("{}-of-1.0", case.name);
        Case { name, ..headed("1.0", case).refused(400) }
    }));
    all.extend(absolute());
    all.extend(taken());
    all
}

const TWICE: &[Row] = &[
    ("none", "RFC 9112 3.2", b""),
    ("twice-others", "RFC 9112 3.2: routed by one, served by the other", b"Host: h\r\nHost: other\r\n"),
    ("twice-the-same", "RFC 9112 3.2", b"Host: h\r\nHost: h\r\n"),
    ("other-case", "RFC 9110 5.1", b"Host: h\r\nhOST: other\r\n"),
    ("apart", "RFC 9112 3.2", b"Host: h\r\nX: y\r\nHost: other\r\n"),
    ("empty-first", "RFC 9112 3.2", b"Host:\r\nHost: other\r\n"),
    ("space-behind-name", "Host and Host[ ]", b"Host: h\r\nHost : other\r\n"),
    ("folded-second", "Kettle 2017", b"Host: h\r\n Host: other\r\n"),
];

const VALUES: &[Row] = &[
    ("two-words", "RFC 9110 7.2", b"Host: h other\r\n"),
    ("comma", "a list of hosts", b"Host: h, other\r\n"),
    ("userinfo", "CVE-2018-14550 kin", b"Host: u@h\r\n"),
    ("path", "a URI is not a host", b"Host: h/c\r\n"),
    ("query", "a URI is not a host", b"Host: h?c\r\n"),
    ("fragment", "a URI is not a host", b"Host: h#c\r\n"),
    ("uri", "a URI is not a host", b"Host: http://h\r\n"),
    ("backslash", "a slash for some", b"Host: h\\other\r\n"),
    ("quoted", "no quotes here", b"Host: \"h\"\r\n"),
    ("bad-port", "Kettle 2017: what is behind the colon", b"Host: h:80x\r\n"),
    ("minus-port", "RFC 3986 3.2.3", b"Host: h:-1\r\n"),
    ("two-ports", "RFC 3986 3.2.3", b"Host: h:80:81\r\n"),
    ("open-bracket", "RFC 3986 3.2.2", b"Host: [::1\r\n"),
    ("behind-bracket", "RFC 3986 3.2.2", b"Host: [::1]x\r\n"),
    ("no-brackets", "RFC 3986 3.2.2", b"Host: ::1\r\n"),
    ("zone", "RFC 9110 4.2.1: no zone", b"Host: [fe80::1%eth0]\r\n"),
    ("bad-escape", "RFC 3986 2.1", b"Host: h%4\r\n"),
    ("angle-brackets", "RFC 3986 3.2.2", b"Host: <h>\r\n"),
    ("pipe", "RFC 3986 3.2.2", b"Host: h|other\r\n"),
    ("latin", "RFC 3986 3.2.2", b"Host: h\xf6st\r\n"),
];

const SPACES: &[Row] = &[
    ("tab-inside", "RFC 9110 7.2", b"Host: h\tother\r\n"),
    ("vertical-tab", "isspace trims it", b"Host: h\x0b\r\n"),
    ("nul", "a C string ends there", b"Host: h\0other\r\n"),
    ("bare-cr", "RFC 9112 2.2", b"Host: h\rHost: other\r\n"),
    ("bare-lf", "RFC 9112 2.2", b"Host: h\nX: y\r\n"),
    ("folded", "RFC 9112 5.2", b"Host:\r\n h\r\n"),
    ("no-break-space", "Latin-1 whitespace", b"Host: h\xa0\r\n"),
    ("space-before-name", "RFC 9112 2.2", b" Host: h\r\n"),
    ("space-behind-its-name", "RFC 9112 5.1", b"Host : h\r\n"),
    ("nul-behind-name", "RFC 9110 5.1", b"Host\0: h\r\n"),
];

/// RFC 9112 section 3.2.2: the authority of the target counts, but Host must be there and be one all the same.
fn absolute() -> Vec<Case> {
    let absolute = |name: &str, hosts: &str| {
        case(name, "RFC 9112 3.2.2", format!("GET http://other/c HTTP/1.1\r\n{hosts}\r\n")).refused(400)
    };
    vec![
        absolute("absolute-without", ""),
        absolute("absolute-with-two", "Host: h\r\nHost: other\r\n"),
        absolute("absolute-with-a-bad-one", "Host: h h\r\n"),
    ]
}

fn taken() -> Vec<Case> {
    let host = |name: &str, about, value: &'static str| {
        case(name, about, format!("GET /c HTTP/1.1\r\nHost: {value}\r\n\r\n")).sees(get("/c").host(value))
    };
    let line = |name: &str, about, lines: &str| {
        case(name, about, format!("GET /c HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).sees(get("/c"))
    };
    vec![
        host("empty-value", "RFC 9112 3.2", ""),
        host("port", "RFC 9110 7.2", "h:8080"),
        host("empty-port", "RFC 3986 3.2.3", "h:"),
        host("address-of-6", "RFC 3986 3.2.2", "[::1]:80"),
        host("escaped", "RFC 3986 3.2.2", "%68"),
        line("x-host", "another name", "X-Host: other\r\n"),
        line("x-forwarded-host", "another name, for members to ignore", "X-Forwarded-Host: other\r\n"),
        line("host-with-x", "another name", "Hostx: other\r\n"),
        case("none-of-1.0", "RFC 9112 3.2: 1.1 must have one", "GET /c HTTP/1.0\r\n\r\n")
            .sees(get("/c").host(""))
            .closes(),
        case(
            "absolute-of-1.0",
            "RFC 9112 3.2.2",
            "GET http://other/c HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n",
        )
        .sees(get("/c").host("other")),
    ]
}
