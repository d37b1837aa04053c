//! Tests of D3, the client's address: whose word counts, how far, and what members are told.

use std::net::TcpListener;

use crate::rules::ground::{BAD, Ground, get, setup};
use crate::support::stand::Setup;
use crate::support::wire::Wire;

const ALL_SAID: &str =
    "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nForwarded: for=6.6.6.6;proto=https\r\n";
/// A client whose word counts in [`trusting`].
const PROXY: [u8; 4] = [127, 20, 0, 1];
const STRANGER: [u8; 4] = [127, 30, 0, 1];

fn style(style: &str) -> Setup {
    setup().listener(&format!("forwarded: {style}"))
}

fn trusting(kind: &str) -> Setup {
    style(kind).listener("trusted_proxies: [127.20.0.0/16, 10.0.0.0/8, \"fd00::/8\"]")
}

/// What the member is told of the source: X-Forwarded-For, X-Forwarded-Proto, Forwarded.
#[track_caller]
fn told(ground: &Ground, from: [u8; 4], lines: &str) -> [Vec<String>; 3] {
    assert_eq!(ground.proxy.client_from(from).send(get(lines)).answer().status, 200, "{lines:?}");
    let asked = ground.last();
    ["x-forwarded-for", "x-forwarded-proto", "forwarded"]
        .map(|name| asked.fields(name).into_iter().map(str::to_owned).collect())
}

fn only(value: &str) -> Vec<String> {
    vec![value.to_owned()]
}

fn nothing() -> Vec<String> {
    Vec::new()
}

/// RFC 7239 section 8.1: whoever is not trusted speaks for itself alone; what it says of others is replaced.
#[test]
fn rfc7239_what_a_stranger_says_is_replaced() {
    let (x, rfc) = ("127.30.0.1", "for=127.30.0.1;proto=http");
    for said in ["", ALL_SAID] {
        let ground = Ground::plain();
        assert_eq!(told(&ground, STRANGER, said), [only(x), only("http"), nothing()], "the default");
        let ground = Ground::with(&style("forwarded"));
        assert_eq!(told(&ground, STRANGER, said), [nothing(), nothing(), only(rfc)]);
        let ground = Ground::with(&style("both"));
        assert_eq!(told(&ground, STRANGER, said), [only(x), only("http"), only(rfc)]);
        let ground = Ground::with(&style("remove"));
        assert_eq!(told(&ground, STRANGER, said), [nothing(), nothing(), nothing()]);
        let ground = Ground::with(&trusting("x_forwarded"));
        assert_eq!(told(&ground, STRANGER, said), [only(x), only("http"), nothing()], "others are trusted");
    }
}

/// `off` is for those who want the fields as they came, whoever wrote them.
#[test]
fn rfc7239_off_touches_nothing() {
    let ground = Ground::with(&style("off"));
    let passed = [only("6.6.6.6"), only("https"), only("for=6.6.6.6;proto=https")];
    assert_eq!(told(&ground, STRANGER, ALL_SAID), passed);
    assert_eq!(told(&ground, STRANGER, ""), [nothing(), nothing(), nothing()]);
}

/// Whoever a PROXY header names is the one that is trusted, or is not.
#[test]
fn rfc7239_a_proxy_header_says_who_is_connected() {
    let setup = trusting("x_forwarded").listener("proxy_protocol: required").listener("trusted: any");
    let ground = Ground::with(&setup);
    for (named, goes) in [("127.20.0.9", "1.2.3.4, 127.20.0.9"), ("127.30.0.9", "127.30.0.9")] {
        let header = format!("PROXY TCP4 {named} 127.0.0.1 1000 80\r\n");
        let request = get("X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\n");
        assert_eq!(ground.proxy.client_from(STRANGER).send(header + &request).answer().text(), "ok");
        assert_eq!(ground.last().fields("x-forwarded-for"), [goes]);
    }
}

/// From the right, over those who are trusted, to the first who is not: the source. What is left of it is cut off.
#[test]
fn rfc7239_x_forwarded_for_is_walked_from_the_right() {
    let ground = Ground::with(&trusting("x_forwarded"));
    for (said, goes) in [
        ("1.2.3.4", "1.2.3.4, 127.20.0.1"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4, 127.20.0.1"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.9", "1.2.3.4, 10.0.0.9, 127.20.0.1"),
        ("6.6.6.6,1.2.3.4,10.1.1.1,10.0.0.9", "1.2.3.4, 10.1.1.1, 10.0.0.9, 127.20.0.1"),
        ("10.0.0.1, 10.0.0.2", "10.0.0.1, 10.0.0.2, 127.20.0.1"),
        ("2001:db8::1, fd00::1", "2001:db8::1, fd00::1, 127.20.0.1"),
        ("6.6.6.6, 1.2.3.4:5, 10.0.0.9", "1.2.3.4:5, 10.0.0.9, 127.20.0.1"),
        ("6.6.6.6, [2001:db8::1]:5", "[2001:db8::1]:5, 127.20.0.1"),
    ] {
        let [x, proto, rfc] = told(&ground, PROXY, &format!("X-Forwarded-For: {said}\r\n"));
        let normal: Vec<_> =
            x.iter().map(|x| x.split(',').map(str::trim).collect::<Vec<_>>().join(", ")).collect();
        assert_eq!((normal, proto, rfc), (only(goes), only("http"), nothing()), "{said}");
    }
    assert_eq!(told(&ground, PROXY, "")[0], only("127.20.0.1"));
}

/// RFC 9110 section 5.3: several lines are one list, in their order.
#[test]
fn rfc7239_several_lines_are_one_list() {
    let ground = Ground::with(&trusting("x_forwarded"));
    let lines =
        "X-Forwarded-For: 6.6.6.6\r\nA: b\r\nX-Forwarded-For: 1.2.3.4\r\nx-forwarded-for: 10.0.0.9\r\n";
    assert_eq!(told(&ground, PROXY, lines)[0], only("1.2.3.4, 10.0.0.9, 127.20.0.1"));
}

/// What is no address ends the walk: the source is whoever said it.
#[test]
fn rfc7239_what_is_no_address_ends_the_walk() {
    let ground = Ground::with(&trusting("x_forwarded"));
    for junk in
        ["unknown", "_hidden", "1.2.3", "1.2.3.4.5", "example.com", "\"", "for=1.2.3.4", "[::1", "1.2.3.4:x"]
    {
        let [x, ..] = told(&ground, PROXY, &format!("X-Forwarded-For: 6.6.6.6, {junk}, 10.0.0.9\r\n"));
        assert_eq!(x, only("10.0.0.9, 127.20.0.1"), "{junk}");
        let [x, ..] = told(&ground, PROXY, &format!("X-Forwarded-For: 6.6.6.6, {junk}\r\n"));
        assert_eq!(x, only("127.20.0.1"), "{junk}");
    }
}

/// X-Forwarded-Proto of a proxy that is trusted stays, if it is one of the two; of any other it is ours.
#[test]
fn rfc7239_the_protocol_is_that_of_a_trusted_proxy() {
    let ground = Ground::with(&trusting("x_forwarded"));
    for (said, goes) in
        [("https", "https"), ("http", "http"), ("gopher", "http"), ("https, http", "http"), ("", "http")]
    {
        let [_, proto, _] =
            told(&ground, PROXY, &format!("X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: {said}\r\n"));
        assert_eq!(proto, only(goes), "{said:?}");
    }
    assert_eq!(told(&ground, STRANGER, ALL_SAID)[1], only("http"));
}

/// RFC 7239 section 4: `for` of each element, quoted or not, in any case, with other parameters beside it.
#[test]
fn rfc7239_forwarded_is_walked_as_well() {
    let ground = Ground::with(&trusting("forwarded"));
    let ours = "for=127.20.0.1;proto=http";
    for (said, goes) in [
        ("for=1.2.3.4", "for=1.2.3.4, "),
        ("for=6.6.6.6, for=1.2.3.4;proto=https;by=10.0.0.1", "for=1.2.3.4;proto=https;by=10.0.0.1, "),
        (
            "for=6.6.6.6, proto=https;For=\"1.2.3.4:80\", for=10.0.0.9",
            "proto=https;For=\"1.2.3.4:80\", for=10.0.0.9, ",
        ),
        (
            "for=6.6.6.6, for=\"[2001:db8::1]:4711\", for=\"[fd00::1]\"",
            "for=\"[2001:db8::1]:4711\", for=\"[fd00::1]\", ",
        ),
        ("for=6.6.6.6, for=unknown, for=10.0.0.9", "for=10.0.0.9, "),
        ("for=6.6.6.6, for=_hidden", ""),
        ("for=6.6.6.6, by=1.2.3.4", ""),
        ("for=6.6.6.6, for=\"a, for=1.2.3.4", ""),
    ] {
        let [x, proto, rfc] =
            told(&ground, PROXY, &format!("Forwarded: {said}\r\nX-Forwarded-For: 7.7.7.7\r\n"));
        assert_eq!((x, proto, rfc), (nothing(), nothing(), only(&format!("{goes}{ours}"))), "{said}");
    }
}

/// With both, whichever is there is walked, and both are told.
#[test]
fn rfc7239_with_both_whichever_is_there_is_walked() {
    let ground = Ground::with(&trusting("both"));
    let [x, proto, rfc] =
        told(&ground, PROXY, "X-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n");
    assert_eq!((x, proto), (only("1.2.3.4, 127.20.0.1"), only("https")));
    assert!(rfc[0].ends_with("for=127.20.0.1;proto=http"), "{rfc:?}");
    let [x, _, rfc] = told(&ground, PROXY, "Forwarded: for=6.6.6.6, for=1.2.3.4\r\n");
    assert!(x[0].ends_with("127.20.0.1"), "{x:?}");
    assert_eq!(rfc, only("for=1.2.3.4, for=127.20.0.1;proto=http"));
}

/// Where both are there and tell different sources, one of them is what the client made up: neither is believed.
#[test]
fn rfc7239_two_lists_that_disagree_are_not_believed() {
    let ground = Ground::with(&trusting("both"));
    let ours = ("127.20.0.1", "for=127.20.0.1;proto=http");
    for (x, rfc, agree) in [
        ("1.2.3.4", "6.6.6.6", false),
        ("6.6.6.6, 10.0.0.9", "10.0.0.9", false),
        ("1.2.3.4", "1.2.3.4", true),
    ] {
        let [x_goes, _, rfc_goes] =
            told(&ground, PROXY, &format!("X-Forwarded-For: {x}\r\nForwarded: for={rfc}\r\n"));
        assert!(x_goes[0].ends_with(ours.0) && rfc_goes[0].ends_with(ours.1), "{x_goes:?} {rfc_goes:?}");
        let believed = x_goes[0] != ours.0 || rfc_goes[0] != ours.1;
        assert_eq!(believed, agree, "{x} and {rfc}: {x_goes:?} {rfc_goes:?}");
    }
}

/// `remove` tells members nothing, whoever is trusted.
#[test]
fn rfc7239_remove_removes_what_trusted_proxies_say() {
    let ground = Ground::with(&trusting("remove"));
    assert_eq!(told(&ground, PROXY, ALL_SAID), [nothing(), nothing(), nothing()]);
}

/// RFC 7239 section 6: an IPv6 address stands in brackets, and so in quotes; in X-Forwarded-For it is bare.
#[test]
fn rfc7239_ipv6_stands_in_brackets_and_quotes() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("SKIPPED: this machine has no [::1]");
        return;
    }
    let ground = Ground::with(&style("both").listener("bind: \"[::1]:0\""));
    Wire::connect(ground.proxy.address()).send(get("")).answer();
    let asked = ground.last();
    assert_eq!(asked.fields("forwarded"), ["for=\"[::1]\";proto=http"]);
    assert_eq!(asked.fields("x-forwarded-for"), ["::1"]);
}

/// RFC 4291 section 2.5.5.2: an IPv4 client of an IPv6 socket is an IPv4 client.
#[test]
fn rfc7239_a_mapped_address_is_its_ipv4_address() {
    if TcpListener::bind("[::]:0").is_err() {
        println!("SKIPPED: this machine has no [::]");
        return;
    }
    let ground = Ground::with(&trusting("both").listener("bind: \"[::ffff:127.0.0.1]:0\""));
    let port = ground.proxy.address().port();
    let mut client = Wire::connect_from(PROXY.into(), ([127, 0, 0, 1], port).into());
    client.send(get("X-Forwarded-For: ::ffff:1.2.3.4\r\n")).answer();
    let asked = ground.last();
    assert!(asked.fields("forwarded")[0].ends_with("for=127.20.0.1;proto=http"), "{}", asked.head);
    assert!(
        asked.fields("x-forwarded-for")[0].ends_with("1.2.3.4, 127.20.0.1"),
        "it is trusted: {}",
        asked.head
    );
}

/// To a CGI program `X_Forwarded_For` is X-Forwarded-For: twins of what we write or remove go with it.
#[test]
fn rfc7239_twins_with_underscores_of_our_fields_are_removed() {
    let twins =
        "X_Forwarded_For: 6.6.6.6\r\nx_forwarded-for: 6.6.6.6\r\nX-Forwarded_Proto: https\r\nX_Own: 1\r\n";
    for kind in ["x_forwarded", "forwarded", "both", "remove"] {
        let asked = Ground::with(&style(kind)).passes(get(twins));
        for twin in ["x_forwarded_for", "x_forwarded-for", "x-forwarded_proto"] {
            asked.lacks(twin);
        }
        assert_eq!(asked.fields("x_own"), ["1"], "{kind}");
    }
}

/// The names by which services learn from a proxy what they cannot see themselves.
const TOLD: [&str; 18] = [
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Server",
    "X-Forwarded-Scheme",
    "X-Forwarded-Ssl",
    "X-Forwarded-User",
    "X-Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "X-Original-Host",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Scheme",
    "X-URL-Scheme",
    "Front-End-Https",
];

/// What only a proxy in front can know is taken from those who are trusted, and from nobody else; twins are the same.
#[test]
fn rfc7239_what_only_a_proxy_can_know_is_not_taken_from_strangers() {
    let twin = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    let lines: String =
        TOLD.iter().map(|name| format!("{name}: evil\r\nA: b\r\n{}: evil\r\n", twin(name))).collect();
    for (kind, strangers, proxies) in [
        ("x_forwarded", false, true),
        ("forwarded", false, true),
        ("both", false, true),
        ("remove", false, false),
        ("off", true, true),
    ] {
        let ground = Ground::with(&trusting(kind));
        for (from, passes) in [(STRANGER, strangers), (PROXY, proxies)] {
            assert_eq!(ground.proxy.client_from(from).send(get(&lines)).answer().status, 200);
            let asked = ground.last();
            for name in TOLD {
                let due: &[&str] = if passes { &["evil"] } else { &[] };
                assert_eq!(asked.fields(name), due, "{name} {kind}");
                assert_eq!(asked.fields(&twin(name)), due, "{name} {kind}");
            }
            assert_eq!(asked.fields("a").len(), TOLD.len(), "all else passes");
        }
    }
    let near = "X-Forwards: 1\r\nX-Real-IPs: 2\r\nTrue-Client: 3\r\nX-Schemes: 4\r\nFrom: 5\r\n";
    let asked = Ground::plain().passes(get(near));
    for (name, value) in
        [("x-forwards", "1"), ("x-real-ips", "2"), ("true-client", "3"), ("x-schemes", "4"), ("from", "5")]
    {
        assert_eq!(asked.fields(name), [value]);
    }
}

/// Other names with underscores pass, are left behind, or have the request refused, as the listener says.
#[test]
fn rfc7239_names_with_underscores_are_passed_dropped_or_refused() {
    let lines = "X_Their: 1\r\nX-Own: 2\r\n_: 3\r\n";
    let passed = Ground::plain().passes(get(lines));
    assert_eq!((passed.fields("x_their"), passed.fields("_")), (vec!["1"], vec!["3"]));
    let dropped = Ground::with(&setup().listener("underscores: drop")).passes(get(lines));
    dropped.lacks("x_their");
    dropped.lacks("_");
    assert_eq!(dropped.fields("x-own"), ["2"]);
    let ground = Ground::with(&setup().listener("underscores: reject"));
    ground.refuses(get(lines), BAD);
    ground.passes(get("X-Own: a_b\r\n"));
}
