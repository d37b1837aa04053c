//! The options of HTTP listeners (limits, trusted proxies, what is passed on), and those of responses.

use crate::config::{Backend, Forwarded, HeadLimits, HttpRules, Listener, Underscores, Upgrades};
use serde_json::json;

use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;
use crate::config::tests::values::agree;

/// The listener's options stand from line 5 on, indented by 4; the backend `app` follows.
pub(crate) fn with(listener: &[&str]) -> String {
    let lines: String = listener.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "listeners:\n  web:\n    bind: 127.0.0.1:0\n    backend: app\n{lines}backends:\n  app:\n    members: {{ a: 127.0.0.1:9001 }}\n"
    )
}

pub(crate) fn listener(options: &[&str]) -> Listener {
    settings(&with(options)).listeners[0].as_ref().clone()
}

fn rules(option: &str) -> HttpRules {
    listener(&[option]).http
}

fn backend(option: &str) -> Backend {
    settings(&format!("{}    {option}\n", with(&[]))).backends[0].as_ref().clone()
}

#[test]
fn the_defaults_are_those_of_the_settings() {
    let plain = listener(&[]);
    assert_eq!(plain.http, HttpRules::default());
    assert_eq!((plain.routes, plain.access_log), (Vec::new(), None));
    let plain = backend("queue: {}");
    assert_eq!((plain.head, plain.links.max_tunnels), (HeadLimits::default(), 1024));
}

#[test]
fn every_option_is_heard() {
    let written = listener(&[
        "limits: { head: 2KiB, fields: 3, line: 1KiB, body: 4MiB, look_ahead: 5, requests: 6 }",
        "trusted_proxies: [10.0.0.0/8, '::1']",
        "forwarded: remove",
        "via: edge",
        "upgrades: [WebSocket, tls/1.2]",
        "trace: true",
        "connect: true",
        "underscores: reject",
    ]);
    let expected = HttpRules {
        head: HeadLimits { bytes: 2048, fields: 3, line: 1024 },
        body: Some(4 << 20),
        look_ahead: 5.try_into().unwrap(),
        requests: 6.try_into().ok(),
        trace: true,
        connect: true,
        underscores: Underscores::Reject,
        upgrades: Upgrades::Only(["websocket".into(), "tls/1.2".into()].into()),
        forwarded: Forwarded::Remove,
        trusted_proxies: ["10.0.0.0/8", "::1/128"]
            .map(|network| network.parse().unwrap())
            .into_iter()
            .collect(),
        via: Some("edge".into()),
    };
    assert_eq!(written.http, expected);
    assert_eq!(rules("underscores: drop").underscores, Underscores::Drop);
    assert_eq!(backend("links: { max_tunnels: 0 }").links.max_tunnels, 0);
    let head = HeadLimits { bytes: 1024, fields: 2, line: 64 };
    assert_eq!(backend("limits: { head: 1KiB, fields: 2, line: 64B }").head, head);
}

#[test]
fn bodies_and_requests_may_be_without_limit() {
    let off = rules("limits: { body: off, requests: off }");
    assert_eq!((off.body, off.requests), (None, None));
    for (size, bytes) in [("1B", 1), ("1TB", 1_000_000_000_000), ("1TiB", 1_u64 << 40)] {
        assert_eq!(rules(&format!("limits: {{ body: {size} }}")).body, Some(bytes));
    }
    for (limit, column, why) in [
        ("body: 0", 21, "`0` is outside of 1B to 1TiB (or `off`)"),
        ("body: 2TiB", 21, "`2TiB` is outside of 1B to 1TiB (or `off`)"),
        ("look_ahead: 0", 27, "0 is outside of 1 to 1024"),
        ("look_ahead: 1025", 27, "1025 is outside of 1 to 1024"),
        ("look_ahead: off", 27, "expected a whole number such as `64`, not `off`"),
        ("requests: 0", 25, "0 is outside of 1 to 4294967295 (or `off`)"),
    ] {
        let (key, _) = limit.split_once(':').unwrap();
        let line = format!("5:{column}: listeners.web.limits.{key}: {why}");
        told(&with(&[&format!("limits: {{ {limit} }}")]), &[&line]);
    }
}

#[test]
fn what_connections_may_become() {
    let upgrades = |text: &str| rules(&format!("upgrades: {text}")).upgrades;
    let only = |words: &[&str]| Upgrades::Only(words.iter().map(|word| (*word).into()).collect());
    assert_eq!(upgrades("websocket"), Upgrades::default());
    assert_eq!(upgrades("off"), Upgrades::Off);
    assert_eq!(upgrades("any"), Upgrades::Any);
    assert_eq!(upgrades("h2c"), only(&["h2c"]));
    assert_eq!(upgrades("[HTTP/3, IRC/6.9]"), only(&["http/3", "irc/6.9"]));
    let expected = "expected a protocol such as `websocket`, or a list of them";
    let or = "(or `off`, `any`)";
    for (text, column, why) in [
        ("web socket", 15, format!("{expected}, not `web socket` {or}")),
        ("websocket/", 15, format!("{expected}, not `websocket/` {or}")),
        ("[a/b/c]", 16, format!("{expected}, not `a/b/c`")),
        ("[off]", 16, "`off` must stand alone, not in a list".to_owned()),
        ("[websocket, any]", 27, "`any` must stand alone, not in a list".to_owned()),
        ("[websocket, WebSocket]", 27, "written twice; first in line 5".to_owned()),
        ("[]", 15, format!("an empty list; {expected} {or}")),
    ] {
        let line = format!("5:{column}: listeners.web.upgrades: {why}");
        told(&with(&[&format!("upgrades: {text}")]), &[&line]);
    }
}

#[test]
fn policies() {
    for policy in ["trace", "connect"] {
        let line =
            format!("5:{}: listeners.web.{policy}: expected `true` or `false`, not `on`", policy.len() + 7);
        told(&with(&[&format!("{policy}: on")]), &[&line]);
    }
    told(
        &with(&["underscores: rejct"]),
        &[
            "5:18: listeners.web.underscores: `rejct` is none of `pass`, `drop`, `reject`; did you mean `reject`?",
        ],
    );
}

#[test]
fn whom_to_believe_about_the_source() {
    let trusted = |text: &str| rules(&format!("trusted_proxies: {text}")).trusted_proxies;
    assert!(trusted("none").is_empty() && trusted("any").is_any());
    assert!(trusted("192.168.0.0/16").contains("192.168.7.7".parse().unwrap()));
    told(
        &with(&["trusted_proxies: 10.0.0.1/8"]),
        &[
            "5:22: listeners.web.trusted_proxies: `10.0.0.1/8` is an address in a network; write `10.0.0.0/8` for all of it or `10.0.0.1` (or `none`, `any`)",
        ],
    );
    // Clients of a Unix socket have an address only if a PROXY header says so.
    let unix = |options: &[&str]| with(options).replace("127.0.0.1:0\n", "unix:/run/web.sock\n");
    told(
        &unix(&["trusted_proxies: [10.0.0.0/8]"]),
        &[
            "5:22: listeners.web.trusted_proxies: clients of a Unix socket have no address, so no network has them; write `trusted_proxies: any`, and let the folder's permissions say who may connect",
        ],
    );
    for options in [
        &["trusted_proxies: any"][..],
        &["trusted_proxies: none"],
        &["trusted_proxies: [10.0.0.0/8]", "proxy_protocol: required", "trusted: any"],
    ] {
        warned(&unix(options), &[]);
    }
}

#[test]
fn heads_of_answers() {
    told(
        &(with(&[]) + "    limits: { head: 8KiB, line: 9KiB }\n"),
        &[
            "8:33: backends.app.limits.line: a line of 9216 bytes does not fit into a head of 8192; `line` may be as large as `head` at most",
        ],
    );
    // All at once, whatever the protocol.
    told(
        &(with(&["protocol: tcp", "limits: { head: 8KiB }", "workers: 1"]) + "    limits: { head: 8KiB }\n"),
        &[
            "6:21: listeners.web.limits.head: a line of 16384 bytes does not fit into a head of 8192; `line` may be as large as `head` at most",
            "7:5: listeners.web.workers: unknown key; known here: bind, protocol, framing, backend, backlog, max_connections, request_buffer, response_buffer, proxy_protocol, trusted, timeouts, limits, tunnel, trusted_proxies, forwarded, via, upgrades, trace, connect, underscores, routes, access_log, socket",
            "11:21: backends.app.limits.head: a line of 16384 bytes does not fit into a head of 8192; `line` may be as large as `head` at most",
        ],
    );
    told(
        &(with(&[]) + "    limits: { body: 1MiB }\n    links: { max_tunnels: 1000001 }\n"),
        &[
            "8:15: backends.app.limits.body: unknown key; known here: head, fields, line",
            "9:27: backends.app.links.max_tunnels: 1000001 is outside of 0 to 1000000",
        ],
    );
}

#[test]
fn what_is_for_http_only() {
    let text = with(&[
        "protocol: tcp",
        "limits: { body: 1MiB }",
        "trusted_proxies: any",
        "upgrades: off",
        "trace: true",
        "connect: true",
        "underscores: drop",
        "routes: [{ match: { method: GET }, backend: app }]",
        "access_log: { to: stdout }",
    ]) + "    limits: { head: 64KiB }\n    links: { max_tunnels: 1 }\n";
    let keys =
        ["limits", "trusted_proxies", "upgrades", "trace", "connect", "underscores", "routes", "access_log"];
    let mut lines: Vec<_> = (6..)
        .zip(keys)
        .map(|(line, key)| format!("{line}:5: listeners.web.{key}: has no effect for tcp, only for http"))
        .collect();
    lines.push("17:5: backends.app.limits: has no effect for tcp, only for http".to_owned());
    lines.push("18:14: backends.app.links.max_tunnels: has no effect for tcp, only for http".to_owned());
    warned(&text, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let tcp = settings(&text).listeners[0].clone();
    assert_eq!((&tcp.http, &tcp.routes, &tcp.access_log), (&HttpRules::default(), &Vec::new(), &None));
}

#[test]
fn the_schema_agrees_with_the_reader() {
    agree([
        ("/listeners/web/limits/body", json!(["off", 1, "1TiB"]), json!([0, "none", true])),
        ("/listeners/web/limits/look_ahead", json!([1, 1024]), json!([0, 1025, "off"])),
        ("/listeners/web/limits/requests", json!(["off", 1]), json!([0, "none"])),
        ("/listeners/web/trusted_proxies", json!(["none", "any", ["::1"]]), json!(["all", [], ["any"]])),
        ("/listeners/web/forwarded", json!(["remove", "off", "both"]), json!(["none"])),
        (
            "/listeners/web/upgrades",
            json!(["off", "any", "websocket", ["websocket", "a/1"], "offer"]),
            json!(["", "a b", "a/", "/1", [], ["any"], ["off"], ["a", "a"], { "a": 1 }]),
        ),
        ("/listeners/web/trace", json!([true, false]), json!(["on", 1])),
        ("/listeners/web/connect", json!([true, false]), json!(["on", 1])),
        ("/listeners/web/underscores", json!(["pass", "drop", "reject"]), json!(["off"])),
        ("/backends/app/limits", json!([null, {}, { "fields": 1 }]), json!([{ "body": 1 }])),
        ("/backends/app/links/max_tunnels", json!([0, 1_000_000]), json!([1_000_001, "off"])),
    ]);
}
