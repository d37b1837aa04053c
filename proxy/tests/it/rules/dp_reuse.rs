//! Tests of DP, when a link must not carry another exchange: it may be out of step, spent or somebody's own.

use std::collections::HashSet;
use std::sync::mpsc;

use crate::rules::ground::{
    Ground, OK, Reply, answer, get, links_are_closed, ok, post, say, say_and_close, say_no_more, setup,
    streaming,
};
use crate::support::script::Script;
use crate::support::stand::{Proxy, Setup, member_at};
use crate::support::wire::{Wire, eventually, fields, request};

/// The member treats `/x` as told, and everything else well. After `/x` its link carries nothing more.
fn spends_its_link(setup: &Setup, x: impl Fn() -> Reply + Send + Sync + 'static, reason: &str) -> Ground {
    let ground = Ground::both(setup, move |asked| if asked.target() == "/x" { x() } else { ok(asked) });
    let mut client = ground.client();
    assert_eq!(client.get("/first").text(), "ok");
    let mut other = ground.client();
    other.send(request("POST", "/x"));
    eventually("it was asked", || ground.asked().len() == 2);
    ground.closed_links(reason, 1);
    assert_eq!(client.get("/next").text(), "ok");
    let links: Vec<_> = ground.asked().iter().map(|asked| asked.link).collect();
    assert_eq!(links, [0, 0, 1], "{reason}");
    ground
}

#[track_caller]
fn spent(x: impl Into<Vec<u8>>, reason: &str) {
    let x = x.into();
    spends_its_link(&setup(), move || say(x.clone()), reason);
}

/// A request that was not written whole: its answer came first, or its client left.
#[test]
fn dp_a_request_that_was_not_written_whole() {
    let ground = Ground::with(&streaming());
    assert_eq!(ground.client().get("/first").text(), "ok");
    let mut client = ground.client();
    client.send(post("Content-Length: 10\r\n", "half"));
    eventually("it is on its link", || ground.proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.reset();
    ground.closed_links("client_abort", 1);
    assert_eq!(ground.client().get("/next").text(), "ok");
    assert_eq!(ground.links(), 2);
}

/// An answer that nobody reads any more, and that is too long to be read for nobody.
#[test]
fn dp_an_answer_that_is_not_read_to_its_end() {
    let large = answer("Content-Length: 30000000\r\n", &"x".repeat(30_000_000));
    let script = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            let bytes = if head.contains("/large") { large.as_bytes() } else { OK.as_bytes() };
            if std::io::Write::write_all(&mut wire.stream, bytes).is_err() {
                return;
            }
        }
    });
    let proxy = setup().before_one(script.address);
    let mut client = Wire::connect_narrow(proxy.address());
    client.send(request("GET", "/large")).head();
    client.reset();
    let label = ["reason=\"client_abort\""];
    eventually("the link is closed", || {
        proxy.sum_of("penstock_backend_connections_closed_total", &label) == 1
    });
    assert_eq!(proxy.client().get("/").text(), "ok");
    assert_eq!(script.connections(), 2);
}

/// One that is short is read to its end for nobody, and its link is used again (P.6).
#[test]
fn dp_but_a_short_answer_for_nobody_is_drained() {
    let (go, gate) = mpsc::channel();
    let gate = std::sync::Mutex::new(gate);
    let ground = Ground::answering(move |asked| {
        if asked.target() == "/left" {
            let () = gate.lock().unwrap().recv().unwrap();
            return say(answer("Content-Length: 6\r\n", "poison"));
        }
        ok(asked)
    });
    let mut client = ground.client();
    client.send(request("GET", "/left"));
    eventually("it is on its link", || ground.proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.reset();
    eventually("it has left", || ground.proxy.errors("client_abort") == 1);
    go.send(()).unwrap();
    eventually("its answer is read", || ground.proxy.sum("penstock_backend_requests_in_flight") == 0);
    assert_eq!(ground.client().get("/next").text(), "ok");
    assert_eq!(ground.links(), 1);
}

/// RFC 9112 section 9.3: `close` of the member, in any case, as a member of a list; HTTP/1.0 without keep-alive.
#[test]
fn dp_an_answer_that_says_close_or_is_of_http_1_0() {
    for lines in [
        "Connection: close\r\n",
        "Connection: x, CLOSE\r\n",
        "Connection: keep-alive\r\nConnection: close\r\n",
    ] {
        spent(answer(&format!("{lines}Content-Length: 2\r\n"), "ok"), "origin");
    }
    spent("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "origin");
    let keeps = Ground::saying("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok");
    (0..3).for_each(|_| assert_eq!(keeps.client().get("/").text(), "ok"));
    assert_eq!(keeps.links(), 1);
}

/// RFC 9112 section 9.3: the client's `close` is of the client's connection.
#[test]
fn dp_but_a_clients_close_leaves_the_link() {
    let ground = Ground::plain();
    (0..3).for_each(|_| drop(ground.passes(get("Connection: close\r\n"))));
    assert_eq!(ground.links(), 1);
}

/// An answer that lasts until the close ends its link by what it is.
#[test]
fn dp_an_answer_that_lasts_until_close() {
    spends_its_link(&setup(), || say_and_close(answer("", "until close")), "origin");
}

/// RFC 9112 section 6.1: both fields; and a coding in HTTP/1.0.
#[test]
fn dp_an_answer_whose_framing_is_ambiguous() {
    spent(answer("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"), "origin");
}

/// Bytes behind the answer, and whatever is no answer.
#[test]
fn dp_surplus_bytes_and_what_cannot_be_parsed() {
    spent(format!("{OK}x"), "desync");
    spent(format!("{OK}{OK}"), "desync");
    spent("nonsense\r\n\r\n", "desync");
    spent(answer("Content-Length: x\r\n", ""), "desync");
    spent(answer("Transfer-Encoding: chunked\r\n", "x\r\n"), "desync");
}

/// RFC 9110 sections 7.8 and 9.3.6: 101, and 2xx to CONNECT, for good, also when the tunnel has ended.
#[test]
fn dp_a_link_that_became_a_tunnel() {
    let ground = Ground::both(&setup().listener("connect: true"), |asked| {
        if asked.head.starts_with("CONNECT") {
            return say_no_more(answer("", ""));
        }
        let upgrades = !asked.fields("upgrade").is_empty();
        if upgrades {
            say_no_more("HTTP/1.1 101 Switch\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        } else {
            ok(asked)
        }
    });
    let asks = [
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
    ];
    for (links, ask) in (1..).zip(asks) {
        let mut client = ground.client();
        client.send(ask).head();
        client.finish().is_over();
        assert_eq!(ground.client().get("/next").text(), "ok");
        assert_eq!(ground.links(), links + 1);
        assert_eq!(ground.last().link, links);
    }
}

/// 408 or 400 of a member while the request's body is unread: what it will read next is not known.
#[test]
fn dp_a_refusal_with_the_body_unread() {
    for status in ["408 Request Timeout", "400 Bad Request"] {
        let script = Script::start(move |link, mut wire| {
            while wire.next_head().is_some() {
                if link == 0 {
                    wire.send(format!("HTTP/1.1 {status}\r\nContent-Length: 3\r\n\r\nno!"));
                    _ = wire.rest_and_reset();
                    return;
                }
                wire.send(OK);
            }
        });
        let proxy = streaming().before_one(script.address);
        let mut client = proxy.client();
        let answer = client.send(post("Content-Length: 100\r\n", "half")).answer();
        assert_eq!((answer.text(), answer.closes()), ("no!", true));
        links_are_closed(&proxy);
        assert_eq!(proxy.client().get("/").text(), "ok");
        assert_eq!(script.connections(), 2);
    }
}

/// A member that did not answer in time may still do so.
#[test]
fn dp_a_timeout() {
    spends_its_link(&setup().backend("response_timeout: 300ms"), || say_no_more(""), "error");
    let amid = setup().backend("response_timeout: 300ms");
    let ground = Ground::both(&amid, |_| say_no_more(answer("Content-Length: 9\r\n", "half")));
    ground.client().send(get("")).head();
    links_are_closed(&ground.proxy);
}

/// NTLM and Negotiate authenticate the connection: from then on the link is that client's, until either closes.
#[test]
fn dp_a_link_with_credentials_of_the_connection_is_its_clients() {
    for line in [
        "Authorization: NTLM TlRM\r\n",
        "authorization: negotiate YII=\r\n",
        "Proxy-Authorization: NTLM x\r\n",
    ] {
        let ground = Ground::plain();
        let mut owner = ground.client();
        assert_eq!(owner.get("/before").text(), "ok");
        assert_eq!(owner.send(get(line)).answer().text(), "ok");
        let its_own = ground.last().link;
        for _ in 0..3 {
            assert_eq!(ground.client().get("/other").text(), "ok");
            assert_eq!(owner.get("/owner").text(), "ok");
            assert_eq!(owner.send(post("Content-Length: 2\r\n", "hi")).answer().text(), "ok");
        }
        for asked in ground.asked().iter().skip(2) {
            let owners = asked.target() != "/other";
            assert_eq!(asked.link == its_own, owners, "{line:?}: {}", asked.head);
        }
        drop(owner);
        ground.closed_links("pinned", 1);
        assert_eq!(ground.client().get("/other").text(), "ok");
        assert_ne!(ground.last().link, its_own);
    }
}

/// Other credentials are of the request, and bind nothing.
#[test]
fn dp_but_credentials_of_a_request_bind_nothing() {
    let ground = Ground::plain();
    for line in ["Authorization: Basic eA==\r\n", "Authorization: Bearer NTLM\r\n", "Cookie: NTLM\r\n"] {
        ground.passes(get(line));
    }
    assert_eq!(ground.links(), 1);
}

/// A member whose link ends while its client has it for its own: the client goes on, on another.
#[test]
fn dp_an_own_link_that_ends_does_not_end_its_client() {
    let ground = Ground::answering(|asked| {
        if asked.target() == "/bye" {
            say_and_close(answer("Connection: close\r\nContent-Length: 2\r\n", "ok"))
        } else {
            ok(asked)
        }
    });
    let mut owner = ground.client();
    owner.send(get("Authorization: NTLM x\r\n")).answer();
    assert_eq!(owner.get("/bye").text(), "ok");
    assert_eq!(owner.get("/on").text(), "ok");
    assert_eq!(ground.links(), 2);
}

/// A PROXY header would tie a link to one client; pooled links do not begin with one, and the configuration says so.
#[test]
fn dp_a_proxy_header_is_not_sent_on_pooled_links() {
    let text = setup().backend("proxy_protocol: v2").text(&[("a".to_owned(), "127.0.0.1:1")]);
    let refused = Proxy::try_run(&text).err().unwrap();
    assert!(refused.contains("backends.app.proxy_protocol"), "{refused}");
}

/// Older than it may be, or used as often as it may be.
#[test]
fn dp_a_link_that_is_old_or_used_up() {
    let ground = Ground::with(&setup().backend("links: { max_requests: 3 }"));
    let mut client = ground.client();
    (0..9).for_each(|_| assert_eq!(client.get("/").text(), "ok"));
    ground.closed_links("max_requests", 3);
    assert_eq!(
        ground.asked().iter().map(|asked| asked.link).collect::<Vec<_>>(),
        [0, 0, 0, 1, 1, 1, 2, 2, 2]
    );
    let ground = Ground::both(&setup().backend("links: { max_age: 1ms }"), |asked| {
        std::thread::sleep(std::time::Duration::from_millis(5)); // so that it is old
        ok(asked)
    });
    let mut client = ground.client();
    (0..3).for_each(|_| assert_eq!(client.get("/").text(), "ok"));
    ground.closed_links("max_age", 3);
    assert_eq!(ground.links(), 3);
}

/// Unused for too long: closed before its member does it.
#[test]
fn dp_a_link_that_was_unused_for_too_long() {
    let ground = Ground::with(&setup().backend("links: { idle_timeout: 100ms }"));
    assert_eq!(ground.client().get("/").text(), "ok");
    ground.closed_links("idle", 1);
    assert_eq!(ground.client().get("/").text(), "ok");
    assert_eq!(ground.links(), 2);
    // RFC 2068 section 19.7.1: also where only the member says how long that is.
    let says = answer("Keep-Alive: timeout=2\r\nContent-Length: 2\r\n", "ok");
    let ground = Ground::both(&setup().backend("links: { idle_timeout: 60s }"), move |_| say(says.clone()));
    assert_eq!(ground.client().get("/").text(), "ok");
    ground.closed_links("idle", 1);
}

/// A member that went, or has another address: its links are used no more.
#[test]
fn dp_a_member_that_was_removed_or_moved() {
    let any = ([127, 0, 0, 1], 0).into();
    let (one, two) = (member_at("a", any), member_at("a", any));
    let setup = setup();
    let mut proxy = setup.before(one.addresses());
    let mut client = proxy.client();
    assert_eq!(client.get("/hello").status, 200);
    proxy.reload(&setup.text(two.addresses())).unwrap();
    eventually("the next is at the new address", || {
        client.get("/hello").status == 200 && two.stats().total().requests > 0
    });
    eventually("links to the old one are closed", || one.stats().total().open == 0);
    let before = one.stats().total().requests;
    (0..5).for_each(|_| assert_eq!(client.get("/hello").status, 200));
    assert_eq!(one.stats().total().requests, before);
}

/// A link that its member closed, reset or wrote on while it was idle.
#[test]
fn dp_a_link_on_which_something_happened_while_it_was_idle() {
    for fate in [say_and_close as fn(&'static str) -> Reply, crate::rules::ground::say_and_reset] {
        let ground = Ground::answering(move |_| fate(OK));
        for links in 1..=3 {
            assert_eq!(ground.client().get("/").text(), "ok");
            assert_eq!(ground.links(), links);
            links_are_closed(&ground.proxy);
        }
        assert_eq!(ground.proxy.sum("penstock_request_errors_total"), 0);
    }
}

/// Two clients that authenticate their connections never share a link, however few there are.
#[test]
fn dp_two_owners_have_two_links() {
    let ground = Ground::answering(|asked| {
        let who = asked.fields("x-who").first().map_or("nobody", |who| who).to_owned();
        say(answer(&format!("X-Who: {who}\r\nContent-Length: 2\r\n"), "ok"))
    });
    let mut owners = [ground.client(), ground.client()];
    for _ in 0..3 {
        for (i, owner) in owners.iter_mut().enumerate() {
            let head = owner.send(get(&format!("Authorization: Negotiate x\r\nX-Who: {i}\r\n"))).head();
            assert_eq!(fields(&head, "x-who"), [i.to_string()]);
            owner.take(2);
        }
    }
    let links = |who: &str| -> HashSet<_> {
        ground.asked().iter().filter(|asked| asked.fields("x-who") == [who]).map(|asked| asked.link).collect()
    };
    assert_eq!((links("0").len(), links("1").len()), (1, 1));
    assert!(links("0").is_disjoint(&links("1")));
}
