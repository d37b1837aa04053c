//! Requests reach the member as they should, byte for byte, and so do responses the client.

use std::sync::mpsc;

use crate::support::binary::Binary;
use crate::support::own_address::own_address;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{Wire, eventually, fields, pattern, post, request};

/// A proxy in front of a member that hands what it gets to the test, and answers 200 without a body.
fn heard(setup: &Setup) -> (Script, Proxy, mpsc::Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            let _ = tell.send(head);
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let proxy = setup.before_one(member.address);
    (member, proxy, heard)
}

/// What a member gets for this request.
#[track_caller]
fn forwarded(setup: &Setup, source: [u8; 4], request: &str) -> String {
    let (_member, proxy, heard) = heard(setup);
    let mut client = proxy.client_from(source);
    assert_eq!(client.send(request).answer().status, 200);
    heard.recv().unwrap()
}

fn plain() -> Setup {
    Setup::new().workers(1)
}

/// With a name in Via that a test can know.
fn named() -> Setup {
    plain().listener("via: penstock")
}

#[test]
fn a_request_reaches_the_member_with_its_source_and_our_name() {
    let head =
        forwarded(&named(), [127, 20, 0, 1], "GET /a?b=c%20d HTTP/1.1\r\nHost: h:1\r\nX-Own: v\r\n\r\n");
    assert_eq!(
        head,
        "GET /a?b=c%20d HTTP/1.1\r\nHost: h:1\r\nX-Own: v\r\nX-Forwarded-For: 127.20.0.1\r\n\
         X-Forwarded-Proto: http\r\nVia: 1.1 penstock\r\n\r\n"
    );
}

const SAID: &str = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\
                    Forwarded: for=1.2.3.4\r\nVia: 1.0 other\r\n\r\n";

#[test]
fn what_strangers_say_of_the_source_is_replaced() {
    let source = [127, 20, 0, 2];
    let head = forwarded(&named(), source, SAID);
    assert_eq!(fields(&head, "x-forwarded-for"), ["127.20.0.2"]);
    assert_eq!(fields(&head, "x-forwarded-proto"), ["http"]);
    assert_eq!(fields(&head, "via"), ["1.0 other, 1.1 penstock"]);
    assert_eq!(fields(&head, "forwarded"), [""; 0]);

    let head = forwarded(&plain().listener("forwarded: forwarded"), source, SAID);
    assert_eq!(fields(&head, "forwarded"), ["for=127.20.0.2;proto=http"]);
    assert_eq!(fields(&head, "x-forwarded-for"), [""; 0]);

    let head = forwarded(&plain().listener("forwarded: remove"), source, SAID);
    assert_eq!(fields(&head, "forwarded").len() + fields(&head, "x-forwarded-for").len(), 0);

    let head = forwarded(&plain().listener("forwarded: off").listener("via: off"), source, SAID);
    assert_eq!(head, SAID, "nothing is touched");
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let head = forwarded(
        &plain(),
        [127, 0, 0, 1],
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close, x-mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=1\r\n\
         Proxy-Connection: close\r\nTE: gzip\r\nUpgrade: x\r\nX-Kept: 1\r\n\r\n",
    );
    for gone in ["connection", "x-mine", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert_eq!(fields(&head, gone), [""; 0], "{gone} in {head}");
    }
    assert_eq!(fields(&head, "x-kept"), ["1"]);

    let answer = "HTTP/1.1 200 OK\r\nConnection: x-mine\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\n\
                  Set-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n";
    let member = Script::always(answer, false);
    let answer = plain().before_one(member.address).client().get("/");
    let (head, date) = answer.head.split_once("Date: ").unwrap(); // RFC 9110 section 6.6.1
    assert_eq!(head, "HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n");
    assert!(date.ends_with(" GMT\r\n\r\n") && date.len() == 29 + 4, "{date}");
}

#[test]
fn an_absolute_target_goes_on_in_origin_form() {
    let head = forwarded(&plain(), [127, 0, 0, 1], "GET http://real:8/x?y HTTP/1.1\r\nHost: lie\r\n\r\n");
    assert!(head.starts_with("GET /x?y HTTP/1.1\r\n"), "{head}");
    assert_eq!(fields(&head, "host"), ["real:8"]);
}

#[test]
fn a_client_stays_until_it_or_the_version_says_close() {
    let (_origin, proxy) = plain().with_origin(1);
    for (version, option, stays) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: CLOSE\r\n", false),
        ("1.1", "Connection: x, close\r\n", false),
        ("1.0", "", false),
        ("1.0", "Connection: keep-alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let mut client = proxy.client();
        let asked = format!("GET /hello HTTP/{version}\r\nHost: h\r\n{option}\r\n");
        let answer = client.send(&asked).answer();
        assert_eq!((answer.status, answer.text()), (200, "Hello, World!"), "{asked:?}");
        assert_eq!(answer.closes(), !stays, "{asked:?}");
        if stays {
            assert_eq!(client.send(&asked).answer().status, 200, "{asked:?}");
        } else {
            client.is_over();
        }
    }
}

#[test]
fn what_follows_a_close_is_not_served() {
    let (origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    let last = "GET /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    client.send(request("GET", "/json") + last + &request("GET", "/simple"));
    assert_eq!(client.answer().text(), r#"{"message":"Hello, World!"}"#);
    assert!(client.answer().closes());
    client.is_over();
    assert_eq!(origin.stats().total().requests, 2);
}

#[test]
fn answers_without_a_body_are_told_from_those_with_one() {
    let (_origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    for _ in 0..2 {
        let head = client.ask("HEAD", "/bytes/1000");
        assert_eq!((head.status, head.field("content-length")), (200, Some("1000")));
        assert_eq!(client.ask("HEAD", "/chunked/1000").status, 200);
        assert_eq!(client.get("/status/204").status, 204);
        assert_eq!(client.get("/status/304").status, 304);
        assert_eq!(client.get("/bytes/0").body, b"");
        assert_eq!(client.get("/chunked/0").body, b"");
        assert_eq!(client.get("/bytes/1000").body, pattern(1000));
    }
    let all = ["HEAD /bytes/9", "GET /status/304", "HEAD /json", "GET /status/204", "GET /bytes/3"];
    let ask = |line: &&str| format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n");
    client.send(all.iter().map(ask).collect::<String>());
    for line in all {
        let answer = client.answer_to(line.split(' ').next().unwrap());
        assert!(answer.status < 400, "{line}");
    }
}

#[test]
fn chunks_pass_both_ways() {
    let (_origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    assert_eq!(client.get("/chunked/70000").body, pattern(70_000));
    let start = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(start).send("5;ext=1\r\nhello\r\n").send("1\r\n,\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.text(), answer.field("transfer-encoding")), ("hello, world", Some("chunked")));
    client.send(start).send("0\r\n\r\n");
    assert_eq!(client.answer().body, b"");
    assert_eq!(client.get("/hello").status, 200);
}

#[test]
fn a_1_0_client_gets_no_chunks() {
    let (_origin, proxy) = plain().with_origin(1);
    for target in ["/chunked/5000", "/until-close/5000"] {
        let mut client = proxy.client();
        client.send(format!("GET {target} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        let head = client.head();
        assert_eq!(fields(&head, "transfer-encoding"), [""; 0], "{head}");
        assert_eq!(fields(&head, "connection"), ["close"], "the end is the end of the connection");
        assert_eq!(client.rest(), pattern(5000), "{target}");
    }
}

#[test]
fn an_answer_that_lasts_until_close_is_chunked_for_a_1_1_client() {
    let (_origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    for _ in 0..3 {
        let answer = client.get("/until-close/5000");
        assert_eq!((answer.body, answer.status), (pattern(5000), 200));
    }
    assert_eq!(client.get("/until-close/0").body, b"");
}

#[test]
fn interim_answers_pass_to_1_1_clients_only() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let member = Script::always(answer, false);
    let proxy = plain().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").status, 103);
        assert_eq!(client.answer().status, 100);
        assert_eq!(client.answer().text(), "ok");
    }
    let mut old = proxy.client();
    assert_eq!(old.send("GET / HTTP/1.0\r\n\r\n").answer().text(), "ok");
}

#[test]
fn expect_is_answered_by_the_member() {
    let member = Script::start(|_, mut wire| {
        while let Some(head) = wire.next_head() {
            if head.contains("/refuse") {
                wire.send("HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                return;
            }
            if fields(&head, "expect") == ["100-continue"] {
                wire.send("HTTP/1.1 100 Continue\r\n\r\n");
            }
            let body = wire.take(5);
            wire.send([&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..], &body].concat());
        }
    });
    let proxy = plain().before_one(member.address);
    let head = |path| {
        format!("POST {path} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.send(head("/")).answer().status, 100);
        assert_eq!(client.send("hello").answer().text(), "hello");
    }
    let refused = client.send(head("/refuse")).answer();
    assert_eq!(refused.status, 413);
    assert!(refused.closes(), "the body that was not sent must not be taken for a request");
    client.is_over();
    assert_eq!(proxy.client().post("/", b"again").text(), "again");
}

#[test]
fn an_early_answer_to_a_long_body_arrives() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.send("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nno!\n");
        wire.next_head();
    });
    let proxy = plain().before_one(member.address);
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000\r\n\r\n").send(vec![b'x'; 70_000]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "no!\n"));
    assert!(answer.closes());
    client.is_over();
}

#[test]
fn pipelined_answers_come_in_order_whatever_they_are() {
    for pipeline in [1, 32] {
        let setup = Setup::new().workers(1).backend(&format!("links: {{ pipeline: {pipeline} }}"));
        let (_origin, proxy) = setup.with_origin(1);
        proxy.client().get("/hello");
        let mut client = proxy.client();
        let mut all = request("GET", "/echo?id=1").into_bytes();
        all.extend(post("/echo", b"two"));
        all.extend(request("GET", "/delay/30").into_bytes());
        all.extend(request("GET", "/fault/close").into_bytes());
        all.extend(request("GET", "/echo?id=5").into_bytes());
        all.extend(post("/fault/close", b"six"));
        all.extend(request("HEAD", "/bytes/7").into_bytes());
        all.extend(request("GET", "/chunked/8").into_bytes());
        client.send(all);
        assert!(client.answer().text().contains("id=1"));
        assert_eq!(client.answer().text(), "two");
        assert_eq!(client.answer().text(), r#"{"delayed_ms":30}"#);
        assert_eq!(client.answer().cause(), (502, "backend_reset"));
        assert!(client.answer().text().contains("id=5"));
        assert_eq!(client.answer().status, 502);
        assert_eq!(client.answer_to("HEAD").field("content-length"), Some("7"));
        assert_eq!(client.answer().body, pattern(8));
        assert_eq!(client.get("/hello").status, 200);
    }
}

#[test]
fn a_thousand_pipelined_requests_of_one_client_are_answered_in_order() {
    let (_origin, proxy) = Setup::new().with_origin(1);
    let mut client = proxy.client();
    client.send((0..1000).map(|i| request("GET", &format!("/echo?id={i};"))).collect::<String>());
    for i in 0..1000 {
        assert!(client.answer().text().contains(&format!("/echo?id={i};")), "answer {i}");
    }
}

#[test]
fn a_request_that_comes_byte_by_byte_is_a_request() {
    let (_origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    let mut both = b"\r\n".to_vec();
    both.extend(post("/echo", b"slowly"));
    both.extend(b"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nand\r\n0\r\n\r\n");
    both.extend(request("GET", "/hello").into_bytes());
    for byte in both {
        client.send([byte]);
        std::thread::yield_now();
    }
    assert_eq!(client.answer().text(), "slowly");
    assert_eq!(client.answer().text(), "and");
    assert_eq!(client.answer().text(), "Hello, World!");
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_an_answer() {
    let member = Script::start(|_, mut wire| {
        while wire.next_head().is_some() {
            let answer =
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nand\r\n2\r\nso\r\n0\r\n\r\n";
            answer.iter().for_each(|byte| drop(wire.send([*byte]).stream.set_nodelay(true)));
        }
    });
    let proxy = plain().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "andso");
    }
}

#[test]
fn a_client_that_shut_its_sending_side_still_gets_its_answers() {
    let (_origin, proxy) = plain().with_origin(1);
    let mut client = proxy.client();
    client.send(request("GET", "/delay/50") + &request("GET", "/hello")).finish();
    assert_eq!(client.answer().text(), r#"{"delayed_ms":50}"#);
    assert_eq!(client.answer().text(), "Hello, World!");
    client.is_over();
    let mut client = proxy.client();
    client.send(post("/echo", b"all of it")).finish();
    assert_eq!(client.answer().text(), "all of it");
    client.is_over();
    assert_eq!(proxy.sum("penstock_request_errors_total"), 0);
}

#[test]
fn a_client_that_leaves_amid_a_head_or_body_leaves_nothing_behind() {
    let (_origin, proxy) = plain().with_origin(1);
    for part in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhalf",
    ] {
        proxy.client().send(part);
        proxy.client().send(part).finish().rest_and_reset();
        let mut client = proxy.client();
        client.send(part);
        client.reset();
    }
    eventually("all came and went", || proxy.sum("penstock_client_connections_closed_total") == 12);
    proxy.at_rest();
    assert_eq!(Wire::connect(proxy.address()).get("/hello").status, 200);
}

/// RFC 9110 section 7.6.3: the default names of two processes differ, so what goes through both is no loop to either.
#[test]
fn two_proxies_in_a_row_with_the_default_configuration_pass_requests() {
    let (_member, inner, heard) = heard(&plain());
    let outer = Binary::run(&plain().text(&[("a".to_owned(), inner.address())]));
    let mut client = Wire::connect(outer.listener("web"));
    assert_eq!(client.get("/").status, 200);
    let head = heard.recv().unwrap();
    let [via] = fields(&head, "via")[..] else { panic!("{head}") };
    let names: Vec<_> = via.split(", ").collect();
    assert!(names.iter().all(|name| name.starts_with("1.1 penstock-")), "{via}");
    assert!(names.len() == 2 && names[0] != names[1], "{via}");
}

/// RFC 9110 section 7.6.3: a true loop ends, whether it is one proxy's or goes through two.
#[test]
fn a_loop_through_one_proxy_or_two_ends() {
    let mut proxy = plain().before_one(own_address());
    let own = proxy.address();
    let another = Binary::run(&plain().text(&[("a".to_owned(), own)]));
    for (next, through) in [(own, "itself"), (another.listener("web"), "another")] {
        proxy.reload(&plain().text(&[("a".to_owned(), next)])).unwrap();
        let answer = Wire::connect(own).get("/");
        assert_eq!(answer.cause(), (508, "loop_detected"), "through {through}");
        assert!(answer.text().contains("Via") && answer.text().contains("listeners.*.via"), "{answer:?}");
    }
}
