//! Tests of DR, which requests are sent again: those of which nothing can have happened twice, once, and no others.
//!
//! `pipelining` and `pipelining_depth` have the tests of rescues.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::rules::ground::{
    Asked, Ground, OK, Reply, links_are_closed, ok, post, say, say_and_close, say_and_reset, setup,
};
use crate::support::own_address::own_address;
use crate::support::wire::{eventually, request};

/// A member that answers the first request on each link, and treats the second as told.
fn treacherous(second: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Ground {
    let used = std::sync::Mutex::new(std::collections::HashSet::new());
    let ground = Ground::answering(move |asked| {
        let fresh = used.lock().unwrap().insert(asked.link);
        if fresh { ok(asked) } else { second(asked) }
    });
    assert_eq!(ground.client().get("/first").text(), "ok");
    ground
}

fn retries(ground: &Ground, result: &str) -> i64 {
    ground.proxy.sum_of("penstock_retries_total", &[&format!("result=\"{result}\"")])
}

/// Nothing was written: any method goes to another member, body and all.
#[test]
fn dr_what_was_not_written_is_sent_elsewhere_whatever_it_is() {
    let ground = Ground::plain();
    let members = |first: &str, second: &str, address| {
        [(first.to_owned(), own_address()), (second.to_owned(), address)]
    };
    let address = ground.address();
    // Of these two, one is home to this source.
    for (dead, alive) in [("a", "b"), ("b", "a")] {
        let proxy = setup().before(&members(dead, alive, address));
        let mut client = proxy.client();
        let answer = client.send(post("Content-Length: 2\r\n", "hi")).answer();
        assert_eq!((answer.status, answer.text()), (200, "ok"));
        assert_eq!(ground.last().body, b"hi");
        assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
    }
    assert_eq!(ground.asked().len(), 2);
}

/// Nothing was written while it waited in the queue: any method waits until there is a link.
#[test]
fn dr_what_waits_was_not_written() {
    let ground = Ground::both(&setup().backend("links: { max_per_member: 1, max_requests: 1 }"), ok);
    let mut clients: Vec<_> = (0..5).map(|_| ground.client()).collect();
    clients.iter_mut().for_each(|client| {
        client.send(post("Content-Length: 2\r\n", "hi"));
    });
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "ok"));
    assert_eq!((ground.asked().len(), ground.links()), (5, 5));
}

/// RFC 9112 section 9.3.1: an idempotent request that met the end of a used link is sent once more, on a fresh one.
#[test]
fn dr_an_idempotent_request_on_a_used_link_is_sent_once_more() {
    for fate in [say_and_close as fn(Vec<u8>) -> Reply, say_and_reset] {
        let ground = treacherous(move |_| fate(Vec::new()));
        let mut client = ground.client();
        for method in ["GET", "OPTIONS", "PUT", "DELETE", "HEAD"] {
            let (links, asked) = (ground.links(), ground.asked().len());
            let answer = client.ask(method, "/again");
            assert_eq!(answer.status, 200, "{method}");
            let times = ground.asked()[asked..].iter().map(|asked| asked.link).collect::<Vec<_>>();
            assert_eq!(times, [links - 1, links], "{method}: on the used link, then on a fresh one");
        }
        assert_eq!((retries(&ground, "ok"), ground.proxy.sum("penstock_request_errors_total")), (5, 0));
    }
}

/// RFC 9110 section 9.2.2: TRACE is idempotent as well, where it is allowed at all.
#[test]
fn dr_trace_is_idempotent_where_it_is_allowed() {
    let first = AtomicBool::new(true);
    let ground = Ground::both(&setup().listener("trace: true"), move |asked| {
        let fails = asked.target() == "/again" && first.swap(false, Ordering::SeqCst);
        if fails { say_and_close("") } else { ok(asked) }
    });
    let mut client = ground.client();
    assert_eq!((client.get("/").status, client.ask("TRACE", "/again").status), (200, 200));
    assert_eq!(ground.targets(), ["/", "/again", "/again"]);
}

/// RFC 9112 section 9.3.1: POST and PATCH, and any method that nobody knows, are never sent again: 502.
#[test]
fn dr_what_is_not_idempotent_is_never_sent_again() {
    let ground = treacherous(|_| say_and_close(""));
    let mut client = ground.client();
    for (failed, method) in (1..).zip(["POST", "PATCH", "BREW", "get"]) {
        let asked = ground.asked().len();
        let answer = client.ask(method, "/once");
        assert_eq!((answer.cause(), answer.closes()), ((502, "stale_nonidempotent"), false), "{method}");
        assert_eq!(ground.asked().len(), asked + 1, "{method}");
        assert_eq!(ground.proxy.errors("stale_nonidempotent"), failed);
        client.get("/"); // so that the next link is a used one
    }
    assert_eq!(retries(&ground, "not_allowed"), 4);
}

/// RFC 9110 section 9.2.2: Idempotency-Key is a matter between the two ends, and no licence for us.
#[test]
fn dr_an_idempotency_key_is_no_licence() {
    let ground = treacherous(|_| say_and_close(""));
    let keyed = post("Idempotency-Key: \"1\"\r\nContent-Length: 0\r\n", "");
    assert_eq!(ground.client().send(keyed).answer().cause(), (502, "stale_nonidempotent"));
    assert_eq!(ground.asked().len(), 2);
}

/// A body is not kept, so what has one cannot be sent again, idempotent or not.
#[test]
fn dr_a_request_with_a_body_is_not_sent_again() {
    let ground = treacherous(|_| say_and_close(""));
    let mut client = ground.client();
    let put = post("Content-Length: 2\r\n", "hi").replace("POST", "PUT");
    assert_eq!(client.send(put).answer().status, 502);
    assert_eq!(ground.asked().len(), 2);
    assert_eq!(client.get("/").text(), "ok");
}

/// A fresh link that ends without an answer may have been ended by this very request.
#[test]
fn dr_on_a_fresh_link_nothing_is_sent_again() {
    let ground = Ground::closing("");
    let mut client = ground.client();
    for (asked, method) in (1..).zip(["GET", "POST", "PUT"]) {
        assert_eq!(client.ask(method, "/").cause(), (502, "backend_reset"), "{method}");
        assert_eq!((ground.asked().len(), ground.links()), (asked, asked));
    }
    assert_eq!(retries(&ground, "ok"), 0);
}

/// Once more is once: the second link's end is the member's answer.
#[test]
fn dr_nothing_is_sent_a_third_time() {
    let ground =
        Ground::answering(|asked| if asked.target() == "/never" { say_and_close("") } else { ok(asked) });
    let mut client = ground.client();
    client.get("/first");
    assert_eq!(client.get("/never").cause(), (502, "backend_reset"));
    assert_eq!(ground.targets(), ["/first", "/never", "/never"]);
}

/// Any byte of an answer, be it half a line, and it is not sent again.
#[test]
fn dr_once_an_answer_has_begun_nothing_is_sent_again() {
    for begun in ["H", "HTTP/1.1 200 OK\r\nContent-Le"] {
        for fate in [say_and_close as fn(&'static str) -> Reply, say_and_reset] {
            let ground = treacherous(move |_| fate(begun));
            let answer = ground.client().get("/once");
            assert_eq!(answer.status, 502, "{begun:?}: {answer:?}");
            assert_eq!(ground.targets(), ["/first", "/once"], "{begun:?}");
        }
    }
}

/// P.7: bytes that are no answer may be left over from the one before, and who waited for an answer is innocent.
#[test]
fn dr_what_is_no_answer_is_not_held_against_who_waits_for_one() {
    let ground = treacherous(move |_| say_and_close("nonsense\r\n\r\n"));
    assert_eq!(ground.client().get("/once").status, 200);
    assert_eq!(ground.targets(), ["/first", "/once", "/once"]);
}

/// RFC 9110 section 15.2: a 1xx is the beginning of an answer.
#[test]
fn dr_after_an_interim_answer_nothing_is_sent_again() {
    let ground = treacherous(|_| say_and_close("HTTP/1.1 103 Early Hints\r\n\r\n"));
    let mut client = ground.client();
    assert_eq!(client.get("/once").status, 103);
    assert_eq!(client.answer().cause(), (502, "backend_reset"));
    let old = ground.client().send("GET /old HTTP/1.0\r\n\r\n").answer();
    assert_eq!(old.status, 200, "on a fresh link, and HTTP/1.0 sees no 103");
    assert_eq!(ground.targets(), ["/first", "/once", "/old"]);
}

/// An answer that was begun is cut off for its client, which must not take it for whole.
#[test]
fn dr_an_answer_cut_off_is_not_asked_for_again() {
    let ground = treacherous(|_| say_and_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"));
    let mut client = ground.client();
    client.send(request("GET", "/once")).head();
    assert_eq!(client.rest_and_reset().0, b"half");
    assert_eq!(ground.targets(), ["/first", "/once"]);
    assert_eq!(ground.proxy.errors("truncated"), 1);
}

/// Nobody waits for it any more: it is not sent again.
#[test]
fn dr_for_a_client_that_has_left_nothing_is_sent_again() {
    let (go, gate) = std::sync::mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let ground = treacherous(move |_| {
        let () = gate.lock().unwrap().recv().unwrap();
        say_and_close("")
    });
    let mut client = ground.client();
    client.send(request("GET", "/left"));
    eventually("it is on its link", || ground.proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.reset();
    eventually("it has left", || ground.proxy.errors("client_abort") == 1);
    go.send(()).unwrap();
    links_are_closed(&ground.proxy);
    assert_eq!(ground.targets(), ["/first", "/left"]);
    assert_eq!(retries(&ground, "ok"), 0);
}

/// A link that its member has closed meanwhile is looked at before it gets what may not be sent twice.
#[test]
fn dr_a_closed_link_is_not_used_for_what_may_not_be_sent_twice() {
    let ground = Ground::answering(|_| say_and_close(OK)); // it closes without having said so
    let mut client = ground.client();
    for links in 1..=10 {
        assert_eq!(client.post("/", b"").status, 200);
        assert_eq!(ground.links(), links);
        links_are_closed(&ground.proxy);
    }
    assert_eq!(ground.proxy.sum("penstock_request_errors_total"), 0);
}

/// Followers on a link that ends are sent once more, alone (P.5); what was answered is not among them.
#[test]
fn dr_followers_that_were_not_answered_are_sent_once_more() {
    let dies = AtomicBool::new(true);
    let links = "links: { pipeline: 32, max_per_member: 1, pipeline_budget: 10s, rescue_after: off }";
    let (go, gate) = std::sync::mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let ground = Ground::both(&setup().backend(links), move |asked| {
        if asked.target() == "/2" && dies.swap(false, Ordering::SeqCst) {
            return say_and_close("");
        }
        if asked.target() == "/1" {
            let () = gate.lock().unwrap().recv().unwrap();
        }
        say(OK)
    });
    ground.client().get("/first");
    let mut clients: Vec<_> = (1..=4).map(|_| ground.client()).collect();
    for (i, client) in (1..).zip(&mut clients) {
        client.send(request("GET", &format!("/{i}")));
        eventually("it is on the link", || ground.proxy.sum("penstock_backend_requests_in_flight") == i);
    }
    go.send(()).unwrap();
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "ok"));
    let count = |target: &str| ground.targets().iter().filter(|asked| *asked == target).count();
    assert_eq!((count("/1"), count("/2"), ground.links()), (1, 2, 2), "what was answered is not asked again");
}
