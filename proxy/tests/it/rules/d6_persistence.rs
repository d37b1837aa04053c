//! Tests of D6, how long a connection lasts: keep-alive, timeouts, limits, drains, and content that nobody reads.

use std::sync::mpsc;

use crate::rules::ground::{BAD, Ground, OK, get, ok, post, say, setup, streaming};
use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually, request};

/// RFC 9112 section 9.3: `close` before the version, HTTP/1.1 before HTTP/1.0 with keep-alive, else close. Options are
/// members of a list, in any case.
#[test]
fn m9_3_close_then_version_then_keep_alive_decide() {
    let ground = Ground::plain();
    for (version, lines, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: CLOSE\r\n", false),
        ("1.1", "Connection: x, Close ,y\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: not-close, closed\r\n", true),
        ("1.1", "Keep-Alive: timeout=0\r\n", true),
        ("1.1", "Proxy-Connection: close\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
        ("1.0", "Keep-Alive: timeout=5\r\n", false),
    ] {
        let asked = format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n");
        let mut client = ground.client();
        let answer = client.send(&asked).answer();
        assert_eq!((answer.status, answer.closes()), (200, !stays), "{asked:?}");
        if stays {
            assert_eq!(client.send(&asked).answer().status, 200, "{asked:?}");
        } else {
            client.is_over();
        }
    }
}

/// RFC 9112 sections 9.3 and 9.6: behind a request that says close nothing is done, and behind our own close neither.
#[test]
fn m9_6_after_close_no_more_requests_are_processed() {
    let ground = Ground::plain();
    let mut client = ground.client();
    let last = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    client.send(request("GET", "/first") + last + &request("GET", "/never"));
    assert!(!client.answer().closes());
    assert!(client.answer().closes());
    client.send(request("GET", "/nor-this")).is_over();
    let mut client = ground.client();
    client.send(request("GET", "/second") + "bad\r\n\r\n" + &request("GET", "/never"));
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(client.answer().cause(), BAD);
    client.is_over();
    assert_eq!(ground.targets(), ["/first", "/last", "/second"]);
}

/// RFC 9112 section 9.3: a client may have so many requests, and the answer to the last says close.
#[test]
fn m9_3_the_last_request_allowed_is_answered_with_close() {
    let ground = Ground::with(&setup().listener("limits: { requests: 3 }"));
    let mut client = ground.client();
    client.send(request("GET", "/a").repeat(5));
    let closes: Vec<_> = (0..3).map(|_| client.answer().closes()).collect();
    assert_eq!(closes, [false, false, true]);
    client.is_over();
    assert_eq!(ground.asked().len(), 3);
    closed(&ground.proxy, "limit_requests");
    // The last may have a body.
    let mut client = ground.client();
    client.send(request("GET", "/a").repeat(2) + &post("Content-Length: 2\r\n", "hi") + "more");
    assert_eq!([0; 3].map(|_| client.answer().closes()), [false, false, true]);
    client.is_over();
}

/// RFC 9112 section 9.3: a body is read to its end before the next request, whatever the answer was.
#[test]
fn m9_3_a_whole_body_is_read_before_the_next_request() {
    let ground = Ground::answering(|asked| {
        let refused = asked.target() == "/" && !asked.body.is_empty();
        if refused { say("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!") } else { ok(asked) }
    });
    let mut client = ground.client();
    client
        .send(post("Content-Length: 30\r\n", "GET /evil HTTP/1.1\r\n\r\n12345678") + &request("GET", "/on"));
    assert_eq!((client.answer().text(), client.answer().text()), ("no!", "ok"));
    assert_eq!(ground.targets(), ["/", "/on"]);
}

/// RFC 9112 section 9.3: who is answered by us before its body has come is closed, rather than read without end; what it
/// sends is no request.
#[test]
fn m9_3_a_body_that_nobody_wants_is_no_request() {
    let proxy = streaming().before(&[("a".to_owned(), own_address())]);
    let mut client = proxy.client();
    client.send(post("Content-Length: 200000\r\n", &get("").repeat(100)));
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (503, true));
    client.is_over();
    assert_eq!(proxy.sum("penstock_requests_total"), 1);
}

#[track_caller]
fn closed(proxy: &Proxy, reason: &str) {
    let label = format!("reason=\"{reason}\"");
    eventually("its end is counted", || {
        proxy.sum_of("penstock_client_connections_closed_total", &[&label]) == 1
    });
}

/// RFC 9112 section 9.5, RFC 9110 section 15.5.9: an idle connection is closed without a word, whether it was used or not.
#[test]
fn m9_5_an_idle_client_is_closed_without_408() {
    for used in [false, true] {
        let ground = Ground::with(&setup().listener("timeouts: { idle: 100ms }"));
        let mut client = ground.client();
        if used {
            client.get("/");
        }
        client.is_over();
        closed(&ground.proxy, "idle_timeout");
        assert_eq!(ground.proxy.sum("penstock_request_errors_total"), 0);
    }
}

/// RFC 9110 section 15.5.9: a request that has begun and does not end is 408, and the connection is closed.
#[test]
fn m9_5_a_head_that_does_not_end_is_408() {
    let ground = Ground::with(&setup().listener("timeouts: { head: 150ms }"));
    for begun in ["G", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        let mut client = ground.client();
        let answer = client.send(begun).answer();
        assert_eq!((answer.cause(), answer.closes()), ((408, "head_timeout"), true));
        client.is_over();
    }
    assert_eq!((ground.proxy.errors("head_timeout"), ground.asked().len()), (2, 0));
}

/// RFC 9110 section 15.5.9: so is a body that stops; what the member got of it has no end.
#[test]
fn m9_5_a_body_that_stops_is_408() {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        wire.next_head();
        _ = tell.send(wire.rest_and_reset().0);
    });
    let proxy = streaming().listener("timeouts: { body: 150ms }").before_one(member.address);
    let mut client = proxy.client();
    let answer = client.send(post("Content-Length: 10\r\n", "half")).answer();
    assert_eq!((answer.cause(), answer.closes()), ((408, "body_timeout"), true));
    client.is_over();
    assert_eq!(heard.recv().unwrap(), b"half");
    closed(&proxy, "slow_body");
}

/// RFC 9112 section 9.5: the time for a head is one for all of it; trickling wins nothing.
#[test]
fn m9_5_a_head_that_trickles_gets_no_more_time() {
    let ground = Ground::with(&setup().listener("timeouts: { head: 200ms }"));
    let mut client = ground.client();
    let mut writer = client.stream.try_clone().unwrap();
    let trickle = std::thread::spawn(move || {
        while std::io::Write::write_all(&mut writer, b"G").is_ok() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    });
    assert!(client.head().starts_with("HTTP/1.1 408 "));
    drop(client);
    trickle.join().unwrap();
}

/// RFC 9112 section 9.6: in a drain the next answer says close, and who is idle is closed.
#[test]
fn m9_6_a_drain_closes_the_idle_and_says_close_to_the_busy() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            if head.contains("/slow") {
                let () = gate.lock().unwrap().recv().unwrap();
            }
            if head.starts_with("POST") {
                wire.take(2);
            }
            wire.send(OK);
        }
    });
    let mut proxy = streaming().top("drain_timeout: 20s").before_one(member.address);
    let (mut idle, mut busy, mut begun) = (proxy.client(), proxy.client(), proxy.client());
    assert_eq!(idle.get("/").text(), "ok");
    busy.send(request("GET", "/slow"));
    begun.send(post("Content-Length: 2\r\n", "h"));
    eventually("both are on their links", || proxy.sum("penstock_backend_requests_in_flight") == 2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(proxy.running_mut().drain());
        });
        idle.is_over();
        begun.send("i");
        ends_with_close(&mut begun);
        go.send(()).unwrap();
        ends_with_close(&mut busy);
    });
}

#[track_caller]
fn ends_with_close(client: &mut Wire) {
    let answer = client.answer();
    assert_eq!((answer.text(), answer.closes()), ("ok", true));
    client.is_over();
}
