//! D4, the chunked coding and trailers (RFC 9112 section 7.1, RFC 9110 section 6.5).

use crate::differential::row::{Look, Row, chunked, row};

const GRAMMAR: &str = "readers differ most in chunks, so each byte must be as the grammar says";
const OURS: &str = "chunked `hello`";

pub(crate) fn rows() -> Vec<Row> {
    [sizes(), extensions(), ends(), trailers()].concat()
}

fn sizes() -> Vec<Row> {
    let size = |rule, size: &str| {
        row("M7.1", rule, chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n"))).look(Look::Content).ours("400")
    };
    vec![
        size("leading zeros in a size", "005").ours(OURS),
        size("many leading zeros in a size", "00000000000000000000005").ours(OURS),
        row("M7.1", "a size in capitals", chunked("A\r\nhellohello\r\n0\r\n\r\n"))
            .look(Look::Content)
            .ours("chunked `hellohello`"),
        size("`0x5` as size", "0x5"),
        size("`-5` as size", "-5"),
        size("`+5` as size", "+5"),
        size("no size", ""),
        size("a space before the size", " 5"),
        size("a space behind the size", "5 ").because(GRAMMAR),
        size("a size over 64 bits", "10000000000000005"),
        size("a size that is no number", "five"),
        size("a size in quotes", "\"5\""),
    ]
}

fn extensions() -> Vec<Row> {
    let extended = |rule, extension: &str| {
        row("M7.1.1", rule, chunked(&format!("5{extension}\r\nhello\r\n0\r\n\r\n")))
            .look(Look::Content)
            .ours("400")
    };
    vec![
        extended("an extension", ";a=b").ours(OURS),
        extended("a quoted extension", ";a=\"b;c\"").ours(OURS),
        extended("LF in an extension", ";a\nb"),
        extended("CR in an extension", ";a\rb"),
        extended("NUL in an extension", ";a\0b").because(GRAMMAR),
        extended("an extension of 1 KiB", &format!(";{}", "a".repeat(1024)))
            .because("extensions mean nothing to anybody, and 256 bytes of them are enough"),
        extended("an extension of 20 KiB", &format!(";{}", "a".repeat(20 << 10))),
    ]
}

fn ends() -> Vec<Row> {
    let body = |section, rule, body: &str| row(section, rule, chunked(body)).look(Look::Content).ours("400");
    vec![
        body("M7.1", "LF alone behind a size", "5\nhello\r\n0\r\n\r\n").because(GRAMMAR),
        body("M7.1", "CR alone behind a size", "5\rhello\r\n0\r\n\r\n"),
        body("M7.1", "LF alone behind a chunk", "5\r\nhello\n0\r\n\r\n").because(GRAMMAR),
        body("M7.1", "nothing behind a chunk", "5\r\nhello0\r\n\r\n"),
        body("M7.1", "a chunk longer than its size", "5\r\nhello!\r\n0\r\n\r\n"),
        body("M7.1", "a chunk shorter than its size", "6\r\nhello\r\n0\r\n\r\n").because(GRAMMAR),
        body("M7.1", "LF alone behind the last chunk", "5\r\nhello\r\n0\r\n\n").because(GRAMMAR),
        body("M7.1", "LF alone behind the last size", "5\r\nhello\r\n0\n\r\n").because(GRAMMAR),
        body("M7.1", "`000` as last chunk", "5\r\nhello\r\n000\r\n\r\n").ours(OURS),
        row(
            "M7.1",
            "a request in a chunk",
            chunked("2b\r\nGET /hidden HTTP/1.1\r\nHost: example.com\r\n\r\n\r\n0\r\n\r\n"),
        )
        .look(Look::Targets)
        .hides("/hidden")
        .ours("`/a`"),
    ]
}

fn trailers() -> Vec<Row> {
    let trailer = |section, rule, lines: &str| {
        row(section, rule, chunked(&format!("5\r\nhello\r\n0\r\n{lines}\r\n\r\n"))).look(Look::Trailers)
    };
    vec![
        trailer("M7.1.2", "a trailer", "X-T: 1").ours("`X-T: 1`"),
        trailer("S6.5.1", "Content-Length as a trailer", "Content-Length: 9")
            .bad("content-length: 9")
            .ours("removed"),
        trailer("S6.5.1", "Transfer-Encoding as a trailer", "Transfer-Encoding: x")
            .bad("encoding: x")
            .ours("removed"),
        trailer("S6.5.1", "Host as a trailer", "Host: b.example").bad("b.example").ours("removed"),
        trailer("S6.5.1", "Authorization as a trailer", "Authorization: Basic YTpi")
            .bad("Basic")
            .ours("removed"),
        trailer("S6.5.1", "X-Forwarded-For as a trailer", "X-Forwarded-For: 10.0.0.1")
            .bad("10.0.0.1")
            .ours("removed"),
        trailer("M7.1.2", "a trailer without a colon", "X-T").ours("400"),
        trailer("M7.1.2", "a folded trailer", "X-T: 1\r\n 2").because(GRAMMAR).ours("400"),
        trailer("M7.1.2", "LF alone behind a trailer", "X-T: 1\nX-U: 2").because(GRAMMAR).ours("400"),
        trailer("M7.1.2", "NUL in a trailer", "X-T: \0").because(GRAMMAR).ours("400"),
    ]
}
