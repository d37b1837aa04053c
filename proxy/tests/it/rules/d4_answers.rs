//! Tests of D4, where a response's content ends, and that what was cut short never looks complete.

use std::io::Write;
use std::sync::mpsc;

use crate::rules::ground::{
    Ground, OK, answer, get, line, ok, post, say, say_and_close, say_and_reset, setup,
};
use crate::support::script::Script;
use crate::support::stand::Proxy;
use crate::support::wire::{Wire, eventually, fields};

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
        let head = client.send(get("TE: gzip\r\nConnection: TE\r\n")).head();
        assert_eq!(fields(&head, "transfer-encoding"), ["gzip, chunked"]);
        assert_eq!(client.chunks(), b"zipped");
    }
}

/// RFC 9110 section 10.1.4: a coding that stays on the content is for those who asked for it; it is said once, with ours.
#[test]
fn m6_1_a_coding_that_the_client_did_not_ask_for_is_502() {
    let zipped = answer("Transfer-Encoding: gzip, chunked\r\n", "6\r\nzipped\r\n0\r\n\r\n");
    let ground = Ground::saying(zipped);
    let mut client = ground.client();
    for te in ["", "TE: trailers\r\n", "TE: deflate\r\n", "TE: gzip;q=0\r\n"] {
        assert_eq!(client.send(get(te)).answer().cause(), (502, "bad_response"), "{te:?}");
        let head = client.send(get("TE: deflate, gzip;q=0.1\r\n")).head();
        assert_eq!(fields(&head, "transfer-encoding"), ["gzip, chunked"]);
        assert_eq!(client.chunks(), b"zipped", "and the client goes on");
        ground.last().lacks("te");
    }
    for lines in ["Transfer-Encoding: xchunked\r\n", "Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n"] {
        let ground = Ground::saying(answer(lines, "ok"));
        assert_eq!(ground.client().send(get("TE: xchunked\r\n")).answer().cause(), (502, "bad_response"));
    }
}

/// What ends an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What its head says, or what its content does.
    Told,
    /// The member, by a close.
    Close,
    /// Nobody can tell, or nobody asked for it: 502.
    Nobody,
    /// The same, unless the client takes gzip.
    Zipped(bool),
}

/// Everything that an answer may say of its end, with content that has it.
const FRAMINGS: [(&str, &str, End); 24] = [
    ("", "ok", End::Close),
    ("Content-Length: 2\r\n", "ok", End::Told),
    ("Content-Length: 0\r\n", "", End::Told),
    ("Content-Length: 2, 2\r\n", "ok", End::Told),
    ("Content-Length: 2\r\nContent-Length: 2\r\n", "ok", End::Told),
    ("Content-Length: 2\r\nContent-Length: 3\r\n", "ok", End::Nobody),
    ("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Told),
    ("Transfer-Encoding: chunked\r\nContent-Length: 9\r\n", "2\r\nok\r\n0\r\n\r\n", End::Told),
    ("Transfer-Encoding: identity, chunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Told),
    ("Transfer-Encoding:\r\nTransfer-Encoding: ,chunked,\r\n", "2\r\nok\r\n0\r\n\r\n", End::Told),
    ("Transfer-Encoding: chunked, chunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Nobody),
    ("Transfer-Encoding: chunked, identity\r\n", "2\r\nok\r\n0\r\n\r\n", End::Nobody),
    ("Transfer-Encoding: chunked, gzip\r\n", "2\r\nok\r\n0\r\n\r\n", End::Nobody),
    ("Transfer-Encoding: identity\r\n", "ok", End::Close),
    ("Transfer-Encoding: identity\r\nContent-Length: 2\r\n", "ok", End::Told),
    ("Content-Length: 2\r\nTransfer-Encoding: Identity\r\n", "ok", End::Told),
    ("Transfer-Encoding:\r\n", "ok", End::Close),
    ("Transfer-Encoding: ,\r\nContent-Length: 2\r\n", "ok", End::Told),
    ("Transfer-Encoding: gzip\r\n", "ok", End::Zipped(false)),
    ("Transfer-Encoding: gzip, chunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Zipped(true)),
    ("Transfer-Encoding: gzip\r\nContent-Length: 2\r\n", "ok", End::Nobody),
    ("Transfer-Encoding: xchunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Nobody),
    ("Transfer-Encoding: xchunked\r\nContent-Length: 2\r\n", "ok", End::Nobody),
    ("Transfer-Encoding: br, chunked\r\n", "2\r\nok\r\n0\r\n\r\n", End::Nobody),
];

/// RFC 9112 section 6.3: whatever the head of an answer says of its end, and of the connection, in either version: a member
/// that has said all, and closes only where nothing but that is the end, is never waited for.
#[test]
fn m6_3_no_answer_hangs_for_its_framing() {
    let mut replies = Vec::new();
    for version in ["1.0", "1.1"] {
        for connection in ["", "Connection: keep-alive\r\n", "Connection: close\r\n"] {
            for (lines, body, end) in FRAMINGS {
                let said = |status: u16| format!("HTTP/{version} {status} X\r\n{connection}{lines}\r\n");
                replies.push((200, end, "GET", said(200) + body));
                // These have no content, whatever they say, and so no end but that of their heads.
                replies.push((200, End::Told, "HEAD", said(200)));
                replies.push((204, End::Told, "GET", said(204)));
                replies.push((304, End::Told, "GET", said(304)));
            }
            let reset = format!("HTTP/{version} 205 X\r\n{connection}");
            for rest in ["\r\n", "Content-Length: 0\r\n\r\n", "Transfer-Encoding: identity\r\n\r\n"] {
                replies.push((205, End::Told, "GET", reset.clone() + rest));
            }
        }
    }
    let said = replies.clone();
    let ground = Ground::answering(move |asked| match asked.target()[1..].parse::<usize>() {
        Ok(n) if matches!(said[n].1, End::Close | End::Zipped(false)) => say_and_close(said[n].3.clone()),
        Ok(n) => say(said[n].3.clone()),
        Err(_) => ok(asked),
    });
    let mut client = ground.client();
    for (n, (status, end, method, reply)) in replies.iter().enumerate() {
        for te in ["", "TE: gzip\r\n"] {
            let head = client.send(format!("{method} /{n} HTTP/1.1\r\nHost: h\r\n{te}\r\n")).head();
            let is_whole = match end {
                End::Told | End::Close => true,
                End::Zipped(_) => !te.is_empty(),
                End::Nobody => false,
            };
            let due = if is_whole { *status } else { 502 };
            // Where there is no content a head may be refused all the same, for what it says of it.
            let is_bare = *method == "HEAD" || matches!(status, 204 | 304);
            let due = if is_bare && head.starts_with("HTTP/1.1 502") { 502 } else { due };
            assert!(head.starts_with(&format!("HTTP/1.1 {due}")), "{reply:?} {te:?}: {head}");
            let (codings, lengths) = (fields(&head, "transfer-encoding"), fields(&head, "content-length"));
            let content = match (&codings[..], &lengths[..]) {
                _ if *method == "HEAD" || matches!(due, 204 | 304) => Vec::new(),
                ([_], []) => client.chunks(),
                ([], [length]) => client.take(length.parse().unwrap()),
                _ => panic!("{reply:?}: {head}"),
            };
            let whole: &[u8] = if reply.contains("ok") { b"ok" } else { b"" };
            assert!(due == 502 || content == whole, "{reply:?}: {content:?}");
            assert_eq!(client.get("/on").text(), "ok", "{reply:?} {te:?}");
        }
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

/// Old servers pad the sizes of their chunks with blanks: `5   ` (RFC 9112 section 7.1 has none).
#[test]
fn m7_1_sizes_in_answers_may_be_padded() {
    let padded =
        answer("Transfer-Encoding: chunked\r\n", "1   \r\no\r\n001 \t\r\nk\r\n0     \r\nA: b\r\n\r\n");
    let ground = Ground::saying(padded);
    for version in ["1.1", "1.0"] {
        let mut client = ground.client();
        client.send(format!("GET / HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n")).head();
        let got = String::from_utf8(client.rest()).unwrap();
        let due = if version == "1.0" { "ok" } else { "2\r\nok\r\n0\r\nA: b\r\n\r\n" };
        assert_eq!(got.replace("1\r\no\r\n1\r\nk", "2\r\nok"), due, "no blank is left of them");
    }
    assert_eq!(ground.links(), 1, "the link stays in step");
    ground
        .refuses(post("Transfer-Encoding: chunked\r\n", "2 \r\nok\r\n0\r\n\r\n"), crate::rules::ground::BAD);
}

/// A client that has got the head and the first part of an answer, of which the second is under way.
fn first_half(first: impl Into<Vec<u8>>, second: crate::rules::ground::Reply) -> (Wire, Proxy) {
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

/// RFC 9112 section 9.6: for as long as the client goes on sending, up to a limit, the answer is not lost to a reset.
#[test]
fn m9_6_a_client_that_sends_on_for_seconds_gets_its_answer() {
    let ground = Ground::with(&setup().listener("limits: { body: 1KiB }"));
    let mut client = ground.client();
    client.send(post("Content-Length: 1000000\r\n", ""));
    for _ in 0..60 {
        client.send([b'x'; 1000]);
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let got = client.answer();
    assert_eq!((got.cause(), got.closes()), ((413, "body_too_large"), true));
    assert_eq!(client.rest_and_reset(), (Vec::new(), false));
}

/// RFC 9112 section 9.6: but one that says nothing more and does not close is not waited for.
#[test]
fn m9_6_a_client_that_never_closes_is_closed() {
    let ground = Ground::with(&setup().listener("limits: { body: 1KiB }"));
    let mut client = ground.client();
    assert_eq!(
        client.send(post("Content-Length: 1000000\r\n", "x")).answer().cause(),
        (413, "body_too_large")
    );
    client.is_over();
    eventually("it is closed", || ground.proxy.sum("penstock_client_connections") == 0);
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
