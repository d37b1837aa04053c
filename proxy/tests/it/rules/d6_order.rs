//! Tests of D6, which response belongs to which request: by order alone, on the client's connection and on the link.

use crate::rules::ground::{Ground, OK, answer, links_are_closed, post, say, setup};
use crate::support::held::Held;
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup};
use crate::support::wire::{eventually, request};

/// A proxy that sends what is below `/other` to another backend.
fn two_backends(app: &Held, other: &Held) -> Proxy {
    let setup = setup()
        .listener("routes:")
        .listener("  - match: { path_prefix: /slow/other }")
        .listener("    backend: other");
    let text = setup.text(&[("a".to_owned(), app.address())]);
    Proxy::run(&(text + &format!("  other:\n    members: {{ b: \"{}\" }}\n", other.address())))
}

/// RFC 9112 section 9.3.2: answers come in the order of the requests, whatever the methods, whoever is quick.
#[test]
fn m9_3_2_answers_come_in_the_order_of_the_requests() {
    for pipeline in [1, 32] {
        let setup = setup().backend(&format!("links: {{ pipeline: {pipeline}, pipeline_budget: 10s }}"));
        let ground = Ground::both(&setup, |asked| {
            let body = asked.target();
            say(answer(
                &format!("Content-Length: {}\r\n", body.len()),
                if asked.is_head() { "" } else { body },
            ))
        });
        let mut client = ground.client();
        let posted = post("Content-Length: 2\r\n", "hi").replace("POST / ", "POST /2 ");
        client.send(
            request("GET", "/1")
                + &posted
                + &request("HEAD", "/3")
                + &request("DELETE", "/4")
                + &request("GET", "/5"),
        );
        for (method, target) in [("GET", "/1"), ("POST", "/2"), ("HEAD", ""), ("DELETE", "/4"), ("GET", "/5")]
        {
            assert_eq!(client.answer_to(method).text(), target, "pipeline {pipeline}");
        }
        assert_eq!(ground.targets(), ["/1", "/2", "/3", "/4", "/5"], "which have come in that order, too");
    }
}

/// RFC 9112 section 9.3.2: so they do from several backends, of which the later may be the quicker.
#[test]
fn m9_3_2_answers_of_several_backends_come_in_order() {
    let (app, other) = (Held::start(), Held::start());
    let proxy = two_backends(&app, &other);
    let mut client = proxy.client();
    client.send(request("GET", "/slow/1") + &request("GET", "/slow/other/2") + &request("GET", "/3"));
    other.let_go("/slow/other/2");
    eventually("the first is with its member", || !app.links_of("GET /slow/1").is_empty());
    app.let_go("/slow/1");
    for target in ["/slow/1", "/slow/other/2", "/3"] {
        assert_eq!(client.answer().text(), target);
    }
    assert_eq!(app.links_of("GET /slow/other/2").len() + other.links_of("GET /3").len(), 0);
}

/// RFC 9112 section 9.3.2: what is answered here waits for the answers before it as well.
#[test]
fn m9_3_2_our_own_answers_come_in_order() {
    let member = Held::start();
    let setup = setup().listener("limits: { body: 10B }").listener("via: penstock");
    let setup = setup.backend("links: { rescue_after: off }");
    let proxy = setup.before_one(member.address());
    proxy.client().get("/first");
    let mut client = proxy.client();
    let here = "OPTIONS * HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n";
    let looped = "GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 penstock\r\n\r\n";
    client.send(
        request("GET", "/slow/1") + here + &request("GET", "/slow/2") + looped + &request("GET", "/never"),
    );
    eventually("the first is with its member", || !member.links_of("GET /slow/1").is_empty());
    let mut refused = proxy.client();
    refused.send(request("GET", "/slow/3") + &post("Content-Length: 11\r\n", ""));
    ["/slow/1", "/slow/2", "/slow/3"].iter().for_each(|target| member.let_go(target));
    assert_eq!(client.answer().text(), "/slow/1");
    assert!(client.answer().field("allow").is_some());
    assert_eq!(client.answer().text(), "/slow/2");
    assert_eq!(client.answer().cause(), (508, "loop_detected"));
    assert_eq!(refused.answer().text(), "/slow/3");
    assert_eq!(refused.answer().cause(), (413, "body_too_large"));
    refused.is_over();
}

/// RFC 9112 section 9.3.2: no more of one client's requests are begun than the listener says; the others wait unread.
#[test]
fn m9_3_2_what_is_read_ahead_is_bounded() {
    let member = Held::start();
    let links = "links: { pipeline: 32, pipeline_budget: 10s, rescue_after: off }";
    let setup = setup().listener("limits: { look_ahead: 2 }").backend(links);
    let proxy = setup.before_one(member.address());
    proxy.client().get("/first"); // its link may be shared from now on
    let mut client = proxy.client();
    client.send((0..5).map(|i| request("GET", &format!("/slow/{i}"))).collect::<String>());
    let in_flight = || proxy.sum("penstock_backend_requests_in_flight");
    eventually("two have begun", || in_flight() == 2);
    std::thread::sleep(std::time::Duration::from_millis(200)); // so that a third one could have
    assert_eq!(in_flight(), 2);
    for i in 0..5 {
        member.let_go(&format!("/slow/{i}"));
        assert_eq!(client.answer().text(), format!("/slow/{i}"));
        assert!(in_flight() <= 2);
    }
}

/// RFC 9112 section 9.2: what comes on a link that owes no answer is nobody's; the link is closed.
#[test]
fn m9_2_bytes_on_an_idle_link_are_no_answer() {
    for surplus in [
        "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        "x",
        "\r\n",
        "HTTP/1.1 408 Late\r\nConnection: close\r\n\r\n",
    ] {
        let member = Script::start(move |_, mut wire| {
            while wire.next_head().is_some() {
                wire.send(OK);
                std::thread::sleep(std::time::Duration::from_millis(20)); // so that it does not come with the answer
                wire.send(surplus);
            }
        });
        let proxy = setup().before_one(member.address);
        for _ in 0..3 {
            assert_eq!(proxy.client().get("/").text(), "ok", "{surplus:?}");
            links_are_closed(&proxy);
        }
        assert_eq!(member.connections(), 3, "{surplus:?}");
    }
}

/// RFC 9112 section 9.2: what comes in one piece with an answer, and behind it, is nobody's either.
#[test]
fn m9_2_bytes_behind_an_answer_are_no_answer() {
    let ground = Ground::saying(format!("{OK}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"));
    let mut client = ground.client();
    for count in 1..4 {
        assert_eq!(client.get("/").text(), "ok");
        ground.closed_links("desync", count);
    }
}

/// RFC 9112 section 9.3.2: bytes of one answer never reach another client, whatever is cut off in between.
#[test]
fn m9_2_each_answer_reaches_its_own_client() {
    let ground = Ground::both(
        &Setup::new().backend("links: { pipeline: 32, max_per_member: 1, pipeline_budget: 10s }"),
        |asked| {
            let body = asked.target().to_owned();
            say(answer(&format!("Content-Length: {}\r\n", body.len()), &body))
        },
    );
    ground.client().get("/first");
    let mut clients: Vec<_> = (0..30).map(|_| ground.client()).collect();
    clients.iter_mut().enumerate().for_each(|(i, client)| {
        client.send(request("GET", &format!("/{i}/a")) + &request("GET", &format!("/{i}/b")));
    });
    for (i, mut client) in clients.into_iter().enumerate() {
        if i % 3 == 0 {
            client.reset();
            continue;
        }
        assert_eq!(client.answer().text(), format!("/{i}/a"));
        assert_eq!(client.answer().text(), format!("/{i}/b"));
    }
}
