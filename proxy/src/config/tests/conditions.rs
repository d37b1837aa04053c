//! The conditions of a rule: hosts, paths, methods, fields, and how each has to be written.

use crate::config::{HostMatch, RouteRule};
use serde_json::json;

use crate::config::tests::mistakes::told;
use crate::config::tests::routes::first;
use crate::config::tests::settings;
use crate::config::tests::values::agree;

#[track_caller]
fn rule(condition: &str) -> RouteRule {
    settings(&first(&format!("match: {{ {condition} }}, backend: two"))).listeners[0].routes[0].clone()
}

fn host(text: &str) -> HostMatch {
    rule(&format!("host: '{text}'")).host.unwrap()
}

#[test]
fn hosts() {
    let exactly = |text: &str| HostMatch::Exactly(text.into());
    let below = |text: &str| HostMatch::Below(text.into());
    for (text, expected) in [
        ("localhost", exactly("localhost")),
        ("Example.COM", exactly("example.com")),
        ("example.com:8080", exactly("example.com:8080")),
        ("127.0.0.1:080", exactly("127.0.0.1:80")),
        ("a_b-c.example", exactly("a_b-c.example")),
        ("[::1]", exactly("[::1]")),
        ("[0:0::0001]:8080", exactly("[::1]:8080")),
        ("[2001:DB8::A]", exactly("[2001:db8::a]")),
        ("*.Example.com", below(".example.com")),
        ("*.example.com:8443", below(".example.com:8443")),
        ("*.com", below(".com")),
    ] {
        assert_eq!(host(text), expected, "{text}");
    }
    let longest =
        format!("{}.com", ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(57)].join("."));
    assert_eq!(host(&longest), exactly(&longest));
    for (text, hint) in [
        ("*", "; `any` is every host"),
        ("http://example.com", "; leave out what is before the host"),
        ("example.com/v1", "; the path belongs into `path_prefix`"),
        ("::1", "; an IPv6 address wants brackets and quotes: \"[::1]\""),
        ("www.*.com", "; a `*` stands for what is before the first dot, and for nothing else"),
        ("*example.com", "; a `*` stands for what is before the first dot, and for nothing else"),
        ("*.[::1]", "; a `*` stands for what is before the first dot, and for nothing else"),
        ("example.com.", "; without the dot at its end"),
        ("münchen.example", "; requests encode such names in ASCII (`xn--`)"),
        ("a..b", ""),
        ("", ""),
        ("a b", ""),
        ("user@example.com", ""),
        ("example.com:", ""),
        ("example.com:0", ""),
        ("example.com:65536", ""),
        ("example.com:+80", ""),
        ("[::1", ""),
        ("[::1]x", ""),
        ("[fe80::1%eth0]", ""),
        ("[1.2.3.4]", ""),
    ] {
        let line = format!(
            "6:24: listeners.web.routes[0].match.host: expected a host such as `example.com`, `*.example.com` or `example.com:8080`, not `{text}`{hint} (or `any`)"
        );
        told(&first(&format!("match: {{ host: '{text}' }}, backend: two")), &[&line]);
    }
}

#[test]
fn paths() {
    let path = |text: &str| rule(&format!("method: GET, path_prefix: '{text}'")).path_prefix;
    for (text, expected) in
        [("/v1", "/v1"), ("/v1/", "/v1"), ("/a/b.c", "/a/b.c"), ("/%7Ea;x=1", "/%7Ea;x=1"), ("//a", "//a")]
    {
        assert_eq!(path(text).as_deref(), Some(expected), "{text}");
    }
    // With all paths in it, it is no condition.
    assert_eq!(path("/"), None);
    for (text, why) in [
        ("v1", "expected the beginning of a path such as `/v1`, not `v1`; it begins with `/`"),
        ("", "expected the beginning of a path such as `/v1`, not ``; it begins with `/`"),
        ("/a?b", "`/a?b`: only the path is looked at, not what stands behind a `?` or `#`"),
        ("/a#b", "`/a#b`: only the path is looked at, not what stands behind a `?` or `#`"),
        ("/a/*", "`/a/*`: a `*` has no meaning here; every path with this beginning matches"),
        ("/a b", "`/a b`: requests encode ` ` as %20"),
        ("/ü", "`/ü`: requests encode `ü` as %C3%BC"),
        ("/a//", "`/a//` ends with an empty segment; one `/` at the end is enough"),
        ("//", "`//` ends with an empty segment; one `/` at the end is enough"),
    ] {
        let line = format!("6:31: listeners.web.routes[0].match.path_prefix: {why} (or `any`)");
        told(&first(&format!("match: {{ path_prefix: '{text}' }}, backend: two")), &[&line]);
    }
}

#[test]
fn methods_and_fields() {
    let method = "listeners.web.routes[0].match.method";
    for (text, column, why) in [
        ("get", 26, "`get`: methods are case-sensitive; write `GET` (or `any`)"),
        ("[GET, Post]", 32, "`Post`: methods are case-sensitive; write `POST`"),
        ("[GET, any]", 32, "`any` must stand alone, not in a list"),
        ("[GET, GET]", 32, "written twice; first in line 6"),
        ("'G T'", 26, "expected a method such as `GET`, or a list of them, not `G T` (or `any`)"),
        ("[]", 26, "an empty list; expected a method such as `GET`, or a list of them (or `any`)"),
    ] {
        let line = format!("6:{column}: {method}: {why}");
        told(&first(&format!("match: {{ method: {text} }}, backend: two")), &[&line]);
    }
    let fields = |text: &str| rule(&format!("header: {text}")).fields;
    let value = |text: &str| Some(text.into());
    assert_eq!(
        fields("{ A: 1.0, b: '', c: 'any thing', d: any, e: true, f: \"x\\ty\" }"),
        [
            ("a".into(), value("1.0")),
            ("b".into(), value("")),
            ("c".into(), value("any thing")),
            ("d".into(), None),
            ("e".into(), value("true")),
            ("f".into(), value("x\ty")),
        ]
    );
    let header = "listeners.web.routes[0].match.header";
    for (text, column, why) in [
        ("{ a: ' 1' }", 31, ".a: ` 1`: a value cannot begin or end with a space (or `any`)"),
        (
            "{ a: \"1\\n\" }",
            31,
            ".a: `1\\n` contains a control character, which no field may contain (or `any`)",
        ),
        ("{ a: }", 28, ".a: has no value; expected the value of a field"),
        ("{ a: [1] }", 31, ".a: expected the value of a field, not a list"),
        ("{ x-a: 1, X-A: 2 }", 36, ".X-A: `x-a` in line 6 is the same field"),
        ("{ 'a b': 1 }", 28, ".a b: a name consists of 1 to 64 of the characters A-Z a-z 0-9 _ . -"),
        ("x-a", 26, ": expected a map of `key: value`, not a word"),
    ] {
        let line = format!("6:{column}: {header}{why}");
        told(&first(&format!("match: {{ header: {text} }}, backend: two")), &[&line]);
    }
}

#[test]
fn the_schema_agrees_with_the_reader() {
    let only = |condition: serde_json::Value| json!([{ "match": condition, "backend": "app" }]);
    let hosts = ["a", "A.b:1", "*.a", "[::1]", "[::1]:80", "any"];
    let no_hosts = ["", "*", "a.", ".a", "a b", "a:", "http://a", "a/b", "*.[::1]", "ä"];
    let paths = ["/a", "/a/", "//a", "/a+b", "/-.~", "/\"", "any"];
    let no_paths = ["", "a", "/a//", "//", "/a?", "/#", "/*", "/a b", "/ä"];
    let all = |key: &str, values: &[&str]| values.iter().map(|v| only(json!({ key: v }))).collect::<Vec<_>>();
    let with_method = |values: &[&str]| {
        values.iter().map(|v| only(json!({ "path_prefix": v, "method": "GET" }))).collect::<Vec<_>>()
    };
    agree([
        ("/listeners/web/routes", json!([null, []]), json!([{}, "a", ["a"], [{ "match": { "host": "a" } }]])),
        ("/listeners/web/routes", json!(all("host", &hosts[..5])), json!(all("host", &no_hosts))),
        ("/listeners/web/routes", json!(with_method(&paths)), json!(with_method(&no_paths))),
        (
            "/listeners/web/routes",
            json!([only(json!({ "method": "GET" })), only(json!({ "method": ["A", "B"] }))]),
            json!([
                only(json!({ "method": "get" })),
                only(json!({ "method": ["any"] })),
                only(json!({ "method": 1.5, "a": 1 }))
            ]),
        ),
        (
            "/listeners/web/routes",
            json!([
                only(
                    json!({ "header": { "a": "1", "b": 1, "c": 1.5, "d": true, "e": "any", "f": "", "g": "x y" } })
                ),
                only(json!({ "header": null, "host": "a" })),
                only(json!({ "header": {}, "host": "a" })),
            ]),
            json!([
                only(json!({ "header": { "a": " 1" } })),
                only(json!({ "header": { "a": "1\t" } })),
                only(json!({ "header": { "a": "1\n" } })),
                only(json!({ "header": { "a": null } })),
                only(json!({ "header": { "a b": "1" } })),
                only(json!({ "header": ["a"] })),
            ]),
        ),
    ]);
}
