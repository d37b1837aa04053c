//! Tests how the source is found in X-Forwarded-For and Forwarded, and what members are told of it.

use std::net::IpAddr;

use crate::config::{Forwarded, Networks};

use crate::proto::tests::http1::given::{Way, forwarded, networks, seen, source, with};

const STYLES: [Forwarded; 5] =
    [Forwarded::XForwarded, Forwarded::Rfc7239, Forwarded::Both, Forwarded::Remove, Forwarded::Off];

/// A peer in `10.0.0.0/8` or `2001:db8::/32`, which are trusted.
fn trusted(style: Forwarded) -> Way {
    let networks = networks(&["10.0.0.0/8", "2001:db8::/32"]);
    source("10.0.0.9", style).ruled(|rules| rules.trusted_proxies = networks)
}

fn found(lines: &str, way: &Way) -> String {
    seen(with(lines), way, |request| request.source(way.peer, &way.rules)).to_string()
}

/// The lines that a member gets in place of these.
#[track_caller]
fn told(lines: &str, way: &Way) -> String {
    let head = forwarded(with(lines), way);
    let lines = head.strip_prefix("POST /p HTTP/1.1\r\nHost: a\r\n").and_then(|h| h.strip_suffix("\r\n"));
    lines.expect("the head that was given").to_owned()
}

const SAID: &str = "X-Forwarded-For: 1.1.1.1\r\nA: b\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.1.1.1\r\n\
                    x_forwarded_for: 2.2.2.2\r\nX_Forwarded-PROTO: https\r\n";
const OURS_X: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n";
const OURS_7239: &str = "Forwarded: for=192.0.2.7;proto=http\r\n";

/// D3.7 in docs/http-rules.md: nothing that an untrusted peer says is believed, whatever the style.
#[test]
fn d3_what_an_untrusted_peer_says_is_replaced() {
    for trusted in [false, true] {
        for (style, expected) in [
            (Forwarded::XForwarded, format!("A: b\r\n{OURS_X}")),
            (Forwarded::Rfc7239, format!("A: b\r\n{OURS_7239}")),
            (Forwarded::Both, format!("A: b\r\n{OURS_X}{OURS_7239}")),
            (Forwarded::Remove, "A: b\r\n".to_owned()),
            (Forwarded::Off, SAID.to_owned()),
        ] {
            let networks = if trusted { networks(&["10.0.0.0/8"]) } else { Networks::default() };
            let way = source("192.0.2.7", style).ruled(|rules| rules.trusted_proxies = networks);
            assert_eq!(told(SAID, &way), expected, "{style:?}");
            assert_eq!(found(SAID, &way), "192.0.2.7", "{style:?}");
        }
    }
}

/// D3.7 and D7.1: trusted addresses are passed over, the first other one is the source.
#[test]
fn d3_the_list_is_walked_from_the_right() {
    for (list, expected) in [
        ("", "10.0.0.9"),
        ("1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1", "1.1.1.1"),
        ("6.6.6.6, 1.1.1.1, 10.0.0.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1"),
        ("6.6.6.6\r\nX-Forwarded-For: 1.1.1.1\r\nx-forwarded-for: 10.0.0.1", "1.1.1.1"),
        ("1.1.1.1,10.0.0.1,,", "1.1.1.1"),
        ("::ffff:1.1.1.1, ::ffff:10.0.0.1", "1.1.1.1"),
        ("2001:db9::1, 2001:db8::1", "2001:db9::1"),
        ("1.1.1.1:80, [2001:db8::1]:5", "1.1.1.1"),
        ("\"[2001:db9::1]:5\"", "2001:db9::1"),
        ("[2001:db9::1]", "2001:db9::1"),
    ] {
        for style in [Forwarded::XForwarded, Forwarded::Both, Forwarded::Remove, Forwarded::Off] {
            let lines = format!("X-Forwarded-For: {list}\r\n");
            assert_eq!(found(&lines, &trusted(style)), expected, "{list:?} {style:?}");
        }
    }
}

/// RFC 7239 sections 6.2 and 6.3: nobody knows who is behind it.
#[test]
fn d3_what_is_no_address_ends_the_walk() {
    let garbage = [
        "unknown",
        "_hidden",
        "1.1.1",
        "1.1.1.1.1",
        "01.1.1.1",
        "1.1.1.1:",
        "1.1.1.1:x",
        "1.1.1.1 ",
        "[::1",
        "::1]",
        "[1.1.1.1]",
        "[::1]x",
        "[::1]:",
        "\"1.1.1.1",
        "1.1.1.1\"",
        "::1%eth0",
        "1.1.1.1;x",
        "for=1.1.1.1",
        "-",
        "\u{e9}",
    ];
    for element in garbage {
        let expected = if element == "1.1.1.1 " { "1.1.1.1" } else { "10.0.0.9" };
        let way = trusted(Forwarded::XForwarded);
        assert_eq!(found(&format!("X-Forwarded-For: 6.6.6.6, {element}\r\n"), &way), expected, "{element:?}");
        let behind = if element == "1.1.1.1 " { "1.1.1.1" } else { "10.0.0.1" };
        let lines = format!("X-Forwarded-For: 6.6.6.6, {element}, 10.0.0.1\r\n");
        assert_eq!(found(&lines, &way), behind, "{element:?}");
    }
}

/// RFC 7239 section 4.
#[test]
fn d3_forwarded_is_walked_by_its_for() {
    for (list, expected) in [
        ("for=1.1.1.1", "1.1.1.1"),
        ("For=\"1.1.1.1:80\";proto=https", "1.1.1.1"),
        ("proto=https; FOR=1.1.1.1 ;by=_x", "1.1.1.1"),
        ("for=\"[2001:db9::1]:_port\"", "2001:db9::1"),
        ("for=6.6.6.6, for=1.1.1.1;by=\"a,for=7.7.7.7;x=\", for=10.0.0.1", "1.1.1.1"),
        ("for=6.6.6.6;host=\"a, for=7.7.7.7\"", "6.6.6.6"),
        ("for=1.1.1.1;host=\"a\\\", for=7.7.7.7\"", "1.1.1.1"),
        ("for=1.1.1.1\r\nForwarded: for=10.0.0.1", "1.1.1.1"),
        // No address: no `for`, two of them, a name, quotes without an end, which would swallow what follows.
        ("for=1.1.1.1, by=10.0.0.1", "10.0.0.9"),
        ("for=1.1.1.1;for=10.0.0.1", "10.0.0.9"),
        ("for=1.1.1.1, for=unknown, for=10.0.0.1", "10.0.0.1"),
        ("for=1.1.1.1;by=\"x", "10.0.0.9"),
        ("for=\", for=1.1.1.1", "10.0.0.9"),
        ("for=\"\r\nForwarded: for=1.1.1.1", "1.1.1.1"),
        ("for=\"\\1.1.1.1\"", "10.0.0.9"),
        ("for = 1.1.1.1", "10.0.0.9"),
    ] {
        for style in [Forwarded::Rfc7239, Forwarded::Both, Forwarded::Off] {
            let lines = format!("Forwarded: {list}\r\n");
            assert_eq!(found(&lines, &trusted(style)), expected, "{list:?} {style:?}");
        }
    }
}

/// Which list is walked follows from the one that is written.
#[test]
fn d3_each_style_walks_its_own_list() {
    let lines = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2\r\n";
    assert_eq!(found(lines, &trusted(Forwarded::XForwarded)), "1.1.1.1");
    assert_eq!(found(lines, &trusted(Forwarded::Rfc7239)), "2.2.2.2");
    let agreed = "X-Forwarded-For: 1.1.1.1, 10.0.0.1\r\nForwarded: for=1.1.1.1\r\n";
    for style in [Forwarded::Both, Forwarded::Remove, Forwarded::Off] {
        // One of them was written by the trusted peer, the other by anybody.
        assert_eq!(found(lines, &trusted(style)), "10.0.0.9", "{style:?}");
        assert_eq!(found(agreed, &trusted(style)), "1.1.1.1", "{style:?}");
    }
}

/// What is left of the source is cut off, and the peer is appended.
#[test]
fn d3_members_are_told_from_the_source_on() {
    let ours = "X-Forwarded-Proto: http\r\n";
    let way = trusted(Forwarded::XForwarded);
    for (list, expected) in [
        ("6.6.6.6, 1.1.1.1:80, 10.0.0.1", "1.1.1.1:80, 10.0.0.1, 10.0.0.9"),
        (
            "6.6.6.6\r\nA: b\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 10.0.0.1",
            "1.1.1.1, 10.0.0.1, 10.0.0.9",
        ),
        ("6.6.6.6, unknown, 10.0.0.1", "10.0.0.1, 10.0.0.9"),
        ("6.6.6.6, unknown", "10.0.0.9"),
        ("", "10.0.0.9"),
    ] {
        let a = if list.contains('A') { "A: b\r\n" } else { "" };
        let lines = format!("X-Forwarded-For: {list}\r\nForwarded: for=6.6.6.6\r\n");
        assert_eq!(told(&lines, &way), format!("{a}X-Forwarded-For: {expected}\r\n{ours}"), "{list:?}");
    }
    let lines = "Forwarded: for=6.6.6.6, for=1.1.1.1;proto=https;host=\"h, i\", for=\"[2001:db8::1]\"\r\n";
    let kept = "for=1.1.1.1;proto=https;host=\"h, i\", for=\"[2001:db8::1]\", for=10.0.0.9;proto=http";
    assert_eq!(told(lines, &trusted(Forwarded::Rfc7239)), format!("Forwarded: {kept}\r\n"));
    // The list that did not come, or was not looked at, is made of the one that was.
    let both = trusted(Forwarded::Both);
    let x = "X-Forwarded-For: 1.1.1.1, 2001:db8::1, 10.0.0.9\r\n";
    assert_eq!(told(lines, &both), format!("{x}{ours}Forwarded: {kept}\r\n"));
    let kept = "for=1.1.1.1, for=\"[2001:db8::1]\", for=10.0.0.9;proto=http";
    let lines = "X-Forwarded-For: 6.6.6.6, 1.1.1.1, 2001:db8::1\r\n";
    assert_eq!(told(lines, &both), format!("{x}{ours}Forwarded: {kept}\r\n"));
    let torn = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=2.2.2.2\r\n";
    let alone = format!("X-Forwarded-For: 10.0.0.9\r\n{ours}Forwarded: for=10.0.0.9;proto=http\r\n");
    assert_eq!(told(torn, &both), alone);
}

#[test]
fn d3_a_trusted_peer_tells_the_scheme() {
    let proto = |said: &str, way: &Way| {
        let told = told(said, way);
        told.lines().find_map(|line| line.strip_prefix("X-Forwarded-Proto: ")).unwrap().to_owned()
    };
    let way = trusted(Forwarded::XForwarded);
    for (said, expected) in [
        ("", "http"),
        ("X-Forwarded-Proto: http\r\n", "http"),
        ("X-Forwarded-Proto: https\r\n", "https"),
        ("x-forwarded-proto: HTTPS\r\n", "https"),
        ("X-Forwarded-Proto: wss\r\n", "http"),
        ("X-Forwarded-Proto: https, http\r\n", "http"),
        ("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n", "http"),
        ("X_Forwarded_Proto: https\r\n", "http"),
    ] {
        assert_eq!(proto(said, &way), expected, "{said:?}");
    }
    assert_eq!(proto("X-Forwarded-Proto: https\r\n", &source("192.0.2.7", Forwarded::XForwarded)), "http");
}

/// RFC 9110 section 7.6.1: a line that Connection names is not believed either.
#[test]
fn d3_s7_6_1_a_list_that_connection_names_is_gone() {
    for style in STYLES {
        let lines = "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nConnection: x-forwarded-for, FORWARDED\r\n";
        let way = trusted(style);
        assert_eq!(found(lines, &way), "10.0.0.9", "{style:?}");
        assert!(!told(lines, &way).contains("1.1.1.1"), "{style:?}");
    }
}

/// A list costs one pass from the right, and its elements are taken as they come. (Of trusted ones 64: `walk::MOST_HOPS`.)
#[test]
fn d3_long_lists_are_walked_to_the_end() {
    let list = format!("{}1.1.1.1{}", "6.6.6.6, ".repeat(1500), ", 10.0.0.1".repeat(60));
    let way = trusted(Forwarded::XForwarded);
    assert_eq!(found(&format!("X-Forwarded-For: {list}\r\n"), &way), "1.1.1.1");
    let commas = format!("X-Forwarded-For: 1.1.1.1{}\r\n", ",".repeat(16_000));
    assert_eq!(found(&commas, &way), "1.1.1.1");
    let peer: IpAddr = "2001:db8::9".parse().unwrap();
    assert_eq!(found("X-Forwarded-For: 1.1.1.1\r\n", &Way { peer, ..way }), "1.1.1.1");
}
