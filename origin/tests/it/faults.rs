//! The origin misbehaves exactly as told.

use std::io::ErrorKind;
use std::io::Read;
use std::time::Duration;

use crate::wire::{Wire, both_ways, eventually, pattern, request};

#[test]
fn close_ends_without_an_answer() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/hello") + &request("GET", "/fault/close"));
        assert_eq!(wire.answer().status, 200);
        assert_eq!(wire.rest(), b"");
        assert_eq!(origin.stats().total().requests, 1);
    }
}

#[test]
fn partial_breaks_its_promise() {
    for origin in both_ways() {
        for (asked, sent) in [(0, 0), (1, 1), (999, 999), (5000, 999)] {
            let mut wire = Wire::to(&origin);
            wire.send(request("GET", &format!("/fault/partial/{asked}")));
            let answer = wire.answer_to("HEAD");
            assert_eq!((answer.status, answer.field("content-length")), (200, Some("1000")));
            assert_eq!(wire.rest(), pattern(sent));
        }
        assert_eq!(origin.stats().total().requests, 0);
    }
}

#[test]
fn reset_resets() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        assert!(wire.send(request("POST", "/fault/reset")).ends_by_reset());
        let mut wire = Wire::to(&origin);
        assert!(!wire.send(request("GET", "/fault/close")).ends_by_reset());
    }
}

#[test]
fn garbage_is_not_http() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let garbage = wire.send(request("GET", "/fault/garbage")).rest();
        assert!(!garbage.is_empty() && !garbage.starts_with(b"HTTP/"));
    }
}

#[test]
fn surplus_follows_a_valid_answer() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/fault/surplus"));
        assert_eq!(wire.answer().text(), "an answer\n");
        assert_eq!(wire.take(16), b"and some surplus");
        assert_eq!(wire.get("/hello").status, 200);
    }
}

#[test]
fn never_is_silent_until_the_client_gives_up() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/fault/never") + &request("GET", "/hello"));
        wire.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let silence = wire.stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(silence.kind(), ErrorKind::WouldBlock);
        assert_eq!(origin.stats().total().open, 1);
        drop(wire);
        eventually("the origin lets go", || origin.stats().total().open == 0);
    }
}

#[test]
fn close_after_counts_the_requests_of_its_connection() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.get("/hello").status, 200);
        assert_eq!(wire.get("/fault/close-after/3").text(), "not yet\n");
        assert_eq!(wire.send(request("GET", "/fault/close-after/3")).rest(), b"");
    }
}
