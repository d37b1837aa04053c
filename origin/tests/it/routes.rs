//! Each route answers what it says, to GET and HEAD, on workers and on legacy threads.

use crate::wire::{Wire, both_ways, eventually, pattern, request, start};

#[test]
fn fixed_answers() {
    let cases = [
        ("/hello", "text/plain", "Hello, World!"),
        ("/json", "application/json", r#"{"message":"Hello, World!"}"#),
        ("/simple?x=1", "application/json", r#"{"message":"hi"}"#),
        ("http://elsewhere/simple", "application/json", r#"{"message":"hi"}"#),
        ("/delay/3", "application/json", r#"{"delayed_ms":3}"#),
        ("/status/418", "application/json", r#"{"status":418}"#),
    ];
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for (target, kind, body) in cases {
            let answer = wire.get(target);
            assert_eq!((answer.field("content-type"), answer.text()), (Some(kind), body), "{target}");
            assert_eq!(answer.field("x-member"), Some("a"));
            assert_eq!(answer.field("server"), Some("penstock-origin"));
            assert_eq!(answer.field("connection"), None);
            assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT") && date.len() == 29));
        }
    }
}

#[test]
fn head_has_the_fields_of_get_and_no_body() {
    let targets =
        ["/hello", "/json", "/simple", "/bytes/99", "/chunked/99", "/delay/1", "/status/404", "/nowhere"];
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for target in targets {
            let (head, get) = (wire.ask("HEAD", target), wire.get(target));
            let without_date = |fields: &[(String, String)]| {
                fields.iter().filter(|(name, _)| name != "Date").cloned().collect::<Vec<_>>()
            };
            assert_eq!(head.status, get.status, "{target}");
            assert_eq!(without_date(&head.fields), without_date(&get.fields), "{target}");
        }
        assert_eq!(wire.get("/hello").text(), "Hello, World!");
    }
}

#[test]
fn head_of_what_ends_by_closing_closes() {
    let origin = start();
    for target in ["/until-close/99", "/close"] {
        let mut wire = Wire::to(&origin);
        let answer = wire.ask("HEAD", target);
        assert_eq!(answer.field("connection"), Some("close"), "{target}");
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn pattern_bytes_in_every_framing() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for count in [0, 1, 250, 251, 8192, 8193, 65_536, 3_000_001] {
            let plain = wire.get(&format!("/bytes/{count}"));
            assert_eq!(plain.field("content-length"), Some(count.to_string().as_str()));
            assert!(plain.body == pattern(count), "/bytes/{count}");
            let chunked = wire.get(&format!("/chunked/{count}"));
            assert_eq!(chunked.field("transfer-encoding"), Some("chunked"));
            assert!(chunked.body == pattern(count), "/chunked/{count}");
            let closed = Wire::to(&origin).get(&format!("/until-close/{count}"));
            assert_eq!((closed.field("content-length"), closed.field("connection")), (None, Some("close")));
            assert!(closed.body == pattern(count), "/until-close/{count}");
        }
    }
}

#[test]
fn statuses_without_content() {
    let origin = start();
    let mut wire = Wire::to(&origin);
    for status in [204, 304] {
        let answer = wire.get(&format!("/status/{status}"));
        assert_eq!((answer.status, answer.field("content-length")), (status, None));
    }
    let answer = wire.get("/status/205");
    assert_eq!((answer.status, answer.field("content-length")), (205, Some("0")));
    for status in (200..600).filter(|status| !matches!(status, 204 | 205 | 304)) {
        let answer = wire.get(&format!("/status/{status}"));
        assert_eq!((answer.status, answer.text()), (status, format!("{{\"status\":{status}}}").as_str()));
    }
}

#[test]
fn echo_shows_the_head() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        let source = wire.address().unwrap().to_string();
        wire.send("GET /echo?q=\"1\" HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: \t2 \r\n\r\n");
        let answer = wire.answer();
        let expected = serde_json::json!({
            "method": "GET",
            "target": "/echo?q=\"1\"",
            "headers": [["Host", "h"], ["X-A", "1"], ["x-a", "2"]],
            "source": source,
        });
        assert_eq!((answer.field("content-type"), answer.json()), (Some("application/json"), expected));
    }
}

#[test]
fn echo_sends_a_body_back_as_it_came() {
    let big = pattern(300_000);
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.post("/echo", b"").body, b"");
        assert!(wire.post("/echo", &big).body == big);
        wire.send("PUT /echo HTTP/1.1\r\nHost: h\r\nContent-Type: a/b\r\nTransfer-Encoding: chunked\r\n\r\n");
        wire.send("5\r\nhello\r\n1;x=y\r\n \r\n5\r\nworld\r\n0\r\nTrailer: t\r\n\r\n");
        let answer = wire.answer();
        assert_eq!((answer.text(), answer.field("content-type")), ("hello world", Some("a/b")));
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        assert_eq!(wire.get("/hello").status, 200);
    }
}

#[test]
fn arithmetic_over_post() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        for (target, result) in [("/add", "8"), ("/sub", "4"), ("/mul", "12"), ("/div", "3")] {
            let answer = wire.post(target, br#"{"args":[6,2]}"#);
            assert_eq!((answer.status, answer.text()), (200, format!("{{\"result\":{result}}}").as_str()));
        }
        let answer = wire.post("/div", br#"{"args":[6,0]}"#);
        assert_eq!((answer.status, answer.text()), (400, "division by zero\n"));
        let answer = wire.post("/add", b"{");
        assert_eq!(answer.status, 400);
        assert!(answer.text().starts_with("expected {\"args\":[a,b]}"), "{}", answer.text());
        assert_eq!(wire.get("/hello").status, 200, "the connection outlives a 400 of this kind");
        assert_eq!(wire.post("/add", &[b' '; 70_000]).status, 413);
        assert_eq!(wire.rest(), b"");
    }
}

#[test]
fn wrong_methods_and_targets() {
    let origin = start();
    let mut wire = Wire::to(&origin);
    let answer = wire.post("/hello", b"ignored");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")));
    let answer = wire.get("/add");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    assert_eq!(wire.ask("HEAD", "/mul").status, 405);
    let answer = wire.ask("DELETE", "/echo");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD, POST, PUT")));
    for target in ["/", "/hell", "/hello/", "*", "/fault/unknown"] {
        assert_eq!(wire.get(target).status, 404, "{target}");
    }
    for target in ["/bytes/x", "/chunked/-1", "/status/199", "/status/600", "/delay/1h"] {
        assert_eq!(wire.get(target).status, 400, "{target}");
    }
    assert_eq!(wire.get("/hello").status, 200);
}

#[test]
fn close_answers_and_closes() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        // More than one read takes; it is read all the same, because closing on unread bytes is a reset.
        let requests = request("GET", "/close") + &request("GET", "/hello").repeat(6000);
        wire.send(&requests);
        let answer = wire.answer();
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert_eq!(wire.rest(), b"", "nothing is answered behind a close");
        let all = requests.len() as u64;
        eventually("all was read", || origin.stats().total().received_bytes == all);
    }
}
