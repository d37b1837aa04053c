//! Tests of D5, interim responses and Expect. `d5_tunnels` has 101.

use std::sync::mpsc;

use crate::rules::ground::{Ground, OK, get, links_are_closed, post, setup, streaming};
use crate::support::script::Script;
use crate::support::wire::{Wire, fields};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A request that waits for a 100 before it sends its `hello`.
fn expecting(target: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
}

/// RFC 9110 section 15.2: any number of 1xx, of any kind but 101, reaches a client of HTTP/1.1; none ends the request.
#[test]
fn s15_2_interim_answers_reach_http_1_1_clients() {
    let early: String =
        ["100 Continue", "102 Processing", "103 Early Hints", "103 Early Hints"].map(interim).concat();
    let odd = ["150 Odd", "199 Last"].map(interim).concat();
    let all = early.clone() + &odd;
    // Nobody knows what follows a 1xx of a kind that is not usual: its link carries nothing more.
    for (says, expected, links) in
        [(early, &[100, 102, 103, 103][..], 1), (all, &[100, 102, 103, 103, 150, 199], 2)]
    {
        let ground = Ground::saying(says + OK);
        let mut client = ground.client();
        for _ in 0..2 {
            client.send(get(""));
            for status in expected {
                let interim = client.answer();
                assert_eq!((interim.status, interim.field("link")), (*status, Some("</x>")));
            }
            assert_eq!(client.answer().text(), "ok");
        }
        assert_eq!(ground.links(), links);
    }
}

fn interim(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nLink: </x>\r\n\r\n")
}

/// RFC 9110 section 15.2: HTTP/1.0 knows no 1xx.
#[test]
fn s15_2_interim_answers_do_not_reach_http_1_0_clients() {
    let ground = Ground::saying(CONTINUE.repeat(3) + OK);
    let mut client = ground.client();
    let keep = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!((client.send(keep).answer().text(), client.send(keep).answer().text()), ("ok", "ok"));
}

/// RFC 9110 sections 8.6 and 15.2: 1xx has no content, so no length either.
#[test]
fn s15_2_interim_answers_have_no_body() {
    let ground =
        Ground::saying("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\nX: 1\r\n\r\n".to_owned() + OK);
    let mut client = ground.client();
    let early = client.get("/");
    assert_eq!((early.field("content-length"), early.field("x")), (None, Some("1")));
    assert_eq!(client.answer().text(), "ok");
}

/// RFC 9110 section 15.2: an interim answer goes to whom it is for, at once, also on a link that others share.
#[test]
fn s15_2_an_interim_answer_does_not_wait_for_the_final_one() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let member = Script::start(move |_, mut wire| {
        while wire.next_head().is_some() {
            wire.send("HTTP/1.1 103 Early Hints\r\n\r\n");
            let () = gate.lock().unwrap().recv().unwrap();
            wire.send(OK);
        }
    });
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.get("/").status, 103, "while the final answer is held back");
        go.send(()).unwrap();
        assert_eq!(client.answer().text(), "ok");
    }
}

/// A member that takes the body of a request only after a 100, or refuses it at once.
fn careful() -> (Script, mpsc::Receiver<String>) {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire: Wire| {
        while let Some(head) = wire.next_head() {
            let (refuses, expects) = (head.contains("/refuse"), !fields(&head, "expect").is_empty());
            _ = tell.send(head);
            if refuses {
                wire.send("HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n");
                _ = wire.rest_and_reset();
                return;
            }
            if expects {
                wire.send(CONTINUE);
            }
            let body = wire.take(5);
            wire.send([&b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"[..], &body].concat());
        }
    });
    (member, heard)
}

/// RFC 9110 section 10.1.1: the expectation goes to the member, and its 100 to the client.
#[test]
fn s10_1_1_expect_is_forwarded_and_answered_by_the_member() {
    let (member, heard) = careful();
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.send(expecting("/")).answer().status, 100);
        assert_eq!(client.send("hello").answer().text(), "hello");
        assert_eq!(fields(&heard.recv().unwrap(), "expect"), ["100-continue"]);
    }
    assert_eq!(
        client.send(expecting("/") + "hello").answer().status,
        100,
        "who does not wait is answered as well"
    );
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(member.connections(), 1);
}

/// RFC 9110 section 10.1.1: a refusal instead of the 100 is forwarded, and what was not sent is no request. The link,
/// which got a head and not all of the body, is closed.
#[test]
fn s10_1_1_a_refusal_instead_of_the_100_ends_both_connections() {
    let (member, _heard) = careful();
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    let refused = client.send(expecting("/refuse")).answer();
    assert_eq!((refused.status, refused.closes()), (413, true));
    client.send("hello").is_over();
    links_are_closed(&proxy);
    assert_eq!(proxy.client().post("/", b"again").text(), "again");
    assert_eq!(member.connections(), 2);
}

/// RFC 9110 section 10.1.1: any other expectation is 417.
#[test]
fn s10_1_1_an_unknown_expectation_is_417() {
    let ground = Ground::plain();
    for expect in ["200-ok", "100-continue, x", "the moon", "\"100-continue\""] {
        ground.refuses(post(&format!("Expect: {expect}\r\nContent-Length: 0\r\n"), ""), (417, "unsupported"));
    }
}

/// RFC 9110 section 10.1.1: a case that differs means the same.
#[test]
fn s10_1_1_an_expectation_has_no_case() {
    let (member, heard) = careful();
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    assert_eq!(client.send(expecting("/").replace("100-continue", "100-Continue")).answer().status, 100);
    assert_eq!(client.send("hello").answer().text(), "hello");
    assert!(heard.recv().unwrap().contains("100-Continue"));
}

/// RFC 9110 section 10.1.1: of a client of HTTP/1.0 it means nothing, is not forwarded, and brings no 100.
#[test]
fn s10_1_1_an_expectation_of_http_1_0_is_ignored() {
    let (member, heard) = careful();
    let proxy = setup().before_one(member.address);
    let old = "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(proxy.client().send(old).answer().text(), "hello");
    assert_eq!(fields(&heard.recv().unwrap(), "expect"), [""; 0]);
}

/// A member of HTTP/1.0, which has answered once.
fn old_member() -> Ground {
    let ground = Ground::saying("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(ground.client().get("/first").text(), "ok");
    ground
}

/// RFC 9110 section 10.1.1: a member known to speak HTTP/1.0 knows no Expect: the 100 is ours.
#[test]
fn s10_1_1_for_a_member_of_http_1_0_the_100_is_ours() {
    let ground = old_member();
    let mut client = ground.client();
    assert_eq!(client.send(expecting("/")).answer().status, 100);
    assert_eq!(client.send("hello").answer().text(), "ok");
    let asked = ground.last();
    assert_eq!((asked.body.as_slice(), asked.fields("expect")), (&b"hello"[..], vec![]));
}

/// RFC 9112 section 6.1: a member known to speak HTTP/1.0 gets no chunks; a request whose length is not known is 411.
#[test]
fn m6_1_a_member_of_http_1_0_gets_no_chunks() {
    let ground = old_member();
    let mut client = ground.client();
    let answer = client.send(post("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n")).answer();
    assert_eq!(answer.cause(), (411, "length_required"));
    assert_eq!((ground.asked().len(), ground.proxy.errors("length_required")), (1, 1));
    assert_eq!(ground.passes(post("Content-Length: 2\r\n", "hi")).body, b"hi");
}

/// RFC 9112 section 6.1: a member that turns out to speak HTTP/1.0 when it has got chunks may have misread them.
#[test]
fn m6_1_an_answer_of_http_1_0_to_chunks_ends_its_link() {
    let ground = Ground::saying("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    let mut client = ground.client();
    assert_eq!(
        client.send(post("Transfer-Encoding: chunked\r\n", "2\r\nhi\r\n0\r\n\r\n")).answer().text(),
        "ok"
    );
    ground.next_is_on_another_link();
}

/// RFC 9112 section 9.3: an answer before the end of the body; what is left of the body is no request.
#[test]
fn s10_1_1_an_early_answer_while_the_body_comes_is_forwarded() {
    let member = Script::start(|_, mut wire| {
        wire.next_head();
        wire.send("HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nno!\n");
        _ = wire.rest_and_reset();
    });
    let proxy = streaming().before_one(member.address);
    let mut client = proxy.client();
    client.send(post("Content-Length: 100000\r\n", &"GET /x HTTP/1.1\r\n".repeat(100)));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), answer.closes()), (403, "no!\n", true));
    client.is_over();
    assert_eq!(member.connections(), 1);
}

/// RFC 9112 section 9.3: who answers before it has read the whole body closes behind the answer; the rest of the body is
/// no request, and the link did not get a whole one.
#[test]
fn s10_1_1_after_an_early_200_both_connections_end_in_order() {
    let member = Script::start(|_, mut wire| {
        while wire.next_head().is_some() {
            wire.send(OK);
        }
    });
    let proxy = streaming().before_one(member.address);
    let mut client = proxy.client();
    assert_eq!(client.send(post("Content-Length: 40\r\n", "01234")).answer().text(), "ok");
    client.send("GET /evil HTTP/1.1\r\nHost: h\r\n\r\n0123").is_over();
    links_are_closed(&proxy);
    assert_eq!(proxy.client().get("/on").text(), "ok");
    assert_eq!(member.connections(), 2);
}

/// RFC 9112 section 9.6: an answer that is over before the request's content has come, good or bad, says that the connection
/// ends with it; so nobody sends a next request into it.
#[test]
fn m9_6_an_early_answer_says_that_the_connection_will_end() {
    for reply in [
        OK,
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 303 See Other\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
    ] {
        let member = Script::start(move |_, mut wire| {
            while wire.next_head().is_some() {
                wire.send(reply);
            }
        });
        let proxy = streaming().before_one(member.address);
        for request in [
            post("Content-Length: 40\r\n", "01234"),
            post("Transfer-Encoding: chunked\r\n", "5\r\n01234\r\n"),
        ] {
            let mut client = proxy.client();
            let early = client.send(request).answer();
            assert!(early.closes(), "{reply:?}: {early:?}");
            client.is_over();
        }
        let mut client = proxy.client();
        let late = client.send(post("Content-Length: 0\r\n", "")).answer();
        assert!(!late.closes(), "nothing of that request is still to come: {late:?}");
    }
}

/// RFC 9112 section 9.6: one that began early and follows the content to its end is not the last of its connection.
#[test]
fn m9_6_an_answer_that_follows_the_content_leaves_the_connection() {
    let member = Script::start(|_, mut wire| {
        while wire.next_head().is_some() {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
            let body = wire.take(10);
            wire.send(body);
        }
    });
    let proxy = streaming().before_one(member.address);
    let mut client = proxy.client();
    for _ in 0..2 {
        let head = client.send(post("Content-Length: 10\r\n", "01234")).head();
        assert_eq!(fields(&head, "connection"), [""; 0]);
        assert_eq!(client.send("56789").take(10), b"0123456789");
    }
    assert_eq!(member.connections(), 1);
}
