//! Tests the form of a line, by table, and that any bytes of a client make exactly one line.

use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::super::formatter::Formatter;
use super::super::{LogRecord, RequestSummary, escape};
use super::{entry, noted, settings};
use crate::cause::Cause;
use crate::config::{LogField, LogFormat, LogPart, LogTo};

fn line(format: LogFormat, record: &LogRecord<'_>) -> String {
    let mut out = Vec::new();
    Formatter::new(settings(&LogTo::Stdout, format, 1)).write(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn pattern(parts: &[LogPart]) -> LogFormat {
    LogFormat::Pattern(parts.into())
}

/// Returns a format of all fields with a bar between them.
fn all_fields() -> LogFormat {
    let bar = LogPart::Text("|".into());
    let parts = LogField::ALL.map(|field| [LogPart::Field(field), bar.clone()]);
    pattern(&parts.concat()[..2 * LogField::ALL.len() - 1])
}

#[test]
fn a_json_line_tells_all_that_is_known() {
    let noted = noted();
    let full = LogRecord { cause: Some(Cause::Truncated), received: u64::MAX, ..entry(Some(&noted)) };
    assert_eq!(
        line(LogFormat::Json, &full),
        "{\"time\":\"2026-11-22T06:23:41.007Z\",\"source\":\"203.0.113.7\",\"peer\":\"127.0.0.1\",\
         \"listener\":\"web\",\"backend\":\"app\",\"member\":\"a1\",\"method\":\"GET\",\"target\":\"/a/b?c=d\",\
         \"protocol\":\"HTTP/1.1\",\"host\":\"example.com:8080\",\"status\":200,\"cause\":\"truncated\",\
         \"received\":18446744073709551615,\"sent\":1234,\"duration\":0.001234,\"service\":0.001000,\"ordinal\":3,\
         \"user_agent\":\"Mozilla/5.0 (X11)\",\"referer\":\"http://example.com/\"}\n"
    );
}

#[test]
fn what_is_not_known_is_left_out_of_json() {
    let bare = LogRecord { member: None, status: 0, ..entry(None) };
    assert_eq!(
        line(LogFormat::Json, &bare),
        "{\"time\":\"2026-11-22T06:23:41.007Z\",\"source\":\"203.0.113.7\",\"peer\":\"127.0.0.1\",\
         \"listener\":\"web\",\"backend\":\"app\",\"received\":0,\"sent\":1234,\"duration\":0.001234,\
         \"service\":0.001000,\"ordinal\":3}\n"
    );
}

#[test]
fn a_pattern_tells_what_it_asks_for() {
    let noted = RequestSummary { minor_version: 0, ..noted() };
    let peer = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]);
    let full = LogRecord { cause: Some(Cause::QueueFull), status: 503, peer, ..entry(Some(&noted)) };
    assert_eq!(
        line(all_fields(), &full),
        "2026-11-22T06:23:41.007Z|22/Nov/2026:06:23:41 +0000|203.0.113.7|2001:db8::1|web|app|a1|GET|/a/b?c=d|HTTP/1.0|example.com:8080|503|\
         queue_full|0|1234|0.001234|0.001000|3|Mozilla/5.0 (X11)|http://example.com/\n"
    );
    let bare = LogRecord { member: None, status: 0, ..entry(None) };
    assert_eq!(
        line(all_fields(), &bare),
        "2026-11-22T06:23:41.007Z|22/Nov/2026:06:23:41 +0000|203.0.113.7|127.0.0.1|web|app|-|-|-|-|-|-|-|0|1234|0.001234|0.001000|3|-|-\n"
    );
    let said = [LogPart::Text("\"said\" \\ ".into()), LogPart::Field(LogField::Status)];
    assert_eq!(line(pattern(&said), &entry(None)), "\"said\" \\ 200\n", "what the pattern says is as it is");
}

#[test]
fn a_time_before_1970_is_1970() {
    let early = LogRecord { began: UNIX_EPOCH - Duration::from_secs(5), ..entry(None) };
    let time = pattern(&[LogPart::Field(LogField::Time)]);
    assert_eq!(line(time, &early), "1970-01-01T00:00:00.000Z\n");
}

#[test]
fn bytes_are_escaped() {
    // What came; in JSON; in a pattern.
    let rows: [(&[u8], &str, &str); 15] = [
        (b"", "", ""),
        (b"plain ~!'#$%&/<>", "plain ~!'#$%&/<>", "plain ~!'#$%&/<>"),
        (b"say \"hi\"", "say \\\"hi\\\"", "say \\x22hi\\x22"),
        (b"a\\b", "a\\\\b", "a\\x5Cb"),
        (b"a\r\nb", "a\\r\\nb", "a\\x0D\\x0Ab"),
        (b"\t\0\x1b[2J", "\\t\\u0000\\u001b[2J", "\\x09\\x00\\x1B[2J"),
        (b"\x7f", "\\u007f", "\\x7F"),
        (b"\x08\x0c", "\\u0008\\u000c", "\\x08\\x0C"),
        ("grün".as_bytes(), "grün", "gr\\xC3\\xBCn"),
        (b"gr\xfcn", "gr\\u00fcn", "gr\\xFCn"),
        ("\u{9b}2J".as_bytes(), "\\u009b2J", "\\xC2\\x9B2J"),
        ("\u{2028}\u{2029}".as_bytes(), "\\u2028\\u2029", "\\xE2\\x80\\xA8\\xE2\\x80\\xA9"),
        ("\u{1f980}".as_bytes(), "\u{1f980}", "\\xF0\\x9F\\xA6\\x80"),
        (b"\xf0\x9f\xa6", "\\u00f0\\u009f\\u00a6", "\\xF0\\x9F\\xA6"),
        (b"\xff\"x", "\\u00ff\\\"x", "\\xFF\\x22x"),
    ];
    for (came, in_json, in_pattern) in rows {
        let written = |write: fn(&[u8], &mut Vec<u8>)| {
            let mut out = Vec::new();
            write(came, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(escape::json), in_json, "{came:?}");
        assert_eq!(written(escape::pattern), in_pattern, "{came:?}");
    }
}

/// Generates bytes, more often those that have a meaning in a line.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![any::<u8>(), proptest::sample::select(&b"\"\\\n\r\xc2\xe2\x80\xa8{},:"[..])];
    let text = any::<String>().prop_map(String::into_bytes);
    prop_oneof![3 => vec(byte, 0..40), 1 => text]
}

/// Decodes bytes as the log does: UTF-8 where valid, and each other byte as Latin-1.
fn text_of(bytes: &[u8]) -> String {
    let of_chunk = |chunk: std::str::Utf8Chunk<'_>| {
        chunk.valid().chars().chain(chunk.invalid().iter().map(|&byte| byte.into())).collect::<String>()
    };
    bytes.utf8_chunks().map(of_chunk).collect()
}

const SEED: u64 = 20_261_122;

#[test]
fn any_bytes_in_any_field_are_one_line_and_are_read_back() {
    println!("seed {SEED}");
    let config = Config {
        rng_seed: RngSeed::Fixed(SEED),
        cases: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let fields = (any_bytes(), any_bytes(), any_bytes(), any::<String>(), any::<String>());
    let run = |(host, user_agent, referer, target, method): (Vec<u8>, Vec<u8>, Vec<u8>, String, String)| {
        let noted = RequestSummary {
            method: method.as_str().into(),
            target: target.as_str().into(),
            minor_version: 1,
            host: Some(host.as_slice().into()),
            user_agent: Some(user_agent.as_slice().into()),
            referer: Some(referer.as_slice().into()),
        };
        let record = LogRecord { listener: &method, member: Some(&target), ..entry(Some(&noted)) };
        let json = line(LogFormat::Json, &record);
        prop_assert!(is_one_line(&json), "{json:?}");
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        let told = |name: &str| read[name].as_str().unwrap().to_owned();
        prop_assert_eq!(told("host"), text_of(&host));
        prop_assert_eq!(told("user_agent"), text_of(&user_agent));
        prop_assert_eq!(told("referer"), text_of(&referer));
        prop_assert_eq!([told("target"), told("member")], [target.clone(), target.clone()]);
        prop_assert_eq!([told("method"), told("listener")], [method.clone(), method.clone()]);
        let filled = line(all_fields(), &record);
        prop_assert!(is_one_line(&filled) && filled.is_ascii() && !filled.contains('"'), "{filled:?}");
        Ok(())
    };
    TestRunner::new(config).run(&fields, run).unwrap();
}

/// Returns whether a text is one line, also for readers that end lines at more than LF.
fn is_one_line(line: &str) -> bool {
    let ends = |c: char| (c.is_control() || ['\u{85}', '\u{2028}', '\u{2029}'].contains(&c)).then_some(c);
    line.chars().filter_map(ends).eq(['\n']) && line.ends_with('\n')
}
