//! Content-Length in every disguise, and what is behind a body of a known length (RFC 9112 section 6.3).

use crate::smuggling::case::{Case, HIDDEN, Row, ask, case, get, post, table, with};

pub(crate) fn cases() -> Vec<Case> {
    let faults = [VALUES, SPACES, TWICE, NAMES].concat();
    let hides = |case: Case| Case { bytes: with(&case.bytes, [b"hello", HIDDEN].concat()), ..case };
    let mut all = table(&faults, |case| hides(case).refused(400));
    all.extend(taken());
    all.extend(bodies());
    all.extend(unfinished());
    all
}

/// RFC 9110 section 8.6: digits, and nothing else.
const VALUES: &[Row] = &[
    ("empty", "not 0", b"Content-Length:\r\n"),
    ("plus", "strtol takes it: CVE-2018-7159 kin", b"Content-Length: +5\r\n"),
    ("minus", "strtol takes it", b"Content-Length: -5\r\n"),
    ("minus-zero", "strtol takes it", b"Content-Length: -0\r\n"),
    ("hex", "strtol of base 0 takes it", b"Content-Length: 0x5\r\n"),
    ("binary", "strtol of base 0 takes it", b"Content-Length: 0b101\r\n"),
    ("fraction", "a float", b"Content-Length: 5.0\r\n"),
    ("exponent", "a float", b"Content-Length: 5e0\r\n"),
    ("underscored", "Python's int() takes it", b"Content-Length: 0_5\r\n"),
    ("word", "no number", b"Content-Length: five\r\n"),
    ("quoted", "no quotes here", b"Content-Length: \"5\"\r\n"),
    ("unit", "atoi stops at the first other byte", b"Content-Length: 5b\r\n"),
    ("parameter", "atoi stops there", b"Content-Length: 5;q=1\r\n"),
    ("semicolon", "atoi stops there", b"Content-Length: 5;\r\n"),
    ("list-of-equals", "RFC 9112 6.3 rule 5 lets us refuse", b"Content-Length: 5, 5\r\n"),
    ("list-of-others", "RFC 9112 6.3 rule 5", b"Content-Length: 5, 44\r\n"),
    ("list-no-space", "RFC 9112 6.3 rule 5", b"Content-Length: 5,44\r\n"),
    ("comma-behind", "an empty element", b"Content-Length: 5,\r\n"),
    ("comma-before", "an empty element", b"Content-Length: ,5\r\n"),
    ("over-64-bits", "wraps to 0", b"Content-Length: 18446744073709551616\r\n"),
    ("over-64-bits-by-five", "wraps to 5", b"Content-Length: 18446744073709551621\r\n"),
    ("over-everything", "wraps to whatever", b"Content-Length: 99999999999999999999999999999999999\r\n"),
    ("arabic-digits", "isdigit of Unicode", b"Content-Length: \xd9\xa5\r\n"),
    ("full-width-digits", "isdigit of Unicode", b"Content-Length: \xef\xbc\x95\r\n"),
    ("superscript", "Latin-1 digits", b"Content-Length: 5\xb2\r\n"),
];

const SPACES: &[Row] = &[
    ("space-inside", "RFC 9110 8.6", b"Content-Length: 4 4\r\n"),
    ("tab-inside", "RFC 9110 8.6", b"Content-Length: 4\t4\r\n"),
    ("vertical-tab", "isspace trims it", b"Content-Length: \x0b5\r\n"),
    ("form-feed", "isspace trims it", b"Content-Length: 5\x0c\r\n"),
    ("nul-behind", "a C string ends there", b"Content-Length: 5\x004\r\n"),
    ("nul-before", "a C string ends there", b"Content-Length: \x005\r\n"),
    ("no-break-space", "Latin-1 whitespace", b"Content-Length: 5\xa0\r\n"),
    ("bare-cr", "RFC 9112 2.2", b"Content-Length: 5\r4\r\n"),
    ("bare-cr-hides", "a line for some", b"X: y\rContent-Length: 5\r\n"),
    ("bare-lf-behind", "RFC 9112 2.2", b"Content-Length: 5\nX: y\r\n"),
    ("bare-lf-before", "a line for some", b"X: y\nContent-Length: 5\r\n"),
    ("folded-value", "RFC 9112 5.2", b"Content-Length:\r\n 5\r\n"),
    ("folded-digits", "RFC 9112 5.2", b"Content-Length: 5\r\n 4\r\n"),
    ("folded-line", "RFC 9112 5.2", b"X: y\r\n Content-Length: 5\r\n"),
];

/// RFC 9112 section 6.3 rule 5.
const TWICE: &[Row] = &[
    ("twice-the-same", "CL.CL", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    ("twice-others", "CL.CL: the first or the last?", b"Content-Length: 5\r\nContent-Length: 44\r\n"),
    ("zero-first", "0.CL", b"Content-Length: 0\r\nContent-Length: 5\r\n"),
    ("zero-last", "CL.0", b"Content-Length: 5\r\nContent-Length: 0\r\n"),
    ("other-case", "RFC 9110 5.1: names have no case", b"Content-Length: 5\r\ncOnTeNt-LeNgTh: 44\r\n"),
    ("apart", "CL.CL with a field between", b"Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n"),
    ("thrice", "CL.CL", b"Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 44\r\n"),
    ("zeros-twice", "equal as numbers", b"Content-Length: 0\r\nContent-Length: 00\r\n"),
];

const NAMES: &[Row] = &[
    ("space-behind-name", "CVE-2019-16869 kin", b"Content-Length : 5\r\n"),
    ("tab-behind-name", "RFC 9112 5.1", b"Content-Length\t: 5\r\n"),
    ("space-inside-name", "RFC 9110 5.1", b"Content Length: 5\r\n"),
    ("nul-behind-name", "RFC 9110 5.1", b"Content-Length\0: 5\r\n"),
    ("vertical-tab-behind-name", "RFC 9110 5.1", b"Content-Length\x0b: 5\r\n"),
    ("no-colon", "RFC 9112 5", b"Content-Length 5\r\n"),
    ("colon-first", "an empty name", b": Content-Length: 5\r\n"),
];

fn taken() -> Vec<Case> {
    let five = |name: &str, about, fields: &str| {
        case(name, about, with(fields, [b"hello", HIDDEN].concat()))
            .sees(post("/c", "hello"))
            .sees(get("/hidden"))
    };
    vec![
        five("plain", "RFC 9112 6.3 rule 6", "Content-Length: 5\r\n"),
        five("leading-zeros", "RFC 9110 8.6: 1*DIGIT; not octal", "Content-Length: 00005\r\n"),
        five("no-space", "RFC 9112 5", "content-length:5\r\n"),
        five("much-space", "RFC 9112 5", "Content-Length:\t 5 \t\r\n"),
        five("underscore", "the twin of CGI", "Content-Length: 5\r\nContent_Length: 44\r\n"),
        five("other-name-before", "another name", "X-Content-Length: 44\r\nContent-Length: 5\r\n"),
        five("other-name-behind", "another name", "Content-Length: 5\r\nContent-Length-X: 44\r\n"),
        case("zero", "0.CL", with("Content-Length: 0\r\n", HIDDEN)).sees(post("/c", "")).sees(get("/hidden")),
        case("many-zeros", "0.CL", with("Content-Length: 0000\r\n", HIDDEN))
            .sees(post("/c", ""))
            .sees(get("/hidden")),
        case("none", "RFC 9112 6.3 rule 7", with("", HIDDEN)).sees(post("/c", "")).sees(get("/hidden")),
    ]
}

/// CL.0: a body of methods that have none by custom is one all the same, and a request in it is none.
fn bodies() -> Vec<Case> {
    let methods = ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "BREW"];
    let hidden = |method| {
        let head = format!("{method} /b HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", HIDDEN.len());
        case(
            format!("{method}-with-a-request-inside"),
            "CL.0, Kettle 2022",
            [head.as_bytes(), HIDDEN].concat(),
        )
        .sees(ask(method, "/b").body(HIDDEN))
    };
    let get_five = "GET /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    methods
        .into_iter()
        .map(hidden)
        .chain([case(
            "get-then-get",
            "GET with a body, then another",
            [get_five.as_bytes(), HIDDEN].concat(),
        )
        .sees(get("/b").body("hello"))
        .sees(get("/hidden"))])
        .collect()
}

/// RFC 9112 section 8: what did not come to its end is no request.
fn unfinished() -> Vec<Case> {
    let short = |name: &str, about, length: &str| {
        case(name, about, with(format!("Content-Length: {length}\r\n"), HIDDEN)).unfinished()
    };
    vec![
        short("one-byte-short", "RFC 9112 8", &(HIDDEN.len() + 1).to_string()),
        short("far-too-long", "RFC 9112 8", "100000"),
        short("greatest-64-bits", "RFC 9112 6.3: a sum would wrap", "18446744073709551615"),
        short("greatest-signed", "turns negative for some", "9223372036854775808"),
        short("over-32-bits", "turns 5 for some", "4294967301"),
    ]
}
