//! The grammar of the chunked coding, its extensions and its trailers (RFC 9112 section 7.1).

use crate::smuggling::case::{Case, HIDDEN, Row, case, get, post, table, with};

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    with("Transfer-Encoding: chunked\r\n", body)
}

pub(crate) fn cases() -> Vec<Case> {
    let faults = [SIZES, LINES, DATA, LAST, TRAILERS].concat();
    let mut all = table(&faults, |case| Case { bytes: chunked(&case.bytes), ..case }.broken(400));
    all.extend(too_much());
    all.extend(table(TAKEN, |case| {
        let bytes = chunked([&case.bytes[..], b"0\r\n\r\n", HIDDEN].concat());
        Case { bytes, ..case }.sees(post("/c", "hello")).sees(get("/hidden"))
    }));
    all.extend(table(ENDS, |case| {
        let bytes = chunked([b"5\r\nhello\r\n", &case.bytes[..], HIDDEN].concat());
        Case { bytes, ..case }.sees(post("/c", "hello")).sees(get("/hidden"))
    }));
    all.extend(contents());
    all.extend(unfinished());
    all
}

const SIZES: &[Row] = &[
    ("minus", "strtol takes it", b"-1\r\n\r\n0\r\n\r\n"),
    ("plus", "strtol takes it", b"+5\r\nhello\r\n0\r\n\r\n"),
    ("0x", "CVE-2018-7158 kin, Python int(x, 16)", b"0x5\r\nhello\r\n0\r\n\r\n"),
    ("space-before", "strtol skips it", b" 5\r\nhello\r\n0\r\n\r\n"),
    ("tab-before", "strtol skips it", b"\t5\r\nhello\r\n0\r\n\r\n"),
    ("no-size", "not the last chunk", b"\r\nhello\r\n0\r\n\r\n"),
    ("no-size-but-extension", "not the last chunk", b";x=y\r\nhello\r\n0\r\n\r\n"),
    ("not-hex", "RFC 9112 7.1", b"g\r\nhello\r\n0\r\n\r\n"),
    ("h-behind", "assembler's hex", b"5h\r\nhello\r\n0\r\n\r\n"),
    ("underscore", "Python's int() takes it", b"0_5\r\nhello\r\n0\r\n\r\n"),
    ("fraction", "no float", b"5.0\r\nhello\r\n0\r\n\r\n"),
    ("comma", "two sizes", b"5,5\r\nhello\r\n0\r\n\r\n"),
    ("two-words", "two sizes", b"5 5\r\nhello\r\n0\r\n\r\n"),
    ("over-64-bits", "wraps to 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    ("all-ones-and-more", "wraps", b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
    ("over-64-bits-to-zero", "wraps to the last chunk", b"10000000000000000\r\n\r\n"),
    ("latin-digit", "RFC 9112 7.1", b"\xb2\r\nhe\r\n0\r\n\r\n"),
    ("arabic-digit", "RFC 9112 7.1", b"\xd9\xa5\r\nhello\r\n0\r\n\r\n"),
    ("quoted", "RFC 9112 7.1", b"\"5\"\r\nhello\r\n0\r\n\r\n"),
];

const LINES: &[Row] = &[
    ("size-lf", "RFC 9112 7.1, errata 7633", b"5\nhello\r\n0\r\n\r\n"),
    ("size-cr", "CVE-2023-30589 kin", b"5\rhello\r\n0\r\n\r\n"),
    ("size-cr-cr-lf", "RFC 9112 2.2", b"5\r\r\nhello\r\n0\r\n\r\n"),
    ("size-lf-cr", "the wrong way round", b"5\n\rhello\r\n0\r\n\r\n"),
    ("space-behind", "CVE-2025-55315 kin; BWS only before `;`", b"5 \r\nhello\r\n0\r\n\r\n"),
    ("spaces-behind", "padding of old servers", b"5    \r\nhello\r\n0\r\n\r\n"),
    ("vertical-tab-behind", "isspace trims it", b"5\x0b\r\nhello\r\n0\r\n\r\n"),
    ("nul-behind", "a C string ends there", b"5\0\r\nhello\r\n0\r\n\r\n"),
    ("lf-in-extension", "TERM.EXT, CVE-2025-22871 (Go)", b"5;\nhello\r\n0\r\n\r\n"),
    ("lf-amid-extension", "CVE-2025-55315 (Kestrel)", b"5;x\ny\r\nhello\r\n0\r\n\r\n"),
    ("cr-in-extension", "CVE-2025-55315 (Kestrel)", b"5;x\ry\r\nhello\r\n0\r\n\r\n"),
    ("lf-in-quotes", "a quoted string has none", b"5;x=\"\n\"\r\nhello\r\n0\r\n\r\n"),
    ("cr-lf-in-quotes", "the line ends there for others", b"5;x=\"\r\n\"\r\nhello\r\n0\r\n\r\n"),
    ("nul-in-extension", "RFC 9110 5.6.4", b"5;x=\0\r\nhello\r\n0\r\n\r\n"),
    ("equals", "an extension without `;`", b"5=x\r\nhello\r\n0\r\n\r\n"),
];

const DATA: &[Row] = &[
    ("longer", "RFC 9112 7.1", b"5\r\nhello!\r\n0\r\n\r\n"),
    ("shorter", "RFC 9112 7.1", b"5\r\nhell\r\n0\r\n\r\n"),
    ("no-crlf", "the next size right behind", b"5\r\nhello0\r\n\r\n"),
    ("lf-behind", "RFC 9112 7.1: EXT.TERM", b"5\r\nhello\n0\r\n\r\n"),
    ("cr-behind", "any two bytes are skipped by some", b"5\r\nhello\r0\r\n\r\n"),
    ("two-bytes-behind", "any two bytes are skipped by some", b"5\r\nhelloXX0\r\n\r\n"),
    ("lf-cr-behind", "the wrong way round", b"5\r\nhello\n\r0\r\n\r\n"),
    ("crlf-twice", "an empty line is no chunk", b"5\r\nhello\r\n\r\n0\r\n\r\n"),
    ("second-is-bad", "what was good stands, the rest does not", b"5\r\nhello\r\nx\r\nhello\r\n0\r\n\r\n"),
];

const LAST: &[Row] = &[
    ("last-minus", "-0 is no size", b"-0\r\n\r\n"),
    ("last-plus", "+0 is no size", b"+0\r\n\r\n"),
    ("last-0x", "0x0 is no size", b"0x0\r\n\r\n"),
    ("last-lf", "errata 7633", b"0\n\r\n"),
    ("last-lf-lf", "errata 7633", b"0\n\n"),
    ("last-crlf-lf", "the end by LF alone", b"0\r\n\n"),
    ("last-crlf-cr", "CR and another byte", b"0\r\n\rX"),
    ("last-space", "BWS only before `;`", b"0 \r\n\r\n"),
    ("last-space-before", "strtol skips it", b" 0\r\n\r\n"),
    ("last-fraction", "no float", b"0.0\r\n\r\n"),
];

/// RFC 9112 section 7.1.2.
const TRAILERS: &[Row] = &[
    ("trailer-space-first", "RFC 9112 5.2", b"0\r\n X: y\r\n\r\n"),
    ("trailer-space-behind-name", "RFC 9112 5.1", b"0\r\nX : y\r\n\r\n"),
    ("trailer-without-colon", "RFC 9112 5: a request line?", b"0\r\nGET /hidden HTTP/1.1\r\n\r\n"),
    ("trailer-without-name", "RFC 9112 5", b"0\r\n: y\r\n\r\n"),
    ("trailer-folded", "RFC 9112 5.2", b"0\r\nX: y\r\n z\r\n\r\n"),
    ("trailer-nul", "RFC 9110 5.5", b"0\r\nX: \0\r\n\r\n"),
    ("trailer-lf", "RFC 9112 2.2", b"0\r\nX: y\nY: z\r\n\r\n"),
    ("trailer-cr", "RFC 9112 2.2", b"0\r\nX: y\rY: z\r\n\r\n"),
    ("trailer-lf-end", "RFC 9112 2.2: TERM.EXT", b"0\r\nX: y\r\n\n"),
    ("trailer-high-name", "RFC 9110 5.1", b"0\r\n\xe1: y\r\n\r\n"),
];

/// RFC 9112 section 7.1.1 asks for a limit.
fn too_much() -> Vec<Case> {
    let extension = |count: usize| format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(count));
    let many = "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(300);
    let trailers = format!("0\r\n{}\r\n", "X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(300));
    vec![
        case("extension-too-long", "RFC 9112 7.1.1", chunked(extension(300))).broken(400),
        case("extension-huge", "RFC 9112 7.1.1", chunked(extension(20_000))).broken(400),
        case("many-extensions", "CVE-2023-39326 (Go), CVE-2024-22019 (Node)", chunked(many)).broken(400),
        case("endless-zeros", "a size line has a length, too", chunked("0".repeat(5000))).broken(400),
        case("many-trailers", "RFC 6585 5", chunked(trailers)).broken(400),
    ]
}

/// Chunks of `hello` as they may be, before a last one.
const TAKEN: &[Row] = &[
    ("plain", "RFC 9112 7.1", b"5\r\nhello\r\n"),
    ("in-two", "RFC 9112 7.1", b"2\r\nhe\r\n3\r\nllo\r\n"),
    ("leading-zeros", "RFC 9112 7.1: 1*HEXDIG", b"00000000000000000005\r\nhello\r\n"),
    ("extension", "RFC 9112 7.1.1: not passed on", b"5;x\r\nhello\r\n"),
    ("extension-value", "RFC 9112 7.1.1", b"5;x=y;z=\"a;b\"\r\nhello\r\n"),
    ("extension-escaped", "RFC 9110 5.6.4", b"5;x=\"\\\"5\\\"\"\r\nhello\r\n"),
    ("extension-like-a-chunk", "RFC 9112 7.1.1", b"5;0\\r\\n\\r\\nGET /hidden\r\nhello\r\n"),
    ("bad-whitespace", "RFC 9112 7.1.1: BWS", b"5 ;x\r\nhello\r\n"),
    ("bad-tab", "RFC 9112 7.1.1: BWS", b"5\t; x = y\r\nhello\r\n"),
];

/// Ends of a body, behind a chunk of `hello`, with nothing in them that travels on.
const ENDS: &[Row] = &[
    ("end-of-zeros", "RFC 9112 7.1: 1*0", b"0000\r\n\r\n"),
    ("end-with-extension", "RFC 9112 7.1.1", b"0;x=y\r\n\r\n"),
    ("trailer-length", "RFC 9110 6.5.1: frames", b"0\r\nContent-Length: 44\r\n\r\n"),
    ("trailer-coding", "RFC 9110 6.5.1: frames", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("trailer-host", "RFC 9110 6.5.1: routes", b"0\r\nHost: other\r\n\r\n"),
    ("trailer-authorization", "RFC 9110 6.5.1: authenticates", b"0\r\nAuthorization: Basic eA==\r\n\r\n"),
    ("trailer-connection", "RFC 9110 7.6.1", b"0\r\nConnection: close\r\n\r\n"),
    ("trailer-content-type", "RFC 9110 6.5.1: describes", b"0\r\nContent-Type: text/html\r\n\r\n"),
    ("trailer-forwarded-for", "a source that a member may believe", b"0\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n"),
];

fn contents() -> Vec<Case> {
    let trailer = |name: &str, about, end: &[u8], kept| {
        case(name, about, chunked([b"5\r\nhello\r\n0\r\n", end, b"\r\n", HIDDEN].concat()))
            .sees(post("/c", "hello").trailers(kept))
            .sees(get("/hidden"))
    };
    let inside = |name: &str, about, data: &[u8]| {
        let size = format!("{:X}\r\n", data.len());
        case(name, about, chunked([size.as_bytes(), data, b"\r\n0\r\n\r\n"].concat())).sees(post("/c", data))
    };
    vec![
        trailer("trailer", "RFC 9112 7.1.2", b"X-Sum: 1\r\n", b"X-Sum: 1\r\n"),
        trailer("trailers", "RFC 9112 7.1.2", b"X-Sum: 1\r\nY: 2\r\n", b"X-Sum: 1\r\nY: 2\r\n"),
        trailer(
            "trailers-some-forbidden",
            "RFC 9110 6.5.1",
            b"X-Sum: 1\r\nContent-Length: 44\r\nY: 2\r\nhost: other\r\n",
            b"X-Sum: 1\r\nY: 2\r\n",
        ),
        inside("end-inside", "data is data", b"0\r\n\r\n"),
        inside("request-inside", "data is data", HIDDEN),
        inside("chunks-inside", "data is data", b"5\r\nhello\r\n0\r\n\r\nGET /hidden HTTP/1.1\r\n\r\n"),
        inside("nuls-inside", "data is data", b"\0\0\0\r\n\r\n\xff\xfe"),
    ]
}

fn unfinished() -> Vec<Case> {
    let half = |name: &str, body: &[u8]| case(name, "RFC 9112 8", chunked(body)).unfinished();
    vec![
        half("no-last-chunk", b"5\r\nhello\r\n"),
        half("half-a-chunk", b"64\r\nGET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"),
        half("no-empty-line", b"5\r\nhello\r\n0\r\n"),
        half("half-an-empty-line", b"5\r\nhello\r\n0\r\n\r"),
        half("half-a-size", b"5\r\nhello\r\n0"),
        half("half-a-trailer", b"5\r\nhello\r\n0\r\nX: y\r\n"),
        half("greatest-size", b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        half("greatest-signed", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
        half("over-32-bits", b"100000005\r\nhello\r\n0\r\n\r\n"),
    ]
}
