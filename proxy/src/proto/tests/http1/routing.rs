//! Tests which rule a request matches.

use crate::config::{HostMatch, RouteRule};

use crate::proto::tests::http1::given::{Way, seen};

fn rule() -> RouteRule {
    RouteRule { host: None, path_prefix: None, methods: Vec::new(), fields: Vec::new(), backend: 0 }
}

fn exactly(host: &str) -> RouteRule {
    RouteRule { host: Some(HostMatch::Exactly(host.into())), ..rule() }
}

fn below(suffix: &str) -> RouteRule {
    RouteRule { host: Some(HostMatch::Below(suffix.into())), ..rule() }
}

fn under(prefix: &str) -> RouteRule {
    RouteRule { path_prefix: Some(prefix.into()), ..rule() }
}

fn matches(head: &str, rule: &RouteRule) -> bool {
    let way = Way::silent().ruled(|rules| rules.connect = true);
    seen(head, &way, |request| request.rule(std::slice::from_ref(rule))) == Some(0)
}

#[test]
fn hosts_match_without_case_and_ports_only_where_named() {
    for (wanted, host, expected) in [
        (exactly("example.com"), "example.com", true),
        (exactly("example.com"), "EXAMPLE.com:8080", true),
        (exactly("example.com"), "example.com.", true),
        (exactly("example.com"), "example.com.:80", true),
        (exactly("example.com"), "example.com:", true),
        (exactly("example.com"), "www.example.com", false),
        (exactly("example.com"), "example.com.evil", false),
        (exactly("example.com"), "", false),
        (exactly("example.com:8080"), "example.com:8080", true),
        (exactly("example.com:8080"), "example.com:08080", true),
        (exactly("example.com:8080"), "example.com", false),
        (exactly("example.com:8080"), "example.com:80", false),
        (exactly("example.com:80"), "example.com", true),
        (exactly("[::1]"), "[::1]:99", true),
        (exactly("[::1]:99"), "[::1]:99", true),
        (exactly("[::1]:99"), "[::1]", false),
        (below(".example.com"), "a.example.com", true),
        (below(".example.com"), "A.B.Example.COM:1", true),
        (below(".example.com"), "example.com", false),
        (below(".example.com"), ".example.com", false),
        (below(".example.com"), "notexample.com", false),
        (below(".example.com"), "com", false),
        (below(".example.com:81"), "a.example.com:81", true),
        (below(".example.com:81"), "a.example.com", false),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(matches(&head, &wanted), expected, "{host} for {wanted:?}");
    }
    // RFC 9112 section 3.2.2: the target's authority counts, not Host.
    assert!(matches("GET http://a.b/ HTTP/1.1\r\nHost: x\r\n\r\n", &exactly("a.b")));
    assert!(!matches("GET http://a.b/ HTTP/1.1\r\nHost: x\r\n\r\n", &exactly("x")));
    assert!(matches("CONNECT a.b:443 HTTP/1.1\r\nHost: x\r\n\r\n", &exactly("a.b:443")));
    assert!(!matches("GET / HTTP/1.0\r\n\r\n", &exactly("a")));
}

#[test]
fn paths_match_by_whole_segments_as_they_came() {
    for (prefix, target, expected) in [
        ("/api", "/api", true),
        ("/api", "/api/", true),
        ("/api", "/api/x?y", true),
        ("/api", "/api?x=/api/y", true),
        ("/api", "/apis", false),
        ("/api", "/API", false),
        ("/api", "/x/api", false),
        ("/api", "/%61pi", false),
        ("/api", "//api", false),
        ("/api", "http://h/api/x", true),
        ("/api", "http://h?/api", false),
        ("/api/v1", "/api/v1/x", true),
        ("/api/v1", "/api/v10", false),
        ("", "/", true),
        ("", "/x", true),
        ("", "http://h", true),
        ("", "http://h?x", true),
        ("", "*", false),
    ] {
        let head = format!("OPTIONS {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let expected = expected && (target != "http://h"); // OPTIONS of the whole server (RFC 9112 section 3.2.4)
        assert_eq!(matches(&head, &under(prefix)), expected, "{target} under {prefix:?}");
    }
    assert!(matches("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n", &under("")));
    assert!(!matches("CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n", &under("")));
}

#[test]
fn methods_and_fields_match_and_all_of_a_rule_must() {
    let head = "POST /p HTTP/1.1\r\nHost: h\r\nX-Env: beta\r\nx-env: Canary\r\nUpgrade: websocket\r\n\r\n";
    let methods =
        |methods: &[&str]| RouteRule { methods: methods.iter().map(|m| (*m).into()).collect(), ..rule() };
    assert!(matches(head, &rule()));
    assert!(matches(head, &methods(&["GET", "POST"])));
    assert!(!matches(head, &methods(&["GET", "post"])));
    let field = |name: &str, value: Option<&str>| RouteRule {
        fields: vec![(name.into(), value.map(Into::into))],
        ..rule()
    };
    for (wanted, expected) in [
        (field("x-env", None), true),
        (field("x-env", Some("beta")), true),
        (field("x-env", Some("Canary")), true),
        (field("x-env", Some("canary")), false),
        (field("upgrade", Some("websocket")), true),
        (field("cookie", None), false),
    ] {
        assert_eq!(matches(head, &wanted), expected, "{wanted:?}");
    }
    let all = RouteRule {
        host: Some(HostMatch::Exactly("h".into())),
        path_prefix: Some("/p".into()),
        fields: vec![("x-env".into(), None), ("upgrade".into(), None)],
        ..methods(&["POST"])
    };
    assert!(matches(head, &all));
    for (part, other) in [("POST", "PUT"), ("/p", "/q"), ("Host: h", "Host: i"), ("Upgrade", "Downgrade")] {
        assert!(!matches(&head.replace(part, other), &all), "{part}");
    }
}

#[test]
fn the_first_rule_that_matches_counts() {
    let rules = [under("/a/b"), under("/a"), exactly("h"), under("/a/b/c")];
    let first = |target: &str, host: &str| {
        let head = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        seen(head, &Way::silent(), |request| request.rule(&rules))
    };
    assert_eq!(first("/a/b/c", "h"), Some(0));
    assert_eq!(first("/a", "h"), Some(1));
    assert_eq!(first("/", "h"), Some(2));
    assert_eq!(first("/", "i"), None);
}
