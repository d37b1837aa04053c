//! Tests of D4, where a request's content ends: one length or chunks, and never two readings.

use std::sync::mpsc;

use crate::rules::ground::{BAD, Ground, OK, chunked, get, post, setup, streaming};
use crate::support::script::Script;
use crate::support::wire::{eventually, fields};

/// RFC 9112 section 6.3 rule 7: a request without both fields has no body, whatever its method.
#[test]
fn m6_3_a_request_without_length_or_coding_has_no_body() {
    let ground = Ground::plain();
    let mut client = ground.client();
    client.send("POST /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
    assert_eq!(ground.targets(), ["/1", "/2"]);
}

/// RFC 9112 section 6.3 rule 6: a length is that of the body, and the next request begins behind it.
#[test]
fn m6_3_a_length_is_exact() {
    let ground = Ground::plain();
    let mut client = ground.client();
    client.send(post("Content-Length: 27\r\n", "GET /smuggled HTTP/1.1\r\n\r\nx") + &get(""));
    assert_eq!((client.answer().status, client.answer().status), (200, 200));
    let asked = ground.asked();
    assert_eq!((asked.len(), asked[0].body.len(), asked[1].line()), (2, 27, "GET / HTTP/1.1"));
}

/// RFC 9112 section 6.3 rule 4: where chunked is not the last coding of a request, nobody knows where it ends.
#[test]
fn m6_3_a_request_whose_last_coding_is_not_chunked_is_refused() {
    let ground = Ground::plain();
    ground.refuses(post("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"), BAD);
    ground.refuses(post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"), BAD);
}

/// RFC 9112 section 6.1: both fields are refused, and the connection is closed: what is behind is no request.
#[test]
fn m6_1_a_request_with_both_fields_is_refused() {
    let ground = Ground::plain();
    let smuggled = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n";
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        "transfer-encoding: CHUNKED\r\nA: b\r\ncontent-length: 55\r\n",
    ] {
        ground.refuses(post(lines, smuggled), BAD);
    }
    assert_eq!(ground.asked().len(), 0);
}

/// RFC 9112 section 6.1: a coding in HTTP/1.0 is a fault in the framing.
#[test]
fn m6_1_a_coding_in_http_1_0_is_refused() {
    let ground = Ground::plain();
    let body = "\r\n2\r\nhi\r\n0\r\n\r\n";
    ground.refuses(format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n{body}"), BAD);
    ground.refuses(
        format!("POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n{body}"),
        BAD,
    );
}

/// RFC 9112 section 6.1: a coding that we do not know is 501.
#[test]
fn m6_1_an_unknown_coding_is_501() {
    let ground = Ground::plain();
    for coding in ["gzip", "deflate", "compress", "x-own"] {
        ground.refuses(post(&format!("Transfer-Encoding: {coding}\r\n"), "x"), (501, "unsupported"));
    }
}

/// RFC 9112 section 6.1: what may be a disguise of `chunked` is 400.
#[test]
fn m6_1_disguises_of_chunked_are_refused() {
    let ground = Ground::plain();
    for lines in [
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: identity, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: chunk\u{e9}d\r\n",
        "Transfer-Encoding:\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\u{b}\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "Transfer_Encoding: chunked\r\nTransfer-Encoding: chunked, identity\r\n",
    ] {
        ground.refuses(post(lines, "0\r\n\r\n"), BAD);
    }
    assert_eq!(ground.passes(post("transfer-encoding:\tChUnKeD \r\n", "2\r\nhi\r\n0\r\n\r\n")).body, b"hi");
}

/// RFC 9112 section 6.2, RFC 9110 section 8.6: digits, once, that fit into 64 bits.
#[test]
fn m6_2_a_length_is_digits_once() {
    let ground = Ground::plain();
    for bad in [
        "",
        "+1",
        "-1",
        "1,",
        "1, 1",
        "1, 2",
        "0x1",
        "1 1",
        "1;",
        "\"1\"",
        "1.0",
        "\u{0661}",
        "18446744073709551616",
        "99999999999999999999999999",
    ] {
        ground.refuses(post(&format!("Content-Length: {bad}\r\n"), "x"), BAD);
    }
    for lines in ["Content-Length: 1\r\nContent-Length: 1\r\n", "Content-Length: 1\r\ncontent-length: 2\r\n"]
    {
        ground.refuses(post(lines, "x"), BAD);
    }
    assert_eq!(ground.passes(post("Content-Length: 0002\r\n", "hi")).body, b"hi");
}

/// RFC 9112 section 7.1: sizes are hexadecimal, of either case, with zeros before them; content is what is between.
#[test]
fn m7_1_chunks_are_read_and_written_anew() {
    let ground = Ground::plain();
    let asked =
        ground.passes(chunked("5;ext=1;b=\"c\"\r\nhello\r\n0001 ;x\r\n,\r\nA\r\n0123456789\r\n000\r\n\r\n"));
    assert_eq!(asked.body, b"hello,0123456789");
    assert_eq!(asked.fields("transfer-encoding"), ["chunked"]);
    asked.lacks("content-length");
    let plain = |line: &String| line.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(
        asked.chunk_lines.iter().all(plain),
        "a client's extensions are not copied: {:?}",
        asked.chunk_lines
    );
}

/// RFC 9112 section 7.1: a size that is none, that overflows, or whose data does not end in CRLF.
#[test]
fn m7_1_bad_chunks_are_refused() {
    for bad in [
        "x\r\n",
        "\r\n",
        " 5\r\nhello\r\n",
        "-1\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "5 5\r\n",
        "ffffffffffffffffffff\r\n",
        "10000000000000000\r\n",
        "2\r\nhello\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello\r\r\n0\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\n A: b\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n\rx",
    ] {
        cut_short(bad);
    }
}

/// RFC 9112 section 7.1, errata 7633: a LF alone ends no line of the chunked coding, in an extension neither.
#[test]
fn m7_1_a_bare_lf_in_chunks_is_refused() {
    for bad in [
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\n\r\n",
        "0\r\n\n",
        "0\r\nA: b\n\r\n",
        "5;a=\"\n\"\r\nhello\r\n",
    ] {
        cut_short(bad);
    }
}

/// RFC 9112 section 7.1.1: extensions are bounded, in one line and altogether.
#[test]
fn m7_1_1_extensions_are_bounded() {
    cut_short(&format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(20_000)));
    cut_short(&(format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(1000) + "0\r\n\r\n"));
    cut_short(&format!("{}1\r\nx\r\n0\r\n\r\n", "0".repeat(20_000)));
}

/// A body that breaks off or breaks the rules: the client is told, and what the member got has no end.
#[track_caller]
fn cut_short(body: &str) {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        _ = tell.send(wire.rest_and_reset().0);
    });
    let proxy = streaming().before_one(member.address);
    let mut client = proxy.client();
    client.send(chunked("1\r\n!\r\n"));
    eventually("it has begun", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    client.send(body);
    let answer = client.answer();
    assert_eq!((answer.cause(), answer.closes()), (BAD, true), "{body:.60}");
    client.is_over();
    assert_eq!(proxy.errors("bad_request"), 1);
    let got = String::from_utf8(heard.recv().unwrap()).unwrap();
    assert!(got.contains("\r\n\r\n1\r\n!\r\n") && !got.ends_with("0\r\n\r\n"), "{body:.60}: {got:?}");
}

/// RFC 9112 section 8: what a client does not send whole is not complete at the member, whose link is closed.
#[test]
fn m8_a_body_that_a_client_cuts_short_is_not_complete_at_the_member() {
    for (request, reset) in [
        (post("Content-Length: 10\r\n", "half"), false),
        (post("Content-Length: 10\r\n", "half"), true),
        (chunked("4\r\nhalf\r\n"), false),
        (chunked("4\r\nhalf\r\n0\r\n"), false),
        (chunked("8\r\nhalf"), true),
    ] {
        let (tell, heard) = mpsc::channel();
        let member = Script::start(move |_, mut wire| {
            let head = wire.next_head().unwrap();
            _ = tell.send((head, wire.rest_and_reset().0));
        });
        let proxy = streaming().before_one(member.address);
        let mut client = proxy.client();
        client.send(&request);
        eventually("it has begun", || proxy.sum("penstock_backend_requests_in_flight") == 1);
        if reset {
            client.reset()
        } else {
            drop(client)
        }
        let (head, body) = heard.recv().unwrap();
        let whole = if fields(&head, "content-length").is_empty() {
            body.ends_with(b"0\r\n\r\n")
        } else {
            body.len() == 10
        };
        assert!(!whole, "{request:?}: {body:?}");
        eventually("it is counted", || proxy.errors("client_abort") == 1);
    }
}

/// RFC 9110 section 15.5.14: content over the listener's limit is 413, at once where the length says so.
#[test]
fn s15_5_14_content_over_the_limit_is_413() {
    let ground = Ground::with(&setup().listener("limits: { body: 10B }"));
    let large = (413, "body_too_large");
    ground.refuses(post("Content-Length: 11\r\n", ""), large);
    ground.refuses(post("Content-Length: 18446744073709551615\r\n", "x"), large);
    ground.refuses(post("Expect: 100-continue\r\nContent-Length: 11\r\n", ""), large);
    assert_eq!(ground.passes(post("Content-Length: 10\r\n", "0123456789")).body.len(), 10);
    assert_eq!(ground.passes(chunked("a\r\n0123456789\r\n0\r\n\r\n")).body.len(), 10);
}

/// RFC 9110 section 15.5.14: in chunks it shows only on the way; then the request is not complete at the member.
#[test]
fn s15_5_14_chunks_over_the_limit_are_413_on_the_way() {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        _ = tell.send(wire.rest_and_reset().0);
    });
    let proxy = streaming().listener("limits: { body: 10B }").before_one(member.address);
    let mut client = proxy.client();
    client.send(chunked("6\r\n012345\r\n"));
    eventually("it has begun", || proxy.sum("penstock_backend_requests_in_flight") == 1);
    let answer = client.send("6\r\n6789ab\r\n0\r\n\r\n").answer();
    assert_eq!((answer.cause(), answer.closes()), ((413, "body_too_large"), true));
    client.is_over();
    assert!(!heard.recv().unwrap().ends_with(b"0\r\n\r\n"));
    assert_eq!(proxy.errors("body_too_large"), 1);
}

/// RFC 9112 section 8: a body that is read before its request takes a link, and turns out to be bad or cut short, leaves no trace at
/// the member.
#[test]
fn m8_what_is_not_whole_never_reaches_the_member() {
    let (tell, heard) = mpsc::channel();
    let member = Script::start(move |_, mut wire| {
        while let Some(head) = wire.next_head() {
            tell.send(head).unwrap();
            wire.send(OK);
        }
    });
    let proxy = setup().before_one(member.address);
    for (begins, goes_on) in
        [("1\r\n!\r\n", "x\r\n"), ("5\r\nhello\r\n", "5 5\r\n"), ("", "0\r\n A: b\r\n\r\n")]
    {
        let mut client = proxy.client();
        client.send(chunked(begins));
        eventually("it has begun", || proxy.sum("penstock_requests_in_flight") == 1);
        client.send(goes_on);
        let answer = client.answer();
        assert_eq!((answer.cause(), answer.closes()), (BAD, true), "{goes_on}");
        client.is_over();
    }
    for begins in [post("Content-Length: 10\r\n", "half"), chunked("4\r\nhalf\r\n")] {
        let mut client = proxy.client();
        client.send(&begins);
        eventually("it has begun", || proxy.sum("penstock_requests_in_flight") == 1);
        drop(client);
        eventually("it is gone", || proxy.sum("penstock_requests_in_flight") == 0);
    }
    assert_eq!(
        proxy.client().send(post("Content-Length: 10\r\n", "the wh")).send("ole!").answer().status,
        200
    );
    let heads: Vec<_> = heard.try_iter().collect();
    assert_eq!(heads.len(), 1, "{heads:?}");
    assert_eq!((proxy.errors("bad_request"), proxy.errors("client_abort")), (3, 2));
    eventually("nothing is held", || proxy.sum("penstock_buffer_bytes") == 0);
}
