//! Transfer-Encoding in every disguise, and together with Content-Length (RFC 9112 sections 6.1 and 6.3).

use crate::smuggling::case::{CHUNKED_END, Case, HIDDEN, Row, case, get, post, table, with};

/// Field lines under which a reader of lengths and one of chunks see different requests behind the head.
fn hides(case: Case) -> Case {
    let bytes = with(&case.bytes, CHUNKED_END);
    Case { bytes, ..case }
}

pub(crate) fn cases() -> Vec<Case> {
    let ambiguous = [BOTH, LISTS, WORDS, SPACES, NAMES].concat();
    let mut all = table(&ambiguous, |case| hides(case).refused(400));
    all.extend(table(UNKNOWN, |case| hides(case).refused(501)));
    all.extend(old());
    all.extend(taken());
    all
}

/// Both fields: whoever believes the other one is deceived.
const BOTH: &[Row] = &[
    ("length-then-coding", "CL.TE, Watchfire 2005", b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"),
    ("coding-then-length", "TE.CL, Kettle 2019", b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"),
    ("no-length-and-coding", "0.TE", b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
    (
        "length-and-identity",
        "RFC 2616 4.4 gave identity a meaning",
        b"Content-Length: 6\r\nTransfer-Encoding: identity\r\n",
    ),
    (
        "length-and-two-codings",
        "TE.TE with CL",
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: cow\r\n",
    ),
    ("length-and-empty-coding", "CVE-2020-11724 kin", b"Content-Length: 6\r\nTransfer-Encoding:\r\n"),
    (
        "bad-length-and-coding",
        "a length that nobody reads",
        b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
    ),
    (
        "lengths-around-coding",
        "RFC 9112 6.3",
        b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n",
    ),
];

/// More than one coding, of which another reader may see any.
const LISTS: &[Row] = &[
    ("chunked-twice-in-a-list", "RFC 9112 6.1: never twice", b"Transfer-Encoding: chunked, chunked\r\n"),
    ("chunked-on-two-lines", "RFC 9112 6.1", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    ("chunked-then-identity", "CVE-2019-15605 kin", b"Transfer-Encoding: chunked, identity\r\n"),
    ("identity-then-chunked", "CVE-2019-18277 kin", b"Transfer-Encoding: identity, chunked\r\n"),
    ("identity-line-first", "TE.TE", b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
    ("identity-line-last", "TE.TE", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    ("cow-line-last", "TE.TE, Kettle 2019", b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n"),
    ("gzip-then-chunked", "a coding that we would have to undo", b"Transfer-Encoding: gzip, chunked\r\n"),
    ("chunked-then-gzip", "RFC 9112 6.3 rule 4: not final", b"Transfer-Encoding: chunked, gzip\r\n"),
    ("comma-before", "CVE-2020-1944 kin", b"Transfer-Encoding: ,chunked\r\n"),
    ("comma-behind", "an empty element", b"Transfer-Encoding: chunked,\r\n"),
    ("comma-alone", "a list of nothing", b"Transfer-Encoding: ,\r\n"),
    ("commas", "empty elements", b"Transfer-Encoding: , , chunked , ,\r\n"),
    ("cow-and-chunked", "an unknown coding beside it", b"Transfer-Encoding: cow, chunked\r\n"),
];

/// What looks like `chunked` to a careless comparison.
const WORDS: &[Row] = &[
    ("empty", "no coding at all", b"Transfer-Encoding:\r\n"),
    ("blank", "no coding at all", b"Transfer-Encoding: \t \r\n"),
    ("identity", "gone since RFC 7230", b"Transfer-Encoding: identity\r\n"),
    ("xchunked", "CVE-2019-18277", b"Transfer-Encoding: xchunked\r\n"),
    ("x-chunked", "Kettle 2019", b"Transfer-Encoding: x-chunked\r\n"),
    ("chunkedx", "a prefix match", b"Transfer-Encoding: chunkedfoo\r\n"),
    ("double-quoted", "Kettle 2019", b"Transfer-Encoding: \"chunked\"\r\n"),
    ("single-quoted", "a token that contains it", b"Transfer-Encoding: 'chunked'\r\n"),
    ("parameter", "RFC 9112 7: chunked has none", b"Transfer-Encoding: chunked;q=0.5\r\n"),
    ("semicolon", "an empty parameter", b"Transfer-Encoding: chunked ;\r\n"),
    ("colon-twice", "the second colon is content", b"Transfer-Encoding:: chunked\r\n"),
    ("two-words", "no list has a space", b"Transfer-Encoding: chunked identity\r\n"),
    ("in-comment", "no comments here", b"Transfer-Encoding: (x) chunked\r\n"),
    ("full-width", "a letter that folds to ASCII", b"Transfer-Encoding: \xef\xbd\x83hunked\r\n"),
    ("long-k", "the Kelvin sign lowers to k", b"Transfer-Encoding: chun\xe2\x84\xaaed\r\n"),
    ("high-bit", "a parser of seven bits", b"Transfer-Encoding: \xe3hunked\r\n"),
];

/// Whitespace and control characters, on which trimming differs.
const SPACES: &[Row] = &[
    ("vertical-tab-before", "CVE-2019-18277: isspace trims it", b"Transfer-Encoding: \x0bchunked\r\n"),
    ("vertical-tab-behind", "isspace trims it", b"Transfer-Encoding: chunked\x0b\r\n"),
    ("form-feed-before", "isspace trims it", b"Transfer-Encoding: \x0cchunked\r\n"),
    ("nul-before", "RFC 9110 5.5", b"Transfer-Encoding: \0chunked\r\n"),
    ("nul-behind", "a C string ends there", b"Transfer-Encoding: chunked\0\r\n"),
    ("nul-inside", "a C string ends there", b"Transfer-Encoding: chun\0ked\r\n"),
    ("backspace", "RFC 9110 5.5", b"Transfer-Encoding: x\x08chunked\r\n"),
    ("delete", "RFC 9110 5.5", b"Transfer-Encoding: \x7fchunked\r\n"),
    ("no-break-space", "Latin-1 whitespace", b"Transfer-Encoding: \xa0chunked\r\n"),
    ("next-line", "Latin-1 whitespace", b"Transfer-Encoding: chunked\x85\r\n"),
    ("zero-width-space", "Unicode whitespace", b"Transfer-Encoding: \xe2\x80\x8bchunked\r\n"),
    ("bare-cr-before", "CVE-2021-21295 kin", b"Transfer-Encoding: \rchunked\r\n"),
    ("bare-cr-behind", "CVE-2023-30589 (llhttp)", b"Transfer-Encoding: chunked\rX: y\r\n"),
    ("bare-cr-cr-lf", "RFC 9112 2.2", b"Transfer-Encoding: chunked\r\r\n"),
    ("bare-lf-behind", "RFC 9112 2.2, we are strict", b"Transfer-Encoding: chunked\nX: y\r\n"),
    ("bare-lf-before", "a line of its own for some", b"X: y\nTransfer-Encoding: chunked\r\n"),
    ("bare-cr-hides", "Kettle 2019: X: X[\\r]TE", b"X: y\rTransfer-Encoding: chunked\r\n"),
    ("lf-in-value", "Kettle 2019: X: X[\\n]TE", b"X: y \n Transfer-Encoding: chunked\r\n"),
    ("folded-value", "RFC 9112 5.2", b"Transfer-Encoding:\r\n chunked\r\n"),
    ("folded-behind", "RFC 9112 5.2", b"Transfer-Encoding: chunked\r\n\tx\r\n"),
    ("folded-line", "RFC 9112 5.2: part of the line before", b"X: y\r\n Transfer-Encoding: chunked\r\n"),
    ("folded-by-tab", "RFC 9112 5.2", b"X: y\r\n\tTransfer-Encoding: chunked\r\n"),
    ("folded-empty", "RFC 9112 5.2", b"Transfer-Encoding: chunked\r\n \r\n"),
];

/// The name in disguise: RFC 9112 section 5.1.
const NAMES: &[Row] = &[
    ("space-behind-name", "CVE-2019-16869 (Netty)", b"Transfer-Encoding : chunked\r\n"),
    ("tab-behind-name", "RFC 9112 5.1", b"Transfer-Encoding\t: chunked\r\n"),
    ("vertical-tab-behind-name", "RFC 9112 5.1", b"Transfer-Encoding\x0b: chunked\r\n"),
    ("nul-behind-name", "RFC 9110 5.1", b"Transfer-Encoding\0: chunked\r\n"),
    ("nul-before-name", "RFC 9110 5.1", b"\0Transfer-Encoding: chunked\r\n"),
    ("cr-before-name", "RFC 9112 2.2", b"\rTransfer-Encoding: chunked\r\n"),
    ("cr-behind-name", "RFC 9112 2.2", b"Transfer-Encoding\r: chunked\r\n"),
    ("lf-behind-name", "RFC 9112 2.2", b"Transfer-Encoding\n: chunked\r\n"),
    ("space-inside-name", "RFC 9110 5.1", b"Transfer Encoding: chunked\r\n"),
    ("colon-first", "an empty name", b":Transfer-Encoding: chunked\r\n"),
    ("equals", "a line without a colon", b"Transfer-Encoding=chunked\r\n"),
    ("no-value-no-colon", "a line without a colon", b"Transfer-Encoding\r\n"),
    ("latin-letter", "RFC 9110 5.1", b"Tr\xe1nsfer-Encoding: chunked\r\n"),
    ("no-break-space-behind-name", "RFC 9110 5.1", b"Transfer-Encoding\xa0: chunked\r\n"),
    ("quoted-name", "RFC 9110 5.1", b"\"Transfer-Encoding\": chunked\r\n"),
    ("slashed-name", "RFC 9110 5.1", b"Transfer/Encoding: chunked\r\n"),
];

/// RFC 9112 section 6.1: a coding that we do not know is 501.
const UNKNOWN: &[Row] = &[
    ("cow", "Kettle 2019", b"Transfer-Encoding: cow\r\n"),
    ("gzip", "RFC 9112 7.2", b"Transfer-Encoding: gzip\r\n"),
    ("chunke", "a prefix of it", b"Transfer-Encoding: chunke\r\n"),
    ("chunk", "a prefix of it", b"Transfer-Encoding: chunk\r\n"),
    ("escaped", "a token, and nobody decodes it", b"Transfer-Encoding: chunk%65d\r\n"),
    ("cow-line-first", "TE.TE, Kettle 2019", b"Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n"),
];

/// RFC 9112 section 6.1: HTTP/1.0 has no transfer codings.
fn old() -> Vec<Case> {
    let head =
        |fields: &str| format!("POST /c HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n{fields}\r\n");
    let bytes = |fields: &str| [head(fields).as_bytes(), CHUNKED_END].concat();
    vec![
        case("coding-of-1.0", "RFC 9112 6.1: faulty framing", bytes("Transfer-Encoding: chunked\r\n"))
            .refused(400),
        case("both-of-1.0", "RFC 9112 6.1", bytes("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n"))
            .refused(400),
    ]
}

/// What is plain, and what only looks like trouble: other fields have other names.
fn taken() -> Vec<Case> {
    let chunked = |name: &str, about, fields: &str| {
        case(name, about, with(fields, b"5\r\nhello\r\n0\r\n\r\n")).sees(post("/c", "hello"))
    };
    let by_length = |name: &str, about, fields: &str| {
        case(name, about, with(format!("Content-Length: 5\r\n{fields}"), b"0\r\n\r\n"))
            .sees(post("/c", "0\r\n\r\n"))
    };
    let behind = with("Transfer-Encoding: chunked\r\n", [b"5\r\nhello\r\n", CHUNKED_END].concat());
    let got = [b"GET /g HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKED_END].concat();
    vec![
        chunked("plain", "RFC 9112 7.1", "Transfer-Encoding: chunked\r\n"),
        chunked("no-space", "RFC 9112 5: OWS is optional", "transfer-encoding:chunked\r\n"),
        chunked("much-space", "RFC 9112 5: OWS is trimmed", "Transfer-Encoding: \t chunked\t \r\n"),
        chunked("capitals", "RFC 9112 7: case-insensitive", "TRANSFER-ENCODING: CHUNKED\r\n"),
        by_length("underscore", "the twin of CGI", "Transfer_Encoding: chunked\r\n"),
        by_length("content-encoding", "of the content, not the message", "Content-Encoding: chunked\r\n"),
        by_length("te", "what the client would take", "TE: chunked\r\n"),
        by_length("x-transfer-encoding", "another name", "X-Transfer-Encoding: chunked\r\n"),
        by_length("transfer-encodin", "another name", "Transfer-Encodin: chunked\r\n"),
        case("behind-chunks", "RFC 9112 9.3.2", behind).sees(post("/c", "hello")).sees(get("/hidden")),
        case("get-with-chunks", "RFC 9110 9.3.1", got).sees(get("/g")).sees(get("/hidden")),
        case(
            "chunk-of-a-request",
            "RFC 9112 7.1: content is content",
            with(
                "Transfer-Encoding: chunked\r\n",
                [format!("{:x}\r\n", HIDDEN.len()).as_bytes(), HIDDEN, b"\r\n0\r\n\r\n"].concat(),
            ),
        )
        .sees(post("/c", HIDDEN)),
    ]
}
