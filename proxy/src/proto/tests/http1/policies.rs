//! Tests what a listener's rules make of requests: loops, hops, underscores, content, TRACE, credentials, expectations.

use crate::cause::Cause;
use crate::config::{Forwarded, Underscores};

use crate::proto::tests::http1::given::{
    DATED, NOW, Verdict, Way, forwarded, request_by, seen, source, status_by, text, with,
};

fn known_as(name: &str) -> Way {
    Way::silent().ruled(|rules| rules.via = Some(name.into()))
}

/// RFC 9110 section 7.6.3, RFC 5842 section 7.2.
#[test]
fn d3_s7_6_3_our_own_via_is_a_loop() {
    for (via, loops) in [
        ("1.1 penstock", true),
        ("1.0 a, HTTP/1.1 PenStock, 1.1 b", true),
        ("1.0 a\r\nvia:\t1.1\t penstock (a comment)", true),
        ("1.1 penstock(comment)", true),
        ("1.1 penstock\r\nConnection: via", true),
        ("1.1 penstock2", false),
        ("1.1 a.penstock", false),
        ("1.1 a (penstock)", false),
        ("1.1 a penstock", false),
        ("penstock", false),
        ("", false),
    ] {
        let head = with(&format!("Via: {via}\r\n"));
        match request_by(&head, &known_as("penstock")) {
            Verdict::Reject(reject) => {
                assert!(loops, "{via:?}");
                assert_eq!((reject.status, reject.cause), (508, Cause::LoopDetected));
            }
            Verdict::Request { forwarded, .. } => {
                assert!(!loops && forwarded.contains("1.1 penstock\r\n"), "{via:?}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(status_by(&head, &Way::silent()), 200, "with `via: off` nobody looks: {via:?}");
    }
}

fn hops(line: &str, value: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: a\r\nA: b\r\nMax-Forwards: {value}\r\nC: d\r\n\r\n")
}

fn tracing() -> Way {
    Way::silent().ruled(|rules| rules.trace = true)
}

/// RFC 9110 section 7.6.2: one less, of OPTIONS and TRACE.
#[test]
fn d3_s7_6_2_max_forwards_is_counted_down() {
    for (line, value, sent) in [
        ("OPTIONS /", "1", "0"),
        ("OPTIONS *", "10", "9"),
        ("TRACE /", "007", "6"),
        ("OPTIONS /", "99999999999999999999999", "18446744073709551614"),
    ] {
        let expected = format!("{line} HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\nMax-Forwards: {sent}\r\n\r\n");
        assert_eq!(forwarded(hops(line, value), &tracing()), expected);
    }
    for bad in ["", "-1", "+1", "1, 2", "x", "1\r\nMax-Forwards: 1"] {
        assert_eq!(status_by(hops("OPTIONS /", bad), &tracing()), 400, "{bad:?}");
        assert_eq!(
            forwarded(hops("GET /", bad), &tracing()),
            hops("GET /", bad),
            "others pass it on as it is"
        );
    }
    assert_eq!(
        status_by(hops("OPTIONS /", "1").replace("C: d", "Connection: max-forwards"), &tracing()),
        400
    );
}

fn own(head: &str, close: bool) -> Option<(u16, String)> {
    let mut out = Vec::new();
    let status = seen(head, &tracing(), |request| request.own_answer(NOW, close, &mut out));
    assert_eq!(status.is_none(), out.is_empty());
    status.map(|status| (status, text(&out)))
}

/// RFC 9110 sections 7.6.2, 9.3.7 and 9.3.8: where it may go no further, we are whom it has reached.
#[test]
fn d2_s7_6_2_max_forwards_0_is_answered_here() {
    let allow = "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n";
    let options = |rest: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{DATED}{allow}{rest}\r\n");
    assert_eq!(own(&hops("OPTIONS /", "0"), false), Some((200, options(""))));
    assert_eq!(own(&hops("OPTIONS *", "00"), true), Some((200, options("Connection: close\r\n"))));
    let closing = hops("OPTIONS *", "0").replace("C: d", "Connection: close");
    assert_eq!(own(&closing, false), Some((200, options("Connection: close\r\n"))));
    let old = hops("OPTIONS *", "0").replace("1.1", "1.0").replace("C: d", "Connection: keep-alive");
    assert_eq!(own(&old, false), Some((200, options("Connection: keep-alive\r\n"))));
    for passed in [hops("OPTIONS /", "1"), hops("GET /", "0"), with("")] {
        assert_eq!(own(&passed, false), None);
    }
}

/// RFC 9110 section 9.3.8: TRACE echoes the head, but for what is likely to be secret.
#[test]
fn d2_s9_3_8_trace_0_echoes_the_head() {
    let secrets = "Cookie: s=1\r\nAuthorization: Basic x\r\nproxy-authorization: Basic x\r\n";
    let echo = "TRACE /x HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nVia: 1.1 b\r\n\r\n";
    let head = echo.replace("Via", &format!("{secrets}Via"));
    let (status, answer) = own(&format!("\r\n{head}"), false).unwrap();
    let (fields, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!((status, body), (200, echo));
    let length = echo.len();
    let expected =
        format!("HTTP/1.1 200 OK\r\nContent-Type: message/http\r\nContent-Length: {length}\r\n{DATED}");
    assert_eq!(format!("{fields}\r\n"), expected);
}

/// RFC 9110 section 9.3.8: refused unless allowed, and never with content.
#[test]
fn d2_s9_3_8_trace_is_refused_unless_allowed() {
    let trace = "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status_by(trace, &Way::silent()), 405);
    assert_eq!(forwarded(trace, &tracing()), trace);
    for lines in ["Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n"] {
        let head = trace.replace("\r\n\r\n", &format!("\r\n{lines}\r\n"));
        assert_eq!(status_by(head, &tracing()), 400);
    }
}

/// RFC 9112 section 3: a method longer than any we know is 501.
#[test]
fn d1_m3_a_method_longer_than_any_is_501() {
    for (len, expected) in [(1, 200), (32, 200), (33, 501), (5000, 501)] {
        let head = format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(len));
        assert_eq!(status_by(head, &Way::silent()), expected, "{len}");
    }
}

/// RFC 3875 section 4.1.18: to a CGI program `A_B` and `A-B` are one field.
#[test]
fn d3_fields_with_underscores_pass_or_stay_or_are_refused() {
    let head = with("A: b\r\nX_Own: v\r\nC-D: e_f\r\n");
    let policy = |underscores| Way::silent().ruled(|rules| rules.underscores = underscores);
    assert_eq!(forwarded(&head, &policy(Underscores::Pass)), head);
    assert_eq!(forwarded(&head, &policy(Underscores::Drop)), with("A: b\r\nC-D: e_f\r\n"));
    let Verdict::Reject(reject) = request_by(&head, &policy(Underscores::Reject)) else { panic!() };
    assert_eq!((reject.status, reject.cause), (400, Cause::BadRequest));
    assert_eq!(status_by(with("A: b_c\r\n"), &policy(Underscores::Reject)), 200);
}

/// Twins go with the fields that we write, remove or frame by, whatever the policy.
#[test]
fn d3_twins_of_what_we_write_or_remove_stay_behind() {
    for name in [
        "X_Forwarded_For",
        "x-forwarded_for",
        "X_Forwarded-Proto",
        "Transfer_Encoding",
        "CONTENT_LENGTH",
        "Keep_Alive",
        "Proxy_Connection",
        "Http2_Settings",
        "Max_Forwards",
    ] {
        let lines = with(&format!("A: b\r\n{name}: 1\r\nC: d\r\n"));
        let way = source("192.0.2.7", Forwarded::Remove);
        assert_eq!(forwarded(&lines, &way), with("A: b\r\nC: d\r\n"), "{name}");
    }
    let others =
        with("X_Forwards_Fox: 1\r\nContent_Type: x\r\nX-Forwards-Host: h\r\nTransfer_Encodinh: y\r\n");
    assert_eq!(forwarded(&others, &source("192.0.2.7", Forwarded::Remove)), others);
    let passed = with("X_Forwarded_For: 1\r\n");
    assert_eq!(forwarded(&passed, &Way::silent()), passed, "with `off` nothing of them is ours");
}

/// RFC 9110 section 15.5.14: at once where the length is said.
#[test]
fn d8_s15_5_14_a_body_over_the_limit_is_413() {
    let limited = |most| Way::silent().ruled(|rules| rules.body = most);
    let head = |n: u64| with(&format!("Content-Length: {n}\r\n"));
    for (n, most, expected) in [
        (10, Some(10), 200),
        (11, Some(10), 413),
        (0, Some(0), 200),
        (1, Some(0), 413),
        (u64::MAX, None, 200),
    ] {
        match request_by(head(n), &limited(most)) {
            Verdict::Reject(reject) => {
                assert_eq!((reject.status, reject.cause), (expected, Cause::BodyTooLarge), "{n}");
            }
            _ => assert_eq!(expected, 200, "{n}"),
        }
    }
    assert_eq!(status_by(with("Transfer-Encoding: chunked\r\n"), &limited(Some(0))), 200, "nobody knows yet");
}

/// RFC 4559 section 6: NTLM and Negotiate authenticate a connection.
#[test]
fn dp_credentials_of_a_connection_bind_the_link() {
    let binds = |lines: &str| match request_by(with(lines), &Way::silent()) {
        Verdict::Request { binds, .. } => binds,
        other => panic!("{other:?}"),
    };
    for (lines, expected) in [
        ("", false),
        ("Authorization: Basic TlRMTQ==\r\n", false),
        ("Authorization: Bearer NTLM\r\n", false),
        ("Authorization: NTLMx y\r\n", false),
        ("X-Authorization: NTLM x\r\n", false),
        ("Authorization: NTLM TlRMTVNTUAAB\r\n", true),
        ("authorization: negotiate YII\r\n", true),
        ("Authorization: Negotiate\r\n", true),
        ("Proxy-Authorization: ntlm\tx\r\n", true),
        ("Authorization: Basic x\r\nAuthorization: NTLM x\r\n", true),
    ] {
        assert_eq!(binds(lines), expected, "{lines:?}");
    }
}

/// RFC 9110 section 10.1.1: an expectation that is met here does not travel on.
#[test]
fn d5_s10_1_1_expect_stays_behind_where_it_is_answered_here() {
    let head = with("A: b\r\nExpect: 100-continue\r\nContent-Length: 5\r\n");
    assert_eq!(forwarded(&head, &Way::silent()), head);
    let here = Way { no_expect: true, ..Way::silent() };
    assert_eq!(forwarded(&head, &here), with("A: b\r\nContent-Length: 5\r\n"));
}

/// RFC 9112 section 3.2: a Host is a host, with a port that is one.
#[test]
fn d2_m3_2_hosts_are_literal_addresses_or_names() {
    for (host, expected) in [
        ("[::ffff:1.2.3.4]:80", 200),
        ("[v1.fe80::a+en1]", 200),
        ("a:65535", 200),
        ("a:00080", 200),
        ("[x]", 400),
        ("[1.2.3.4]", 400),
        ("[:::]", 400),
        ("[::1%25eth0]", 400),
        ("[v.x]", 400),
        ("[vg.x]", 400),
        ("[v1.]", 400),
        ("a:65536", 400),
        ("a:99999999999999999999", 400),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status_by(head, &Way::silent()), expected, "{host}");
    }
}

/// RFC 9112 section 3.2.2: whom a request is for.
#[test]
fn d2_m3_2_2_the_authority_of_the_target_is_the_host() {
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: A:80\r\n\r\n", Some("A:80")),
        ("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", Some("b")),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Some("")),
        ("GET / HTTP/1.0\r\n\r\n", None),
    ] {
        let host = seen(head, &Way::silent(), |request| request.host().map(text));
        assert_eq!(host.as_deref(), expected, "{head:?}");
    }
    let head = "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: first\r\nuser-agent: second\r\nTE: x\r\n\r\n";
    let field = |name: &str| seen(head, &Way::silent(), |request| request.field(name).map(text));
    assert_eq!(field("user-agent").as_deref(), Some("first"));
    assert_eq!(field("te").as_deref(), Some("x"), "also what does not travel on");
    assert_eq!(field("referer"), None);
}
