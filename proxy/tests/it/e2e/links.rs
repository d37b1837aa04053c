//! Few links, never more than allowed, closed when they should be and never used again when they must not.

use std::time::Duration;

use penstock_bench::{Plan, Stop, Work, sources};
use penstock_origin::Options;

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, origin_with, run_clean};
use crate::support::wire::{Wire, eventually};

fn closed(proxy: &Proxy, reason: &str) -> i64 {
    let reason = format!("reason=\"{reason}\"");
    proxy.sum_of("penstock_backend_connections_closed_total", &[&reason])
}

fn links(proxy: &Proxy) -> i64 {
    proxy.sum("penstock_backend_connections")
}

#[test]
fn the_cap_is_exact_for_the_process() {
    for workers in [1, 2, 3] {
        for cap in [1, 2, 3, 5] {
            let setup = Setup::new().workers(workers);
            let setup = setup.backend(&format!("links: {{ max_per_member: {cap}, pipeline: 1 }}"));
            let (origin, proxy) = setup.with_origin(2);
            let plan = Plan {
                clients: 40,
                sources: sources("127.11.0.1-127.11.0.20").unwrap(),
                work: Work::Get("/delay/2".to_owned()),
                stop: Stop::Requests(4),
                ..proxy.plan()
            };
            run_clean(&plan);
            for member in origin.stats().listeners {
                let peak = member.peak;
                assert_eq!(peak, cap, "{} links at once, cap {cap}, {workers} workers", member.member);
            }
        }
    }
}

#[test]
fn a_fast_member_is_fed_over_few_links() {
    // A budget that makes the member fast, however slow the machine is.
    let setup = Setup::new().workers(1).backend("links: { pipeline: 32, pipeline_budget: 10s }");
    let (origin, proxy) = setup.with_origin(1);
    run_clean(&Plan { clients: 300, stop: Stop::Requests(30), ..proxy.plan() });
    let peak = origin.stats().total().peak;
    assert!(peak <= 64, "{peak} links for 300 clients");
    assert!(proxy.sum_of("penstock_pool_acquires_total", &["result=\"pipelined\""]) > 0);
}

#[test]
fn an_unused_link_is_closed_after_its_time() {
    let (origin, proxy) = Setup::new().backend("links: { idle_timeout: 100ms }").with_origin(1);
    let mut client = proxy.client();
    client.get("/hello");
    eventually("the link is closed", || origin.stats().total().open == 0 && links(&proxy) == 0);
    assert_eq!(closed(&proxy, "idle"), 1);
    assert_eq!(client.get("/hello").status, 200, "the client does not notice");
}

#[test]
fn a_link_is_closed_after_so_many_requests() {
    for pipeline in [1, 32] {
        let setup = Setup::new().workers(1);
        let setup = setup.backend(&format!("links: {{ max_requests: 5, pipeline: {pipeline} }}"));
        let (origin, proxy) = setup.with_origin(1);
        let mut client = proxy.client();
        for _ in 0..20 {
            assert_eq!(client.get("/hello").status, 200);
        }
        eventually("all links that had five are closed", || origin.stats().total().open == 0);
        assert_eq!(origin.stats().total().accepted, 4);
        eventually("and so counted", || closed(&proxy, "max_requests") == 4);
        run_clean(&Plan { clients: 20, stop: Stop::Requests(20), depth: 3, work: Work::Ids, ..proxy.plan() });
        assert!(origin.stats().total().accepted >= 4 + 400 / 5);
    }
}

#[test]
fn a_link_is_closed_when_it_is_old() {
    let setup = Setup::new().workers(1).backend("links: { max_age: 1ms }");
    let (origin, proxy) = setup.with_origin(1);
    let mut client = proxy.client();
    for _ in 0..5 {
        client.get("/delay/5");
    }
    assert_eq!(origin.stats().total().accepted, 5);
    eventually("all are closed", || closed(&proxy, "max_age") == 5);
}

#[test]
fn an_answer_that_says_close_is_the_last_on_its_link() {
    let (origin, proxy) = Setup::new().workers(1).with_origin(1);
    let mut client = proxy.client();
    for asked in 1..=5 {
        let answer = client.get("/close");
        assert_eq!((answer.status, answer.closes()), (200, false), "the member's wish is not the client's");
        assert_eq!(origin.stats().total().accepted, asked);
    }
    assert_eq!(client.get("/until-close/1000").body.len(), 1000);
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(origin.stats().total().accepted, 7);
    assert_eq!(proxy.sum("penstock_retries_total"), 0, "none was sent on a link that had said close");
}

#[test]
fn an_answer_of_http_1_0_is_the_last_on_its_link() {
    let member = Script::always("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", true);
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text(), answer.closes()), (200, "ok", false));
    }
    assert_eq!(member.connections(), 5);
    assert_eq!(proxy.sum("penstock_retries_total"), 0);
}

#[test]
fn an_answer_of_http_1_0_with_keep_alive_is_not() {
    let member =
        Script::always("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", false);
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    assert!((0..5).all(|_| client.get("/").text() == "ok"));
    assert_eq!(member.connections(), 1);
}

#[test]
fn bytes_on_an_idle_link_are_nobodys_answer() {
    let member = Script::start(|_, mut wire| {
        while wire.next_head().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        }
    });
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..10 {
        assert_eq!(client.get("/").text(), "ok");
        // What comes behind a further request cannot be told from its answer.
        eventually("the close is seen", || links(&proxy) == 0);
    }
    eventually("each link was closed for it", || {
        closed(&proxy, "desync") + links(&proxy) == member.connections() as i64
            && closed(&proxy, "desync") >= 9
    });
}

/// A member that answers once on each link and then closes it at once, without having said so.
fn forgetful() -> Script {
    Script::start(|_, mut wire| {
        if wire.next_head().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
    })
}

#[test]
fn a_link_that_the_member_closed_is_never_seen_by_a_client() {
    let member = forgetful();
    let proxy = Setup::new().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
        eventually("the close is seen", || links(&proxy) == 0);
        assert_eq!(client.post("/", b"").status, 200, "a link that stood no more is not used");
        eventually("the close is seen", || links(&proxy) == 0);
    }
    assert_eq!(closed(&proxy, "origin"), 40);
}

/// A member that closes the link instead of answering its second request.
fn treacherous() -> Script {
    Script::start(|_, mut wire| {
        if let Some(head) = wire.next_head() {
            let body = if head.starts_with("HEAD") { "" } else { "ok" };
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}"));
            wire.next_head();
        }
    })
}

#[test]
fn what_meets_a_stale_link_is_sent_again_where_it_may_be() {
    let member = treacherous();
    let proxy = Setup::new().workers(1).backend("links: { max_per_member: 1 }").before_one(member.address);
    let mut client = proxy.client();
    client.get("/");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        assert_eq!(client.ask(method, "/").status, 200, "{method} on a stale link");
    }
    assert_eq!(proxy.sum_of("penstock_retries_total", &["result=\"ok\""]), 5);
    for method in ["POST", "PATCH"] {
        let answer = client.ask(method, "/");
        assert_eq!(answer.cause(), (502, "stale_nonidempotent"), "{method} on a stale link");
        assert!(!answer.closes());
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(proxy.errors("stale_nonidempotent"), 2);
    assert_eq!(proxy.sum_of("penstock_retries_total", &["result=\"not_allowed\""]), 2);
}

#[test]
fn a_request_with_a_body_on_a_stale_link_is_not_sent_again() {
    let member = treacherous();
    let proxy = Setup::new().workers(1).before_one(member.address);
    let mut client = proxy.client();
    client.get("/");
    assert_eq!(client.post("/", b"once only").cause(), (502, "stale_nonidempotent"));
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn a_member_that_closes_every_fresh_link_is_asked_once() {
    let member = Script::start(|_, mut wire| drop(wire.next_head()));
    let proxy = Setup::new().before_one(member.address);
    let mut client = proxy.client();
    for asked in 1..=3 {
        assert_eq!(client.get("/").cause(), (502, "backend_reset"));
        assert_eq!(member.connections(), asked);
    }
}

#[test]
fn a_member_with_a_shorter_idle_timeout_loses_no_request() {
    let options = Options { idle_timeout: Some(Duration::from_millis(20)), ..Options::default() };
    let (origin, proxy) = Setup::new().with(origin_with(1, options));
    let plan = Plan { clients: 8, stop: Stop::Requests(10), ..proxy.plan() };
    for pause in [0, 15, 20, 21, 25, 40] {
        std::thread::sleep(Duration::from_millis(pause));
        run_clean(&Plan { work: Work::Ids, ..plan.clone() });
    }
    assert!(origin.stats().total().accepted > 1);
}

#[test]
fn links_that_close_amid_a_pipeline_lose_no_get() {
    for k in [2, 3, 7] {
        let links = "links: { max_per_member: 2, pipeline: 32, pipeline_budget: 10s }";
        let (origin, proxy) = Setup::new().workers(1).backend(links).with_origin(1);
        let work = Work::Mixed(vec![(k, Work::Ids), (1, Work::Get(format!("/fault/close-after/{k}")))]);
        let plan = Plan { clients: 30, depth: 4, stop: Stop::Requests(50), work, seed: 400, ..proxy.plan() };
        let report = penstock_bench::run(&plan).unwrap();
        assert_eq!((report.mix_ups, report.answered), (0, 1500), "k {k}: {report:?}");
        assert!(origin.stats().total().accepted > 2);
        // A request is sent again once: where its second link closes, too, that is the member's answer.
        let resets = proxy.errors("backend_reset") as u64;
        assert_eq!(report.by_class[1] + resets, 1500, "k {k}: {report:?}");
        proxy.at_rest();
    }
}

#[test]
fn an_abandoned_answer_leaves_its_link_in_order() {
    let setup = Setup::new().workers(1).backend("links: { max_per_member: 1 }");
    let (origin, proxy) = setup.with_origin(1);
    let mut leaver = proxy.client();
    leaver.send("GET /delay/300 HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    leaver.reset();
    eventually("it is gone", || proxy.sum("penstock_client_connections") == 0);
    // Nobody waits for the link, so what nobody awaits may end on it.
    eventually("its answer has come", || proxy.sum("penstock_backend_requests_in_flight") == 0);
    let mut client = proxy.client();
    assert!(client.get("/echo?id=7").text().contains("/echo?id=7"));
    assert_eq!(origin.stats().total().accepted, 1, "its answer was read and thrown away");
    assert_eq!(proxy.errors("client_abort"), 1);
}

#[test]
fn an_incomplete_request_takes_its_link_along() {
    let setup = Setup::new().workers(1).backend("links: { max_per_member: 1 }");
    let (origin, proxy) = setup.with_origin(1);
    proxy.client().get("/hello");
    let mut leaver = proxy.client();
    leaver.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n").send(vec![b'x'; 70_000]);
    eventually("it is on its link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    drop(leaver);
    eventually("the link is closed", || closed(&proxy, "client_abort") == 1);
    let mut client = Wire::connect(proxy.address());
    assert_eq!(client.get("/hello").status, 200);
    assert_eq!(origin.stats().total().accepted, 2);
}

#[test]
fn a_member_that_takes_no_more_links_is_not_hammered() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (closed, is_closed) = std::sync::mpsc::channel::<()>();
    let member = std::thread::spawn(move || {
        let mut wire = Wire::new(listener.accept().unwrap().0);
        drop(listener);
        closed.send(()).unwrap();
        for _ in 0..2 {
            wire.next_head().unwrap();
            gate.recv().unwrap();
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        }
        wire.next_head();
    });
    let proxy = Setup::new().workers(1).backend("links: { pipeline: 1 }").before_one(address);
    let mut clients: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    clients[0].send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it is on the link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    is_closed.recv().unwrap();
    clients[1].send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it waits", || proxy.sum("penstock_pool_waiting") == 1);
    std::thread::sleep(Duration::from_millis(300)); // time enough to hammer in
    (0..2).for_each(|_| go.send(()).unwrap());
    clients.iter_mut().for_each(|client| assert_eq!(client.answer().text(), "ok"));
    let refused = proxy.sum_of("penstock_backend_connect_errors_total", &["cause=\"refused\""]);
    assert!((1..100).contains(&refused), "{refused} connects in vain");
    drop(proxy);
    member.join().unwrap();
}

#[test]
fn an_unused_link_goes_before_the_member_closes_it() {
    // `timeout=1` means half a second; the configuration alone would keep it for an hour.
    let said = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=100\r\nContent-Length: 0\r\n\r\n";
    let member = Script::always(said, false);
    let proxy = Setup::new().workers(1).backend("links: { idle_timeout: 1h }").before_one(member.address);
    proxy.client().get("/");
    let idle = || proxy.sum_of("penstock_backend_connections_closed_total", &["reason=\"idle\""]);
    eventually("it was closed as idle", || idle() == 1);
}
