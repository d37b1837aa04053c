//! The options of lines, length_prefixed and resp, and those of rescue: what is believed of them, what is refused,
//! and what is said to have no effect. In: files. Out: settings; the exact lines that are printed.
//! Knows nothing of how the file is read.

use std::time::Duration;

use penstock::config::{AcceptProxy, FrameKind, Framing, Prefix, Protocol, ProxyVersion, Settings};

use crate::mistakes::{told, warned};
use crate::settings;

const LINES: &str = "lines";
const PREFIXED: &str = "length_prefixed";
const RESP: &str = "resp";
const FRAMED: [&str; 3] = [LINES, PREFIXED, RESP];

/// The protocol stands in line 5, the framing in line 6 (its first option in column 16).
fn with(protocol: &str, framing: &str) -> String {
    format!(
        "\
listeners:
  app:
    bind: 127.0.0.1:0
    backend: app
    protocol: {protocol}
    framing: {{ {framing} }}
backends:
  app:
    members: {{ a: 127.0.0.1:9001 }}
"
    )
}

/// What the listener is believed to do, and (the same) its backend.
fn framing(protocol: &str, options: &str) -> Framing {
    let Settings { listeners, backends, .. } = settings(&with(protocol, options));
    let framing = listeners[0].framing.as_deref().unwrap();
    assert_eq!(backends[0].framing.as_deref(), Some(framing));
    framing.clone()
}

fn prefix(options: &str) -> Prefix {
    match framing(PREFIXED, options).kind {
        FrameKind::LengthPrefixed(prefix) => prefix,
        other => panic!("{other:?}"),
    }
}

/// What is said of one option that is alone in its `framing`.
#[track_caller]
fn told_of(protocol: &str, option: &str, why: &str) {
    let (key, _) = option.split_once(": ").unwrap();
    let column = 16 + key.len() + 2;
    told(&with(protocol, option), &[&format!("6:{column}: listeners.app.framing.{key}: {why}")]);
}

#[test]
fn defaults() {
    let expected = |kind, max_length| Framing { kind, max_length, repeatable: false, refusal: None };
    assert_eq!(framing(LINES, ""), expected(FrameKind::Lines { crlf: false }, 64 << 10));
    let four = Prefix { width: 4, little_endian: false, counts_header: false, offset: 0 };
    assert_eq!(framing(PREFIXED, ""), expected(FrameKind::LengthPrefixed(four), 1 << 20));
    assert_eq!(framing(RESP, ""), expected(FrameKind::Resp, 1 << 20));
    for (word, protocol) in FRAMED.iter().zip([Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp]) {
        let absent = with(word, "").replace("    framing: {  }\n", "");
        let Settings { listeners, backends, .. } = settings(&absent);
        assert_eq!(listeners[0].framing.as_deref(), Some(&framing(word, "")));
        assert_eq!(
            (listeners[0].protocol, backends[0].protocol, protocol.word()),
            (protocol, protocol, *word)
        );
        assert_eq!(backends[0].links.max_per_member.get(), 64);
    }
    for protocol in ["http", "tcp"] {
        let Settings { listeners, backends, .. } = settings(&with(protocol, ""));
        assert_eq!((&listeners[0].framing, &backends[0].framing), (&None, &None));
    }
}

#[test]
fn who_shares_links() {
    let shared = [Protocol::Http, Protocol::Lines, Protocol::LengthPrefixed, Protocol::Resp];
    assert!(shared.into_iter().all(Protocol::is_pooled) && !Protocol::Tcp.is_pooled());
}

#[test]
fn every_option_is_heard() {
    let lines = framing(LINES, r#"max_length: 2B, terminator: crlf, repeatable: true, refusal: close"#);
    let expected =
        Framing { kind: FrameKind::Lines { crlf: true }, max_length: 2, repeatable: true, refusal: None };
    assert_eq!(lines, expected);
    let all = "length_bytes: 2, byte_order: little, length_offset: 3, length_includes_header: true";
    let expected = Prefix { width: 2, little_endian: true, counts_header: true, offset: 3 };
    assert_eq!(prefix(all), expected);
    for width in [1, 2, 4, 8] {
        assert_eq!(prefix(&format!("length_bytes: {width}")).width, width);
    }
    assert!(framing(PREFIXED, "repeatable: true").repeatable);
    assert_eq!(framing(PREFIXED, "max_length: 4").max_length, 4);
    assert_eq!(framing(RESP, "max_length: 1GiB").max_length, 1 << 30);
}

#[test]
fn refusals() {
    for (protocol, options, bytes) in [
        (LINES, r#"refusal: "ERR busy\n""#, &b"ERR busy\n"[..]),
        (LINES, r#"refusal: "\n""#, b"\n"),
        (LINES, r#"refusal: "a\r\n""#, b"a\r\n"),
        (LINES, "refusal: hex:fF0a", b"\xff\n"),
        (LINES, r#"terminator: crlf, refusal: "a\rb\nc\r\n""#, b"a\rb\nc\r\n"),
        (LINES, r#"refusal: "${SET:-closed}\n""#, b"closed\n"),
        (PREFIXED, "refusal: hex:00000000", b"\0\0\0\0"),
        (PREFIXED, r#"refusal: "\0\0\0\x02no""#, b"\0\0\0\x02no"),
        (PREFIXED, "byte_order: little, refusal: hex:0100000061", b"\x01\0\0\0a"),
        (PREFIXED, "length_bytes: 1, length_offset: 1, refusal: hex:ff0161", b"\xff\x01a"),
        (
            PREFIXED,
            "length_bytes: 2, length_offset: 1, length_includes_header: true, refusal: hex:ff000461",
            b"\xff\0\x04a",
        ),
        (PREFIXED, "length_bytes: 8, max_length: 9, refusal: hex:000000000000000161", b"\0\0\0\0\0\0\0\x01a"),
        (RESP, r#"refusal: "-ERR busy\r\n""#, b"-ERR busy\r\n"),
        (RESP, r#"refusal: "$-1\r\n""#, b"$-1\r\n"),
        (RESP, r#"refusal: "$0\r\n\r\n""#, b"$0\r\n\r\n"),
        (RESP, r#"refusal: "$2\r\n\r\n\r\n""#, b"$2\r\n\r\n\r\n"),
        (RESP, r#"refusal: "*2\r\n*1\r\n:-1\r\n+OK\r\n""#, b"*2\r\n*1\r\n:-1\r\n+OK\r\n"),
        (RESP, r#"refusal: "*0\r\n""#, b"*0\r\n"),
    ] {
        assert_eq!(framing(protocol, options).refusal.as_deref(), Some(bytes), "{protocol}: {options}");
    }
    for protocol in FRAMED {
        assert_eq!(framing(protocol, "refusal: auto").refusal, None);
    }
    for protocol in [LINES, PREFIXED] {
        assert_eq!(framing(protocol, "refusal: close").refusal, None);
    }
    // `auto` tells the cause there, so no bytes at all stand for closing.
    assert_eq!(framing(RESP, "refusal: close").refusal.as_deref(), Some(&b""[..]));
}

#[test]
fn refusals_that_are_no_line() {
    let lf = "does not end with LF, so clients would wait for the rest of the line; write it in quotes, as in \"ERR busy\\n\"";
    told_of(LINES, "refusal: ERR busy", lf);
    told_of(LINES, "refusal: 'ERR busy\\n'", lf);
    told_of(LINES, "refusal: hex:0d", lf);
    told_of(
        LINES,
        r#"refusal: "a\nb\n""#,
        "is 2 lines; a request is answered with one, as in \"ERR busy\\n\"",
    );
    let crlf = |text: &str| with(LINES, &format!("refusal: {text}, terminator: crlf"));
    told(
        &crlf(r#""busy\n""#),
        &[
            "6:25: listeners.app.framing.refusal: does not end with CR LF, so clients would wait for the rest of the line; write it in quotes, as in \"ERR busy\\r\\n\"",
        ],
    );
    told(
        &crlf(r#""\r\n\r\n""#),
        &[
            "6:25: listeners.app.framing.refusal: is 2 lines; a request is answered with one, as in \"ERR busy\\r\\n\"",
        ],
    );
}

#[test]
fn refusals_that_are_no_counted_frame() {
    told_of(
        PREFIXED,
        "refusal: hex:000000",
        "has 3 bytes, and the header alone has 4; write a whole frame, its header included",
    );
    told_of(
        PREFIXED,
        "refusal: hex:0000000261",
        "is not one whole frame: its header counts 2, and 1 byte is there to be counted",
    );
    told_of(
        PREFIXED,
        "refusal: hex:0000000000000000",
        "is not one whole frame: its header counts 0, and 4 bytes are there to be counted",
    );
    told_of(
        PREFIXED,
        "refusal: BUSY",
        "is not one whole frame: its header counts 1112888153, and 0 bytes are there to be counted",
    );
    let all = with(PREFIXED, "refusal: hex:0000000161, length_includes_header: true");
    told(
        &all,
        &[
            "6:25: listeners.app.framing.refusal: is not one whole frame: its header counts 1, and 5 bytes are there to be counted",
        ],
    );
}

#[test]
fn refusals_that_are_no_reply() {
    for text in [
        "-ERR busy",
        r#""-ERR busy\n""#,
        r#""ERR busy\r\n""#,
        r#""\r\n""#,
        r#""+A\r\n+B\r\n""#,
        r#""$3\r\nab\r\n""#,
        r#""$1\r\nab\r\n""#,
        r#""$+1\r\na\r\n""#,
        r#""$99999999999999999999\r\n""#,
        r#""$18446744073709551615\r\n""#,
        r#""$-2\r\n""#,
        r#""*2\r\n+A\r\n""#,
        r#""*18446744073709551615\r\n*18446744073709551615\r\n""#,
        r#"":one\r\n""#,
        r#""%1\r\n+a\r\n+b\r\n""#,
        "hex:2d0a",
    ] {
        let why = "is not one whole reply of Redis, so clients would wait or lose count; one is \"-ERR busy\\r\\n\"";
        told_of(RESP, &format!("refusal: {text}"), why);
    }
}

#[test]
fn refusals_that_cannot_be_read() {
    for protocol in FRAMED {
        told_of(
            protocol,
            "refusal: hex:0",
            "`hex:0` has an odd number of digits (1); two write a byte (or `auto`)",
        );
        told_of(protocol, "refusal: 'hex:'", "`hex:` has no digits; two write a byte (or `auto`)");
        told_of(
            protocol,
            "refusal: hex:0x0a",
            "`hex:0x0a` has `x` among its digits; 0 to 9 and a to f write bytes (or `auto`)",
        );
        told_of(
            protocol,
            "refusal: ''",
            "expected `close`, text such as \"ERR busy\\n\" in quotes, or bytes such as `hex:00ff`, not `` (or `auto`)",
        );
    }
    told(
        &with(LINES, r#"max_length: 8, refusal: "ERR busy\n""#),
        &["6:40: listeners.app.framing.refusal: has 9 bytes, and `max_length` allows 8"],
    );
}

#[test]
fn no_room() {
    told_of(RESP, "max_length: 13", "a frame of 13 bytes has no room for a PING, 14 bytes");
    told_of(PREFIXED, "max_length: 3B", "a frame of 3 bytes has no room for the header, 4 bytes");
    told_of(PREFIXED, "max_length: 0", "`0` is outside of 1B to 1GiB (or `auto`)");
    told_of(LINES, "max_length: 2GiB", "`2GiB` is outside of 1B to 1GiB (or `auto`)");
    told(
        &with(LINES, "max_length: 1, terminator: crlf"),
        &[
            "6:28: listeners.app.framing.max_length: a frame of 1 byte has no room for what ends a line, 2 bytes",
        ],
    );
    told(
        &with(PREFIXED, "max_length: 1KiB, length_offset: 1021"),
        &[
            "6:28: listeners.app.framing.max_length: a frame of 1024 bytes has no room for the header, 1025 bytes",
        ],
    );
    assert_eq!(framing(PREFIXED, "max_length: 1KiB, length_offset: 1020").max_length, 1024);
}

#[test]
fn a_count_that_cannot_count_its_header() {
    let with = |offset: u32| {
        with(PREFIXED, &format!("length_bytes: 1, length_includes_header: true, length_offset: {offset}"))
    };
    assert!(settings(&with(254)).listeners[0].framing.is_some());
    told(
        &with(255),
        &[
            "6:30: listeners.app.framing.length_bytes: a count of 1 byte reaches 255, and with `length_includes_header` it counts the header, 256 bytes",
        ],
    );
}

#[test]
fn words_and_numbers() {
    told_of(PREFIXED, "length_bytes: 3", "expected 1, 2, 4 or 8, not `3`");
    told_of(PREFIXED, "byte_order: bigg", "`bigg` is none of `big`, `little`; did you mean `big`?");
    told_of(PREFIXED, "length_offset: 65536", "65536 is outside of 0 to 65535");
    told_of(PREFIXED, "length_includes_header: yes", "expected `true` or `false`, not `yes`");
    told_of(LINES, "terminator: cr", "`cr` is none of `lf`, `crlf`");
    told_of(LINES, "repeatable: safe", "expected `true` or `false`, not `safe`");
    told(
        &with(LINES, "terminater: lf"),
        &["6:16: listeners.app.framing.terminater: unknown key; did you mean `terminator`?"],
    );
    told(
        &with("length-prefixed", ""),
        &[
            "5:15: listeners.app.protocol: `length-prefixed` is none of `http`, `tcp`, `lines`, `length_prefixed`, `resp`; did you mean `length_prefixed`?",
        ],
    );
    told(
        &with(LINES, "").replace("{  }", "lines"),
        &["6:14: listeners.app.framing: expected a map of `key: value`, not a word"],
    );
}

#[test]
fn what_has_no_effect() {
    let all = "terminator: lf, length_bytes: 4, byte_order: big, length_offset: 0, length_includes_header: false, repeatable: false";
    let option = |column: u32, key: &str, protocol: &str, only: &str| {
        format!("6:{column}: listeners.app.framing.{key}: has no effect for {protocol}, only for {only}")
    };
    let prefixed = |protocol: &str| {
        vec![
            option(32, "length_bytes", protocol, PREFIXED),
            option(49, "byte_order", protocol, PREFIXED),
            option(66, "length_offset", protocol, PREFIXED),
            option(84, "length_includes_header", protocol, PREFIXED),
        ]
    };
    let warned = |protocol: &str, lines: Vec<String>| {
        warned(&with(protocol, all), &lines.iter().map(String::as_str).collect::<Vec<_>>());
    };
    warned(LINES, prefixed(LINES));
    warned(PREFIXED, vec![option(16, "terminator", PREFIXED, LINES)]);
    let repeatable = option(115, "repeatable", RESP, "lines and length_prefixed");
    warned(RESP, [vec![option(16, "terminator", RESP, LINES)], prefixed(RESP), vec![repeatable]].concat());
    // The section as a whole, and nothing of what is in it.
    for protocol in ["http", "tcp"] {
        let why = "has no effect for {}, only for lines, length_prefixed and resp".replace("{}", protocol);
        warned(protocol, vec![format!("6:5: listeners.app.framing: {why}")]);
    }
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
            format!("10:46: listeners.app.tunnel.splice: has no effect for {protocol}, only for tcp")
        } else {
            format!("10:5: listeners.app.tunnel: has no effect for {protocol}, only for tcp and resp")
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
                        "9:21: backends.app.proxy_protocol: links for {protocol} are shared by many clients, and one PROXY header cannot tell them all; with `protocol: tcp` each client has a link of its own"
                    ),
                    &format!(
                        "10:20: backends.app.links.warm: links for {protocol} stay connected and are shared, so there is nothing to keep warm; `idle_timeout` says how long an unused one stays"
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
