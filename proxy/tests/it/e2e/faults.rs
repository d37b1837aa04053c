//! Whatever a member does wrong, its client is told so, and nobody else suffers.

use penstock_bench::{Plan, Stop, Work};

use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, run_clean};
use crate::support::wire::{Wire, eventually, pattern};

fn one_link() -> Setup {
    Setup::new().workers(1).backend("links: { pipeline: 32, max_per_member: 1, pipeline_budget: 10s }")
}

/// The proxy is as good as before.
#[track_caller]
fn serves(proxy: &Proxy, client: &mut Wire) {
    assert_eq!(client.get("/hello").text(), "Hello, World!");
    assert_eq!(proxy.client().get("/hello").status, 200);
}

#[test]
fn a_member_that_closes_without_an_answer_is_a_502() {
    let (_origin, proxy) = one_link().with_origin(1);
    let mut client = proxy.client();
    for method in ["GET", "POST"] {
        let answer = client.ask(method, "/fault/close");
        assert_eq!(answer.cause(), (502, "backend_reset"), "{method} on a fresh link");
        assert!(!answer.closes(), "the client can go on");
        serves(&proxy, &mut client);
        // By now the link is a used one.
        let expected = if method == "GET" { "backend_reset" } else { "stale_nonidempotent" };
        assert_eq!(client.ask(method, "/fault/close").cause(), (502, expected), "{method} on a used link");
    }
    serves(&proxy, &mut client);
    assert_eq!((proxy.errors("backend_reset"), proxy.errors("stale_nonidempotent")), (3, 1));
}

#[test]
fn a_member_that_resets_is_a_502() {
    let (_origin, proxy) = one_link().with_origin(1);
    let mut client = proxy.client();
    assert_eq!(client.get("/fault/reset").cause(), (502, "backend_reset"));
    serves(&proxy, &mut client);
    assert_eq!(client.get("/fault/reset").cause(), (502, "backend_reset"));
    assert_eq!(client.post("/fault/reset", b"x").cause(), (502, "backend_reset"));
    serves(&proxy, &mut client);
}

#[test]
fn an_answer_cut_short_does_not_look_complete() {
    let (_origin, proxy) = one_link().with_origin(1);
    for sent in [0, 1, 999] {
        let mut client = proxy.client();
        client.send(format!("GET /fault/partial/{sent} HTTP/1.1\r\nHost: h\r\n\r\n"));
        let head = client.head();
        assert!(head.contains("Content-Length: 1000\r\n"), "{head}");
        let (body, _) = client.rest_and_reset();
        assert_eq!(body, pattern(sent), "what came is handed on, and the connection ends");
    }
    assert_eq!(proxy.errors("truncated"), 3);
    serves(&proxy, &mut proxy.client());
}

#[test]
fn a_chunked_answer_cut_short_has_no_last_chunk() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwor");
    });
    let proxy = Setup::new().before_one(member.address);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").head();
    let (body, _) = client.rest_and_reset();
    let body = String::from_utf8(body).unwrap();
    assert!(body.starts_with("5\r\nhello\r\n") && !body.contains("0\r\n\r\n"), "{body:?}");
    assert_eq!(proxy.errors("truncated"), 1);
}

#[test]
fn garbage_is_a_502() {
    let (_origin, proxy) = one_link().with_origin(1);
    let mut client = proxy.client();
    for asked in 1..=3 {
        assert_eq!(client.get("/fault/garbage").cause(), (502, "bad_response"));
        assert_eq!(proxy.errors("bad_response"), asked);
        serves(&proxy, &mut client);
    }
}

#[test]
fn each_kind_of_bad_answer_is_a_502() {
    for bad in [
        "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad Name: x\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
    ] {
        let member = Script::always(bad, true);
        let proxy = Setup::new().before_one(member.address);
        assert_eq!(proxy.client().get("/").cause(), (502, "bad_response"), "{bad:?}");
    }
}

#[test]
fn surplus_bytes_are_not_an_answer() {
    let (_origin, proxy) = one_link().with_origin(1);
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("/fault/surplus").text(), "an answer\n");
        serves(&proxy, &mut client);
    }
}

#[test]
fn silence_is_a_504() {
    let setup = one_link().backend("response_timeout: 400ms");
    let (_origin, proxy) = setup.with_origin(1);
    let mut client = proxy.client();
    assert_eq!(client.get("/fault/never").cause(), (504, "backend_timeout"));
    assert_eq!(client.post("/fault/never", b"x").cause(), (504, "backend_timeout"));
    serves(&proxy, &mut client);
    assert_eq!(proxy.errors("backend_timeout"), 2);
}

#[test]
fn silence_amid_an_answer_ends_the_connection() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        wire.next_head();
    });
    let proxy = Setup::new().backend("response_timeout: 400ms").before_one(member.address);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n").head();
    assert_eq!(client.rest_and_reset().0, b"half");
    assert_eq!(proxy.errors("backend_timeout"), 1);
}

#[test]
fn a_slow_answer_that_keeps_coming_is_not_silence() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(50));
            wire.send("x");
        }
    });
    let proxy = Setup::new().backend("response_timeout: 900ms").before_one(member.address);
    assert_eq!(proxy.client().get("/").body, b"x".repeat(20));
}

#[test]
fn those_who_share_a_link_with_a_fault_are_served() {
    for fault in ["/fault/close", "/fault/reset", "/fault/garbage", "/fault/partial/5", "/fault/surplus"] {
        let links = "links: { max_per_member: 2, pipeline: 32, pipeline_budget: 10s }";
        let (_origin, proxy) = Setup::new().workers(1).backend(links).with_origin(1);
        let address = proxy.address();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    let mut faulty = Wire::connect(address);
                    faulty.send(format!("GET {fault} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
                    faulty.rest_and_reset();
                }
            });
            let plan =
                Plan { clients: 20, stop: Stop::Requests(50), work: Work::Ids, seed: 9, ..proxy.plan() };
            let report = penstock_bench::run(&plan).unwrap();
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
            assert_eq!(
                (report.answered, report.mix_ups, report.errors.total()),
                (1000, 0, 0),
                "{fault}: {report:?}"
            );
            // Who was sent again and met the fault once more is told so; nobody else is.
            assert!(report.by_class[1] >= 900, "{fault}: {report:?}");
        });
        run_clean(&Plan { clients: 20, stop: Stop::Requests(5), ..proxy.plan() });
    }
}

#[test]
fn those_who_share_a_link_with_silence_are_served_in_the_end() {
    let setup = Setup::new().workers(1).backend("response_timeout: 400ms");
    let setup = setup.backend("links: { max_per_member: 1, pipeline: 32, pipeline_budget: 10s }");
    let (_origin, proxy) = setup.with_origin(1);
    proxy.client().get("/hello");
    let mut all: Vec<_> = (0..5).map(|_| proxy.client()).collect();
    all[0].send("GET /fault/never HTTP/1.1\r\nHost: h\r\n\r\n");
    eventually("it is on the link", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    all[1..].iter_mut().for_each(|client| {
        client.send("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n");
    });
    assert_eq!(all[0].answer().cause(), (504, "backend_timeout"));
    all[1..].iter_mut().for_each(|client| assert_eq!(client.answer().text(), "Hello, World!"));
}

#[test]
fn a_head_without_end_is_a_502() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        use std::io::Write;
        let mut send = |bytes: &[u8]| wire.stream.write_all(bytes).is_ok();
        let _ = send(b"HTTP/1.1 200 OK\r\n")
            && (0..10_000).all(|_| send(b"A: 0123456789012345678901234567890123456789\r\n"));
    });
    let proxy = Setup::new().before_one(member.address);
    assert_eq!(proxy.client().get("/").cause(), (502, "response_too_large"));
}

#[test]
fn a_member_that_leaves_amid_a_long_body_is_a_502() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.take(1000);
    });
    let proxy = Setup::new().before_one(member.address);
    let mut client = proxy.client();
    let mut writer = client.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        use std::io::Write;
        let _ = writer.write_all(&crate::support::wire::post("/", &vec![b'x'; 3 << 20]));
    });
    let answer = client.answer();
    assert_eq!(answer.cause(), (502, "backend_reset"));
    sender.join().unwrap();
    if answer.closes() {
        client.is_over();
    } else {
        let again = client.post("/", &[b'x'; 1000]);
        assert_eq!(again.cause(), (502, "backend_reset"), "all of the body had been read");
    }
    drop(client);
    proxy.at_rest();
}
