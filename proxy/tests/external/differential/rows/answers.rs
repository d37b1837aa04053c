//! D4, D8 and DP: what a member responds, and what its client gets (RFC 9112 sections 4 to 6, RFC 9110 section 15).

use crate::differential::row::Reply::{Close, Keep, Never, Switch};
use crate::differential::row::{Look, Reply, Row, get, line, row};

const STRICT: &str = "a server that answers like this is not the one that the client meant to ask";
const HOP: &str = "a hop-by-hop field ends at its hop (a MUST of the section)";

pub(crate) fn rows() -> Vec<Row> {
    [heads(), framing(), ends(), without_content(), fields()].concat()
}

/// The member answers a plain GET with this.
fn answer(section: &'static str, rule: &'static str, reply: Reply) -> Row {
    row(section, rule, get("X-A: b")).reply(reply).look(Look::Answer).ours("502")
}

fn heads() -> Vec<Row> {
    const XB: Look = Look::AnswerFields(&["x-b"]);
    vec![
        answer("M5.2", "a folded line", Keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-B: c\r\n d\r\n\r\n"))
            .look(XB)
            .bad("\r\n d"),
        answer(
            "M5.1",
            "a space before a colon",
            Keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-B : c\r\n\r\n"),
        )
        .look(XB)
        .bad("X-B : c"),
        answer("M2.2", "lines that end in LF alone", Keep("HTTP/1.1 200 OK\nContent-Length: 0\nX-B: c\n\n"))
            .look(XB)
            .bad("\nX-B: c\n\n")
            .because(STRICT),
        answer("S5.5", "NUL in a value", Keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-B: c\0d\r\n\r\n"))
            .look(XB)
            .bad("c\0d"),
        answer("S5.5", "CR in a value", Keep("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-B: c\rd\r\n\r\n"))
            .look(XB)
            .bad("c\rd"),
        answer("M4", "no reason phrase", Keep("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi"))
            .ours("`content-length: 2`, `hi`"),
        answer("M4", "a status of two digits", Close("HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nhi"))
            .because(STRICT),
        answer("S15", "a status over 599", Keep("HTTP/1.1 700 OK\r\nContent-Length: 2\r\n\r\nhi"))
            .look(Look::Statuses),
        answer("M2.3", "HTTP/2.0 in text", Close("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
            .because(STRICT),
        answer("M2.3", "no head at all (HTTP/0.9)", Close("hi")),
        answer("M8", "the end of the connection instead of an answer", Close("")),
        answer("M8", "a head that does not end", Close("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")),
        answer("S15.6.5", "no answer in time", Never).ours("504"),
    ]
}

fn framing() -> Vec<Row> {
    vec![
        answer(
            "M6.1",
            "Transfer-Encoding and Content-Length",
            Keep("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
        )
        .bad("content-length: 9")
        .ours("chunked `hi`"),
        answer("M6.3", "the same Content-Length twice", Keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"))
            .bad("content-length: 2\r\ncontent-length: 2")
            .ours("`content-length: 2`, `hi`"),
        answer("M6.3", "two Content-Lengths", Keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!")),
        answer("M6.2", "`Content-Length: +2`", Keep("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi")),
        answer("S10.1.4", "a coding that nobody asked for", Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
            .bad("gzip"),
        row("S10.1.4", "a coding that was asked for", get("TE: gzip\r\nConnection: TE"))
            .reply(Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
            .look(Look::AnswerFields(&["transfer-encoding"]))
            .ours("`transfer-encoding: gzip, chunked`"),
        row("M6.3", "a coding that was asked for, not chunked", get("TE: gzip\r\nConnection: TE"))
            .reply(Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi"))
            .look(Look::Answer)
            .ours("chunked `hi`"),
        answer("M6.1", "`Transfer-Encoding: chunked, gzip`", Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
            .bad("gzip"),
        answer("M7", "an unknown coding, `xchunked`", Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
            .bad("xchunked"),
        answer("M6.3", "`Transfer-Encoding: identity` and Content-Length, kept", Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi"))
            .ours("`content-length: 2`, `hi`"),
        answer("S15.3.6", "205 without a length, kept", Keep("HTTP/1.1 205 Reset Content\r\n\r\n"))
            .ours("`content-length: 0`"),
        answer("M6.3", "neither: until it closes", Close("HTTP/1.1 200 OK\r\n\r\nhi")).ours("chunked `hi`"),
        answer("M2.3", "HTTP/1.0, until it closes", Close("HTTP/1.0 200 OK\r\n\r\nhi")).ours("chunked `hi`"),
        row("M7.1", "until it closes, to a client of 1.0", "GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n")
            .reply(Close("HTTP/1.1 200 OK\r\n\r\nhi"))
            .look(Look::Answer)
            .ours("`hi` until it closes"),
        row("M7.1", "chunks, to a client of 1.0", "GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n")
            .reply(Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
            .look(Look::Answer)
            .bad("\r\n0\r\n")
            .ours("`hi` until it closes"),
    ]
}

fn ends() -> Vec<Row> {
    vec![
        answer("M8", "content that ends too early", Close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"))
            .ours("`content-length: 9`, `hi`, cut off"),
        answer("M8", "chunks that end too early", Close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi"))
            .bad("\r\n0\r\n")
            .ours("chunked `hi`, cut off"),
        answer("M7.1", "a size that is no number", Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhi\r\n0\r\n\r\n"))
            .bad("zz")
            .ours("502"),
        answer("M7.1", "a size padded with blanks", Keep("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2   \r\nhi\r\n0   \r\n\r\n"))
            .ours("chunked `hi`"),
        answer("M9.2", "bytes behind the answer", Keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfoul"))
            .bad("foul")
            .ours("`content-length: 2`, `hi`"),
        answer(
            "M9.2",
            "a whole answer behind the answer, a request behind the request",
            Keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfoul"),
        )
        .look(Look::Contents)
        .pipelined()
        .bad("foul")
        .ours("`hi`, `ok`"),
    ]
}

fn without_content() -> Vec<Row> {
    const LENGTH: Look = Look::AnswerFields(&["content-length", "transfer-encoding"]);
    vec![
        row("S9.3.2", "HEAD: the length is told, nothing follows", line("HEAD /a HTTP/1.1"))
            .reply(Keep("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"))
            .look(LENGTH)
            .ours("`content-length: 2`"),
        row("S9.3.2", "HEAD: content all the same", line("HEAD /a HTTP/1.1"))
            .reply(Keep("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfoul"))
            .look(LENGTH)
            .bad("foul")
            .ours("`content-length: 4`"),
        answer(
            "S15.3.5",
            "204 with Content-Length",
            Keep("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"),
        )
        .look(LENGTH)
        .bad("content-length")
        .ours("removed"),
        answer(
            "S15.3.5",
            "204 with content",
            Keep("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nfoul"),
        )
        .look(LENGTH)
        .bad("foul")
        .ours("removed"),
        answer(
            "S15.4.5",
            "304 with Content-Length",
            Keep("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
        )
        .look(LENGTH)
        .ours("`content-length: 9`"),
        answer(
            "S15.2",
            "103, then 200",
            Keep(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ),
        )
        .look(Look::Statuses)
        .ours("103, 200"),
        answer(
            "S15.2",
            "a 1xx that nobody knows, then 200",
            Keep("HTTP/1.1 199 Hm\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        )
        .look(Look::Statuses)
        .ours("199, 200"),
        row("S15.2", "103, then 200, to a client of 1.0", "GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n")
            .reply(Keep(
                "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ))
            .look(Look::Statuses)
            .bad("103")
            .ours("200"),
        answer(
            "S15.2.2",
            "101 that nobody asked for",
            Switch("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        )
        .look(Look::Statuses)
        .bad("101"),
    ]
}

fn fields() -> Vec<Row> {
    let said = |section, rule, lines: &'static str, names: &'static [&'static str]| {
        answer(section, rule, Keep(lines)).look(Look::AnswerFields(names))
    };
    vec![
        said(
            "S7.6.1",
            "a field that Connection names",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-B\r\nX-B: c\r\n\r\n",
            &["x-b"],
        )
        .bad("x-b: c")
        .ours("removed")
        .because(HOP),
        said(
            "S7.6.1",
            "Keep-Alive",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=9\r\n\r\n",
            &["keep-alive"],
        )
        .bad("timeout=9")
        .ours("removed"),
        said(
            "S7.8",
            "Upgrade in a 200",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            &["upgrade"],
        )
        .bad("upgrade: x")
        .ours("removed")
        .because(HOP),
        said(
            "S5.3",
            "Set-Cookie twice",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
            &["set-cookie"],
        )
        .ours("`set-cookie: a=1`, `set-cookie: b=2`"),
        said(
            "S6.6.1",
            "Date stays",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
            &["date"],
        )
        .ours("`date: Sun, 06 Nov 1994 08:49:37 GMT`"),
        said("S6.6.1", "Date is added", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &["date"])
            .ours("`date: now`"),
        said("S7.6.3", "Via of the answer", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", &["via"])
            .ours("none"),
        said("S10.2.4", "Server", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nServer: x\r\n\r\n", &["server"])
            .ours("`server: x`"),
    ]
}
