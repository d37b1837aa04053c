//! Tests of D2: one host, a target in the form that its method has, CONNECT and TRACE as the listener says.

use std::sync::mpsc;

use crate::rules::ground::{BAD, Ground, OK, ok, say, setup};
use crate::support::script::Script;
use crate::support::wire::{Wire, fields};

fn hosts(version: &str, lines: &str) -> String {
    format!("GET / HTTP/{version}\r\n{lines}\r\n")
}

/// RFC 9112 section 3.2, RFC 9110 section 7.2: HTTP/1.1 has a Host, any version has one at most.
#[test]
fn m3_2_one_host_and_no_two() {
    let ground = Ground::plain();
    ground.refuses(hosts("1.1", ""), BAD);
    for version in ["1.0", "1.1"] {
        ground.refuses(hosts(version, "Host: a\r\nHost: b\r\n"), BAD);
        ground.refuses(hosts(version, "Host: a\r\nhOsT: a\r\n"), BAD);
        ground.refuses(hosts(version, "Host:\r\nHost: a\r\n"), BAD);
    }
    ground.passes(hosts("1.0", ""));
}

/// RFC 9112 section 3.2: what is no `uri-host [ ":" port ]` is refused; what is travels on as it came.
#[test]
fn m3_2_a_host_is_a_host() {
    let ground = Ground::plain();
    // A comma is a mark of a name (`sub-delims`, RFC 3986 section 3.2.2); with a space behind it, it is not.
    for good in
        ["a", "a:80", "a:", "", "A-b_c.d:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "%41b", "a,b", "a,b:80"]
    {
        assert_eq!(ground.passes(hosts("1.1", &format!("Host: {good}\r\n"))).fields("host"), [good]);
    }
    for bad in
        ["a b", "a:b", "a/b", "u@a", "a?", "a#", "[::1", "::1", "[]", "[::1]x", "%4", "a\\b", "\"a\"", "a, b"]
    {
        ground.refuses(hosts("1.1", &format!("Host: {bad}\r\n")), BAD);
    }
}

/// RFC 9112 section 3.2.2: absolute-form is taken, its authority replaces Host, and the member gets origin-form.
#[test]
fn m3_2_2_absolute_form_replaces_host_and_goes_on_as_origin_form() {
    let ground = Ground::plain();
    for (target, path, host) in [
        ("http://real:8/x?y", "/x?y", "real:8"),
        ("HTTP://real", "/", "real"),
        ("http://[::1]:9/", "/", "[::1]:9"),
        ("http://real?q=http://x", "/?q=http://x", "real"),
        ("http://real//a", "//a", "real"),
    ] {
        let asked = ground.passes(format!("GET {target} HTTP/1.1\r\nHost: lie\r\n\r\n"));
        assert_eq!((asked.target(), asked.fields("host")), (path, vec![host]), "{target}");
    }
    let asked = ground.passes("GET http://real/ HTTP/1.0\r\n\r\n");
    assert_eq!(asked.fields("host"), ["real"], "also where there was none");
    for bad in [
        "http://",
        "http:///a",
        "http://:80/",
        "http://a:b/",
        "ftp://a/",
        "http:a",
        "http:/a",
        "://a/",
        "https://a/",
    ] {
        ground.refuses(format!("GET {bad} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
    ground.refuses("GET http://real/ HTTP/1.1\r\n\r\n", BAD); // HTTP/1.1 has Host all the same
}

/// RFC 9112 section 3.2.4: `OPTIONS *` passes as it is; no other method is for the server as a whole.
#[test]
fn m3_2_4_asterisk_form_is_for_options() {
    let ground = Ground::plain();
    assert_eq!(ground.passes("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").line(), "OPTIONS * HTTP/1.1");
    for bad in ["GET *", "POST *", "OPTIONS **", "OPTIONS *a"] {
        ground.refuses(format!("{bad} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
}

/// RFC 9112 section 3.2.4: an absolute OPTIONS without path and query is `OPTIONS *` for the last on the way.
#[test]
fn m3_2_4_an_absolute_options_without_a_path_is_for_the_server() {
    let ground = Ground::plain();
    let asked = ground.passes("OPTIONS http://real:8 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((asked.line(), asked.fields("host")), ("OPTIONS * HTTP/1.1", vec!["real:8"]));
    assert_eq!(
        ground.passes("OPTIONS http://real/ HTTP/1.1\r\nHost: h\r\n\r\n").line(),
        "OPTIONS / HTTP/1.1"
    );
}

/// RFC 9112 section 3.2.3: authority-form is for CONNECT only, and CONNECT has no other.
#[test]
fn m3_2_3_authority_form_is_for_connect_only() {
    let ground = Ground::with(&setup().listener("connect: true"));
    for bad in [
        "GET h:80",
        "OPTIONS h:80",
        "POST h",
        "CONNECT /",
        "CONNECT http://h:80/",
        "CONNECT h",
        "CONNECT *",
        "CONNECT u@h:80",
    ] {
        ground.refuses(format!("{bad} HTTP/1.1\r\nHost: h:80\r\n\r\n"), BAD);
    }
}

/// RFC 9110 section 9.3.6: CONNECT is refused unless the listener allows it.
#[test]
fn s9_3_6_connect_is_405_unless_enabled() {
    let ground = Ground::plain();
    let answer = ground.refuses("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n", (405, "unsupported"));
    assert!(
        answer.field("allow").is_some_and(|allowed| allowed.contains("GET") && !allowed.contains("CONNECT"))
    );
}

/// RFC 9110 section 9.3.6: after a 2xx the connection is a tunnel, whatever length the answer's head tells.
#[test]
fn s9_3_6_a_2xx_to_connect_is_a_tunnel_and_its_length_means_nothing() {
    for framing in ["", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n"] {
        let (tell, heard) = mpsc::channel();
        let member = Script::start(move |_, mut wire| {
            tell.send(wire.next_head().unwrap()).unwrap();
            wire.send(format!("HTTP/1.1 200 Fine\r\n{framing}\r\nhello from behind"));
            let said = wire.take(5);
            wire.send([b"you said ", &said[..]].concat());
        });
        let proxy = setup().listener("connect: true").before_one(member.address);
        let mut client = proxy.client();
        let head = client.send("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").head();
        assert!(head.starts_with("HTTP/1.1 200 Fine\r\n"), "{head}");
        assert_eq!((fields(&head, "content-length"), fields(&head, "transfer-encoding")), (vec![], vec![]));
        assert_eq!(client.take(17), b"hello from behind");
        client.send("GET /");
        assert_eq!(client.rest(), b"you said GET /", "{framing}");
        assert_eq!(fields(&heard.recv().unwrap(), "host"), ["h:443"]);
    }
}

/// RFC 9110 section 9.3.6: anything else than 2xx is an ordinary answer, and the client goes on.
#[test]
fn s9_3_6_a_connect_that_is_refused_is_an_ordinary_exchange() {
    let refusal = "HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\nno!";
    let ground = Ground::both(&setup().listener("connect: true"), move |asked| {
        if asked.head.starts_with("CONNECT") { say(refusal) } else { ok(asked) }
    });
    let mut client = ground.client();
    let answer = client.send("CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n").answer();
    assert_eq!((answer.status, answer.text()), (403, "no!"));
    assert_eq!(client.get("/on").text(), "ok");
    assert_eq!(ground.asked()[0].line(), "CONNECT h:443 HTTP/1.1");
}

/// RFC 9110 section 9.3.8: TRACE shows what it was asked with; it is refused unless the listener allows it.
#[test]
fn s9_3_8_trace_is_405_unless_enabled() {
    let ground = Ground::plain();
    let answer = ground.refuses("TRACE / HTTP/1.1\r\nHost: h\r\n\r\n", (405, "unsupported"));
    assert!(answer.field("allow").is_some_and(|allowed| !allowed.contains("TRACE")));
    let ground = Ground::with(&setup().listener("trace: true"));
    assert_eq!(ground.passes("TRACE /x HTTP/1.1\r\nHost: h\r\n\r\n").line(), "TRACE /x HTTP/1.1");
}

/// RFC 9110 section 7.6.2: on OPTIONS and TRACE it is one less at each proxy.
#[test]
fn s7_6_2_max_forwards_is_one_less_on_options_and_trace() {
    let ground = Ground::with(&setup().listener("trace: true"));
    for method in ["OPTIONS", "TRACE"] {
        for (came, goes) in [("5", "4"), ("1", "0"), ("100", "99")] {
            let asked =
                ground.passes(format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: {came}\r\n\r\n"));
            assert_eq!(asked.fields("max-forwards"), [goes], "{method}");
        }
    }
    for method in ["GET", "PUT", "DELETE"] {
        let asked = ground.passes(format!("{method} / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n"));
        assert_eq!(asked.fields("max-forwards"), ["0"], "{method}: elsewhere it means nothing");
    }
}

/// RFC 9110 section 7.6.2: with 0 the request goes no further, and is answered here.
#[test]
fn s7_6_2_max_forwards_of_0_is_answered_here() {
    let ground = Ground::with(&setup().listener("trace: true"));
    let mut client = ground.client();
    let zero =
        "Host: h\r\nMax-Forwards: 0\r\nX-Shown: 1\r\nCookie: secret\r\nAuthorization: Basic secret\r\n\r\n";
    for target in ["*", "/x"] {
        let answer = client.send(format!("OPTIONS {target} HTTP/1.1\r\n{zero}")).answer();
        assert!(matches!(answer.status, 200 | 204), "{answer:?}");
        assert!(answer.field("allow").is_some_and(|allowed| allowed.contains("GET")), "{answer:?}");
    }
    // RFC 9110 section 9.3.8: what came, but nothing that is to be kept secret.
    let answer = client.send(format!("TRACE /x HTTP/1.1\r\n{zero}")).answer();
    assert_eq!((answer.status, answer.field("content-type")), (200, Some("message/http")));
    assert!(answer.text().starts_with("TRACE /x HTTP/1.1\r\n"), "{answer:?}");
    assert!(answer.text().contains("X-Shown: 1") && !answer.text().contains("secret"), "{answer:?}");
    assert_eq!(ground.asked().len(), 0);
    assert_eq!(client.get("/on").text(), "ok", "and the client goes on");
    assert_eq!(ground.proxy.sum("penstock_request_errors_total"), 0);
}

/// RFC 9110 section 7.6.2: without TRACE being allowed, Max-Forwards does not allow it.
#[test]
fn s7_6_2_max_forwards_does_not_allow_trace() {
    Ground::plain().refuses("TRACE / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n", (405, "unsupported"));
}

/// RFC 9110 section 4.2.4: userinfo in a target is an attempt to deceive.
#[test]
fn s4_2_4_userinfo_is_refused() {
    let ground = Ground::plain();
    for target in ["http://u@h/", "http://u:p@h/", "http://h@evil", "http://@h/"] {
        ground.refuses(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
    for fine in ["/u@h", "/?u:p@h", "http://h/u@x"] {
        ground.passes(format!("GET {fine} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
}

/// RFC 9112 section 3.2: no form of a target has a fragment.
#[test]
fn s4_2_4_a_fragment_is_refused() {
    let ground = Ground::plain();
    for target in ["/#", "/a#b", "/a?b#c", "http://h/#", "http://h#a", "#"] {
        ground.refuses(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
}

/// RFC 9110 section 4.1: a target without a scheme begins with a slash.
#[test]
fn m3_2_1_origin_form_begins_with_a_slash() {
    let ground = Ground::plain();
    for bad in ["a", "?a", ".", "\\a"] {
        ground.refuses(format!("GET {bad} HTTP/1.1\r\nHost: h\r\n\r\n"), BAD);
    }
    let mut client = Wire::connect(ground.proxy.address());
    assert_eq!(client.get("//a//b/../c").text(), OK.split("\r\n\r\n").nth(1).unwrap());
    assert_eq!(ground.last().target(), "//a//b/../c");
}
