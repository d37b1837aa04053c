//! D6: whether a connection stays, and in what order its requests are answered (RFC 9112 section 9).

use crate::differential::row::{Look, Reply, Row, post, row};

pub(crate) fn rows() -> Vec<Row> {
    [kept(), closed()].concat()
}

/// Two requests in one write: the first with these lines, the second hidden where the first ends the connection.
fn two(version: &str, lines: &str) -> String {
    format!(
        "GET /a HTTP/{version}\r\nHost: example.com\r\n{lines}\r\n{}",
        "GET /b HTTP/1.1\r\nHost: example.com\r\n\r\n"
    )
}

fn kept() -> Vec<Row> {
    let three =
        ["/a", "/b", "/c"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n")).concat();
    let targets = |rule, bytes: String| row("M9.3", rule, bytes).look(Look::Targets);
    vec![
        row("M9.3.2", "three requests at once", three).look(Look::Targets).ours("`/a`, `/b`, `/c`"),
        targets("HTTP/1.1 stays", two("1.1", "")).ours("`/a`, `/b`"),
        targets("HTTP/1.0 with `Connection: keep-alive` stays", two("1.0", "Connection: keep-alive\r\n"))
            .ours("`/a`, `/b`"),
        row("M9.3", "the member closes, the client stays", two("1.1", ""))
            .reply(Reply::Close("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))
            .look(Look::Targets)
            .ours("`/a`, `/b`"),
        row(
            "M9.3",
            "content, then a request",
            format!("{}{}", String::from_utf8_lossy(&post("Content-Length: 5", "hello")), two("1.1", "")),
        )
        .look(Look::Targets)
        .ours("`/a`, `/a`, `/b`"),
    ]
}

fn closed() -> Vec<Row> {
    let one =
        |section, rule, bytes: String| row(section, rule, bytes).look(Look::Targets).hides("/b").ours("`/a`");
    vec![
        one("M9.6", "nothing behind `Connection: close`", two("1.1", "Connection: close\r\n")),
        one("M9.3", "`Connection: keep-alive, CLOSE`", two("1.1", "Connection: keep-alive, CLOSE\r\n")),
        one(
            "M9.3",
            "close on the second Connection line",
            two("1.1", "Connection: keep-alive\r\nConnection: close\r\n"),
        ),
        one("M9.3", "HTTP/1.0 closes", two("1.0", "")),
        one("M9.3", "HTTP/1.0 with keep-alive and close", two("1.0", "Connection: keep-alive, close\r\n")),
        one(
            "M9.3",
            "nothing behind a request that was refused",
            format!("GET /a HTTP/1.1\r\nX A: b\r\n\r\n{}", two("1.1", "")),
        )
        .ours("400"),
    ]
}
