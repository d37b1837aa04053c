//! Tests of how one response is read: each arrow of the reader's figure.

use super::given::{TestSink, ask, undated};
use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::link::AnswerEnd;
use crate::link::pipeline::http_answer::{AnswerStep, HttpAnswerReader};
use crate::link::pipeline::sink::Awaited;
use crate::proto::http::{Ask, Method, Reject, ResponseFormat};

/// What a client of HTTP/1.1 gets of it, but for the date, and the last step.
fn read(bytes: &str, ask: Ask) -> Result<(String, AnswerStep), Reject> {
    read_for(ResponseFormat::default(), bytes, ask)
}

/// As it is for a client that takes this format; where its connection ends with the answer, the step says so.
fn read_for(format: ResponseFormat, bytes: &str, ask: Ask) -> Result<(String, AnswerStep), Reject> {
    let (mut out, mut sink) = (Vec::new(), TestSink { format, ..TestSink::default() });
    let mut client = Awaited { to: Some(&'a'), sink: &mut sink, out: &mut out };
    let mut step =
        HttpAnswerReader::new(HeadLimits::default()).read(bytes.as_bytes(), ask, false, &mut client)?;
    out.extend_from_slice(&bytes.as_bytes()[step.raw.clone()]);
    step.end = step.end.map(|end| AnswerEnd { close: end.close || sink.writer.closes(), ..end });
    Ok((undated(&String::from_utf8(out).unwrap()), step))
}

fn get(bytes: &str) -> Result<(String, AnswerStep), Reject> {
    read(bytes, ask(Method::Get))
}

fn ended(status: u16) -> Option<AnswerEnd> {
    Some(AnswerEnd::plain(status))
}

#[test]
fn a_head_without_a_body_ends_the_answer() {
    for status in [204, 304] {
        let answer = format!("HTTP/1.1 {status} Word\r\n\r\n");
        let (out, step) = get(&format!("{answer}HTTP/1.1 200 OK\r\n")).unwrap();
        assert_eq!((out, step.consumed, step.end), (answer.clone(), answer.len(), ended(status)));
    }
}

#[test]
fn a_body_ends_where_its_length_says() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    let (out, step) = get(&format!("{answer}HTTP/1.1")).unwrap();
    assert_eq!((out.as_str(), step.consumed, step.end), (answer, answer.len(), ended(200)));
}

#[test]
fn half_a_body_is_not_the_end() {
    let (out, step) = get("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh").unwrap();
    assert!(out.ends_with("\r\n\r\nh"));
    assert_eq!((step.final_head, step.end), (true, None));
}

#[test]
fn half_a_head_is_left_to_come_again() {
    let (out, step) = get("HTTP/1.1 200 OK\r\nContent-").unwrap();
    assert_eq!(
        (out.as_str(), step),
        ("", AnswerStep { consumed: 0, raw: 0..0, final_head: false, end: None, server: None })
    );
}

#[test]
fn long_content_is_not_copied() {
    let body = "x".repeat(5000);
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n";
    let (out, step) = get(&format!("{head}{body}")).unwrap();
    assert_eq!(step.raw, head.len()..head.len() + 5000);
    assert_eq!(out, format!("{head}{body}"));
}

// RFC 9110 section 15.2: any number of 1xx before the final answer; not to HTTP/1.0.
#[test]
fn interim_answers_go_on_except_to_http_1_0() {
    let interims = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let last = "HTTP/1.1 204 No Content\r\n\r\n";
    let (out, step) = get(&format!("{interims}{last}")).unwrap();
    assert_eq!((out, step.end), (format!("{interims}{last}"), ended(204)));
    let old = ResponseFormat { minor_version: 0, keep_alive: false, ..ResponseFormat::default() };
    let (out, _) = read_for(old, &format!("{interims}{last}"), ask(Method::Get)).unwrap();
    assert!(out.starts_with("HTTP/1.1 204"), "{out}");
}

#[test]
fn interim_answers_alone_show_no_final_head() {
    let (_, step) = get("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 2").unwrap();
    assert_eq!((step.consumed, step.final_head, step.end), (25, false, None));
}

// RFC 9110 section 15.2: what it means is for the client to know.
#[test]
fn interims_that_nobody_knows_go_on() {
    let bytes = "HTTP/1.1 150 What\r\n\r\nHTTP/1.1 199 X\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(get(bytes).unwrap().0, bytes);
}

#[test]
fn switching_unasked_is_a_fault() {
    for bytes in ["HTTP/1.1 101 Switching\r\n\r\n", "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n"] {
        assert_eq!(get(bytes).unwrap_err().cause, Cause::BadResponse, "{bytes}");
    }
}

#[test]
fn all_that_follows_a_switch_is_the_clients() {
    let head = "HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    let asked = Ask { upgrade: true, ..ask(Method::Get) };
    let (out, step) = read(&format!("{head}HTTP/1.1 200 OK\r\n"), asked).unwrap();
    assert!(out.ends_with("HTTP/1.1 200 OK\r\n"), "{out}");
    assert_eq!(
        step.end,
        Some(AnswerEnd { close: true, reusable: false, switched: true, ..AnswerEnd::plain(101) })
    );
}

#[test]
fn a_broken_body_is_a_fault() {
    let bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert_eq!(get(bytes).unwrap_err().cause, Cause::BadResponse);
}

#[test]
fn a_head_over_the_limit_has_a_cause_of_its_own() {
    let bytes = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(40 << 10));
    assert_eq!(get(&bytes).unwrap_err().cause, Cause::ResponseTooLarge);
}

// DP in docs/http-rules.md: links that must not be used again.
#[test]
fn some_answers_are_the_last_of_their_link() {
    for head in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0",
        "HTTP/1.0 200 OK\r\nContent-Length: 0",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2",
    ] {
        let body = if head.contains("chunked") { "0\r\n\r\n" } else { "" };
        let (_, step) = get(&format!("{head}\r\n\r\n{body}")).unwrap();
        assert!(step.end.is_some_and(|end| !end.reusable && !end.close), "{head}");
    }
    let (_, step) = get("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(step.end, Some(AnswerEnd { old: true, ..ended(200).unwrap() }));
}

// RFC 9112 section 6.1: a member of 1.0 may have taken the chunks for anything.
#[test]
fn an_old_answer_to_chunks_is_the_last_of_its_link() {
    let chunked = Ask { chunked: true, ..ask(Method::Post) };
    let bytes = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    assert!(read(bytes, chunked).unwrap().1.end.is_some_and(|end| !end.reusable));
}

#[test]
fn eof_ends_only_a_body_until_close() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\nhi", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", false),
        ("HTTP/1.1 200 OK\r\n", false),
        ("HTTP/1.1 103 Early Hints\r\n\r\n", false),
    ];
    for (bytes, ends) in cases {
        let (mut out, mut sink) = (Vec::new(), TestSink::default());
        let mut reader = HttpAnswerReader::new(HeadLimits::default());
        let mut client = Awaited { to: Some(&'a'), sink: &mut sink, out: &mut out };
        reader.read(bytes.as_bytes(), ask(Method::Get), false, &mut client).unwrap();
        client.out.clear();
        let end = reader.at_eof(&mut client);
        assert_eq!(end.is_some(), ends, "{bytes}");
        assert_eq!(out, if ends { &b"0\r\n\r\n"[..] } else { b"" }, "{bytes}");
        assert!(end.is_none_or(|end| !end.reusable));
    }
}

// RFC 9112 section 6.1: HTTP/1.0 gets no chunks; the close of its connection is the end.
#[test]
fn a_client_of_http_1_0_is_closed_where_no_length_is_told() {
    let old = ResponseFormat { minor_version: 0, ..ResponseFormat::default() };
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let (out, step) = read_for(old, chunked, ask(Method::Get)).unwrap();
    assert!(out.ends_with("Connection: close\r\n\r\nhi"), "{out}");
    assert_eq!(step.end, Some(AnswerEnd { close: true, ..AnswerEnd::plain(200) }));
}
