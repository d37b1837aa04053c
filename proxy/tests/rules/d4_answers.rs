//! D4, where an answer's body ends, and that what was cut short never looks complete.
//! In: answers of a scripted member, raw. Out: what the client gets, and whether the link is used again.
//! Knows nothing of requests with bodies.

use std::io::Write;
use std::sync::mpsc;

use crate::ground::{Ground, OK, answer, get, line, ok, post, say, say_and_close, say_and_reset, setup};
use crate::script::Script;
use crate::stand::Proxy;
use crate::wire::{Wire, fields};

/// RFC 9112 section 6.3 rule 1, RFC 9110 section 9.3.2: an answer to HEAD has no body; its length is that of GET.
#[test]
fn m6_3_an_answer_to_head_has_no_body() {
    for framing in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        // While the link rests after the answer, what comes next waits for it.
        let ground = Ground::both(&setup().backend("links: { max_per_member: 1 }"), move |asked| {
            if asked.is_head() { say(answer(framing, "")) } else { ok(asked) }
        });
        let mut client = ground.client();
        client.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned() + &get(""));
        let head = client.answer_to("HEAD");
        assert_eq!((head.status, head.closes()), (200, false), "{framing:?}");
        let length = framing.contains("Length").then_some("1000");
        assert_eq!(head.field("content-length"), length, "{framing:?}");
        assert_eq!(client.answer().text(), "ok");
        assert_eq!(ground.links(), 1, "{framing:?}");
    }
}

/// RFC 9112 section 6.3 rule 1, RFC 9110 sections 15.3.5 and 15.4.5: 204 and 304 have no body, whatever they say.
#[test]
fn m6_3_204_and_304_have_no_body() {
    for status in ["204 No Content", "304 Not Modified"] {
        for framing in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
            let bodiless = format!("HTTP/1.1 {status}\r\nETag: x\r\n{framing}\r\n");
            let ground =
                Ground::answering(
                    move |asked| if asked.target() == "/" { say(bodiless.clone()) } else { ok(asked) },
                );
            let mut client = ground.client();
            let got = client.get("/");
            assert_eq!((&got.status.to_string()[..], got.closes()), (&status[..3], false));
            assert_eq!(got.field("etag"), Some("x"));
            // RFC 9110 section 8.6: no length with 204; with 304 it is that of the 200 that it stands for.
            let length = (status.starts_with("304") && framing.contains("Length")).then_some("5");
            assert_eq!(
                (got.field("content-length"), got.field("transfer-encoding")),
                (length, None),
                "{status} {framing:?}"
            );
            assert_eq!(client.get("/on").text(), "ok", "{status} {framing:?}");
        }
    }
}

/// RFC 9110 section 15.3.6: 205 has no content; that it has none is said.
#[test]
fn s15_3_6_205_has_length_0() {
    for framing in ["Content-Length: 0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] {
        let reset = format!("HTTP/1.1 205 Reset Content\r\n{framing}");
        let ground = Ground::answering(
            move |asked| if asked.target() == "/" { say(reset.clone()) } else { ok(asked) },
        );
        let mut client = ground.client();
        let got = client.get("/");
        assert_eq!((got.status, got.body.len()), (205, 0));
        assert_eq!(client.get("/on").text(), "ok");
    }
}

/// RFC 9112 section 6.3 rule 3, section 6.1: with both fields the coding counts, the length goes, the link is not used again.
#[test]
fn m6_1_an_answer_with_both_fields_ends_its_link() {
    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
    ] {
        let ground = Ground::saying(answer(lines, "2\r\nok\r\n0\r\n\r\n"));
        let got = ground.client().get("/");
        assert_eq!((got.text(), got.field("content-length"), got.closes()), ("ok", None, false));
        assert_eq!(got.fields("transfer-encoding"), ["chunked"]);
        ground.next_is_on_another_link();
    }
}

/// RFC 9112 section 6.3 rule 4: where chunked is not the last coding of an answer, it lasts until the close.
#[test]
fn m6_3_an_answer_whose_last_coding_is_not_chunked_lasts_until_close() {
    let ground = Ground::closing(answer("Transfer-Encoding: gzip\r\n", "zipped"));
    let mut client = ground.client();
    for _ in 0..2 {
        let head = client.send(get("")).head();
        assert_eq!(fields(&head, "transfer-encoding"), ["gzip, chunked"]);
        assert_eq!(client.chunks(), b"zipped");
    }
}

/// RFC 9112 section 6.1: `chunked` twice leaves open which end is meant.
#[test]
fn m6_1_an_answer_chunked_twice_is_502() {
    for lines in [
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let ground = Ground::saying(answer(lines, "2\r\nok\r\n0\r\n\r\n"));
        assert_eq!(ground.client().get("/").cause(), (502, "bad_response"));
    }
}

/// RFC 9112 section 6.1: a coding in HTTP/1.0 is a fault in the framing; the link is not used again.
#[test]
fn m6_1_a_coding_in_an_answer_of_http_1_0_ends_its_link() {
    let ground = Ground::saying(
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    );
    assert_eq!(ground.client().get("/").text(), "ok");
    ground.next_is_on_another_link();
}

/// RFC 9112 section 6.3 rule 5: an answer whose length is none is 502; its link is closed, and what it says discarded.
#[test]
fn m6_3_an_answer_with_an_invalid_length_is_502() {
    for length in ["-1", "+2", "x", "", "2, 3", "0x2", "2 2", "18446744073709551616"] {
        let ground = Ground::saying(answer(&format!("Content-Length: {length}\r\n"), "ok"));
        assert_eq!(ground.client().get("/").cause(), (502, "bad_response"), "{length:?}");
        ground.closed_links("desync", 1);
    }
    let ground = Ground::saying(answer("Content-Length: 2\r\nContent-Length: 3\r\n", "okx"));
    assert_eq!(ground.client().get("/").cause(), (502, "bad_response"));
}

/// RFC 9110 section 8.6: the same length said twice is one, and the client is told it once.
#[test]
fn m6_2_a_length_said_twice_in_an_answer_is_said_once() {
    for lines in ["Content-Length: 2, 2\r\n", "Content-Length: 2\r\nContent-Length: 2\r\n"] {
        let ground = Ground::saying(answer(lines, "ok"));
        let head = ground.client().send(get("")).head();
        assert_eq!(fields(&head, "content-length"), ["2"]);
    }
}

/// RFC 9112 section 6.3 rule 8: without both an answer lasts until the close; HTTP/1.1 gets it in chunks, and stays.
#[test]
fn m6_3_an_answer_without_length_lasts_until_close() {
    let ground = Ground::closing(answer("", "all of it"));
    let mut client = ground.client();
    for _ in 0..2 {
        let got = client.get("/");
        assert_eq!(
            (got.text(), got.field("transfer-encoding"), got.closes()),
            ("all of it", Some("chunked"), false)
        );
    }
    let head = client.send("GET / HTTP/1.0\r\n\r\n").head();
    assert_eq!((fields(&head, "transfer-encoding"), fields(&head, "connection")), (vec![], vec!["close"]));
    assert_eq!(client.rest(), b"all of it", "HTTP/1.0 gets the close itself");
    assert_eq!(ground.links(), 3);
}

/// RFC 9112 sections 7.1 and 7.1.1: chunks are written anew; extensions mean nothing beyond the hop.
#[test]
fn m7_1_chunks_of_answers_are_written_anew() {
    let ground = Ground::saying(answer(
        "Transfer-Encoding: chunked\r\n",
        "1;x=y\r\no\r\n0001;z\r\nk\r\n0;end\r\n\r\n",
    ));
    let mut client = ground.client();
    client.send(get("")).head();
    let mut lines = Vec::new();
    let mut body = Vec::new();
    loop {
        let size = line(&mut client);
        let count = usize::from_str_radix(&size, 16).unwrap();
        body.extend(client.take(count));
        assert_eq!(client.take(2), b"\r\n");
        lines.push(size);
        if count == 0 {
            break;
        }
    }
    assert_eq!(body, b"ok");
    assert_eq!(client.get("/").text(), "ok", "{lines:?}");
}

/// RFC 9112 section 7.1, errata 7633: a fault in the chunks of an answer cuts it off, and ends its link.
#[test]
fn m7_1_bad_chunks_of_answers_are_cut_off() {
    for bad in [
        "x\r\n",
        "1\nx\r\n",
        "1\r\nxx\r\n",
        "1;a\nx\r\n",
        "ffffffffffffffffff\r\n",
        "0\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\n\n",
    ] {
        let (mut client, proxy) =
            first_half(answer("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n"), say(bad));
        let (body, _) = client.rest_and_reset();
        assert_eq!(String::from_utf8(body).unwrap(), "2\r\nok\r\n", "{bad:?}: no last chunk");
        assert_eq!(proxy.errors("truncated") + proxy.errors("bad_response"), 1, "{bad:?}");
    }
}

/// A client that has got the head and the first part of an answer, of which the second is under way.
fn first_half(first: impl Into<Vec<u8>>, second: crate::ground::Reply) -> (Wire, Proxy) {
    let (go, gate) = mpsc::channel();
    let second = std::sync::Mutex::new(Some((second, gate)));
    let first = first.into();
    let member = Script::start(move |_, mut wire| {
        wire.next_head();
        wire.send(&first);
        let (second, gate) = second.lock().unwrap().take().unwrap();
        let () = gate.recv().unwrap();
        second.play(wire);
    });
    let proxy = setup().before_one(member.address);
    let mut client = proxy.client();
    client.send(get("")).head();
    go.send(()).unwrap();
    (client, proxy)
}

/// RFC 9112 section 8: an answer that the member cuts short is cut short for its client, too.
#[test]
fn m8_an_answer_cut_short_does_not_look_complete() {
    for reset in [false, true] {
        let end = |bytes: &str| if reset { say_and_reset(bytes) } else { say_and_close(bytes) };
        for (first, second) in [
            (answer("Content-Length: 10\r\n", "half"), end("")),
            (answer("Content-Length: 10\r\n", "hal"), end("f")),
            (answer("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n"), end("")),
            (answer("Transfer-Encoding: chunked\r\n", "4\r\nhalf\r\n"), end("0\r\n")),
            (answer("Transfer-Encoding: chunked\r\n", "5\r\nhalf"), end("")),
        ] {
            let chunked = first.contains("chunked");
            let (mut client, proxy) = first_half(first.clone(), second);
            let body = String::from_utf8(client.rest_and_reset().0).unwrap();
            let complete = if chunked {
                body.contains("\r\n0\r\n") || body.starts_with("0\r\n")
            } else {
                body.len() >= 10
            };
            assert!(body.contains("half") && !complete, "{first:?}: {body:?}");
            assert_eq!(proxy.errors("truncated"), 1, "{first:?}");
        }
    }
}

/// RFC 9112 section 8: a reset is no close: an answer that lasts until then is not complete.
#[test]
fn m8_a_reset_does_not_end_an_answer_that_lasts_until_close() {
    let (mut client, proxy) = first_half(answer("", "half"), say_and_reset(""));
    let body = String::from_utf8(client.rest_and_reset().0).unwrap();
    assert!(!body.contains("\r\n0\r\n"), "{body:?}");
    assert_eq!(proxy.errors("truncated"), 1);
}

/// RFC 9112 section 8: half a head is no answer.
#[test]
fn m8_half_a_head_is_502() {
    for half in ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "HTT", "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200"]
    {
        let ground = Ground::closing(half);
        let mut client = ground.client();
        let mut got = client.get("/");
        if got.status == 103 {
            got = client.answer();
        }
        assert_eq!(got.cause(), (502, "backend_reset"), "{half:?}");
    }
}

/// RFC 9112 section 9.6: a close while the client still sends is FIN first, and reading on: no reset eats the answer.
#[test]
fn m9_6_a_close_waits_for_the_client_to_have_read() {
    let ground = Ground::with(&setup().listener("limits: { head: 1KiB, line: 1KiB }"));
    for request in [post("Transfer-Encoding: gzip\r\n", ""), get(&format!("A: {}\r\n", "x".repeat(2000)))] {
        let mut client = ground.client();
        let mut writer = client.stream.try_clone().unwrap();
        client.send(&request);
        let sender = std::thread::spawn(move || {
            // It may fail once the proxy has heard enough.
            let _ = (0..50).all(|_| writer.write_all(&[b'x'; 10_000]).is_ok());
        });
        let got = client.answer();
        assert!(matches!(got.cause(), (501, "unsupported") | (431, "head_too_large")), "{got:?}");
        assert!(got.closes());
        sender.join().unwrap();
        assert!(client.rest_and_reset().0.is_empty());
    }
}

/// RFC 9112 section 9.6: the end of an answer that lasts until the close is a FIN, not a reset.
#[test]
fn m9_6_framing_by_close_ends_in_order() {
    let ground = Ground::closing(answer("", &"x".repeat(100_000)));
    let mut client = ground.client();
    client.send("GET / HTTP/1.0\r\n\r\n").send("and more that nobody reads").head();
    assert_eq!(client.rest().len(), 100_000);
    assert_eq!(Ground::saying(OK).client().get("/").text(), "ok");
}
