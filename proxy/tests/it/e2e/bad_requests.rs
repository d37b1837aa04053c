//! A request that is none is refused with its reason, after the responses to what was asked before.

use crate::support::script::Script;
use crate::support::stand::Setup;
use crate::support::wire::{Wire, post, request};

#[track_caller]
fn refused(client: &mut Wire, bytes: &[u8], expected: (u16, &str)) {
    client.send(bytes);
    let answer = client.answer();
    assert_eq!(answer.cause(), expected, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
    assert!(answer.closes());
    client.is_over();
}

#[test]
fn each_kind_of_bad_request_is_refused_and_the_connection_closed() {
    let (origin, proxy) = Setup::new().workers(1).with_origin(1);
    let get = |rest: &str| format!("GET /hello HTTP/1.1\r\nHost: h\r\n{rest}\r\n\r\n");
    let bad = (400, "bad_request");
    for (bytes, expected) in [
        ("nonsense\r\n\r\n".to_owned(), bad),
        ("GET  /hello HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), bad),
        ("GET /hello HTTP/1.1\nHost: h\n\n".to_owned(), bad),
        ("GET /hello HTTP/1.1\r\n\r\n".to_owned(), bad),
        ("GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), bad),
        ("GET /hello HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), (505, "unsupported")),
        (get("A : b"), bad),
        (get("A: b\r\n folded"), bad),
        (get("A: \0"), bad),
        (get("Content-Length: 1, 2"), bad),
        (get("Content-Length: +1"), bad),
        (get("Content-Length: 1\r\nContent-Length: 2"), bad),
        (get("Content-Length: 0\r\nTransfer-Encoding: chunked"), bad),
        (get("Transfer-Encoding: chunked, chunked"), bad),
        (get("Transfer-Encoding: gzip"), (501, "unsupported")),
        (get("Connection: host"), bad),
        (get("Expect: the-moon"), (417, "unsupported")),
        ("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n".to_owned(), (405, "unsupported")),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), (405, "unsupported")),
    ] {
        refused(&mut proxy.client(), bytes.as_bytes(), expected);
    }
    assert_eq!(origin.stats().total().requests, 0);
    let rest = proxy.at_rest();
    assert_eq!(rest.sum("penstock_requests_total"), rest.sum("penstock_request_errors_total"));
    assert_eq!(rest.sum("penstock_requests_total"), rest.sum("penstock_request_duration_seconds_count"));
}

#[test]
fn a_bad_request_is_answered_after_the_good_ones_before_it() {
    for pipeline in [1, 32] {
        let setup = Setup::new().workers(1).backend(&format!("links: {{ pipeline: {pipeline} }}"));
        let (origin, proxy) = setup.with_origin(1);
        let mut client = proxy.client();
        client.send(
            request("GET", "/delay/50")
                + &request("GET", "/echo?id=2")
                + "bad\r\n\r\n"
                + &request("GET", "/hello"),
        );
        assert_eq!(client.answer().text(), r#"{"delayed_ms":50}"#);
        assert!(client.answer().text().contains("id=2"));
        let answer = client.answer();
        assert_eq!((answer.cause(), answer.closes()), ((400, "bad_request"), true));
        client.is_over();
        assert_eq!(origin.stats().total().requests, 2, "what follows is not served");
    }
}

#[test]
fn heads_over_a_limit_are_refused() {
    let member = Script::always("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false);
    let proxy = Setup::new().workers(1).before_one(member.address);
    let with = |fields: String| format!("GET /hello HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let long = |n: usize| "x".repeat(n);
    let lines = |count: usize, size: usize| (0..count).map(|i| format!("A{i}: {}\r\n", long(size))).collect();
    let mut client = proxy.client();
    for fine in
        [with(lines(3, 8 << 10)), with(lines(99, 10)), with(format!("A: {}\r\n", long((16 << 10) - 10)))]
    {
        assert_eq!(client.send(fine).answer().status, 200);
    }
    let fine = format!("GET /hello?{} HTTP/1.1\r\nHost: h\r\n\r\n", long((8 << 10) - 30));
    assert_eq!(client.send(fine).answer().status, 200);
    for over in [with(lines(5, 8 << 10)), with(lines(101, 10)), with(format!("A: {}\r\n", long(17 << 10)))] {
        refused(&mut proxy.client(), over.as_bytes(), (431, "head_too_large"));
    }
    for size in [17 << 10, 40 << 10, 64 << 10] {
        let over = format!("GET /hello?{} HTTP/1.1\r\nHost: h\r\n\r\n", long(size));
        refused(&mut proxy.client(), over.as_bytes(), (414, "target_too_long"));
    }
    // It need not be whole to be too long.
    let endless = format!("GET /hello HTTP/1.1\r\nHost: h\r\n{}", lines(6, 8 << 10));
    refused(&mut proxy.client(), endless.as_bytes(), (431, "head_too_large"));
}

#[test]
fn limits_are_those_of_the_listener() {
    let setup = Setup::new().listener("limits: { head: 1KiB, line: 256B, fields: 3 }");
    let (_origin, proxy) = setup.with_origin(1);
    let over = |field: String| format!("GET / HTTP/1.1\r\nHost: h\r\n{field}\r\n");
    let large = (431, "head_too_large");
    refused(&mut proxy.client(), over(format!("A: {}\r\n", "x".repeat(300))).as_bytes(), large);
    refused(&mut proxy.client(), over("A: 1\r\n".repeat(3)).as_bytes(), large);
    let target = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(300));
    refused(&mut proxy.client(), target.as_bytes(), (414, "target_too_long"));
}

#[test]
fn a_bad_chunk_ends_the_exchange() {
    let (_origin, proxy) = Setup::new().workers(1).with_origin(1);
    let head = "POST /add HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for bad in ["x\r\n", "5\nhello\r\n", "2\r\nhello\r\n", "-1\r\n", "ffffffffffffffffffff\r\n"] {
        refused(&mut proxy.client(), format!("{head}{bad}").as_bytes(), (400, "bad_request"));
    }
    assert_eq!(proxy.client().post("/add", br#"{"args":[1,2]}"#).text(), r#"{"result":3}"#);
}

#[test]
fn a_bad_request_behind_a_body_is_refused_after_its_answer() {
    let (_origin, proxy) = Setup::new().workers(1).with_origin(1);
    let mut client = proxy.client();
    let mut bytes = post("/echo", b"good");
    bytes.extend(b"\0\r\n\r\n");
    client.send(bytes);
    assert_eq!(client.answer().text(), "good");
    assert_eq!(client.answer().cause(), (400, "bad_request"));
    client.is_over();
}
