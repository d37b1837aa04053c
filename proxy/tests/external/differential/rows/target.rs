//! D2: the target in its four forms, Host, CONNECT, TRACE and Max-Forwards (RFC 9112 section 3.2, RFC 9110 section 7).

use crate::differential::row::{Look, Row, host, line, row};

const HTTPS: &str = "penstock is no TLS server, and a service behind it might believe the scheme";
const NO_HOST: &str = "caches and virtual hosts read an invalid Host in several ways";
const HOST: &[&str] = &["host"];
const HOPS: &[&str] = &["max-forwards"];

pub(crate) fn rows() -> Vec<Row> {
    [hosts(), forms(), paths(), methods()].concat()
}

fn hosts() -> Vec<Row> {
    vec![
        row("M3.2", "HTTP/1.1 without Host", "GET /a HTTP/1.1\r\n\r\n").ours("400"),
        row("M3.2", "HTTP/1.0 without Host", "GET /a HTTP/1.0\r\n\r\n")
            .look(Look::Fields(HOST))
            .ours("`host:`"),
        row("M3.2", "Host twice, the same", host("a.example\r\nHost: a.example")).fields(HOST).ours("400"),
        row("M3.2", "Host twice, different", host("a.example\r\nHost: b.example")).fields(HOST).ours("400"),
        row("S7.2", "an empty Host", host("")).fields(HOST).ours("`host:`"),
        row("S7.2", "a port in Host", host("a.example:8080")).fields(HOST).ours("`host: a.example:8080`"),
        row("S7.2", "a path in Host", host("a.example/b")).fields(HOST).bad("a.example/b").ours("400"),
        row("S7.2", "a space in Host", host("a.example b")).fields(HOST).bad("a.example b").ours("400"),
        row("S7.2", "userinfo in Host", host("u@a.example"))
            .fields(HOST)
            .bad("u@a.example")
            .ours("400")
            .because(NO_HOST),
        row("S7.2", "a port in Host that is no number", host("a.example:b"))
            .fields(HOST)
            .bad(":b")
            .ours("400")
            .because(NO_HOST),
        row("S7.2", "an IPv6 address in Host", host("[::1]:80")).fields(HOST).ours("`host: [::1]:80`"),
        row("S7.2", "half an IPv6 address in Host", host("[::1"))
            .fields(HOST)
            .bad("[::1")
            .ours("400")
            .because(NO_HOST),
        row("S7.2", "an invalid escape in Host", host("a%zz.example"))
            .fields(HOST)
            .bad("%zz")
            .ours("400")
            .because(NO_HOST),
        row("S7.2", "`#` in Host", host("a.example#b")).fields(HOST).bad("#b").ours("400").because(NO_HOST),
        row("S7.2", "two hosts in Host, with a space", host("a.example, b.example"))
            .fields(HOST)
            .bad("e, b")
            .ours("400"),
        row("S7.2", "a comma in Host", host("a,b.example")).fields(HOST).ours("`host: a,b.example`"),
    ]
}

fn forms() -> Vec<Row> {
    vec![
        row("M3.2.2", "absolute-form travels as origin-form", line("GET http://example.com/a?b HTTP/1.1"))
            .look(Look::Line)
            .ours("`GET /a?b HTTP/1.1`"),
        row("M3.2.2", "absolute-form with another Host", line("GET http://other.example/a HTTP/1.1"))
            .fields(HOST)
            .bad("host: example.com")
            .ours("`host: other.example`"),
        row("M3.2", "absolute-form without Host", "GET http://other.example/a HTTP/1.1\r\n\r\n")
            .fields(HOST)
            .ours("400"),
        row("M3.2.2", "absolute-form with a port", line("GET http://other.example:81/a HTTP/1.1"))
            .fields(HOST)
            .ours("`host: other.example:81`"),
        row("M3.2.2", "absolute-form without a path", line("GET http://example.com HTTP/1.1"))
            .look(Look::Line)
            .ours("`GET / HTTP/1.1`"),
        row("M3.2.2", "absolute-form, a query at once", line("GET http://example.com?b HTTP/1.1"))
            .look(Look::Line)
            .ours("`GET /?b HTTP/1.1`"),
        row("M3.2.2", "absolute-form in capitals", line("GET HTTP://EXAMPLE.COM/a HTTP/1.1"))
            .fields(HOST)
            .ours("`host: EXAMPLE.COM`"),
        row("M3.2.2", "absolute-form with `https:`", line("GET https://example.com/a HTTP/1.1"))
            .look(Look::Line)
            .ours("400")
            .because(HTTPS),
        row("M3.2.2", "absolute-form with `ftp:`", line("GET ftp://example.com/a HTTP/1.1"))
            .look(Look::Line)
            .ours("400")
            .because(HTTPS),
        row("S4.2.1", "absolute-form with no host", line("GET http:///a HTTP/1.1"))
            .look(Look::Line)
            .ours("400"),
        row("S4.2.4", "userinfo in absolute-form", line("GET http://u:p@example.com/a HTTP/1.1"))
            .fields(HOST)
            .bad("u:p@")
            .ours("400"),
        row("M3.2", "a fragment in the target", line("GET /a#b HTTP/1.1"))
            .look(Look::Line)
            .bad("#b")
            .ours("400"),
        row("M3.2", "a target without `/`", line("GET a HTTP/1.1")).look(Look::Line).ours("400"),
        row("M3.2.3", "authority-form with GET", line("GET example.com:80 HTTP/1.1"))
            .look(Look::Line)
            .ours("400"),
        row("M3.2.4", "`OPTIONS *`", line("OPTIONS * HTTP/1.1"))
            .look(Look::Line)
            .ours("`OPTIONS * HTTP/1.1`"),
        row(
            "M3.2.4",
            "OPTIONS of a whole server in absolute-form",
            line("OPTIONS http://example.com HTTP/1.1"),
        )
        .look(Look::Line)
        .ours("`OPTIONS * HTTP/1.1`"),
        row("M3.2.4", "`GET *`", line("GET * HTTP/1.1")).look(Look::Line).ours("400"),
    ]
}

fn paths() -> Vec<Row> {
    let as_it_came = |rule, target: &str, ours| {
        row("S7.7", rule, line(&format!("GET {target} HTTP/1.1"))).look(Look::Line).ours(ours)
    };
    vec![
        as_it_came("`..` in the path", "/a/../b", "`GET /a/../b HTTP/1.1`"),
        as_it_came("`..` beyond the root", "/../b", "`GET /../b HTTP/1.1`"),
        as_it_came("escapes in the path", "/a%2f%2e%2E/%41", "`GET /a%2f%2e%2E/%41 HTTP/1.1`"),
        as_it_came("two slashes", "//a//b", "`GET //a//b HTTP/1.1`"),
        as_it_came("an invalid escape", "/a%zz", "`GET /a%zz HTTP/1.1`"),
        as_it_came("a query, `;` and `?` in it", "/a;b?c=/../d?e", "`GET /a;b?c=/../d?e HTTP/1.1`"),
    ]
}

fn methods() -> Vec<Row> {
    let of = |method: &str, hops: &str| {
        format!("{method} /a HTTP/1.1\r\nHost: example.com\r\nMax-Forwards: {hops}\r\n\r\n")
    };
    vec![
        row("S9.3.6", "CONNECT", "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
            .look(Look::Line)
            .ours("405"),
        row("S9.3.6", "CONNECT with a path", line("CONNECT /a HTTP/1.1")).look(Look::Line).ours("405"),
        row("S9.3.8", "TRACE", line("TRACE /a HTTP/1.1")).look(Look::Line).ours("405"),
        row("S7.6.2", "OPTIONS, `Max-Forwards: 5`", of("OPTIONS", "5"))
            .look(Look::Fields(HOPS))
            .ours("`max-forwards: 4`"),
        row("S7.6.2", "OPTIONS, `Max-Forwards: 0`", of("OPTIONS", "0"))
            .look(Look::Fields(HOPS))
            .ours("answers 200 itself, stays open")
            .because("a receiver that gets 0 has to answer by itself"),
        row("S7.6.2", "GET, `Max-Forwards: 0`", of("GET", "0")).fields(HOPS).ours("`max-forwards: 0`"),
    ]
}
