//! Tests of P.9 to P.12: how many requests may be on a link, of which methods, in which order, and which are taken off again.
//!
//! `docs/depth.md` says how the depth is learned.

use std::sync::mpsc;

use crate::rules::ground::{Ground, OK, get, ok, post, say_and_close, setup};
use crate::rules::pipelining::{ONE, in_flight, sent};
use crate::support::held::{Held, all_answered, line_up, quick};
use crate::support::stand::Proxy;
use crate::support::wire::{eventually, request};

/// P.9: the depth begins at one, and grows with what is known of the member.
#[test]
fn p9_the_depth_begins_at_1_and_grows_with_evidence() {
    let member = Held::start();
    let proxy = setup().backend("links: { pipeline: 32, pipeline_budget: 10s }").before_one(member.address());
    let depth = |proxy: &Proxy| proxy.sum("penstock_backend_pipeline_depth_limit");
    assert!(depth(&proxy) <= 1);
    for i in 0..50 {
        proxy.client().get(&quick(i));
    }
    eventually("it has grown", || depth(&proxy) > 1);
}

/// P.9: a slow member gets links, not depth: each request is alone on its own.
#[test]
fn p9_a_slow_member_gets_links_rather_than_depth() {
    let ground = Ground::both(&setup().backend("links: { pipeline_budget: 1ms }"), |asked| {
        std::thread::sleep(std::time::Duration::from_millis(20)); // which no depth fits into 1 ms
        ok(asked)
    });
    ground.client().get("/first");
    let mut clients: Vec<_> = (0..4).map(|_| ground.client()).collect();
    for _ in 0..3 {
        clients.iter_mut().for_each(|client| {
            client.send(get(""));
        });
        clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "ok"));
    }
    assert_eq!(ground.links(), 4);
}

/// P.10: `pipeline_methods: all` lets any method share a link; what may not be sent twice still is not.
#[test]
fn p10_all_methods_may_share_a_link_and_are_not_sent_again() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let links = ONE.replace("rescue_after", "pipeline_methods: all, rescue_after");
    let ground = Ground::both(&setup().backend(&links), move |asked| {
        if asked.target() == "/1" {
            let () = gate.lock().unwrap().recv().unwrap();
            return say_and_close(OK);
        }
        ok(asked)
    });
    ground.client().get("/first");
    let mut clients: Vec<_> =
        (1..=3).map(|i| sent(&ground.proxy, &request("POST", &format!("/{i}")), in_flight, i)).collect();
    go.send(()).unwrap();
    assert_eq!(clients[0].answer().text(), "ok");
    for client in &mut clients[1..] {
        assert_eq!(client.answer().cause(), (502, "stale_nonidempotent"));
    }
    assert_eq!(ground.targets(), ["/first", "/1"], "the others came too late, and were not sent again");
}

/// P.11: one client's requests stay in order: while one is in flight, the next is on the same link, or waits.
#[test]
fn p11_one_clients_requests_stay_on_one_link_or_wait() {
    let member = Held::start();
    let proxy = setup()
        .backend("links: { pipeline: 32, pipeline_budget: 10s, rescue_after: off }")
        .before_one(member.address());
    proxy.client().get("/first");
    let mut client = proxy.client();
    let barrier = post("Content-Length: 2\r\n", "hi").replace("POST / ", "POST /3 ");
    client.send(request("GET", "/slow/1") + &request("GET", "/2") + &barrier + &request("GET", "/4"));
    eventually("the first two are on their link", || in_flight(&proxy) == 2);
    assert!(member.links_of("POST /3").is_empty(), "what may not share a link waits for those before it");
    member.let_go("/slow/1");
    for target in ["/slow/1", "/2", "/3", "/4"] {
        assert_eq!(client.answer().text(), target);
    }
    assert_eq!(member.links_of("GET /2"), member.links_of("GET /slow/1"));
}

/// P.12: those behind a slow answer are sent elsewhere; the old link takes no more, and is closed after its head.
#[test]
fn p12_those_behind_a_slow_answer_are_rescued() {
    let member = Held::start();
    let proxy = setup().backend("links: { pipeline: 32, pipeline_budget: 10s }").before_one(member.address());
    let mut head = member.hold_up(&proxy, "/slow");
    all_answered(&mut line_up(&proxy, "GET", 6));
    let rescued = || proxy.sum_of("penstock_retries_total", &["reason=\"rescue\"", "result=\"ok\""]);
    assert!(rescued() > 0);
    member.let_go("/slow");
    assert_eq!(head.answer().text(), "/slow");
    eventually("its link is closed", || {
        proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"rescue\""]) == 1
    });
    assert_eq!(member.links_of("GET /slow").len(), 1, "the head itself is sent once");
    assert!((0..6).all(|i| member.links_of(&format!("GET {}", quick(i))).len() <= 2));
}

/// P.12: no more than the budget allows, and nothing that may not be sent twice.
#[test]
fn p12_a_rescue_has_a_budget_and_is_for_what_may_be_sent_twice() {
    for links in ["rescue_budget: 0%", "pipeline_methods: all"] {
        let method = if links.contains("all") { "POST" } else { "GET" };
        let member = Held::start();
        let proxy = setup()
            .backend(&format!("links: {{ pipeline: 32, pipeline_budget: 10s, rescue_after: 50ms, {links} }}"))
            .before_one(member.address());
        let mut head = member.hold_up(&proxy, "/slow");
        let mut behind = sent(&proxy, &request(method, "/behind"), in_flight, 2);
        let held = || proxy.sum_of("penstock_backend_connections_held_total", &["reason=\"slow\""]);
        eventually("the link is held", || held() == 1);
        assert_eq!(proxy.client().get("/other").text(), "/other");
        member.let_go("/slow");
        assert_eq!((head.answer().text(), behind.answer().text()), ("/slow", "/behind"), "{links}");
        assert_eq!(member.links_of(&format!("{method} /behind")).len(), 1, "{links}");
    }
}
