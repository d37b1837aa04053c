//! Tests that whatever one client could multiply goes on: bytes one by one, frames of one byte, heads in many segments.
//!
//! That it costs no square is counted where it is decided (`proto::reread`, `proto::http1::{walk, rule}`, `config::Networks`);
//! these tests see that nothing is lost or told late by it.

use std::io::Write;

use crate::support::stand::Setup;
use crate::support::wire::eventually;

#[test]
fn a_head_that_comes_byte_by_byte_is_answered() {
    let (_origin, proxy) = Setup::new().workers(1).with_origin(1);
    let mut client = proxy.client();
    client.stream.set_nodelay(true).unwrap();
    let lines: String = (0..40).map(|n| format!("X-{n}: {}\r\n", "v".repeat(n))).collect();
    for head in [
        format!("GET /hello HTTP/1.1\r\nHost: a\r\n{lines}\r\n"),
        "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] {
        for byte in head.as_bytes() {
            client.stream.write_all(&[*byte]).unwrap();
        }
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_fault_in_a_line_is_told_when_that_has_ended() {
    let (_origin, proxy) = Setup::new().workers(1).with_origin(1);
    let mut client = proxy.client();
    client.send("GET /hello HTTP/1.1\r\n");
    eventually("it is a head", || proxy.sum_of("penstock_client_connections", &["state=\"head\""]) == 1);
    client.send("Host: a\r\n").send("no colon\r\n");
    assert_eq!(client.answer().status, 400);
}

/// A request that has to be alone stands behind one that is answered late, and its client goes on talking.
#[test]
fn what_stands_behind_a_slow_one_is_sent_when_its_turn_has_come() {
    let (_origin, proxy) = Setup::new().workers(1).with_origin(1);
    let mut client = proxy.client();
    client.send("GET /delay/300 HTTP/1.1\r\nHost: a\r\n\r\n");
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for byte in post.as_bytes() {
        client.stream.write_all(&[*byte]).unwrap();
    }
    client.send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().status, 200);
}
