//! Tests of D8, the proxy's own responses: the status that fits, an exact length, and one word for the cause.

use crate::rules::ground::{BAD, Ground, chunked, get, post, say, say_no_more, setup};
use crate::support::own_address::own_address;
use crate::support::stand::{Proxy, directory, mute};
use crate::support::wire::{Answer, Wire, eventually, fields, occupy, release, request};

/// Text, its exact length, one word for the cause.
#[track_caller]
fn is_ours(answer: &Answer, status: u16, cause: &str, closes: bool) {
    assert_eq!(answer.cause(), (status, cause));
    let length = answer.body.len().to_string();
    assert!(answer.text().starts_with(cause) && answer.text().ends_with('\n'), "{answer:?}");
    assert_eq!(answer.fields("content-length"), [length]);
    assert_eq!(answer.fields("content-type"), ["text/plain"]);
    assert_eq!((answer.field("transfer-encoding"), answer.closes()), (None, closes), "{answer:?}");
    let retry = answer.field("retry-after").map(|after| after.parse::<u32>().unwrap());
    assert_eq!(retry.is_some(), status == 503, "{answer:?}");
    assert!(retry.is_none_or(|after| after > 0), "0 would bring all of them back at once");
}

/// A request that is none, or too large: the connection is closed behind the answer.
#[test]
fn d8_what_cannot_be_a_request_is_4xx_or_501_and_closes() {
    let ground = Ground::with(&setup().listener("limits: { head: 1KiB, line: 512B, fields: 5, body: 10B }"));
    let long = "x".repeat(600);
    for (request, status, cause) in [
        ("nonsense\r\n\r\n".to_owned(), 400, "bad_request"),
        (format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"), 414, "target_too_long"),
        (get(&format!("A: {long}\r\n")), 431, "head_too_large"),
        (get(&"A: b\r\n".repeat(9)), 431, "head_too_large"),
        (post("Content-Length: 11\r\n", ""), 413, "body_too_large"),
        (post("Expect: x\r\n", ""), 417, "unsupported"),
        (post("Transfer-Encoding: gzip\r\n", ""), 501, "unsupported"),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned(), 505, "unsupported"),
        ("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(), 405, "unsupported"),
        ("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n".to_owned(), 405, "unsupported"),
    ] {
        is_ours(&ground.refuses(request, (status, cause)), status, cause, true);
    }
}

/// RFC 9110 section 15.5.9: 408 for a head, and for a body.
#[test]
fn d8_what_does_not_end_in_time_is_408_and_closes() {
    let ground = Ground::with(&setup().listener("timeouts: { head: 100ms, body: 100ms }"));
    is_ours(&ground.client().send("GET").answer(), 408, "head_timeout", true);
    let silent = crate::support::script::Script::start(|_, mut wire| drop(wire.rest_and_reset()));
    let proxy = setup().listener("timeouts: { body: 100ms }").before_one(silent.address);
    is_ours(&proxy.client().send(post("Content-Length: 9\r\n", "half")).answer(), 408, "body_timeout", true);
}

/// RFC 9110 section 15.6.3: what a member answers badly, or not at all, is 502; its client can go on.
#[test]
fn d8_a_bad_answer_or_none_is_502_and_the_client_goes_on() {
    let ground = Ground::answering(|asked| match asked.target() {
        "/bad" => say("nonsense\r\n\r\n"),
        "/large" => say(format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(100_000))),
        "/none" => crate::rules::ground::say_and_close(""),
        _ => crate::rules::ground::ok(asked),
    });
    let mut client = ground.client();
    for (target, cause) in
        [("/bad", "bad_response"), ("/large", "response_too_large"), ("/none", "backend_reset")]
    {
        is_ours(&client.get(target), 502, cause, false);
        assert_eq!(ground.proxy.errors(cause), 1);
    }
    assert_eq!(client.get("/on").text(), "ok");
    assert_eq!(client.post("/none", b"x").cause(), (502, "stale_nonidempotent"), "the link had been used");
}

/// RFC 9110 section 15.6.4: nobody there, or too many waiting, is 503 with a time after which to come again.
#[test]
fn d8_no_member_and_a_full_queue_are_503_with_retry_after() {
    let proxy = away().before_one(own_address());
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        is_ours(&answer, 503, "connect_refused", false);
        assert!(answer.field("retry-after").is_some());
    }
    let queue = setup()
        .backend("links: { max_per_member: 1, pipeline: 1 }")
        .backend("queue: { max: 1, timeout: 300ms }");
    let (_origin, proxy) = queue.with_origin(1);
    let mut busy = occupy(proxy.address());
    eventually("it is on the link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    let mut waits = proxy.client();
    waits.send(request("GET", "/hello"));
    eventually("one waits", || proxy.sum("penstock_pool_waiting") == 1);
    is_ours(&proxy.client().get("/hello"), 503, "queue_full", false);
    is_ours(&waits.answer(), 503, "queue_timeout", false);
    release(&mut busy);
    assert_eq!(waits.get("/hello").status, 200);
    assert_eq!((proxy.errors("queue_full"), proxy.errors("queue_timeout")), (1, 1));
}

/// RFC 9110 section 15.6.5: 504, and each thing that was not there in time has its own cause.
#[test]
fn d8_what_a_member_does_not_do_in_time_is_504() {
    let ground = Ground::both(&setup().backend("response_timeout: 300ms"), |_| say_no_more(""));
    let mut client = ground.client();
    is_ours(&client.get("/"), 504, "backend_timeout", false);
    is_ours(&client.post("/", b"x"), 504, "backend_timeout", false);
    let (_listener, _filling, address) = mute();
    let mut proxy = setup().backend("links: { connect_timeout: 200ms }").before_one(address);
    proxy.shares_its_members();
    is_ours(&proxy.client().get("/"), 504, "connect_timeout", false);
    assert_eq!((ground.proxy.errors("backend_timeout"), proxy.errors("connect_timeout")), (2, 1));
}

/// Its member does not come back while somebody waits for it.
fn away() -> crate::support::stand::Setup {
    setup().backend("links: { connect_timeout: 200ms }")
}

/// Loops, lengths that a member of HTTP/1.0 needs, and too many tunnels are told apart as well.
#[test]
fn d8_the_rarer_causes_have_answers_too() {
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    let ground = Ground::both(&setup().listener("via: penstock"), move |_| say(old));
    let looped = ground.client().send(get("Via: 1.1 penstock\r\n")).answer();
    is_ours(&looped, 508, "loop_detected", looped.closes());
    ground.passes(get(""));
    let unsized_body = ground.client().send(chunked("2\r\nhi\r\n0\r\n\r\n")).answer();
    is_ours(&unsized_body, 411, "length_required", unsized_body.closes());
    let none = Ground::with(&setup().backend("links: { max_tunnels: 0 }"));
    let full = none.client().send(get("Connection: upgrade\r\nUpgrade: websocket\r\n")).answer();
    is_ours(&full, 503, "tunnel_limit", full.closes());
}

/// RFC 9110 section 9.3.2: to HEAD there is no body in an answer of ours, only its length.
#[test]
fn d8_our_answers_to_head_have_no_body() {
    let proxy = away().before_one(own_address());
    let mut client = proxy.client();
    let answer = client.ask("HEAD", "/");
    assert_eq!((answer.status, answer.field("content-length")), (503, Some("16")), "connect_refused and LF");
    assert_eq!(client.get("/").status, 503, "nothing was behind the head");
}

/// RFC 9112 section 9.3: HTTP/1.0 is told what becomes of its connection as well.
#[test]
fn d8_our_answers_to_http_1_0_say_whether_it_stays() {
    let proxy = away().before_one(own_address());
    let mut client = proxy.client();
    let stays = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").answer();
    assert_eq!(stays.field("connection"), Some("keep-alive"));
    assert!(client.send("GET / HTTP/1.0\r\n\r\n").answer().closes());
    client.is_over();
}

/// The word in the answer is the one in the metric and in the access log.
#[test]
fn d8_the_cause_is_the_same_in_answer_metric_and_log() {
    let path = directory("causes").join("access.log");
    let log = format!("access_log: {{ to: {}, format: json }}", path.display());
    let proxy = away().listener(&log).before_one(own_address());
    let mut client = proxy.client();
    assert_eq!(client.get("/asked").cause(), (503, "connect_refused"));
    assert_eq!(client.send("bad\r\n\r\n").answer().cause(), BAD);
    let mut lines = Vec::new();
    eventually("both are in the log", || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
        lines.len() == 2
    });
    for (line, (status, cause)) in lines.iter().zip([(503, "connect_refused"), BAD]) {
        assert_eq!(
            (line["status"].as_u64(), line["cause"].as_str()),
            (Some(status.into()), Some(cause)),
            "{line}"
        );
        assert_eq!(proxy.errors(cause), 1);
    }
    assert_eq!(lines[0]["target"], "/asked");
}

/// What ends badly after its answer has begun can be told to nobody but the metric.
#[test]
fn d8_what_is_cut_off_is_counted_by_its_cause() {
    let count = |proxy: &Proxy, cause: &str| eventually(cause, || proxy.errors(cause) == 1);
    let ground = Ground::closing("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    let mut client = ground.client();
    let head = client.send(get("")).head();
    assert_eq!((fields(&head, "content-length"), client.rest_and_reset().0), (vec!["9"], b"half".to_vec()));
    count(&ground.proxy, "truncated");
    let ground = Ground::answering(|_| say_no_more(""));
    let mut client = ground.client();
    client.send(get(""));
    eventually("it is on its link", || ground.proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.reset();
    count(&ground.proxy, "client_abort");
}

/// A client that does not read its answer is told from one that left.
#[test]
fn d8_a_client_that_does_not_read_is_counted_as_slow() {
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n{}", "x".repeat(30_000_000));
    let ground = Ground::both(&setup().listener("timeouts: { write: 200ms }"), move |_| say(large.clone()));
    let mut slow = Wire::connect_narrow(ground.proxy.address());
    slow.send(get(""));
    eventually("it is given up", || ground.proxy.sum("penstock_request_errors_total") == 1);
    assert_eq!(ground.proxy.errors("client_slow"), 1);
}
