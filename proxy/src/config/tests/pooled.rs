//! Tests what follows from links that clients share: options with and without effect, rescue, PROXY headers.
//!
//! The listeners of a backend have to agree.

use std::time::Duration;

use crate::config::{AcceptProxy, Protocol, ProxyVersion, Settings};

use crate::config::tests::framing::{FRAMED, LINES, PREFIXED, RESP, with};
use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;

#[test]
fn who_shares_links() {
    let shared = [Protocol::Http, Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
    assert!(shared.into_iter().all(Protocol::is_pooled) && !Protocol::Tcp.is_pooled());
}

#[test]
fn what_is_for_http_or_tcp() {
    let text = |protocol: &str| {
        format!(
            "\
listeners:
  app:
    bind: 127.0.0.1:0
    backend: app
    protocol: {protocol}
    limits: {{ head: 1MiB }}
    forwarded: off
    via: off
    timeouts: {{ idle: 1s, head: 2s, body: 3s, write: 4s }}
    tunnel: {{ idle_timeout: 1s, max_age: 2s, splice: true }}
backends:
  app:
    response_timeout: 1s
    links: {{ pipeline: 2, pipeline_budget: 1ms, pipeline_methods: all, idle_timeout: 1s }}
    members: {{ a: 127.0.0.1:9001 }}
"
        )
    };
    for protocol in FRAMED {
        let tunnel = if protocol == RESP {
            format!("10:46: listeners.app.tunnel.splice: has no effect for {protocol}, only for http and tcp")
        } else {
            format!("10:5: listeners.app.tunnel: has no effect for {protocol}, only for http, tcp and resp")
        };
        let only_http = format!("has no effect for {protocol}, only for http");
        warned(
            &text(protocol),
            &[
                &format!("6:5: listeners.app.limits: {only_http}"),
                &format!("7:5: listeners.app.forwarded: {only_http}"),
                &format!("8:5: listeners.app.via: {only_http}"),
                &tunnel,
                &format!("14:49: backends.app.links.pipeline_methods: {only_http}"),
            ],
        );
    }
    let resp = settings(&text(RESP)).listeners[0].clone();
    let second = Duration::from_secs(1);
    assert_eq!((resp.tunnel.idle, resp.tunnel.age), (Some(second), Some(2 * second)));
    assert_eq!((resp.timeouts.idle, resp.timeouts.body), (second, 3 * second));
}

#[test]
fn rescue() {
    let with = |links: &str| {
        with(LINES, "").replace("    members", &format!("    links: {{ {links} }}\n    members"))
    };
    let links = |options: &str| settings(&with(options)).backends[0].links;
    let default = links("");
    assert_eq!((default.rescue_after, default.rescue_budget), (Some(Duration::from_millis(20)), 10));
    let written = links("rescue_after: 1s, rescue_budget: 100%");
    assert_eq!((written.rescue_after, written.rescue_budget), (Some(Duration::from_secs(1)), 100));
    let off = links("rescue_after: off, rescue_budget: 0%");
    assert_eq!((off.rescue_after, off.rescue_budget), (None, 0));
    for (budget, why) in [
        ("10", "`10` has no unit; write `10%`"),
        ("101%", "`101%` is outside of 0% to 100%"),
        ("0.5%", "expected a share in whole percent such as `10%`, not `0.5%`"),
        ("off", "expected a share in whole percent such as `10%`, not `off`"),
        ("110", "expected a share in whole percent such as `10%`, not `110`"),
    ] {
        let text = with(&format!("rescue_budget: {budget}"));
        told(&text, &[&format!("9:29: backends.app.links.rescue_budget: {why}")]);
    }
    told(
        &with("rescue_after: 20"),
        &[
            "9:28: backends.app.links.rescue_after: `20` has no unit; write `20s` for seconds or `20ms` (or `off`)",
        ],
    );
    warned(
        &with("rescue_after: off, rescue_budget: 1%")
            .replace("protocol: lines", "protocol: tcp")
            .replace("    framing: {  }\n", ""),
        &[
            "8:14: backends.app.links.rescue_after: has no effect for tcp, only for http, lines, length_prefixed and resp",
            "8:33: backends.app.links.rescue_budget: has no effect for tcp, only for http, lines, length_prefixed and resp",
        ],
    );
}

#[test]
fn proxy_headers_come_in_and_do_not_go_out() {
    for protocol in FRAMED {
        let text = with(protocol, "").replace("framing: {  }", "proxy_protocol: required\n    trusted: any");
        let listener = settings(&text).listeners[0].clone();
        assert!(listener.proxy_protocol == AcceptProxy::Required && listener.trusted.is_any());
        for version in ["v1", "v2"] {
            let options = format!("    proxy_protocol: {version}\n    links: {{ warm: 1 }}\n    members");
            told(
                &with(protocol, "").replace("    members", &options),
                &[
                    &format!(
                        "9:21: backends.app.proxy_protocol: links for {protocol} are shared by many clients, and one PROXY header cannot name them all; with `protocol: tcp` each client has its own link"
                    ),
                    &format!(
                        "10:20: backends.app.links.warm: links for {protocol} stay connected and are shared, so there is nothing to keep warm; `idle_timeout` limits how long an unused link stays"
                    ),
                ],
            );
        }
    }
    let tcp = with("tcp", "").replace("    members", "    proxy_protocol: v2\n    members");
    assert_eq!(settings(&tcp).backends[0].proxy_protocol, Some(ProxyVersion::V2));
}

/// Two listeners of one backend, whose names stand in column 17 of lines 2 and 3; and one of another.
fn two(one: &str, other: &str) -> String {
    format!(
        "\
listeners:
  a: {{ backend: app, bind: 127.0.0.1:0, {one} }}
  b: {{ backend: app, bind: 127.0.0.1:0, {other} }}
  other: {{ backend: else, bind: 127.0.0.1:0, protocol: lines, framing: {{ terminator: crlf, max_length: 2 }} }}
backends:
  app: {{ members: {{ a: 127.0.0.1:9001 }} }}
  else: {{ members: {{ a: 127.0.0.1:9001 }} }}
"
    )
}

#[test]
fn listeners_that_share_links_agree_on_frames() {
    for (protocol, option, key) in [
        (LINES, "terminator: crlf", "terminator"),
        (LINES, "max_length: 1KiB", "max_length"),
        (LINES, "repeatable: true", "repeatable"),
        (LINES, r#"refusal: "\n""#, "refusal"),
        (PREFIXED, "length_bytes: 2", "length_bytes"),
        (PREFIXED, "byte_order: little", "byte_order"),
        (PREFIXED, "length_offset: 1", "length_offset"),
        (PREFIXED, "length_includes_header: true", "length_includes_header"),
        (PREFIXED, "refusal: hex:00000000", "refusal"),
        (RESP, "max_length: 1KiB", "max_length"),
        (RESP, "refusal: close", "refusal"),
    ] {
        let plain = format!("protocol: {protocol}");
        let special = format!("{plain}, framing: {{ {option} }}");
        for text in [two(&plain, &special), two(&special, &plain)] {
            told(
                &text,
                &[&format!(
                    "3:17: listeners.b.backend: `listeners.a` and `listeners.b` use the backend `app` with a different `framing.{key}`, and their clients share its links; write a backend for each"
                )],
            );
        }
        let Settings { listeners, backends, .. } = settings(&two(&special, &special));
        assert_eq!(backends[0].framing, listeners[1].framing);
        assert_ne!(backends[0].framing, backends[1].framing);
    }
    // A default that is written is the same default.
    settings(&two("protocol: lines, framing: { max_length: 64KiB }", "protocol: lines"));
}

#[test]
fn listeners_that_share_links_speak_one_protocol() {
    for (one, other, why) in [
        ("lines", "resp", "a link speaks one protocol"),
        ("http", "length_prefixed", "a link speaks one protocol"),
        ("tcp", "resp", "links are shared by clients for resp and belong to one client for tcp"),
        ("lines", "tcp", "links are shared by clients for lines and belong to one client for tcp"),
    ] {
        told(
            &two(&format!("protocol: {one}"), &format!("protocol: {other}")),
            &[&format!(
                "3:17: listeners.b.backend: `listeners.a` uses the backend `app` for {one}, and `listeners.b` for {other}; {why}; write a backend for each"
            )],
        );
    }
}
