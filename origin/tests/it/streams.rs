//! Requests are found in the byte stream however it is cut, and answered in order.

use std::io::Write;
use std::net::Shutdown;
use std::time::Duration;

use penstock_origin::Options;

use crate::wire::{Wire, both_ways, eventually, request, start, start_with};

#[test]
fn a_hundred_pipelined_requests_are_answered_in_order() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let requests: String = (0..100).map(|n| request("GET", &format!("/echo?{n}"))).collect();
        wire.send(requests);
        for n in 0..100 {
            assert_eq!(wire.answer().json()["target"], format!("/echo?{n}"));
        }
    }
}

#[test]
fn a_delay_holds_up_those_behind_it() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let targets = ["/hello", "/delay/30", "/bytes/200000", "/delay/1", "/json", "/chunked/5"];
        wire.send(targets.map(|target| request("GET", target)).concat());
        let lengths = targets.map(|_| wire.answer().body.len());
        assert_eq!(lengths, [13, 17, 200_000, 16, 27, 5]);
    }
}

#[test]
fn more_answers_than_fit_a_turn_wait_for_the_reader() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let mut writer = wire.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            writer.write_all(request("GET", "/bytes/40000").repeat(1000).as_bytes()).unwrap();
        });
        for n in 0..1000 {
            assert_eq!(wire.answer().body.len(), 40_000, "answer {n}");
        }
        sender.join().unwrap();
    }
}

#[test]
fn any_cut_gives_the_same_answers() {
    let post = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let sum = "POST /add HTTP/1.1\r\nHost: h\r\nContent-Length: 14\r\n\r\n{\"args\":[1,2]}";
    let text = [&request("GET", "/hello"), post, sum, &request("GET", "/simple")].concat();
    let expected = ["Hello, World!", "abcde", "{\"result\":3}", "{\"message\":\"hi\"}"];
    for origin in both_ways() {
        for cut in 1..text.len() {
            let mut wire = Wire::to(&origin);
            let (first, second) = text.as_bytes().split_at(cut);
            wire.send(first);
            // The origin has taken in the first part before the second is sent, so the cut is a real one.
            let received = || origin.stats().total().received_bytes as usize;
            let before = (cut - 1) * text.len();
            eventually("the first part has arrived", || received() == before + cut);
            wire.send(second);
            for body in expected {
                assert_eq!(wire.answer().text(), body, "cut at {cut}");
            }
        }
        let mut wire = Wire::to(&origin);
        for byte in text.as_bytes().chunks(1) {
            wire.send(byte);
        }
        for body in expected {
            assert_eq!(wire.answer().text(), body, "byte by byte");
        }
    }
}

#[test]
fn old_clients_are_kept_only_when_they_ask() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = wire.answer();
        assert_eq!((answer.text(), answer.field("connection")), ("Hello, World!", Some("keep-alive")));
        wire.send("GET /hello HTTP/1.0\r\n\r\n");
        assert_eq!(wire.answer().field("connection"), Some("close"));
        assert_eq!(wire.rest(), b"");
        let mut wire = Wire::to(&origin);
        wire.send("GET /chunked/20 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = wire.answer();
        assert_eq!((answer.field("transfer-encoding"), answer.field("connection")), (None, Some("close")));
        assert_eq!(answer.body.len(), 20);
    }
}

#[test]
fn a_client_that_shuts_its_side_still_gets_its_answers() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/delay/20") + &request("GET", "/hello"));
        wire.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(wire.answer().text(), "{\"delayed_ms\":20}");
        assert_eq!(wire.answer().text(), "Hello, World!");
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn who_waits_for_100_is_told_to_go_on() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
        assert_eq!(wire.answer().status, 100);
        assert_eq!(wire.send("hi").answer().text(), "hi");
    }
}

#[test]
fn malformed_requests_are_refused_and_the_connection_closed() {
    let head = |fields: &str| format!("POST /echo HTTP/1.1\r\n{fields}\r\n");
    let cases = [
        ("\u{1}\r\n\r\n".to_owned(), 400),
        ("GET /hello\r\n\r\n".to_owned(), 400),
        ("GET /hello HTTP/1.1\nHost: h\n\n".to_owned(), 400),
        ("GET /hello HTTP/3.0\r\nHost: h\r\n\r\n".to_owned(), 505),
        (head(""), 400),
        (head("Host: h\r\nBad Name: x\r\n"), 400),
        (head("Host: h\r\nContent-Length: x\r\n"), 400),
        (head("Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400),
        (head("Host: h\r\nTransfer-Encoding: gzip\r\n"), 501),
        (head("Host: h\r\nTransfer-Encoding: chunked\r\n") + "zz\r\n", 400),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(40_000)), 431),
    ];
    for origin in both_ways() {
        for (text, status) in &cases {
            let mut wire = Wire::to(&origin);
            wire.send(request("GET", "/hello") + text);
            assert_eq!(wire.answer().status, 200, "the good one before it is answered");
            let answer = wire.answer();
            assert_eq!((answer.status, answer.field("connection")), (*status, Some("close")), "{text:?}");
            assert_eq!(wire.rest(), b"");
        }
    }
}

#[test]
fn a_body_that_breaks_off_after_its_answer_began_ends_without_a_last_chunk() {
    let origin = start();
    let mut wire = Wire::to(&origin);
    wire.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n");
    let rest = String::from_utf8(wire.rest()).unwrap();
    assert!(rest.starts_with("HTTP/1.1 200") && rest.ends_with("\r\n\r\n2\r\nhi\r\n"), "{rest}");
    assert_eq!(origin.stats().total().requests, 0);
}

#[test]
fn silence_closes_after_the_idle_timeout_and_requests_put_it_off() {
    let idle_timeout = Some(Duration::from_millis(150));
    for legacy in [None, Some(4)] {
        let origin = start_with(Options { idle_timeout, legacy, ..Options::default() });
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.get("/delay/300").status, 200, "waiting for the origin is not idling");
        for _ in 0..3 {
            assert_eq!(wire.get("/hello").status, 200);
        }
        assert_eq!(wire.rest(), b"");
    }
}
