//! D4, where a request's content ends: Content-Length and Transfer-Encoding (RFC 9112 section 6).

use crate::differential::row::{Look, Row, chunked, line, post, row};

/// A whole body in chunks.
const FIVE: &str = "5\r\nhello\r\n0\r\n\r\n";

pub(crate) fn rows() -> Vec<Row> {
    [both(), codings(), lengths(), others()].concat()
}

/// What is shown of a body is its framing.
fn coding(rule: &'static str, field: &str) -> Row {
    row("M6.1", rule, post(field, FIVE)).look(Look::Content).bad("\r\nTransfer-Encoding: x").ours("400")
}

fn both() -> Vec<Row> {
    let smuggled = "0\r\n\r\nGET /hidden HTTP/1.1\r\nHost: example.com\r\n\r\n";
    let old =
        "POST /a HTTP/1.0\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    vec![
        row(
            "M6.1",
            "Transfer-Encoding and Content-Length",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked", FIVE),
        )
        .look(Look::Content)
        .bad("content-length")
        .ours("400"),
        row(
            "M6.1",
            "the same, hiding a request",
            post("Transfer-Encoding: chunked\r\nContent-Length: 53", smuggled),
        )
        .look(Look::Targets)
        .hides("/hidden")
        .ours("400"),
        row("M6.1", "Transfer-Encoding in HTTP/1.0", old).look(Look::Content).ours("400"),
    ]
}

fn codings() -> Vec<Row> {
    vec![
        row("M7.1", "`Transfer-Encoding: chunked`", chunked(FIVE))
            .look(Look::Content)
            .ours("chunked `hello`"),
        row("M7", "`Transfer-Encoding: CHUNKED`", post("Transfer-Encoding: CHUNKED", FIVE))
            .look(Look::Content)
            .ours("chunked `hello`"),
        coding("`chunked, chunked`", "Transfer-Encoding: chunked, chunked"),
        coding("chunked on two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        coding("`identity`", "Transfer-Encoding: identity"),
        coding("`xchunked`", "Transfer-Encoding: xchunked"),
        coding("`chunked, identity`", "Transfer-Encoding: chunked, identity"),
        coding("`gzip`", "Transfer-Encoding: gzip").ours("501"),
        coding("`gzip, chunked`", "Transfer-Encoding: gzip, chunked"),
        coding("no coding at all", "Transfer-Encoding:"),
        coding("`chunked;q=1`", "Transfer-Encoding: chunked;q=1"),
        coding("`\"chunked\"`, quoted", "Transfer-Encoding: \"chunked\""),
        coding("an empty element, `,chunked`", "Transfer-Encoding: ,chunked"),
        coding("a vertical tab before it", "Transfer-Encoding: \x0bchunked"),
        coding("NUL behind it", "Transfer-Encoding: chunked\0"),
        coding("a space before the colon", "Transfer-Encoding : chunked"),
        coding("a folded line", "Transfer-Encoding:\r\n chunked"),
        coding("CR alone before it", "X-A: b\rTransfer-Encoding: chunked"),
        row(
            "M6.1",
            "`Transfer_Encoding`, and a length",
            post("Transfer_Encoding: chunked\r\nContent-Length: 15", FIVE),
        )
        .fields(&["transfer_encoding", "content-length"])
        .bad("transfer_encoding")
        .ours("`content-length: 15`"),
    ]
}

fn lengths() -> Vec<Row> {
    let length = |rule, said: &str| {
        row("M6.2", rule, post(&format!("Content-Length: {said}"), "hello")).look(Look::Content).ours("400")
    };
    vec![
        length("`Content-Length: 5`", "5").ours("`content-length: 5`, `hello`"),
        length("a sign, `+5`", "+5").bad("+5"),
        length("a sign, `-5`", "-5").bad("-5"),
        length("hexadecimal, `0x5`", "0x5").bad("0x5"),
        length("a space inside, `5 5`", "5 5").bad("5 5"),
        length("a list, `5, 5`", "5, 5").bad("5, 5"),
        length("a list that differs, `5, 6`", "5, 6").bad("5, 6"),
        length("the same on two lines", "5\r\nContent-Length: 5"),
        length("others on two lines", "5\r\nContent-Length: 6"),
        length("no number", ""),
        length("a fraction, `5.0`", "5.0").bad("5.0"),
        length("leading zeros, `005`", "005").bad("005").ours("`content-length: 005`, `hello`"),
        length("more than 64 bits", "18446744073709551621"),
        length("a hundred digits", &"9".repeat(100)),
        row("M6.3", "neither of both", line("POST /a HTTP/1.1")).look(Look::Content).ours("no content"),
        row("M8", "content that ends too early", post("Content-Length: 500", "hello"))
            .look(Look::Content)
            .ours("408"),
    ]
}

fn others() -> Vec<Row> {
    let of =
        |method: &str| format!("{method} /a HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello");
    vec![
        row("S9.3.1", "GET with content", of("GET")).look(Look::Content).ours("`content-length: 5`, `hello`"),
        row("S9.3.2", "HEAD with content", of("HEAD")).look(Look::Content).ours("`content-length: 5`, `hello`"),
        row("S9.3.5", "DELETE with content", of("DELETE")).look(Look::Content).ours("`content-length: 5`, `hello`"),
        row(
            "S9.3.1",
            "GET in chunks",
            "GET /a HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        .look(Look::Content)
        .ours("chunked `hello`"),
    ]
}
