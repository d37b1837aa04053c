//! Transfer-Encoding in every disguise, and together with Content-Length (RFC 9112 sections 6.1 and 6.3).
//! In: nothing. Out: cases, and what must become of each.
//! Knows nothing of how they are judged.

use crate::case::{CHUNKED_END, Case, HIDDEN, case, get, post, with};

/// Under these lines, a reader of lengths and one of chunks see different requests behind the head.
fn hides(name: &'static str, about: &'static str, fields: impl AsRef<[u8]>) -> Case {
    case(name, about, with(fields, CHUNKED_END))
}

pub(crate) fn cases() -> Vec<Case> {
    [both(), disguised(), taken()].into_iter().flatten().collect()
}

/// CL.TE and TE.CL.
fn both() -> Vec<Case> {
    vec![
        hides("length-then-coding", "RFC 9112 6.1: CL.TE", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")
            .refused(400),
        hides("coding-then-length", "RFC 9112 6.1: TE.CL", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")
            .refused(400),
    ]
}

fn disguised() -> Vec<Case> {
    vec![hides("x", "RFC 9112 7", b"Transfer-Encoding: xchunked\r\n").refused(400)]
}

fn taken() -> Vec<Case> {
    vec![
        case("coding", "RFC 9112 7.1", with(b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n"))
            .sees(post("/c", "hello")),
        case(
            "coding-and-more",
            "RFC 9112 9.3.2: what is behind the end of a body is a request of its own",
            with(b"Transfer-Encoding: chunked\r\n", [b"5\r\nhello\r\n0\r\n\r\n", HIDDEN].concat()),
        )
        .sees(post("/c", "hello"))
        .sees(get("/hidden")),
    ]
}
