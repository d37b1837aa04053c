//! The heads of HTTP/1.1: parsed, and written for the other side.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use penstock::config::{HeadLimits, HttpRules};
use penstock::proto::http::{Ask, Method, RequestHead, ResponseFormat, ResponseHead};
use penstock::proto::http1::{FieldRoom, Forwarding, Parsed, ResponseWriter, parse_request, parse_response};

use crate::Piece;

pub(crate) const PIECES: [Piece; 6] = [
    Piece { name: "parse-request", run: |rounds| parse(GET, rounds) },
    Piece { name: "parse-browser-request", run: |rounds| parse(BROWSER, rounds) },
    Piece { name: "write-request", run: |rounds| forward(BROWSER, rounds) },
    Piece { name: "parse-response", run: parse_answer },
    Piece { name: "encode-response", run: |rounds| encode(SIZED, rounds) },
    Piece { name: "encode-chunked-response", run: |rounds| encode(CHUNKED, rounds) },
];

pub(crate) const GET: &[u8] = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
const BROWSER: &[u8] = b"GET /assets/site.css?v=3 HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\nAccept: text/css,*/*;q=0.1\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nConnection: keep-alive\r\nReferer: http://www.example.org/\r\nCookie: sid=0123456789abcdef0123456789abcdef\r\nSec-Fetch-Dest: style\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n";
pub(crate) const SIZED: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 21:11:32 GMT\r\nContent-Type: text/plain\r\nContent-Length: 28\r\nConnection: keep-alive\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 21:11:32 GMT\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n";
pub(crate) const CONTENT: &[u8] = b"Hello, this is what you get.";

pub(crate) const ASK: Ask = Ask { method: Method::Get, upgrade: false, chunked: false };
pub(crate) const DATE: [u8; 29] = *b"Sun, 06 Nov 1994 08:49:37 GMT";

fn parse(bytes: &[u8], rounds: u64) {
    let rules = rules();
    for _ in 0..rounds {
        let mut fields = FieldRoom::new();
        black_box(request(black_box(bytes), &rules, &mut fields));
    }
}

/// Writes what a member gets, with `X-Forwarded-*` and `Via`.
fn forward(bytes: &[u8], rounds: u64) {
    let rules = rules();
    let mut fields = FieldRoom::new();
    let head = request(bytes, &rules, &mut fields);
    let peer = IpAddr::V4(Ipv4Addr::new(127, 1, 2, 3));
    let mut out = Vec::with_capacity(4096);
    for _ in 0..rounds {
        out.clear();
        black_box(&head).forward(&Forwarding { peer, rules: &rules, no_expect: false }, &mut out);
        black_box(&out);
    }
}

fn parse_answer(rounds: u64) {
    for _ in 0..rounds {
        let mut fields = FieldRoom::new();
        black_box(response(black_box(SIZED), &mut fields));
    }
}

/// Writes what a client gets: head, content and end.
fn encode(bytes: &[u8], rounds: u64) {
    let mut fields = FieldRoom::new();
    let head = response(bytes, &mut fields);
    let format = ResponseFormat { minor_version: 1, keep_alive: true, ..ResponseFormat::default() };
    let mut out = Vec::with_capacity(4096);
    for _ in 0..rounds {
        out.clear();
        let mut writer = ResponseWriter::new();
        writer
            .head(black_box(&head), format, false, &DATE, &mut out)
            .expect("the client takes such an answer");
        writer.data(black_box(CONTENT), &mut out);
        writer.end(b"", &mut out);
        black_box(&out);
    }
}

/// The default rules, but for the name in `Via`: it is drawn anew in each process, and all runs must do the same.
fn rules() -> HttpRules {
    HttpRules { via: Some("penstock".into()), ..HttpRules::default() }
}

fn request<'h, 'b>(bytes: &'b [u8], rules: &HttpRules, fields: &'h mut FieldRoom<'b>) -> RequestHead<'h, 'b> {
    match parse_request(bytes, rules, fields) {
        Ok(Parsed::Head { head, .. }) => head,
        other => panic!("a whole and good request: {other:?}"),
    }
}

fn response<'h, 'b>(bytes: &'b [u8], fields: &'h mut FieldRoom<'b>) -> ResponseHead<'h, 'b> {
    match parse_response(bytes, &HeadLimits::default(), ASK, fields) {
        Ok(Parsed::Head { head, .. }) => head,
        other => panic!("a whole and good response: {other:?}"),
    }
}
