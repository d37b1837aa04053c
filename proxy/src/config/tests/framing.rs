//! The options of frames: what they become, what is refused, and what is said to have no effect.

use crate::config::{FrameKind, Framing, Prefix, Protocol, Settings};

use crate::config::tests::mistakes::{told, warned};
use crate::config::tests::settings;

pub(crate) const LINES: &str = "lines";
pub(crate) const PREFIXED: &str = "length_prefixed";
pub(crate) const RESP: &str = "resp";
pub(crate) const FRAMED: [&str; 3] = [LINES, PREFIXED, RESP];

/// The protocol stands in line 5, the framing in line 6 (its first option in column 16).
pub(crate) fn with(protocol: &str, framing: &str) -> String {
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
pub(crate) fn framing(protocol: &str, options: &str) -> Framing {
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
pub(crate) fn told_of(protocol: &str, option: &str, why: &str) {
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
    assert_eq!(framing(RESP, ""), expected(FrameKind::Resp, 512 << 20));
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
fn no_room() {
    told_of(RESP, "max_length: 13", "a frame of 13 bytes has no room for a PING, 14 bytes");
    told_of(PREFIXED, "max_length: 3B", "a frame of 3 bytes has no room for the header, 4 bytes");
    told_of(PREFIXED, "max_length: 0", "`0` is outside of 1B to 1GiB (or `auto`)");
    told_of(LINES, "max_length: 2GiB", "`2GiB` is outside of 1B to 1GiB (or `auto`)");
    told(
        &with(LINES, "max_length: 1, terminator: crlf"),
        &[
            "6:28: listeners.app.framing.max_length: a frame of 1 byte has no room for the end of a line, 2 bytes",
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
