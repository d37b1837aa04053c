//! D1, the start line: what comes before it, its words, its version (RFC 9112 sections 2 and 3).

use crate::differential::row::{Look, Row, line, row};

const STRICT: &str = "bytes that two readers could split in two ways are refused, and nobody needs them";

pub(crate) fn rows() -> Vec<Row> {
    [before_it(), words(), characters(), versions()].concat()
}

fn before_it() -> Vec<Row> {
    vec![
        row("M2.2", "an empty line before the request", line("\r\nGET /a HTTP/1.1")).ours("passes"),
        row("M2.2", "three empty lines before the request", line("\r\n\r\n\r\nGET /a HTTP/1.1"))
            .ours("400")
            .because("two are enough for any client that ever sent one behind a body"),
        row("M2.2", "an empty line ended by LF alone before the request", line("\nGET /a HTTP/1.1"))
            .ours("400")
            .because(STRICT),
        row("M2.2", "all lines end in LF alone", "GET /a HTTP/1.1\nHost: example.com\n\n")
            .ours("400")
            .because(STRICT),
        row("M2.2", "the request line ends in LF alone", "GET /a HTTP/1.1\nHost: example.com\r\n\r\n")
            .ours("400")
            .because(STRICT),
        row("M2.2", "the request line ends in CR alone", "GET /a HTTP/1.1\rHost: example.com\r\n\r\n")
            .ours("400"),
        row(
            "M2.2",
            "a space between the request line and the first field",
            line("GET /a HTTP/1.1\r\n X-A: b"),
        )
        .ours("400"),
    ]
}

fn words() -> Vec<Row> {
    vec![
        row("M3", "two spaces before the target", line("GET  /a HTTP/1.1")).ours("400").because(STRICT),
        row("M3", "two spaces before the version", line("GET /a  HTTP/1.1")).ours("400").because(STRICT),
        row("M3", "tabs between the words", line("GET\t/a\tHTTP/1.1")).ours("400"),
        row("M3", "a space at the end of the line", line("GET /a HTTP/1.1 ")).ours("400"),
        row("M3", "a space before the method", line(" GET /a HTTP/1.1")).ours("400"),
        row("M3", "a space in the target", line("GET /a b HTTP/1.1")).ours("400"),
        row("M3", "a second version in the line", line("GET /a HTTP/1.1 HTTP/1.1")).ours("400"),
        row("M3.1", "a method that is no token", line("GE(T /a HTTP/1.1")).ours("400"),
        row("M3.1", "a method in lower case", line("get /a HTTP/1.1"))
            .look(Look::Line)
            .ours("`get /a HTTP/1.1`"),
        row("M3.1", "a method that nobody knows", line("BREW /a HTTP/1.1"))
            .look(Look::Line)
            .ours("`BREW /a HTTP/1.1`"),
    ]
}

fn characters() -> Vec<Row> {
    let with = |byte: &[u8]| [&b"GET /a"[..], byte, b"b HTTP/1.1\r\nHost: example.com\r\n\r\n"].concat();
    vec![
        row("M3.2", "NUL in the target", with(b"\0")).bad("\0").ours("400"),
        row("M3.2", "a control character (0x01) in the target", with(b"\x01")).bad("\x01").ours("400"),
        row("M3.2", "DEL in the target", with(b"\x7f")).bad("\x7f").ours("400"),
        row("M2.2", "CR in the target", with(b"\r")).bad("\r").ours("400"),
        row("M3.2", "UTF-8 in the target, not percent-encoded", with("é".as_bytes()))
            .look(Look::Line)
            .bad("é")
            .ours("`GET /a\\xc3\\xa9b HTTP/1.1`"),
        row("M3.2", "`\"<>\\^{}` in the target", with(b"\"<>\\^{}"))
            .look(Look::Line)
            .bad("\"<>\\^{}")
            .ours("`GET /a\"<>\\\\^{}b HTTP/1.1`"),
        row("M11.1", "`%0d%0a` in the target", with(b"%0d%0aX-A:%20b"))
            .look(Look::Line)
            .ours("`GET /a%0d%0aX-A:%20bb HTTP/1.1`"),
    ]
}

fn versions() -> Vec<Row> {
    let old = "GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n";
    vec![
        row("M2.3", "HTTP/1.0", old).look(Look::Line).ours("`GET /a HTTP/1.1`"),
        row("M2.3", "no version (HTTP/0.9)", "GET /a\r\n").ours("400"),
        row("M2.3", "HTTP/1.2", line("GET /a HTTP/1.2"))
            .look(Look::Line)
            .ours("505")
            .because("there is no such version; a client that sends it is probing"),
        row("M2.3", "HTTP/2.0", line("GET /a HTTP/2.0")).look(Look::Line).ours("505"),
        row("M2.3", "HTTP/1.10", line("GET /a HTTP/1.10")).look(Look::Line).ours("400"),
        row("M2.3", "http/1.1", line("GET /a http/1.1")).ours("400"),
        row("M2.3", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").ours("505"),
    ]
}
