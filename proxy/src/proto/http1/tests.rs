//! Tests that a head without the bytes it came in is written as the same message.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{FieldRoom, Forwarding, Parsed, parse_request, parse_response};
use crate::config::{HeadLimits, HttpRules};
use crate::proto::http::{Ask, Codings, Method, ResponseFormat};

const DATE: &[u8; 29] = b"Thu, 01 Jan 1970 00:00:00 GMT";

/// The start line, and the names and values of the fields in their order.
type Message = (String, Vec<(String, String)>);

fn read(bytes: &[u8]) -> Message {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let head = text.strip_suffix("\r\n\r\n").expect("an empty line at the end");
    let mut lines = head.split("\r\n");
    let start = lines.next().unwrap().to_owned();
    let field = |line: &str| {
        let (name, value) = line.split_once(':').expect("a name and a value");
        (name.to_owned(), value.trim().to_owned())
    };
    (start, lines.map(field).collect())
}

/// Field lines that stay behind, are rewritten, are looked at, or just pass.
fn lines() -> impl Strategy<Value = String> {
    let line = select(vec![
        "Host: a",
        "Host:  a:80 ",
        "Accept:*/*",
        "X-Long: some words, and others\t",
        "x-empty:",
        "Connection: close, x-named",
        "Connection: keep-alive",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "X-Named: y",
        "Keep-Alive: timeout=5",
        "TE: trailers, gzip",
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Expect: 100-continue",
        "Expect: ,100-continue",
        "Max-Forwards: 7",
        "X-Forwarded-For: 192.0.2.1, 192.0.2.2",
        "Forwarded: for=192.0.2.3",
        "Via: 1.0 other",
        "Date: Thu, 01 Jan 1970 00:00:01 GMT",
        "Server: s",
    ]);
    vec(line, 0..8).prop_map(|lines| lines.iter().map(|line| format!("{line}\r\n")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: proptest::test_runner::RngSeed::Fixed(29), cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn a_request_without_its_bytes_is_the_same_request(
        line in select(vec![
            "GET /", "POST /a?b=c", "OPTIONS *", "OPTIONS http://b", "GET http://b/c?d", "PUT http://b:8080", "WHAT /x",
        ]),
        version in 0..2u8, lines in lines(), no_expect in any::<bool>(),
    ) {
        let bytes = format!("{line} HTTP/1.{version}\r\n{lines}\r\n");
        let rules = HttpRules::default();
        let way = Forwarding { peer: "192.0.2.7".parse().unwrap(), rules: &rules, no_expect };
        let mut fields = FieldRoom::new();
        if let Ok(Parsed::Head { mut head, .. }) = parse_request(bytes.as_bytes(), &rules, &mut fields) {
            let (mut copied, mut written) = (Vec::new(), Vec::new());
            head.forward(&way, &mut copied);
            head.head.wire = None;
            head.forward(&way, &mut written);
            prop_assert_eq!(read(&copied), read(&written));
        }
    }

    #[test]
    fn a_response_without_its_bytes_is_the_same_response(
        status in select(vec![100, 101, 103, 200, 204, 205, 304, 426, 500]), reason in select(vec!["", " ", " OK", " Not so fine"]),
        version in 0..2u8, lines in lines(), old in any::<bool>(), keep_alive in any::<bool>(), close in any::<bool>(),
    ) {
        let bytes = format!("HTTP/1.{version} {status}{reason}\r\n{lines}\r\n");
        let ask = Ask { method: Method::Get, upgrade: true, chunked: false };
        let format =
            ResponseFormat { minor_version: u8::from(!old), keep_alive, codings: Codings::asked_for(b"gzip") };
        let mut fields = FieldRoom::new();
        let parsed = parse_response(bytes.as_bytes(), &HeadLimits::default(), ask, &mut fields);
        if let Ok(Parsed::Head { mut head, .. }) = parsed {
            let (mut copied, mut written) = (Vec::new(), Vec::new());
            let outgoing = head.forward(format, close, DATE, &mut copied);
            head.head.wire = None;
            prop_assert_eq!(outgoing, head.forward(format, close, DATE, &mut written));
            if outgoing.is_err() {
                prop_assert!(copied.is_empty() && written.is_empty());
                return Ok(());
            }
            let ((mut with, fields), (mut without, others)) = (read(&copied), read(&written));
            with.truncate("HTTP/1.1 200 ".len()); // a reason phrase is nowhere but in the bytes
            without.truncate("HTTP/1.1 200 ".len());
            prop_assert_eq!((with, fields), (without, others));
        }
    }
}
