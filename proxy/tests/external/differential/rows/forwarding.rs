//! D3, forwarding: what is removed, added and told of the client on the way (RFC 9110 section 7.6, RFC 7239).

use crate::differential::row::{Look, Row, get, post, row};

const NAMED: &str =
    "a client that has a framing or routing field removed makes the member read another request";

const HOP: &str = "a hop-by-hop field ends at its hop (a MUST of the section)";
const TOLD: &str =
    "addresses, and facts that only a proxy can know, are believed only from `trusted_proxies`";

pub(crate) fn rows() -> Vec<Row> {
    [connection(), hop_by_hop(), addresses(), via()].concat()
}

fn connection() -> Vec<Row> {
    const XA: &[&str] = &["x-a"];
    vec![
        row("S7.6.1", "a field that Connection names", get("Connection: X-A\r\nX-A: b"))
            .fields(XA)
            .bad("\r\nX-A: b")
            .ours("removed")
            .because(HOP),
        row("S7.6.1", "the same, in another case and a list", get("Connection: keep-alive, ,x-a\r\nX-A: b"))
            .fields(XA)
            .bad("\r\nX-A: b")
            .ours("removed")
            .because(HOP),
        row(
            "S7.6.1",
            "the same, on a second Connection line",
            get("Connection: keep-alive\r\nConnection: x-a\r\nX-A: b"),
        )
        .fields(XA)
        .bad("\r\nX-A: b")
        .ours("removed")
        .because(HOP),
        row("S7.6.1", "Connection names Host", get("Connection: Host"))
            .fields(&["host"])
            .ours("400")
            .because(NAMED),
        row(
            "S7.6.1",
            "Connection names Content-Length",
            post("Connection: Content-Length\r\nContent-Length: 5", "hello"),
        )
        .look(Look::Content)
        .ours("400")
        .because(NAMED),
        row(
            "S7.6.1",
            "Connection names Transfer-Encoding",
            post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
        )
        .look(Look::Content)
        .ours("400")
        .because(NAMED),
        row(
            "S7.6.1",
            "Connection names Content-Type",
            post("Connection: Content-Type\r\nContent-Type: a/b\r\nContent-Length: 0", ""),
        )
        .fields(&["content-type"])
        .ours("400")
        .because(NAMED),
        row(
            "S7.6.1",
            "Connection names X-Forwarded-For",
            get("Connection: X-Forwarded-For\r\nX-Forwarded-For: 10.0.0.1"),
        )
        .fields(&["x-forwarded-for"])
        .bad("10.0.0.1")
        .ours("`x-forwarded-for: 127.0.0.1`")
        .because(TOLD),
        row("S7.6.1", "Connection itself", get("Connection: keep-alive, x-b"))
            .fields(&["connection"])
            .bad("x-b")
            .ours("removed"),
    ]
}

fn hop_by_hop() -> Vec<Row> {
    vec![
        row("S7.6.1", "Keep-Alive", get("Keep-Alive: timeout=5"))
            .fields(&["keep-alive"])
            .bad("timeout=5")
            .ours("removed"),
        row("S7.6.1", "Proxy-Connection", get("Proxy-Connection: close"))
            .fields(&["proxy-connection"])
            .bad("Proxy-Connection")
            .ours("removed")
            .because(HOP),
        row("S11.7.2", "Proxy-Authorization", get("Proxy-Authorization: Basic YTpi"))
            .fields(&["proxy-authorization"])
            .ours("`proxy-authorization: Basic YTpi`"),
        row("S10.1.4", "`TE: gzip`", get("TE: gzip\r\nConnection: TE"))
            .fields(&["te"])
            .bad("gzip")
            .ours("removed"),
        row("S10.1.4", "`TE: trailers`", get("TE: trailers\r\nConnection: TE"))
            .fields(&["te", "connection"])
            .ours("`te: trailers`, `connection: TE`"),
        row("S10.1.4", "`TE: gzip, trailers`", get("TE: gzip, trailers\r\nConnection: TE"))
            .fields(&["te", "connection"])
            .bad("gzip")
            .ours("`te: trailers`, `connection: TE`"),
    ]
}

fn addresses() -> Vec<Row> {
    const XFF: &[&str] = &["x-forwarded-for"];
    vec![
        row("–", "the client's address", get("X-A: b")).fields(XFF).ours("`x-forwarded-for: 127.0.0.1`"),
        row("–", "X-Forwarded-For of a client that is not trusted", get("X-Forwarded-For: 10.0.0.1"))
            .fields(XFF)
            .bad("10.0.0.1")
            .ours("`x-forwarded-for: 127.0.0.1`")
            .because(TOLD),
        row(
            "–",
            "two lines of X-Forwarded-For",
            get("X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 10.0.0.2"),
        )
        .fields(XFF)
        .bad("10.0.0.")
        .ours("`x-forwarded-for: 127.0.0.1`")
        .because(TOLD),
        row("–", "its twin `X_Forwarded_For`", get("X_Forwarded_For: 10.0.0.1"))
            .fields(&["x_forwarded_for"])
            .bad("10.0.0.1")
            .ours("removed"),
        row("RFC 7239", "Forwarded of a client that is not trusted", get("Forwarded: for=10.0.0.1"))
            .fields(&["forwarded"])
            .bad("10.0.0.1")
            .ours("removed")
            .because(TOLD),
        row("–", "X-Forwarded-Proto of a client that is not trusted", get("X-Forwarded-Proto: https"))
            .fields(&["x-forwarded-proto"])
            .bad("https")
            .ours("`x-forwarded-proto: http`")
            .because(TOLD),
        row("–", "X-Real-IP of a client that is not trusted", get("X-Real-IP: 10.0.0.1"))
            .fields(&["x-real-ip"])
            .bad("10.0.0.1")
            .ours("removed")
            .because(TOLD),
        row("–", "X-Forwarded-Host of a client that is not trusted", get("X-Forwarded-Host: b.example"))
            .fields(&["x-forwarded-host"])
            .bad("b.example")
            .ours("removed")
            .because(TOLD),
        row("–", "X-Original-URL of a client that is not trusted", get("X-Original-URL: /b"))
            .fields(&["x-original-url"])
            .bad("/b")
            .ours("removed")
            .because(TOLD),
    ]
}

fn via() -> Vec<Row> {
    const VIA: &[&str] = &["via"];
    vec![
        row("S7.6.3", "Via is added", get("X-A: b")).fields(VIA).ours("`via: 1.1 penstock`"),
        row("S7.6.3", "Via names the version that came", "GET /a HTTP/1.0\r\nHost: example.com\r\n\r\n")
            .fields(VIA)
            .ours("`via: 1.0 penstock`"),
        row("S7.6.3", "Via of those before stays first", get("Via: 1.1 other"))
            .fields(VIA)
            .ours("`via: 1.1 other, 1.1 penstock`"),
        row("S7.6.3", "a loop: Via with penstock's own name", get("Via: 1.1 other, 1.1 penstock (x)"))
            .fields(VIA)
            .ours("508")
            .because("the others do not write Via, so they have no name to recognise"),
    ]
}
