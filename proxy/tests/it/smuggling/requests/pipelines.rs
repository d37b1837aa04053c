//! Many requests on one connection, of which one is bad: those before it are answered, none behind it is read.

use crate::smuggling::case::{Case, HIDDEN, ask, case, get, post};

fn gets(count: usize) -> Vec<u8> {
    (0..count).flat_map(|i| format!("GET /p/{i} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes()).collect()
}

fn seen(case: Case, count: usize) -> Case {
    (0..count).fold(case, |case, i| case.sees(get(&format!("/p/{i}"))))
}

/// So many good ones, then these bytes, then a good one that nobody must see.
fn then(name: &str, about: &'static str, good: usize, bytes: &[u8]) -> Case {
    seen(case(name, about, [&gets(good), bytes, HIDDEN].concat()), good)
}

const POST: &[u8] = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKS: &[u8] =
    b"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

pub(crate) fn cases() -> Vec<Case> {
    [bad(), good()].into_iter().flatten().collect()
}

fn bad() -> Vec<Case> {
    let both =
        b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let bad_chunk =
        b"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n";
    let long_body = b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloX";
    vec![
        then("second-noise", "RFC 9112 9.3.2", 1, b"\0\0\r\n\r\n").refused(400),
        then("fourth-two-hosts", "RFC 9112 3.2", 3, b"GET /x HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n")
            .refused(400),
        then("tenth-both-lengths", "RFC 9112 6.1", 9, both).refused(400),
        then("fiftieth-both-lengths", "RFC 9112 6.1", 49, both).refused(400),
        then("third-bad-chunk", "RFC 9112 7.1", 2, bad_chunk).broken(400),
        then("third-expects", "RFC 9110 10.1.1", 2, b"GET /x HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n")
            .refused(417),
        then("third-2.0", "RFC 9110 15.6.6", 2, b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n").refused(505),
        then("third-traces", "RFC 9110 9.3.8", 2, b"TRACE /x HTTP/1.1\r\nHost: h\r\n\r\n").refused(405),
        then(
            "third-unknown-coding",
            "RFC 9112 6.1",
            2,
            b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n",
        )
        .refused(501),
        then("body-too-long", "what is over belongs to the next line", 1, long_body)
            .sees(post("/b", "hello"))
            .sees(ask("XGET", "/hidden")),
        then("behind-a-body", "RFC 9112 9.3.2", 1, &[POST, b"\0\r\n\r\n"].concat())
            .sees(post("/b", "hello"))
            .refused(400),
        then("behind-chunks", "RFC 9112 9.3.2", 1, &[CHUNKS, b"\0\r\n\r\n"].concat())
            .sees(post("/b", "hello"))
            .refused(400),
        then("behind-close", "RFC 9112 9.6", 1, b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .sees(get("/x"))
            .closes(),
        then("behind-1.0", "RFC 9112 9.3", 1, b"GET /x HTTP/1.0\r\n\r\n").sees(get("/x").host("")).closes(),
        then("cut-off", "RFC 9112 8", 3, b"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhello")
            .unfinished(),
    ]
}

fn good() -> Vec<Case> {
    let mixed = [&gets(3), POST, CHUNKS, HIDDEN, POST].concat();
    vec![
        seen(case("a-hundred", "RFC 9112 9.3.2", gets(100)), 100),
        seen(case("mixed", "RFC 9112 9.3.2", mixed), 3)
            .sees(post("/b", "hello"))
            .sees(post("/b", "hello"))
            .sees(get("/hidden"))
            .sees(post("/b", "hello")),
        case("empty-line-behind-a-body", "RFC 9112 2.2: old browsers", [POST, b"\r\n", HIDDEN].concat())
            .sees(post("/b", "hello"))
            .sees(get("/hidden")),
    ]
}
