//! Tests of P.1 to P.8: which requests may be sent behind which, and what happens when one of them goes wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use crate::rules::ground::{Asked, Ground, OK, Reply, answer, get, ok, post, say, say_and_close, setup};
use crate::support::held::{Held, all_answered, line_up};
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, pattern, request};

/// One link, which is quick however slow the machine is; nobody is sent elsewhere.
pub(crate) const ONE: &str =
    "links: { pipeline: 32, max_per_member: 1, pipeline_budget: 10s, rescue_after: off }";

pub(crate) fn in_flight(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_requests_in_flight")
}

fn waiting(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_pool_waiting")
}

/// A client whose request is on its way, when `in_flight` or `waiting` has become so many.
pub(crate) fn sent(proxy: &Proxy, bytes: &str, count: fn(&Proxy) -> i64, becomes: i64) -> Wire {
    let mut client = proxy.client();
    client.send(bytes);
    eventually("it is on its way", || count(proxy) == becomes);
    client
}

/// P.1: not before the link has answered once.
#[test]
fn p1_a_fresh_link_carries_one_at_a_time() {
    let member = Held::start();
    let proxy = setup().backend(ONE).before_one(member.address());
    let mut first = sent(&proxy, &request("GET", "/slow"), in_flight, 1);
    let mut second = sent(&proxy, &request("GET", "/second"), waiting, 1);
    assert!(member.links_of("GET /second").is_empty());
    member.let_go("/slow");
    assert_eq!((first.answer().text(), second.answer().text()), ("/slow", "/second"));
    let _third = sent(&proxy, &request("GET", "/slow/3"), in_flight, 1);
    let _fourth = sent(&proxy, &request("GET", "/slow/4"), in_flight, 2); // now it is proven
}

/// P.1: not with `pipeline: 1`.
#[test]
fn p1_nor_does_any_link_where_pipeline_is_1() {
    let member = Held::start();
    let proxy = setup().backend("links: { max_per_member: 1, pipeline: 1 }").before_one(member.address());
    assert_eq!(proxy.client().get("/first").text(), "/first");
    let mut first = sent(&proxy, &request("GET", "/slow"), in_flight, 1);
    let mut second = sent(&proxy, &request("GET", "/second"), waiting, 1);
    member.let_go("/slow");
    assert_eq!((first.answer().text(), second.answer().text()), ("/slow", "/second"));
}

/// P.1: not on links that speak HTTP/1.0, even where they stay.
#[test]
fn p1_nor_does_a_link_of_http_1_0() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let ground = Ground::both(&setup().backend(ONE), move |asked| {
        if asked.target() == "/slow" {
            let () = gate.lock().unwrap().recv().unwrap();
        }
        say("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")
    });
    ground.client().get("/first");
    let mut first = sent(&ground.proxy, &request("GET", "/slow"), in_flight, 1);
    let mut second = sent(&ground.proxy, &request("GET", "/second"), waiting, 1);
    go.send(()).unwrap();
    assert_eq!((first.answer().text(), second.answer().text()), ("ok", "ok"));
}

/// P.2 and P.3: what is not GET, HEAD or OPTIONS without a body goes alone, and nothing goes behind it.
#[test]
fn p2_only_safe_methods_without_a_body_share_a_link() {
    let upgrade = get("Connection: upgrade\r\nUpgrade: websocket\r\n");
    let expects = post("Expect: 100-continue\r\nContent-Length: 2\r\n", "hi").replace("POST /", "GET /slow");
    for barrier in [
        request("POST", "/slow"),
        request("PUT", "/slow"),
        request("DELETE", "/slow"),
        request("BREW", "/slow"),
        get("Content-Length: 2\r\n").replace("GET /", "GET /slow") + "hi",
        upgrade.replace("GET /", "GET /slow"),
        expects,
    ] {
        let (go, gate) = mpsc::channel();
        let gate = std::sync::Mutex::new(gate);
        let ground = Ground::both(&setup().backend(ONE), move |asked: &Asked| {
            if asked.target() == "/slow" {
                let () = gate.lock().unwrap().recv().unwrap();
            }
            ok(asked)
        });
        ground.client().get("/first");
        // Nothing behind it.
        let mut alone = sent(&ground.proxy, &barrier, in_flight, 1);
        let mut behind = sent(&ground.proxy, &request("GET", "/slow"), waiting, 1);
        go.send(()).unwrap();
        assert_eq!(alone.answer().text(), "ok", "{barrier:?}");
        // Nor it behind others.
        eventually("the other is on the link", || in_flight(&ground.proxy) == 1);
        let mut again = sent(&ground.proxy, &barrier, waiting, 1);
        go.send(()).unwrap();
        assert_eq!(behind.answer().text(), "ok");
        go.send(()).unwrap();
        assert_eq!(again.answer().text(), "ok", "{barrier:?}");
        assert_eq!(ground.links(), 1);
    }
}

/// P.2: those two do share one.
#[test]
fn p2_get_and_options_share_a_link() {
    let member = Held::start();
    let proxy = setup().backend(ONE).before_one(member.address());
    proxy.client().get("/first");
    let mut clients: Vec<_> = (1..)
        .zip(["GET", "OPTIONS"])
        .map(|(count, method)| (method, sent(&proxy, &request(method, "/slow"), in_flight, count)))
        .collect();
    member.let_go("/slow");
    clients.iter_mut().for_each(|(method, client)| assert_eq!(client.answer_to(method).status, 200));
    assert_eq!(member.links_of("OPTIONS /slow"), member.links_of("GET /slow"));
}

/// P.3: behind a head that is late, or whose answer is large, no more are sent.
#[test]
fn p3_nothing_is_sent_behind_a_late_head() {
    let member = Held::start();
    let links = "links: { pipeline: 32, pipeline_budget: 10s, rescue_after: 50ms, rescue_budget: 0% }";
    let proxy = setup().backend(links).before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    let mut behind = sent(&proxy, &request("GET", "/behind"), in_flight, 2);
    let held = || proxy.sum_of("penstock_backend_connections_held_total", &["reason=\"slow\""]);
    eventually("the link is held", || held() == 1);
    assert_eq!(proxy.client().get("/other").text(), "/other", "on another link");
    assert_ne!(member.links_of("GET /other"), member.links_of("GET /slow"));
    member.let_go("/slow");
    assert_eq!((head.answer().text(), behind.answer().text()), ("/slow", "/behind"));
}

/// P.3 and P.4: a client that does not read its answer holds up nobody, and costs a bounded buffer.
#[test]
fn p4_a_client_that_does_not_read_holds_up_nobody() {
    const LARGE: usize = 8 << 20;
    let member =
        Held::answering(
            |target| if target == "/large" { pattern(LARGE) } else { target.as_bytes().to_vec() },
        );
    let proxy = setup().backend("links: { pipeline: 32, pipeline_budget: 10s }").before_one(member.address());
    proxy.client().get("/first");
    let mut reader = Wire::connect_narrow(proxy.address());
    reader.send(request("GET", "/large")).head();
    all_answered(&mut line_up(&proxy, "GET", 8));
    let scrape = proxy.scrape();
    let kept =
        scrape.sum("penstock_backend_received_bytes_total") - scrape.sum("penstock_client_sent_bytes_total");
    assert!(kept <= (256 << 10) + 2 * (64 << 10), "{kept} bytes are kept for it");
    assert!(reader.take(LARGE) == pattern(LARGE));
}

/// P.5: the link ends: what was begun is cut off, the rest is sent once more, alone; what was answered is not.
#[test]
fn p5_when_a_link_ends_each_meets_its_fate() {
    let dies = AtomicBool::new(true);
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let ground = Ground::both(&setup().backend(ONE), move |asked| -> Reply {
        if asked.target() == "/1" {
            let () = gate.lock().unwrap().recv().unwrap();
        }
        if asked.target() == "/2" && dies.swap(false, Ordering::SeqCst) {
            return say_and_close("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        }
        ok(asked)
    });
    ground.client().get("/first");
    let mut clients: Vec<_> =
        (1..=4).map(|i| sent(&ground.proxy, &request("GET", &format!("/{i}")), in_flight, i)).collect();
    go.send(()).unwrap();
    assert_eq!(clients[0].answer().text(), "ok");
    clients[1].head();
    assert_eq!(clients[1].rest_and_reset().0, b"half", "it does not look complete");
    assert_eq!((clients[2].answer().text(), clients[3].answer().text()), ("ok", "ok"));
    let count = |target: &str| ground.targets().iter().filter(|asked| *asked == target).count();
    assert_eq!(["/1", "/2", "/3", "/4"].map(count), [1, 1, 1, 1], "which this member had not read");
    assert_eq!(ground.proxy.errors("truncated"), 1);
}

/// P.6: a client that leaves keeps its place on the link; its answer is thrown away, and nobody else gets it.
#[test]
fn p6_a_client_that_leaves_keeps_its_place() {
    let member = Held::start();
    let proxy = setup().backend(ONE).before_one(member.address());
    proxy.client().get("/first");
    let first = sent(&proxy, &request("GET", "/slow/1"), in_flight, 1);
    let leaves = sent(&proxy, &request("GET", "/2"), in_flight, 2);
    let mut last = sent(&proxy, &request("GET", "/3"), in_flight, 3);
    first.reset();
    leaves.reset();
    eventually("both have left", || proxy.errors("client_abort") == 2);
    member.let_go("/slow/1");
    assert_eq!(last.answer().text(), "/3");
    assert_eq!(member.links_of("GET /3"), member.links_of("GET /first"), "the link is as good as before");
}

/// P.7: surplus bytes, 101 and what is no answer end the link; the safe ones that were not answered are sent again.
#[test]
fn p7_what_breaks_the_order_ends_the_link_and_loses_nobody() {
    for bad in [
        "HTTP/1.1 101 Switch\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let breaks = AtomicBool::new(true);
        let (go, gate) = mpsc::channel();
        let gate = std::sync::Mutex::new(gate);
        let ground = Ground::both(&setup().backend(ONE), move |asked| {
            if asked.target() == "/1" && breaks.swap(false, Ordering::SeqCst) {
                let () = gate.lock().unwrap().recv().unwrap();
                return say(bad);
            }
            ok(asked)
        });
        ground.client().get("/first");
        let mut clients: Vec<_> =
            (1..=3).map(|i| sent(&ground.proxy, &request("GET", &format!("/{i}")), in_flight, i)).collect();
        go.send(()).unwrap();
        // What came may be left over from the answer before: the one at the head is innocent, too.
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "ok", "{bad:?}"));
        ground.closed_links("desync", 1);
    }
}

/// P.8: an answer is framed by the method that asked for it, whichever place that has.
#[test]
fn p8_answers_are_framed_by_what_was_asked() {
    let ground = Ground::both(&setup().backend(ONE), |asked| match asked.target() {
        "/204" => say("HTTP/1.1 204 No\r\n\r\n"),
        "/304" => say("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n"),
        _ if asked.is_head() => say(answer("Content-Length: 9\r\n", "")),
        target => say(answer(&format!("Content-Length: {}\r\n", target.len()), target)),
    });
    ground.client().get("/first");
    let asks = [
        ("HEAD", "/h"),
        ("GET", "/204"),
        ("HEAD", "/h"),
        ("GET", "/304"),
        ("GET", "/a"),
        ("HEAD", "/204"),
        ("GET", "/b"),
    ];
    let mut clients: Vec<_> = asks.iter().map(|_| ground.client()).collect();
    for (client, (method, target)) in clients.iter_mut().zip(asks) {
        client.send(request(method, target));
    }
    for (client, (method, target)) in clients.iter_mut().zip(asks) {
        let body = if target.len() == 2 && method == "GET" { target } else { "" };
        assert_eq!(client.answer_to(method).text(), body, "{method} {target}");
        assert_eq!(client.get("/on").text(), "/on");
    }
    assert_eq!(ground.links(), 1);
}

/// P.3: nothing is sent behind CONNECT, nor CONNECT behind others.
#[test]
fn p3_connect_is_alone() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            let connects = head.starts_with("CONNECT");
            if connects {
                let () = gate.lock().unwrap().recv().unwrap();
            }
            wire.send(if connects { "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n" } else { OK });
        }
    });
    let setup: Setup = setup().listener("connect: true").backend(ONE);
    let proxy = setup.before_one(member.address);
    assert_eq!(proxy.client().get("/first").text(), "ok");
    let mut alone = sent(&proxy, "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n", in_flight, 1);
    let mut behind = sent(&proxy, &get(""), waiting, 1);
    go.send(()).unwrap();
    assert_eq!((alone.answer().status, behind.answer().text()), (403, "ok"));
}
