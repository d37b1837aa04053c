//! The origin does what HTTP allows and few servers do: trailers, interim responses, an old version, no date, the head as it came.

use serde_json::json;

use crate::wire::{Wire, both_ways, request};

/// All bytes of an answer, but for the fields that each answer has.
fn bytes(wire: &mut Wire) -> String {
    let text = String::from_utf8(wire.rest()).unwrap();
    let usual = ["Server: ", "Date: ", "X-Member: ", "Content-Type: text/plain"];
    text.split_inclusive("\r\n").filter(|line| !usual.iter().any(|name| line.starts_with(name))).collect()
}

fn closing(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
}

#[test]
fn trailers_follow_the_last_chunk() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nTrailer: X-Fnv, X-Part\r\n\r\n";
    let body = "16\r\na body in two chunks, \r\n17\r\nand trailers behind it\n\r\n0\r\n\
                X-Fnv: e03293cb76ae880f\r\nX-Part: one\r\nX-Part: two\r\n\r\n";
    for origin in both_ways() {
        let said = bytes(Wire::to(&origin).send(closing("GET", "/trailers")));
        assert_eq!(said, format!("{head}{body}"));
        assert_eq!(bytes(Wire::to(&origin).send(closing("HEAD", "/trailers"))), head);
        let old = bytes(Wire::to(&origin).send("GET /trailers HTTP/1.0\r\n\r\n"));
        assert!(old.contains("Content-Length: 45\r\n") && old.ends_with("behind it\n"), "{old}");
    }
}

#[test]
fn trailers_come_back_as_json() {
    let post = "POST /trailers HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n";
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let answer = wire.send(format!("{post}X-A: b\r\nx-a:\r\nC:\td e \r\n\r\n")).answer();
        assert_eq!(answer.json(), json!({"trailers": [["X-A", "b"], ["x-a", ""], ["C", "d e"]]}));
        assert_eq!(wire.post("/trailers", b"abc").json(), json!({"trailers": []}));
        let refused = wire.send(format!("{post}X-A\r\n\r\n")).answer();
        assert_eq!((refused.status, refused.text()), (400, "malformed trailer\n"));
    }
}

#[test]
fn hints_come_early_and_not_to_old_clients() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for method in ["GET", "HEAD"] {
            let hints = wire.send(request(method, "/early")).answer();
            let link = "</style.css>; rel=preload; as=style";
            assert_eq!((hints.status, hints.field("link")), (103, Some(link)));
            assert_eq!(wire.answer_to(method).status, 200);
        }
        wire.send("GET /early HTTP/1.0\r\n\r\n");
        assert_eq!(wire.answer().text(), "after the early hints\n");
    }
}

#[test]
fn an_old_answer_ends_with_the_connection() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/old") + &request("GET", "/hello"));
        assert_eq!(bytes(&mut wire), "HTTP/1.0 200 OK\r\n\r\nin HTTP/1.0, until the connection ends\n");
        assert_eq!(bytes(Wire::to(&origin).send(request("HEAD", "/old"))), "HTTP/1.0 200 OK\r\n\r\n");
    }
}

#[test]
fn an_answer_without_a_date_is_whole_otherwise() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let answer = wire.get("/nodate");
        assert_eq!((answer.status, answer.text(), answer.field("date")), (200, "without a date\n", None));
        assert_eq!(answer.field("x-member"), Some("a"));
        assert_eq!(wire.ask("HEAD", "/nodate").field("content-length"), Some("15"));
        wire.send(closing("GET", "/nodate"));
        assert_eq!(wire.answer().field("connection"), Some("close"));
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn a_head_comes_back_as_it_came() {
    let head = "PATCH /headers?x HTTP/1.1\r\nhOST:   h\r\nX-A:b\r\nX-A: \tc\t\r\nContent-Length: 3\r\n\r\n";
    for origin in both_ways() {
        let answer = Wire::to(&origin).send(format!("{head}abc")).answer();
        assert_eq!((answer.field("content-type"), answer.text()), (Some("text/plain"), head));
    }
}
