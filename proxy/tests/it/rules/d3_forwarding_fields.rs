//! Tests of D3, fields of one hop: which stay on it, which are added, and which are not touched.

use crate::rules::ground::{BAD, Ground, OK, Reply, answer, get, post, say, setup};
use crate::support::wire::{Answer, fields};

/// RFC 9110 section 7.6.1: Connection, and every field that it names, are of this hop; any case, any number of lines.
#[test]
fn s7_6_1_fields_named_by_connection_are_removed() {
    let ground = Ground::plain();
    let asked = ground.passes(get(
        "Connection: x-mine, KEEP-ALIVE ,,\tX-Other\r\nX-MINE: 1\r\nx-mine: 2\r\nX-Other: 3\r\nX-Kept: 4\r\n\
         connection: Cookie\r\nCookie: 5\r\n",
    ));
    for gone in ["connection", "x-mine", "x-other", "cookie"] {
        asked.lacks(gone);
    }
    assert_eq!(asked.fields("x-kept"), ["4"]);
}

/// RFC 9110 section 7.6.1: the same for answers.
#[test]
fn s7_6_1_fields_named_by_connection_are_removed_from_answers() {
    let lines = "Connection: x-mine\r\nX-Mine: 1\r\nConnection: X-Other\r\nX-Other: 2\r\nX-Kept: 3\r\nContent-Length: 2\r\n";
    let got = Ground::saying(answer(lines, "ok")).client().get("/");
    for gone in ["connection", "x-mine", "x-other"] {
        assert_eq!(got.field(gone), None, "{gone}");
    }
    assert_eq!((got.field("x-kept"), got.text()), (Some("3"), "ok"));
}

/// RFC 9110 section 7.6.1: nobody may have us remove what frames, routes or describes the message.
#[test]
fn s7_6_1_connection_may_not_name_framing_or_routing_fields() {
    let ground = Ground::plain();
    for name in
        ["Host", "content-length", "Transfer-Encoding", "Content-Type", "close, HOST", "Content-Encoding"]
    {
        ground.refuses(get(&format!("Connection: {name}\r\n")), BAD);
    }
    ground.refuses(get(&format!("Connection: {}\r\n", "a,".repeat(1000))), BAD);
    let ground = Ground::saying(answer("Connection: content-length\r\nContent-Length: 2\r\n", "ok"));
    assert_eq!(ground.client().get("/").cause(), (502, "bad_response"));
}

/// RFC 9110 section 7.6.1: our own fields are added after the removal; naming them removes only the client's copy.
#[test]
fn s7_6_1_naming_our_fields_removes_only_the_clients_copy() {
    let ground = Ground::with(&setup().listener("forwarded: both").listener("via: penstock"));
    let asked = ground.passes(get(
        "Connection: X-Forwarded-For, x-forwarded-proto, Forwarded, via\r\nX-Forwarded-For: 6.6.6.6\r\n\
         X-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6\r\nVia: 1.0 evil\r\n",
    ));
    assert_eq!(asked.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(asked.fields("x-forwarded-proto"), ["http"]);
    assert_eq!(asked.fields("forwarded"), ["for=127.0.0.1;proto=http"]);
    assert_eq!(asked.fields("via"), ["1.1 penstock"]);
}

/// RFC 9110 section 7.6.1: these are of one hop even where Connection does not name them.
#[test]
fn s7_6_1_known_fields_of_one_hop_are_removed_both_ways() {
    let lines = "Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: foo/2\r\n";
    let ground = Ground::saying(answer(&format!("{lines}Content-Length: 2\r\n"), "ok"));
    let asked = ground.passes(get(lines));
    let got = ground.client().get("/");
    for gone in ["keep-alive", "proxy-connection", "te", "upgrade", "connection"] {
        asked.lacks(gone);
        assert_eq!(got.field(gone), None, "{gone}");
    }
}

/// RFC 9110 sections 7.6.1 and 11.7: a client's `close` is its own connection's end, not the link's.
#[test]
fn s7_6_1_a_clients_close_does_not_empty_the_pool() {
    let ground = Ground::plain();
    for _ in 0..5 {
        ground.passes(get("Connection: close\r\n")).lacks("connection");
    }
    assert_eq!(ground.links(), 1);
}

/// RFC 9110 section 11.7: we do not consume credentials, so they travel on, those for proxies as well.
#[test]
fn s11_7_credentials_that_we_do_not_consume_travel_on() {
    let lines = "WWW-Authenticate: Basic\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n";
    let ground = Ground::saying(answer(lines, "ok"));
    let asked = ground.passes(get("Authorization: Basic eA==\r\nProxy-Authorization: Basic eQ==\r\n"));
    assert_eq!(asked.fields("authorization"), ["Basic eA=="]);
    assert_eq!(asked.fields("proxy-authorization"), ["Basic eQ=="]);
    let got = ground.client().get("/");
    assert_eq!(
        (got.field("www-authenticate"), got.field("proxy-authenticate")),
        (Some("Basic"), Some("Basic"))
    );
}

/// RFC 9110 section 10.1.4: of TE only `trailers` goes on, as a field of our hop.
#[test]
fn s10_1_4_of_te_only_trailers_goes_on() {
    let ground = Ground::plain();
    for te in ["trailers", "Trailers", "gzip, trailers", "trailers, deflate;q=0.5"] {
        let asked = ground.passes(get(&format!("TE: {te}\r\nConnection: TE\r\n")));
        assert_eq!((asked.fields("te"), asked.fields("connection")), (vec!["trailers"], vec!["TE"]), "{te}");
    }
    for te in ["gzip", "deflate;q=0.5, gzip", "", "xtrailers"] {
        let asked = ground.passes(get(&format!("TE: {te}\r\nConnection: TE\r\n")));
        asked.lacks("te");
        asked.lacks("connection");
    }
}

/// RFC 9110 section 7.6.3: every request we forward says so, behind what others said.
#[test]
fn s7_6_3_via_is_appended_to_requests() {
    let ground = Ground::with(&setup().listener("via: penstock"));
    assert_eq!(ground.passes(get("")).fields("via"), ["1.1 penstock"]);
    assert_eq!(
        ground.passes("GET / HTTP/1.0\r\n\r\n").fields("via"),
        ["1.0 penstock"],
        "the version that came"
    );
    let asked = ground.passes(get("Via: 1.0 fred\r\nA: b\r\nVia: HTTP/1.1 ex.org:80 (x)\r\n"));
    assert_eq!(asked.fields("via"), ["1.0 fred, HTTP/1.1 ex.org:80 (x), 1.1 penstock"]);
}

/// RFC 9110 section 7.6.3: the name is the listener's to choose; `off` leaves Via as it came.
#[test]
fn s7_6_3_our_name_in_via_is_the_listeners() {
    assert_eq!(Ground::with(&setup().listener("via: edge-1")).passes(get("")).fields("via"), ["1.1 edge-1"]);
    let off = Ground::with(&setup().listener("via: off"));
    off.passes(get("")).lacks("via");
    assert_eq!(
        off.passes(get("Via: 1.1 penstock\r\n")).fields("via"),
        ["1.1 penstock"],
        "not looked at, either"
    );
}

/// RFC 9110 section 7.6.3: a request that has our own name in Via has been here before: 508.
#[test]
fn s7_6_3_our_own_name_in_via_is_a_loop() {
    let ground = Ground::with(&setup().listener("via: penstock"));
    for via in [
        "1.1 penstock",
        "1.1 Penstock",
        "1.0 a, 1.1 penstock (it)",
        "HTTP/1.1 penstock, 1.1 b",
        "1.1\tpenstock",
    ] {
        let mut client = ground.client();
        let answer = client.send(get(&format!("Via: {via}\r\n"))).answer();
        assert_eq!(answer.cause(), (508, "loop_detected"), "{via}");
    }
    ground.client().send(get("Via: 1.1 a\r\nVia: 1.1 penstock\r\n")).answer().cause();
    assert_eq!((ground.asked().len(), ground.proxy.errors("loop_detected")), (0, 6));
    for via in ["1.1 penstock-2", "1.1 my.penstock", "1.1 a (penstock)", "1.1 penstock2, 1.1 b", "penstock b"]
    {
        ground.passes(get(&format!("Via: {via}\r\n")));
    }
    Ground::with(&setup().listener("via: edge")).passes(get("Via: 1.1 penstock\r\n"));
}

/// RFC 9110 section 7.6.3: whoever is told of a loop learns which field tells it, and which option sets the name.
#[test]
fn s7_6_3_a_loop_is_answered_with_the_field_and_the_option() {
    let ground = Ground::with(&setup().listener("via: edge"));
    let answer = ground.client().send(get("Via: 1.1 edge\r\n")).answer();
    assert_eq!(answer.cause(), (508, "loop_detected"));
    for word in ["Via", "listeners.*.via"] {
        assert!(answer.text().contains(word), "{word} in {:?}", answer.text());
    }
}

/// RFC 9110 section 7.6.3: who is given no name has one that nobody else has, always the same, and knows it again.
#[test]
fn s7_6_3_without_a_name_ours_is_unique() {
    for option in ["backlog: 100", "via: auto"] {
        let ground = Ground::with(&setup().listener(option));
        let names = [0; 3].map(|_| ground.passes(get("")).fields("via").join(", "));
        let own = names[0].strip_prefix("1.1 penstock-").unwrap_or_else(|| panic!("{names:?}"));
        assert!(own.len() == 8 && own.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{own}");
        assert!(names.iter().all(|name| *name == names[0]), "{names:?}");
        assert_eq!(
            ground.passes(get("Via: 1.1 penstock\r\n")).fields("via"),
            [format!("1.1 penstock, {}", names[0])]
        );
        let answer = ground.client().send(get(&format!("Via: {}\r\n", names[0]))).answer();
        assert_eq!(answer.cause(), (508, "loop_detected"), "{option}");
    }
}

/// RFC 9110 section 5.6.1.2: empty elements of a list mean nothing, and none is sent on.
#[test]
fn s5_6_1_empty_elements_of_lists_are_ignored() {
    let ground = Ground::with(&setup().listener("via: edge"));
    for (lines, name, goes) in [
        ("Connection: , ,x-a,,\r\nX-A: 1\r\n", "x-a", vec![]),
        ("Connection:\r\n", "connection", vec![]),
        ("TE: ,trailers,\r\nConnection: ,TE\r\n", "te", vec!["trailers"]),
        ("TE:\r\nConnection: TE\r\n", "te", vec![]),
        ("Upgrade: , ,websocket,\r\nConnection: ,upgrade,\r\n", "upgrade", vec!["websocket"]),
        ("Upgrade: ,\r\nConnection: upgrade\r\n", "upgrade", vec![]),
        ("Via: ,\r\nVia: , 1.1 a, ,\r\nVia:\r\n", "via", vec!["1.1 a, 1.1 edge"]),
        ("Via: , (a, b),1.1 a\r\n", "via", vec!["(a, b),1.1 a, 1.1 edge"]),
        ("Expect: ,100-continue,\r\n", "expect", vec!["100-continue"]),
        ("Expect:\r\n", "expect", vec![]),
        ("Expect: , ,\r\nExpect:\r\n", "expect", vec![]),
        ("X-Forwarded-For: ,\r\n", "x-forwarded-for", vec!["127.0.0.1"]),
    ] {
        assert_eq!(ground.passes(get(lines)).fields(name), goes, "{lines:?}");
    }
    assert_eq!(ground.client().send(get("Via: ,,1.1 edge,\r\n")).answer().cause(), (508, "loop_detected"));
    // But where they frame a request: what another reader might read otherwise is not ignored.
    for lines in ["Content-Length: 0,\r\n", "Content-Length: ,0\r\n", "Content-Length:\r\n"] {
        ground.refuses(post(lines, ""), BAD);
    }
    for lines in
        ["Transfer-Encoding: chunked,\r\n", "Transfer-Encoding: ,chunked\r\n", "Transfer-Encoding:\r\n"]
    {
        ground.refuses(post(lines, "0\r\n\r\n"), BAD);
    }
    let trusting = setup().listener("trusted_proxies: [127.0.0.0/8]");
    let asked = Ground::with(&trusting).passes(get("X-Forwarded-For: ,1.2.3.4,,\r\nX-Forwarded-For: ,\r\n"));
    assert_eq!(asked.fields("x-forwarded-for"), ["1.2.3.4, 127.0.0.1"]);
    let trusting = trusting.listener("forwarded: forwarded");
    let asked = Ground::with(&trusting).passes(get("Forwarded: ,for=1.2.3.4;;proto=http,,\r\n"));
    assert_eq!(asked.fields("forwarded"), ["for=1.2.3.4;;proto=http, for=127.0.0.1;proto=http"]);
    // Of members.
    let lines =
        "Connection: ,x-b, ,\r\nX-B: 1\r\nKeep-Alive: ,timeout=5,\r\nTransfer-Encoding: , chunked,\r\n";
    let ground = Ground::saying(answer(lines, "2\r\nok\r\n0\r\n\r\n"));
    for _ in 0..2 {
        let got = ground.client().get("/");
        assert_eq!((got.text(), got.field("x-b")), ("ok", None));
    }
    assert_eq!(ground.links(), 1);
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
#[track_caller]
fn is_dated(answer: &Answer) {
    let dates = answer.fields("date");
    assert_eq!(dates.len(), 1, "{answer:?}");
    let form = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    let fits = |(is, form): (u8, &u8)| match form {
        b'0' => is.is_ascii_digit(),
        b'A' if is != b'A' => is.is_ascii_uppercase(),
        b'a' => is.is_ascii_lowercase(),
        form => is == *form,
    };
    assert!(dates[0].len() == form.len() && dates[0].bytes().zip(form).all(fits), "{dates:?}");
}

/// RFC 9110 section 6.6.1: an answer without Date gets one when it is forwarded; the one that it has stays.
#[test]
fn s6_6_1_date_is_added_where_it_is_missing_and_never_replaced() {
    is_dated(&Ground::saying(OK).client().get("/"));
    is_dated(&Ground::saying("HTTP/1.1 304 Not Modified\r\n\r\n").client().get("/"));
    let old = "Sun, 06 Nov 1994 08:49:37 GMT";
    let got =
        Ground::saying(answer(&format!("date: {old}\r\nContent-Length: 2\r\n"), "ok")).client().get("/");
    assert_eq!(got.fields("date"), [old]);
    let wrong = Ground::saying(answer("Date: yesterday\r\nContent-Length: 2\r\n", "ok")).client().get("/");
    assert_eq!(wrong.fields("date"), ["yesterday"]);
}

/// RFC 9110 section 6.6.1: our own answers have a Date; interim ones need none.
#[test]
fn s6_6_1_our_own_answers_are_dated_and_interim_ones_are_not() {
    let ground = Ground::saying("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".to_owned() + OK);
    let mut client = ground.client();
    let early = client.get("/");
    assert_eq!((early.status, early.field("date")), (103, None));
    is_dated(&client.answer());
    is_dated(&ground.refuses("bad\r\n\r\n", BAD));
    is_dated(&Ground::saying("nonsense\r\n\r\n").client().get("/"));
}

/// RFC 9110 section 7.7: neither target, nor representation fields, nor content are touched.
#[test]
fn s7_7_targets_content_and_its_fields_are_not_touched() {
    let lines = "ETag: W/\"a,b\"\r\nContent-Type: Text/Plain;charset=X\r\nContent-Encoding: gzip\r\nLast-Modified: then\r\n\
                 Cache-Control: no-store\r\nVary: a,  b\r\nServer: x\r\nx-odd-CASE:   1\r\n";
    let content: Vec<u8> = (0..=255).collect();
    let reply =
        [format!("HTTP/1.1 200 \u{e9}\r\n{lines}Content-Length: 256\r\n\r\n").as_bytes(), &content].concat();
    let ground = Ground::answering(move |_| -> Reply { say(reply.clone()) });
    let target = "/a/./../b//%7e%2F%41;p=1?x=%20+&&=%3D'!$(*)[|]{}^";
    let mut client = ground.client();
    let ask = format!(
        "POST {target} HTTP/1.1\r\nHost: H:80\r\nAccept-Encoding: gzip;q=0.5 , br\r\nIf-Match: \"x\"\r\n"
    );
    client.send(ask + "Content-Encoding: br\r\nContent-Length: 256\r\n\r\n").send(&content);
    let head = client.head();
    assert!(head.starts_with(&format!("HTTP/1.1 200 \u{e9}\r\n{lines}")), "{head}");
    assert_eq!(client.take(256), content);
    let asked = ground.last();
    assert_eq!((asked.target(), asked.body.as_slice()), (target, content.as_slice()));
    for (name, value) in [
        ("host", "H:80"),
        ("accept-encoding", "gzip;q=0.5 , br"),
        ("if-match", "\"x\""),
        ("content-encoding", "br"),
    ] {
        assert_eq!(fields(&asked.head, name), [value]);
    }
}

/// RFC 9110 section 7.7: a body that a method does not call for is the member's to judge.
#[test]
fn s7_7_a_get_with_a_body_keeps_it() {
    let ground = Ground::plain();
    let asked = ground.passes(get("Content-Length: 3\r\n") + "abc");
    assert_eq!((asked.line(), asked.body.as_slice()), ("GET / HTTP/1.1", &b"abc"[..]));
    assert_eq!(ground.passes(post("Content-Length: 0\r\n", "")).fields("content-length"), ["0"]);
}
