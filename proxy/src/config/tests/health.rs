//! The options about checks of members.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;
use crate::config::tests::values::agree;
use crate::config::{AllDown, Backend, CheckKind, HealthCheck};

/// The options stand in line 7, from column 15 on.
fn with(options: &str) -> String {
    "listeners:\n  web: { bind: 127.0.0.1:0, backend: app }\nbackends:\n  app:\n    members: { a: 127.0.0.1:9001 }\n    queue:\n"
        .to_owned()
        + &format!("    health: {{ {options} }}\n")
}

fn backend(options: &str) -> Arc<Backend> {
    settings(&with(options)).backends[0].clone()
}

fn kind(options: &str) -> CheckKind {
    backend(options).check.as_ref().unwrap().kind.clone()
}

#[test]
fn members_are_not_checked_by_default() {
    let plain = backend("");
    assert_eq!((plain.check.clone(), plain.all_down), (None, AllDown::Try));
    assert_eq!(backend("all_down: refuse").all_down, AllDown::Refuse);
}

#[test]
fn every_option_is_heard() {
    let check = backend("check: connect, interval: 5s, timeout: 300ms, rise: 4, fall: 7").check.clone();
    let (interval, timeout) = (Duration::from_secs(5), Duration::from_millis(300));
    let kind_of_it = CheckKind::Connect;
    assert_eq!(check.unwrap(), HealthCheck { kind: kind_of_it, interval, timeout, rise: 4, fall: 7 }.into());
    let plain = CheckKind::Http { target: "/".into(), host: None, status: 200..=399, content: None };
    assert_eq!(kind("check: http"), plain);
    let all = kind("check: http, path: \"/h?x=1\", host: h.example, status: 204, expect: fine");
    let content = Some(b"fine".as_slice().into());
    let host = Some("h.example".into());
    assert_eq!(all, CheckKind::Http { target: "/h?x=1".into(), host, status: 204..=204, content });
    assert_eq!(kind("check: ping"), CheckKind::Ping);
    let bytes = CheckKind::Bytes { send: (*b"A\r\n").into(), expect: [0, 255].into() };
    assert_eq!(kind("check: bytes, send: \"A\\r\\n\", expect: hex:00ff"), bytes);
    let listens = CheckKind::Bytes { send: [].into(), expect: (*b"220").into() };
    assert_eq!(kind("check: bytes, expect: 220"), listens);
}

#[test]
fn mistakes_are_told() {
    let of = |option: &str, column: usize, why: &str| {
        let key = option.split(':').next().unwrap();
        told(&with(option), &[&format!("7:{column}: backends.app.health.{key}: {why}")]);
    };
    of("check: htp", 22, "`htp` is none of `off`, `connect`, `http`, `ping`, `bytes`; did you mean `http`?");
    of("path: healthz", 21, "expected a path such as `/healthz`, not `healthz`; it begins with `/`");
    of("path: \"/a b\"", 21, "`/a b`: a request cannot contain ` `; encode it");
    of("status: 299-200", 23, "`299-200` is empty, because its first status is greater than its last");
    of(
        "status: 1xx",
        23,
        "expected a status such as `200` or a range such as `200-299`, not `1xx`; final statuses are 200 to 599",
    );
    of("expect: hex:0", 23, "`hex:0` has an odd number of digits (1); a byte has two (or `any`)");
    of("rise: 0", 21, "0 is outside of 1 to 100");
    of("check: bytes", 22, "needs `expect`: without bytes to expect, `check: connect` asks as much");
}

#[test]
fn options_of_other_kinds_have_no_effect() {
    let options = "check: ping, path: /x, host: h, status: 200, send: a, expect: b";
    warned(
        &with(options),
        &[
            "7:34: backends.app.health.path: has no effect without `check: http`",
            "7:44: backends.app.health.host: has no effect without `check: http`",
            "7:55: backends.app.health.status: has no effect without `check: http`",
            "7:66: backends.app.health.send: has no effect without `check: bytes`",
            "7:77: backends.app.health.expect: has no effect without `check: http` or `check: bytes`",
        ],
    );
}

#[test]
fn the_schema_agrees_with_the_reader() {
    agree([
        ("/backends/app/health/check", json!(["off", "connect", "http", "ping"]), json!(["tcp", true])),
        ("/backends/app/health/path", json!(["/", "/a?b=c"]), json!(["a", "/a b", "/a#b", ""])),
        ("/backends/app/health/status", json!([200, "200", "200-599"]), json!([199, "1xx", "200-", 600])),
        ("/backends/app/health/send", json!(["off", "a", "hex:00"]), json!(["", "hex:", "hex:0"])),
        ("/backends/app/health/all_down", json!(["try", "refuse"]), json!(["open"])),
    ]);
}
