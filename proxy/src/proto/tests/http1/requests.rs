//! Tests request heads: what is taken, what is refused, and with which status. Each test names the clause it stands on.

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::proto::http::{BodyFraming, Method};

use crate::proto::tests::http1::given::{
    Ask, Verdict, Way, forwarded, request, request_within, status, with,
};

fn body(bytes: impl AsRef<[u8]>) -> BodyFraming {
    match request(bytes) {
        Verdict::Request { body, .. } => body,
        other => panic!("{other:?}"),
    }
}

fn ask(bytes: impl AsRef<[u8]>) -> Ask {
    match request(bytes) {
        Verdict::Request { ask, .. } => ask,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn all_refused(expected: u16, heads: &[&str]) {
    for head in heads {
        assert_eq!(status(head), expected, "{head:?}");
    }
}

/// RFC 9112 section 2.2: at least one empty line is ignored; we ignore two.
#[test]
fn d1_m2_2_up_to_two_empty_lines_are_skipped() {
    let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    for (before, expected) in [("", 200), ("\r\n", 200), ("\r\n\r\n", 200), ("\r\n\r\n\r\n", 400)] {
        assert_eq!(status(format!("{before}{head}")), expected, "{before:?}");
    }
    let Verdict::Request { len, .. } = request(format!("\r\n\r\n{head}rest")) else { panic!() };
    assert_eq!(len, head.len() + 4);
    all_refused(400, &["\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\nGET /", "\r\rGET /", "\r\n\r\n\r"]);
}

/// RFC 9112 section 2.2: a lone LF may be taken for a line end; we refuse it everywhere.
#[test]
fn d1_m2_2_bare_lf_is_refused_wherever_it_ends_a_line() {
    all_refused(
        400,
        &[
            "GET / HTTP/1.1\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA:\nC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: b \nC: d\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\n",
            "GET / HTTP/1.0\n\n",
            "GET / HTTP/1.0\r\n\n",
            "GET / HTTP/1.0\n\r\n",
        ],
    );
}

/// RFC 9112 section 2.2 (bare CR) and RFC 9110 section 5.5 (CTLs).
#[test]
fn d1_s5_5_control_characters_are_refused() {
    for bad in (0u8..=0x1f).filter(|b| *b != b'\t').chain([0x7f]) {
        let mut value = b"GET / HTTP/1.1\r\nHost: a\r\nA: some value, ".to_vec();
        value.push(bad);
        value.extend_from_slice(b"and a long rest of it\r\nB: c\r\n\r\n");
        assert_eq!(status(&value), 400, "{bad:#x} in a value");
        let target = [b"GET /a", &[bad][..], b"b HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        assert_eq!(status(&target), 400, "{bad:#x} in the target");
    }
    assert_eq!(status(with("A: tab\tand \u{e9} are fine\r\n")), 200);
}

/// RFC 9112 sections 2.2, 5.1 and 5.2: no whitespace before a field line or its colon.
#[test]
fn d1_m5_1_whitespace_in_the_wrong_place_is_refused() {
    all_refused(
        400,
        &[
            "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nA b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
        ],
    );
}

/// RFC 9112 section 3: three words with one SP between them.
#[test]
fn d1_m3_the_request_line_is_three_words() {
    all_refused(
        400,
        &[
            "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
            " GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "G\u{e9}T / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /\r\n\r\n",
            "GET HTTP/1.1\r\nHost: a\r\n\r\n",
        ],
    );
}

/// RFC 9110 section 2.5 and 15.6.6.
#[test]
fn d1_s2_5_versions_we_do_not_speak_are_505_and_noise_is_400() {
    for (version, expected) in [
        ("HTTP/2.0", 505),
        ("HTTP/3.0", 505),
        ("HTTP/1.2", 505),
        ("HTTP/0.9", 505),
        ("HTTP/1.1", 200),
        ("HTTP/1.0", 200),
        ("HTTP/2", 400),
        ("http/1.1", 400),
        ("HTTP/1,1", 400),
        ("HTTP/11.1", 400),
        ("HTTP/1.10", 400),
        ("ICY/1.1", 400),
    ] {
        assert_eq!(status(format!("GET / {version}\r\nHost: a\r\n\r\n")), expected, "{version}");
    }
    assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
    assert_eq!(status("GET / HTTP/2."), 0);
}

/// RFC 9112 section 3.2.
#[test]
fn d2_m3_2_host_comes_once_and_is_a_host() {
    let hosts = |lines: &str, minor: u8| status(format!("GET / HTTP/1.{minor}\r\n{lines}\r\n"));
    assert_eq!(hosts("", 1), 400);
    assert_eq!(hosts("", 0), 200);
    for minor in [0, 1] {
        assert_eq!(hosts("Host: a\r\nHost: b\r\n", minor), 400);
        assert_eq!(hosts("Host: a\r\nhOST: a\r\n", minor), 400);
    }
    for good in ["a", "a:80", "a:", "", "A-b_c.d:8080", "127.0.0.1:1", "[::1]", "[::1]:80", "%41b"] {
        assert_eq!(hosts(&format!("Host: {good}\r\n"), 1), 200, "{good}");
    }
    let bad = [
        "a b", "a:b", "a/b", "u@a", "a?", "a#", "[::1", "::1", "[]", "[a@b]", "[::1]x", "%4", "a\\b", "\"a\"",
    ];
    for bad in bad {
        assert_eq!(hosts(&format!("Host: {bad}\r\n"), 1), 400, "{bad}");
    }
}

/// RFC 9112 section 3.2, RFC 9110 section 4.2.4.
#[test]
fn d2_m3_2_targets_have_a_form_that_fits_the_method() {
    for (line, expected) in [
        ("GET /", 200),
        ("GET //a?b@c:d", 200),
        ("OPTIONS *", 200),
        ("GET *", 400),
        ("GET a:80", 400),
        ("GET a", 400),
        ("GET /a#b", 400),
        ("GET http://a", 200),
        ("GET HTTP://a:80/b?c", 200),
        ("GET http://a/b#c", 400),
        ("GET http://u@a/", 400),
        ("GET http://u:p@a/", 400),
        ("GET http://a/b@c", 200),
        ("GET http:///b", 400),
        ("GET http://:80/b", 400),
        ("GET http://a:b/", 400),
        ("GET ftp://a/", 400),
    ] {
        assert_eq!(status(format!("{line} HTTP/1.1\r\nHost: h\r\n\r\n")), expected, "{line}");
    }
}

/// RFC 9110 sections 9.3.6 and 9.3.8: we do not open tunnels for clients, nor echo their fields.
#[test]
fn d2_s9_3_6_connect_and_trace_are_not_allowed() {
    for line in ["CONNECT a:443", "TRACE /"] {
        let Verdict::Reject(reject) = request(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n")) else {
            panic!()
        };
        assert_eq!((reject.status, reject.cause), (405, Cause::Unsupported));
    }
}

/// RFC 9110 section 9.1: methods are case-sensitive tokens, and new ones pass.
#[test]
fn d1_s9_1_unknown_methods_pass_as_they_are() {
    for (name, method) in [
        ("GET", Method::Get),
        ("PATCH", Method::Patch),
        ("get", Method::Other),
        ("BREW", Method::Other),
        ("A-LONG-METHOD-THAT-NOBODY-KNOWS", Method::Other),
    ] {
        assert_eq!(ask(format!("{name} / HTTP/1.1\r\nHost: a\r\n\r\n")).method, method);
    }
}

fn small() -> HeadLimits {
    HeadLimits { bytes: 200, fields: 3, line: 60 }
}

/// RFC 9112 section 3: 414, and as soon as it is known.
#[test]
fn d1_m3_a_long_request_line_is_414() {
    let line = |target: usize| format!("GET /{} HTTP/1.1", "x".repeat(target - 1));
    let rest = "\r\nHost: a\r\n\r\n";
    let refused = |bytes: &str| match request_within(bytes, &small()) {
        Verdict::Reject(reject) => (reject.status, reject.cause),
        other => panic!("{other:?}"),
    };
    assert!(matches!(request_within(line(47) + rest, &small()), Verdict::Request { .. }));
    let expected = (414, Cause::TargetTooLong);
    assert_eq!(refused(&(line(48) + rest)), expected);
    assert_eq!(refused(&"G".repeat(62)), expected);
    assert_eq!(refused(&format!("GET /{}", "x".repeat(57))), expected);
    assert_eq!(refused(&format!("G(T /{}", "x".repeat(57))).0, 400);
}

/// RFC 6585 section 5: 431, and as soon as it is known.
#[test]
fn d1_s5_4_a_large_head_is_431() {
    let refused =
        |lines: &str| match request_within(format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}"), &small()) {
            Verdict::Reject(reject) => Some((reject.status, reject.cause)),
            Verdict::Partial => None,
            other => panic!("{other:?}"),
        };
    let expected = Some((431, Cause::HeadTooLarge));
    assert_eq!(refused("B: c\r\nC: d\r\nD: e\r\n\r\n"), expected, "fields");
    assert_eq!(refused(&format!("B: {}\r\n\r\n", "c".repeat(58))), expected, "line");
    assert_eq!(refused(&format!("B: {}", "c".repeat(300))), expected, "bytes");
    assert_eq!(refused(&format!("B: {}", "c".repeat(100))), None);
    assert!(matches!(
        request_within(format!("GET / HTTP/1.1\r\nHost: a\r\nB: {}\r\n\r\n", "c".repeat(57)), &small()),
        Verdict::Request { .. }
    ));
}

/// RFC 9112 section 6.3 rule 3 and section 6.1.
#[test]
fn d4_m6_1_transfer_encoding_is_chunked_alone() {
    assert_eq!(body(with("Transfer-Encoding: chunked\r\n")), BodyFraming::Chunked);
    assert_eq!(body(with("transfer-encoding:\tChunked \r\n")), BodyFraming::Chunked);
    for bad in [
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked,\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding:\r\n",
    ] {
        let expected = if bad.starts_with("Transfer-Encoding: gzip\r\n") { 501 } else { 400 };
        assert_eq!(status(with(bad)), expected, "{bad:?}");
    }
    assert_eq!(status(with("Transfer-Encoding: gzip\r\n")), 501);
    assert_eq!(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
}

/// RFC 9112 section 6.3 rules 5 to 7, RFC 9110 section 8.6.
#[test]
fn d4_s8_6_content_length_is_digits_once() {
    assert_eq!(body(with("")), BodyFraming::None);
    assert_eq!(body(with("Content-Length: 0\r\n")), BodyFraming::None);
    assert_eq!(body(with("content-length: 42\r\n")), BodyFraming::Length(42));
    assert_eq!(body(with("Content-Length: 18446744073709551615\r\n")), BodyFraming::Length(u64::MAX));
    for bad in [
        "",
        "+5",
        "-5",
        "5, 5",
        "5,6",
        "0x5",
        "5 5",
        "5;",
        "18446744073709551616",
        "99999999999999999999999",
        "\"5\"",
    ] {
        assert_eq!(status(with(&format!("Content-Length: {bad}\r\n"))), 400, "{bad:?}");
    }
    assert_eq!(status(with("Content-Length: 5\r\nContent-Length: 5\r\n")), 400);
    assert_eq!(status(with("Content-Length: 5\r\nCONTENT-LENGTH: 6\r\n")), 400);
}

/// RFC 9112 section 9.3.
#[test]
fn d6_m9_3_persistence_is_said_by_version_and_options() {
    for (minor, lines, keep) in [
        (1, "", true),
        (1, "Connection: close\r\n", false),
        (1, "Connection: CLOSE\r\n", false),
        (1, "Connection: keep-alive, Close\r\n", false),
        (1, "Connection: upgrade\r\nConnection: ,close,\r\n", false),
        (1, "Connection: not-close\r\n", true),
        (0, "", false),
        (0, "Connection: Keep-Alive\r\n", true),
        (0, "Connection: keep-alive\r\nConnection: close\r\n", false),
        (0, "Keep-Alive: timeout=5\r\n", false),
    ] {
        let head = format!("GET / HTTP/1.{minor}\r\nHost: a\r\n{lines}\r\n");
        assert_eq!(ask(&head).keep_alive, keep, "{head:?}");
    }
}

/// RFC 9110 section 7.6.1: nobody may have us remove what frames or routes a message.
#[test]
fn d3_s7_6_1_connection_may_not_name_framing_or_routing_fields() {
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "Content-Type",
        "close, HOST",
        "Expect",
        "AUTHORIZATION",
    ] {
        assert_eq!(status(with(&format!("Connection: {name}\r\n"))), 400, "{name}");
    }
    assert_eq!(status(with("Connection: te, X-Forwarded-For, cookie\r\n")), 200);
    assert_eq!(status(with(&format!("Connection: {}\r\n", "a,".repeat(1000)))), 400);
}

/// RFC 9110 section 10.1.1.
#[test]
fn d5_s10_1_1_expectations_are_100_continue_or_417() {
    let expects =
        |lines: &str, minor: u8| match request(format!("POST / HTTP/1.{minor}\r\nHost: a\r\n{lines}\r\n")) {
            Verdict::Request { expects, forwarded, .. } => (expects, forwarded.contains("Expect")),
            other => panic!("{other:?}"),
        };
    assert_eq!(expects("Expect: 100-Continue\r\n", 1), (true, true));
    assert_eq!(expects("", 1), (false, false));
    // RFC 9110 section 5.6.1.2: empty elements are none; members, who may not know, are not told of them.
    for nothing in ["Expect:\r\n", "Expect: ,\r\n", "Expect: , ,,\r\nexpect:\r\n"] {
        assert_eq!(expects(nothing, 1), (false, false), "{nothing:?}");
    }
    for list in [
        "Expect: 100-continue,\r\n",
        "Expect: , 100-Continue ,,\r\n",
        "Expect: 100-continue\r\nExpect: 100-continue\r\n",
        "Expect: 100-continue, 100-continue\r\n",
    ] {
        assert_eq!(expects(list, 1), (true, true), "{list:?}");
        let sent = "Expect: 100-continue\r\n";
        assert_eq!(
            forwarded(with(&format!("{list}A: b\r\n")), &Way::silent()),
            with(&format!("A: b\r\n{sent}"))
        );
        let here = Way { no_expect: true, ..Way::silent() };
        assert_eq!(forwarded(with(&format!("{list}A: b\r\n")), &here), with("A: b\r\n"), "{list:?}");
    }
    for kept in ["Expect: 100-continue\r\nExpect:\r\n", "Expect: ,\r\nExpect: 100-continue\r\n"] {
        assert_eq!(forwarded(with(kept), &Way::silent()), with("Expect: 100-continue\r\n"), "{kept:?}");
    }
    for unknown in ["100-continue;q=1", "100-continue, x", ", x", "\"\""] {
        assert_eq!(status(with(&format!("Expect: {unknown}\r\n"))), 417, "{unknown:?}");
    }
    assert_eq!(expects("Expect: 100-continue\r\n", 0), (false, false), "MUST be ignored in HTTP/1.0");
    let Verdict::Reject(reject) = request(with("Expect: 200-ok\r\n")) else { panic!() };
    assert_eq!((reject.status, reject.cause), (417, Cause::Unsupported));
}
