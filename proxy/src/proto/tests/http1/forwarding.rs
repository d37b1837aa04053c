//! Tests request heads as members get them, compared whole.

use crate::config::Forwarded;

use crate::proto::tests::http1::given::{Way, forwarded, source, with};

const OFF: fn() -> Way = Way::silent;

/// RFC 9110 section 5.3 and 7.7: what is not ours to change passes byte for byte.
#[test]
fn d3_s7_7_other_fields_pass_as_they_are() {
    let head = "BREW /a%2fb/../?q=%20&\u{e9} HTTP/1.1\r\nhOsT:  a \r\nCookie:a=b\r\nX-Empty:\r\nAccept: x\r\ncookie: c\t \r\nX-Latin: \u{e9}\r\n\r\n";
    let latin: String = head.bytes().map(char::from).collect();
    assert_eq!(forwarded(head, &OFF()), latin);
}

/// RFC 9110 section 7.6.1.
#[test]
fn d3_s7_6_1_hop_by_hop_fields_stay_behind_with_those_they_name() {
    let lines = "A: 1\r\nConnection: x-One, close\r\nX-Two: 2\r\nX-One: 1\r\nKeep-Alive: timeout=5\r\n\
                 Proxy-Connection: keep-alive\r\nB: 2\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
                 connection: , X-TWO\r\nX-ONE: again\r\nProxy-Authorization: Basic x\r\nC: 3\r\n";
    let te = "Connection: TE\r\nTE: trailers\r\n";
    let expected = with(&format!("A: 1\r\nB: 2\r\nProxy-Authorization: Basic x\r\nC: 3\r\n{te}"));
    assert_eq!(forwarded(with(lines), &OFF()), expected);
}

/// RFC 9112 section 6: the framing is kept, and said by us.
#[test]
fn d4_m6_framing_is_kept() {
    assert_eq!(
        forwarded(with("Transfer-Encoding: CHUNKED\r\nA: b\r\n"), &OFF()),
        with("A: b\r\nTransfer-Encoding: chunked\r\n")
    );
    assert_eq!(forwarded(with("Content-Length: 007\r\n"), &OFF()), with("Content-Length: 007\r\n"));
}

/// RFC 9112 section 3.2.2: the authority of the target is the Host, whatever Host said.
#[test]
fn d2_m3_2_2_absolute_form_becomes_origin_form() {
    for (line, expected) in [
        ("GET http://b:81/p?q", "GET /p?q HTTP/1.1\r\nHost: b:81\r\nA: c\r\n\r\n"),
        ("GET HTTP://b", "GET / HTTP/1.1\r\nHost: b\r\nA: c\r\n\r\n"),
        ("GET http://b?q", "GET /?q HTTP/1.1\r\nHost: b\r\nA: c\r\n\r\n"),
        ("OPTIONS http://b", "OPTIONS * HTTP/1.1\r\nHost: b\r\nA: c\r\n\r\n"),
        ("OPTIONS http://b/", "OPTIONS / HTTP/1.1\r\nHost: b\r\nA: c\r\n\r\n"),
        ("OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\nA: c\r\n\r\n"),
    ] {
        let head = format!("{line} HTTP/1.1\r\nHost: a\r\nA: c\r\n\r\n");
        assert_eq!(forwarded(head, &OFF()), expected, "{line}");
    }
}

/// RFC 9110 section 2.5: an intermediary sends its own version.
#[test]
fn d1_s2_5_http_1_0_goes_on_as_1_1_with_a_host() {
    assert_eq!(
        forwarded("GET /a HTTP/1.0\r\nHost: a\r\nB: c\r\n\r\n", &OFF()),
        "GET /a HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"
    );
    assert_eq!(forwarded("GET /a HTTP/1.0\r\n\r\n", &OFF()), "GET /a HTTP/1.1\r\nHost:\r\n\r\n");
}

#[test]
fn d1_m2_2_empty_lines_before_the_request_do_not_travel() {
    assert_eq!(forwarded(format!("\r\n\r\n{}", with("")), &OFF()), with(""));
}

#[test]
fn d3_x_forwarded_for_is_added_in_place_of_what_came() {
    let x = source("192.0.2.7", Forwarded::XForwarded);
    let ours = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
    assert_eq!(forwarded(with("A: b\r\n"), &x), with(&format!("A: b\r\n{ours}")));
    let lines = "x-forwarded-for: 10.0.0.1\r\nA: b\r\nX-Forwarded-Proto: https\r\nX-FORWARDED-FOR: 10.0.0.2\r\nForwarded: for=x\r\n";
    assert_eq!(forwarded(with(lines), &x), with(&format!("A: b\r\n{ours}")));
    let off = with(lines);
    assert_eq!(forwarded(&off, &OFF()), off);
}

/// RFC 9110 section 7.6.1: ours are added after the removal.
#[test]
fn d3_s7_6_1_naming_a_forwarding_field_removes_the_clients_copy_only() {
    let both = source("192.0.2.7", Forwarded::Both);
    let lines =
        "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nConnection: x-forwarded-for, forwarded\r\n";
    let expected =
        "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nForwarded: for=192.0.2.7;proto=http\r\n";
    assert_eq!(forwarded(with(lines), &both), with(expected));
}

/// RFC 7239 sections 4 and 6.
#[test]
fn d3_forwarded_quotes_ipv6() {
    for (address, node) in
        [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "\"[2001:db8::1]\"")]
    {
        let from = source(address, Forwarded::Rfc7239);
        let ours = format!("for={node};proto=http");
        assert_eq!(forwarded(with(""), &from), with(&format!("Forwarded: {ours}\r\n")));
    }
}

/// RFC 9110 section 7.6.3: the version is the one received.
#[test]
fn d3_s7_6_3_via_is_appended() {
    let via = OFF().ruled(|rules| rules.via = Some("penstock".into()));
    assert_eq!(forwarded(with(""), &via), with("Via: 1.1 penstock\r\n"));
    assert_eq!(
        forwarded(with("Via: 1.0 a\r\nB: c\r\nvia: 1.1 b\r\n"), &via),
        with("B: c\r\nVia: 1.0 a, 1.1 b, 1.1 penstock\r\n")
    );
    assert_eq!(
        forwarded("GET / HTTP/1.0\r\nHost: a\r\n\r\n", &via),
        "GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 penstock\r\n\r\n"
    );
}
