//! Tests of D1, the start line and the fields: what is not clearly one head goes no further.

use crate::rules::ground::{BAD, Ground, OK, answer, get, post, setup};
use crate::support::wire::{fields, request};

const LARGE: (u16, &str) = (431, "head_too_large");
const LONG: (u16, &str) = (414, "target_too_long");

/// An answer that breaks RFC 9112 is none: 502, and its link is not used again.
#[track_caller]
fn bad_answer(bytes: &str) {
    let ground = Ground::saying(bytes);
    assert_eq!(ground.client().get("/").cause(), (502, "bad_response"), "{bytes:?}");
    assert_eq!(ground.proxy.errors("bad_response"), 1);
    ground.closed_links("desync", 1);
}

/// RFC 9112 section 2.2: an empty line before a request line is to be ignored, at least one. Two are, and no more.
#[test]
fn m2_2_empty_lines_before_a_request_line_are_skipped_but_not_many() {
    let ground = Ground::plain();
    for before in ["", "\r\n", "\r\n\r\n"] {
        assert!(ground.passes(format!("{before}{}", get(""))).head.starts_with("GET / "));
    }
    ground.refuses(format!("\r\n\r\n\r\n{}", get("")), BAD);
    ground.refuses(format!("\n{}", get("")), BAD);
    // As old clients do behind a body.
    let mut client = ground.client();
    client.send(post("Content-Length: 2\r\n", "hi\r\n") + &get(""));
    assert_eq!((client.answer().text(), client.answer().text()), ("ok", "ok"));
    assert_eq!(ground.last().body, b"");
}

/// RFC 9112 section 2.2: a CR without its LF makes the element that has it invalid.
#[test]
fn m2_2_a_bare_cr_is_refused() {
    let ground = Ground::plain();
    for bad in [
        "GET / HTTP/1.1\rHost: h\r\n\r\n",
        "GET /\r HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\rC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA\r: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\r\r\n",
        "\rGET / HTTP/1.1\r\nHost: h\r\n\r\n",
    ] {
        ground.refuses(bad, BAD);
    }
    bad_answer("HTTP/1.1 200 OK\r\nA: b\rC: d\r\nContent-Length: 0\r\n\r\n");
    bad_answer("HTTP/1.1 200 O\rK\r\nContent-Length: 0\r\n\r\n");
}

/// RFC 9112 section 2.2: a LF alone may be taken for the end of a line. It is not: others may not take it so.
#[test]
fn m2_2_a_bare_lf_is_refused() {
    let ground = Ground::plain();
    for bad in [
        "GET / HTTP/1.1\nHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nA: b\nC: d\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\n\n",
        "GET / HTTP/1.1\nHost: h\n\n",
    ] {
        ground.refuses(bad, BAD);
    }
    bad_answer("HTTP/1.1 200 OK\nContent-Length: 0\n\n");
    bad_answer("HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n");
}

/// RFC 9112 section 2.2: whitespace between the start line and the first field is refused.
#[test]
fn m2_2_whitespace_before_the_first_field_is_refused() {
    let ground = Ground::plain();
    for bad in [
        "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
        "GET / HTTP/1.1\r\n\tHost: h\r\n\r\n",
        "GET / HTTP/1.1\r\n \r\nHost: h\r\n\r\n",
    ] {
        ground.refuses(bad, BAD);
    }
    bad_answer("HTTP/1.1 200 OK\r\n Content-Length: 0\r\n\r\n");
}

/// RFC 9112 section 3: three words, and one SP between two of them.
#[test]
fn m3_a_request_line_is_three_words_with_one_space_between() {
    let ground = Ground::plain();
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /\u{b}HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /",
        "GET HTTP/1.1",
        "GET",
    ] {
        ground.refuses(format!("{line}\r\nHost: h\r\n\r\n"), BAD);
    }
}

/// RFC 9112 section 3, RFC 9110 section 9.1: a method is a token, and no control character is anywhere in the line.
#[test]
fn m3_a_method_is_a_token_and_no_control_is_in_the_line() {
    let ground = Ground::plain();
    for line in
        ["G(T /", "G\u{e9}T /", "GET, /", "\"GET\" /", "GE\0T /", "GET /\0", "GET /\u{7f}", "GET /\u{1}a"]
    {
        ground.refuses(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
    for method in ["PATCH", "get", "M-SEARCH", "X!#$%&'*+-.^_`|~9"] {
        let line = format!("{method} / HTTP/1.1");
        assert_eq!(ground.passes(format!("{line}\r\nHost: h\r\n\r\n")).line(), line, "as it came");
    }
}

/// RFC 9112 section 3, RFC 9110 section 15.5.15: a target over the limit is 414.
#[test]
fn m3_a_target_over_the_limit_is_414() {
    let ground = Ground::plain();
    let line = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(n));
    assert_eq!(ground.passes(line(8000)).target().len(), 8001, "RFC 9112 asks for 8000 at least");
    ground.refuses(line(17 << 10), LONG);
    // It need not be whole to be too long.
    ground.refuses(format!("GET /{}", "x".repeat(17 << 10)), LONG);
}

/// RFC 9112 section 3: a method longer than any we know is 501.
#[test]
fn m3_a_method_longer_than_any_is_501() {
    let ground = Ground::plain();
    ground.refuses(format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "A".repeat(1000)), (501, "unsupported"));
    ground.passes("UPDATEREDIRECTREF / HTTP/1.1\r\nHost: h\r\n\r\n"); // the longest that is registered
}

/// RFC 9110 section 2.5, RFC 9112 section 2.3: only HTTP/1.0 and 1.1; another version that is well said is 505.
#[test]
fn m2_3_another_version_is_505_and_noise_is_400() {
    let ground = Ground::plain();
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"] {
        ground.refuses(format!("GET / {version}\r\nHost: h\r\n\r\n"), (505, "unsupported"));
    }
    for version in ["HTTP/2", "http/1.1", "HTTP/1,1", "HTTP/11.1", "HTTP/1.10", "HTTP /1.1", "ICY/1.1"] {
        ground.refuses(format!("GET / {version}\r\nHost: h\r\n\r\n"), BAD);
    }
    // The preface of HTTP/2 is no request of HTTP/1.
    ground.refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (505, "unsupported"));
    bad_answer("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    bad_answer("ICY 200 OK\r\n\r\n");
}

/// RFC 9112 section 2.3: an intermediary sends its own version, both ways.
#[test]
fn m2_3_both_sides_are_told_our_own_version() {
    let ground = Ground::saying("HTTP/1.0 200 Fine\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok");
    let answer = ground.client().send("GET /a HTTP/1.0\r\n\r\n").answer();
    assert!(answer.head.starts_with("HTTP/1.1 200 Fine\r\n"), "{answer:?}");
    let asked = ground.last();
    assert_eq!(asked.line(), "GET /a HTTP/1.1");
    assert_eq!(asked.fields("host"), [""], "HTTP/1.1 has one, empty where none is known");
}

/// RFC 9112 section 9.3: HTTP/1.0 stays only where `Connection: keep-alive` asks for it, and is told so.
#[test]
fn m2_3_http_1_0_is_kept_only_if_it_asks() {
    let ground = Ground::plain();
    let mut client = ground.client();
    assert!(client.send("GET / HTTP/1.0\r\n\r\n").answer().closes());
    client.is_over();
    let mut client = ground.client();
    for _ in 0..2 {
        let answer = client.send("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").answer();
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
    assert_eq!(ground.asked().len(), 3);
    assert_eq!(ground.last().fields("connection"), [""; 0], "the client's wish is not the link's");
}

/// RFC 9112 section 6.1, RFC 9110 section 15.2: HTTP/1.0 gets no chunks and no 1xx.
#[test]
fn m2_3_http_1_0_gets_no_chunks_and_no_interim_answers() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let ground =
        Ground::saying(early.to_owned() + &answer("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"));
    let mut client = ground.client();
    let head = client.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").head();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(fields(&head, "transfer-encoding"), [""; 0]);
    assert_eq!(fields(&head, "connection"), ["close"], "its end is the end of the connection");
    assert_eq!(client.rest(), b"ok");
}

/// RFC 9112 section 5.1: whitespace before the colon is 400 in a request; in an answer it is 502.
#[test]
fn m5_1_whitespace_before_the_colon_is_refused() {
    let ground = Ground::plain();
    for line in ["A : b", "A\t: b", "Content-Length : 0", "Transfer-Encoding : chunked", "Host : h"] {
        ground.refuses(get(&format!("{line}\r\n")), BAD);
    }
    bad_answer("HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n");
}

/// RFC 9112 section 5.1: whitespace around a value is no part of it.
#[test]
fn m5_1_whitespace_around_a_value_is_no_part_of_it() {
    let ground = Ground::saying(answer("Content-Length:\t 2 \t\r\nConnection:   close\t\r\n", "ok"));
    let asked = ground.passes("POST / HTTP/1.1\r\nHost:\t h \r\nContent-Length: \t3 \t\r\nA:b\r\n\r\nabc");
    assert_eq!(
        (asked.body.as_slice(), asked.fields("a"), asked.fields("host")),
        (&b"abc"[..], vec!["b"], vec!["h"])
    );
    assert_eq!(asked.fields("content-length"), ["3"]);
    ground.closed_links("origin", 1); // the member's `close` was understood
}

/// RFC 9112 section 5.2: a folded line is 400 in a request, 502 in an answer, and is never forwarded.
#[test]
fn m5_2_a_folded_line_is_refused() {
    let ground = Ground::plain();
    for fold in [
        "A: b\r\n c\r\n",
        "A: b\r\n\tc\r\n",
        "A:\r\n b\r\n",
        "Transfer-Encoding:\r\n chunked\r\n",
        "A: b\r\n \r\n",
    ] {
        ground.refuses(get(fold), BAD);
    }
    bad_answer("HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n");
}

/// RFC 9110 section 5.5: NUL, CR and LF make a value invalid; of the other controls only HTAB passes.
#[test]
fn s5_5_a_control_in_a_value_is_refused() {
    let ground = Ground::plain();
    for bad in (0u8..0x20).filter(|b| !b"\t\r\n".contains(b)).chain([0x7f]) {
        let bytes = [b"GET / HTTP/1.1\r\nHost: h\r\nA: b", &[bad][..], b"c\r\n\r\n"].concat();
        ground.refuses(bytes, BAD);
    }
    let fine = ground.passes(get("A: tab\tand \u{e9}\r\n"));
    assert_eq!(fine.fields("a"), ["tab\tand \u{e9}"]);
    for bad in ["\0", "\u{1}", "\u{7f}", "\u{1b}"] {
        bad_answer(&answer(&format!("A: b{bad}\r\nContent-Length: 0\r\n"), ""));
    }
}

/// RFC 9110 section 5.1: a field name is a token.
#[test]
fn s5_1_a_field_name_is_a_token() {
    let ground = Ground::plain();
    for line in [": b", "A b: c", "A(: b", "A\u{e9}: b", "A\0: b", "A", "A@b: c", "[A]: b", "\"A\": b"] {
        ground.refuses(get(&format!("{line}\r\n")), BAD);
    }
    assert_eq!(ground.passes(get("X!#$%&'*+-.^`|~9: b\r\n")).fields("X!#$%&'*+-.^`|~9"), ["b"]);
    bad_answer(&answer("Bad Name: x\r\nContent-Length: 0\r\n", ""));
}

/// RFC 9112 section 11.1: nothing that a client says can split our own lines or answers.
#[test]
fn m11_1_nothing_of_a_client_gets_into_our_own_lines() {
    let ground = Ground::with(&setup().listener("forwarded: both").listener("trusted_proxies: any"));
    let asked = ground.passes(
        "GET /%0d%0aEvil:%201 HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.2.3.4%0d%0aEvil: 1, \"Evil\r\n\
         X-Forwarded-Proto: https\tEvil\r\nForwarded: for=\"1.2.3.4\\\r\nVia: 1.1 a%0d%0aEvil: 1\r\n\r\n",
    );
    asked.lacks("evil");
    assert_eq!(asked.target(), "/%0d%0aEvil:%201");
    assert_eq!(ground.asked().len(), 1);
    for bad in ["GET /evil(\0 HTTP/1.1\r\n\r\n", "evil\r\n\r\n", "GET / HTTP/1.1\r\nHost: evil evil\r\n\r\n"]
    {
        let answer = ground.refuses(bad, BAD);
        assert!(!answer.head.contains("evil"), "{answer:?}");
    }
}

/// RFC 9110 section 5.4, RFC 6585 section 5: fields over a limit are 431, and the connection is closed.
#[test]
fn s5_4_fields_over_a_limit_are_431() {
    let ground = Ground::plain();
    let lines = |count: usize, size: usize| -> String {
        (0..count).map(|i| format!("A{i}: {}\r\n", "x".repeat(size))).collect()
    };
    ground.passes(get(&lines(3, 8 << 10)));
    ground.passes(get(&lines(99, 10)));
    ground.refuses(get(&lines(100, 10)), LARGE); // with Host, 101 lines
    ground.refuses(get(&lines(1, 17 << 10)), LARGE);
    ground.refuses(get(&lines(5, 8 << 10)), LARGE);
    // It need not be whole to be too large.
    ground.refuses(get(&lines(6, 8 << 10)).trim_end(), LARGE);
}

/// RFC 9110 section 5.4: how large is the listener's to say.
#[test]
fn s5_4_the_limits_are_those_of_the_listener() {
    let ground = Ground::with(&setup().listener("limits: { head: 1KiB, line: 256B, fields: 3 }"));
    ground.passes(get("A: 1\r\nB: 2\r\n"));
    ground.refuses(get("A: 1\r\nB: 2\r\nC: 3\r\n"), LARGE);
    ground.refuses(get(&format!("A: {}\r\n", "x".repeat(260))), LARGE);
    ground.refuses(request("GET", &format!("/{}", "x".repeat(260))), LONG);
    let ground = Ground::with(&setup().listener("limits: { head: 64KiB, line: 40KiB, fields: 200 }"));
    let many: String = (0..199).map(|i| format!("A{i}: {}\r\n", "x".repeat(100))).collect();
    ground.passes(get(&many));
    ground.passes(get(&format!("A: {}\r\n", "x".repeat(39 << 10))));
}

/// RFC 9110 section 5.4: an answer's head has limits as well; it is the member's fault.
#[test]
fn s5_4_an_answer_over_a_limit_is_502() {
    let lines: String = (0..200).map(|i| format!("A{i}: {}\r\n", "x".repeat(1000))).collect();
    let ground = Ground::saying(answer(&(lines + "Content-Length: 2\r\n"), "ok"));
    assert_eq!(ground.client().get("/").cause(), (502, "response_too_large"));
    assert_eq!(ground.proxy.errors("response_too_large"), 1);
}

/// RFC 9110 section 5.3: lines of one name keep their order, and are not made one.
#[test]
fn s5_3_lines_of_one_name_keep_their_order() {
    let ground = Ground::saying(OK);
    let asked = ground.passes(get("A: 1\r\nB: x\r\na: 2\r\nCookie: p=1\r\nA: 3\r\nCookie: q=2\r\n"));
    assert_eq!(asked.fields("a"), ["1", "2", "3"]);
    assert_eq!(asked.fields("cookie"), ["p=1", "q=2"]);
}

/// RFC 9110 section 5.3: Set-Cookie has no list syntax; its lines are never combined.
#[test]
fn s5_3_set_cookie_is_never_combined() {
    let ground = Ground::saying(answer(
        "Set-Cookie: a=1\r\nX: 1\r\nSet-Cookie: b=2, c\r\nContent-Length: 2\r\n",
        "ok",
    ));
    let answer = ground.client().get("/");
    assert_eq!(answer.fields("set-cookie"), ["a=1", "b=2, c"]);
}
