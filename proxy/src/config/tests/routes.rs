//! Rules by which requests go elsewhere: what they become, what is refused, and what is never reached.

use crate::config::{HostMatch, RouteRule, Settings};

use crate::config::tests::http::with;
use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;

/// The rules stand from line 6 on, one a line; `app` is the backend of the listener, `one` and `two` are others.
fn routes(rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| format!("- {{ {rule} }}")).collect();
    let lines: Vec<_> = ["routes:"].into_iter().chain(rules.iter().map(String::as_str)).collect();
    with(&lines) + "  one: { members: { a: 127.0.0.1:9002 } }\n  two: { members: { a: 127.0.0.1:9003 } }\n"
}

/// Both of the other backends are in use, whatever the rule before them is.
pub(crate) fn first(rule: &str) -> String {
    let last = ["match: { method: LAST }, backend: one", "match: { method: LATER }, backend: two"];
    routes(&[rule, last[0], last[1]])
}

#[test]
fn every_condition_is_heard() {
    let text = "\
listeners:
  web:
    bind: 127.0.0.1:0
    backend: app
    routes:
      - match:
          host: API.example.com
          path_prefix: /v1/
          method: [GET, POST]
          header: { X-Canary: 1, x-debug: any }
        backend: one
      - { backend: two, match: { method: M-SEARCH, host: any, path_prefix: any, header: } }
backends:
  app: { members: { a: 127.0.0.1:9001 } }
  one: { members: { a: 127.0.0.1:9002 } }
  two: { members: { a: 127.0.0.1:9003 } }
";
    let first = RouteRule {
        host: Some(HostMatch::Exactly("api.example.com".into())),
        path_prefix: Some("/v1".into()),
        methods: vec!["GET".into(), "POST".into()],
        fields: vec![("x-canary".into(), Some("1".into())), ("x-debug".into(), None)],
        backend: 1,
    };
    let second = RouteRule {
        host: None,
        path_prefix: None,
        methods: vec!["M-SEARCH".into()],
        fields: Vec::new(),
        backend: 2,
    };
    assert_eq!(settings(text).listeners[0].routes, [first, second]);
    warned(text, &[]);
    for empty in ["routes:", "routes: []"] {
        assert_eq!(settings(&with(&[empty])).listeners[0].routes, []);
    }
}

#[test]
fn rules_that_match_everything() {
    let instead = "matches every request; write its backend as the `backend` of the listener";
    let nothing = |column: u32| format!("6:{column}: listeners.web.routes[0].match: {instead}");
    told(&first("match: {}, backend: two"), &[&nothing(9)]);
    told(&first("match: , backend: two"), &[&nothing(9)]);
    told(&first("backend: two"), &[&nothing(7)]);
    told(&first("match: { header: {} }, backend: two"), &[&nothing(9)]);
    told(&first("match: { host: any }, backend: two"), &[&nothing(24)]);
    told(
        &first("match: { path_prefix: / }, backend: two"),
        &[&format!(
            "6:31: listeners.web.routes[0].match.path_prefix: every path begins with `/`, so this {instead}"
        )],
    );
    // What was misspelt has been said.
    told(
        &first("match: { hots: a }, backend: two"),
        &["6:18: listeners.web.routes[0].match.hots: unknown key; did you mean `host`?"],
    );
    told(
        &first("macth: { host: a }, backend: two"),
        &["6:9: listeners.web.routes[0].macth: unknown key; did you mean `match`?"],
    );
}

#[test]
fn what_is_no_rule() {
    let list = "expected a list of `- key: value`";
    for (routes, column, why) in [
        ("two", 13, format!(": {list}, not a word")),
        ("{ match: { host: a }, backend: app }", 13, format!(": {list}, not a map; a `-` begins each item")),
        ("[two]", 14, "[0]: expected a map of `key: value`, not a word".to_owned()),
        (
            "${ROUTES}",
            13,
            ": the environment variable `ROUTES` is not set; set it, or write `${ROUTES:-default}`"
                .to_owned(),
        ),
    ] {
        let text = with(&[&format!("routes: {routes}")]);
        let printed = crate::config::tests::read(&text).unwrap_err().to_string();
        let line = format!("config.yaml:5:{column}: listeners.web.routes{why}\n");
        assert!(printed.starts_with(&line), "{printed}");
    }
    told(
        &first("match: { host: a }"),
        &["6:7: listeners.web.routes[0].backend: missing; expected the name of a backend"],
    );
    // Those behind a bad one are looked at, too.
    told(
        &routes(&[
            "match: { host: a }, backend: twoo",
            "match: { host: b }, backend: three",
            "match: { host: c }, backend: one, methods: GET",
        ]),
        &[
            "6:38: listeners.web.routes[0].backend: there is no backend `twoo`; did you mean `two`?",
            "7:38: listeners.web.routes[1].backend: there is no backend `three`; backends are: app, one, two",
            "8:43: listeners.web.routes[2].methods: unknown key; known here: match, backend",
        ],
    );
    let many: Vec<_> = (0..257).map(|i| format!("match: {{ host: h{i} }}, backend: one")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    told(&routes(&many), &["262:7: listeners.web.routes: 257 are too many; 256 at most"]);
    assert_eq!(settings(&routes(&many[..256])).listeners[0].routes.len(), 256);
}

#[test]
fn rules_that_are_never_reached() {
    for (wide, narrow) in [
        ("host: a", "host: A"),
        ("host: a.example", "host: a.example:80"),
        ("host: '*.example'", "host: a.example"),
        ("host: '*.example'", "host: '*.a.example:80'"),
        ("host: '[::1]'", "host: '[::1]:80'"),
        ("path_prefix: /a", "path_prefix: /a/b"),
        ("path_prefix: /a/", "path_prefix: /a, method: GET"),
        ("method: [GET, PUT]", "method: PUT"),
        ("header: { a: any }", "header: { a: 1, b: 2 }"),
        ("header: { a: 1 }", "header: { A: 1 }"),
        ("host: a, path_prefix: /", "host: a"),
    ] {
        let both = |one: &str, other: &str| {
            let rules = [one, other].map(|rule| format!("match: {{ {rule} }}, backend: one"));
            routes(&[&rules[0], &rules[1], "match: { method: LAST }, backend: two"])
        };
        warned(
            &both(wide, narrow),
            &[
                "7:7: listeners.web.routes[1]: is never reached: `listeners.web.routes[0]` in line 6 matches all its requests",
            ],
        );
        let text = both(narrow, wide);
        let same = settings(&text).listeners[0].routes[0] == settings(&text).listeners[0].routes[1];
        assert_eq!(crate::config::tests::read(&text).unwrap().warnings.is_empty(), !same, "{text}");
    }
    for (one, other) in [
        ("host: a.example", "host: '*.a.example'"),
        ("host: '*.example'", "host: example"),
        ("host: '*.example'", "host: aexample"),
        ("host: a.example:80", "host: a.example"),
        ("host: a.example:80", "host: a.example:81"),
        ("host: a", "path_prefix: /a"),
        ("path_prefix: /a", "path_prefix: /ab"),
        ("method: GET", "method: [GET, PUT]"),
        ("method: GET", "host: a"),
        ("header: { a: 1 }", "header: { a: 2 }"),
        ("header: { a: 1 }", "header: { a: any }"),
        ("header: { a: 1 }", "host: a"),
    ] {
        let rules = [one, other].map(|rule| format!("match: {{ {rule} }}, backend: one"));
        warned(&routes(&[&rules[0], &rules[1], "match: { method: LAST }, backend: two"]), &[]);
    }
}

#[test]
fn a_backend_of_a_route_is_in_use() {
    let text = first("match: { host: a }, backend: two");
    warned(&text, &[]);
    warned(
        &routes(&["match: { host: a }, backend: two"]),
        &["10:3: backends.one: no listener uses this backend"],
    );
    let and = |listener: &str| {
        text.replace("backends:\n", &format!("  other: {{ bind: 127.0.0.1:0, {listener} }}\nbackends:\n"))
    };
    told(
        &and("protocol: lines, backend: two"),
        &[
            "9:57: listeners.other.backend: `listeners.web` uses the backend `two` for http, and `listeners.other` for lines; a link speaks one protocol; write a backend for each",
        ],
    );
    told(
        &text.replace("  web:", "  other: { bind: 127.0.0.1:0, protocol: tcp, backend: two }\n  web:"),
        &[
            "7:38: listeners.web.routes[0].backend: `listeners.other` uses the backend `two` for tcp, and `listeners.web` for http; links are shared by clients for http and belong to one client for tcp; write a backend for each",
        ],
    );
    // What links for HTTP cannot do holds for it, too.
    told(
        &text.replace("127.0.0.1:9003 }", "127.0.0.1:9003 }, links: { warm: 1 }"),
        &[
            "13:57: backends.two.links.warm: links for http stay connected and are shared, so there is nothing to keep warm; `idle_timeout` limits how long an unused link stays",
        ],
    );
    // Routes of others than HTTP are none.
    let tcp = text.replace("    backend: app\n", "    backend: app\n    protocol: tcp\n");
    warned(
        &tcp,
        &[
            "6:5: listeners.web.routes: has no effect for tcp, only for http",
            "13:3: backends.one: no listener uses this backend",
            "14:3: backends.two: no listener uses this backend",
        ],
    );
    let Settings { listeners, .. } = settings(&tcp);
    assert_eq!(listeners[0].routes, []);
}

#[test]
fn each_worker_needs_a_link_to_each_backend() {
    let text = routes(&["match: { host: a }, backend: two"]);
    let few = text.replace("127.0.0.1:9003 }", "127.0.0.1:9003 }, links: { max_per_member: 2 }");
    warned(&format!("workers: 2\n{few}"), &["11:3: backends.one: no listener uses this backend"]);
    told(
        &format!("workers: 3\n{few}"),
        &[
            "12:67: backends.two.links.max_per_member: 2 links cannot be divided among 3 workers, and `listeners.web` has `routes`, for which each worker needs one; raise it, or lower `workers`",
        ],
    );
}
