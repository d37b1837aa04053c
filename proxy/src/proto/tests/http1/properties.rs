//! Properties over random heads and content: the same verdict at any cut. The seed is fixed and printed on failure.

use crate::config::{Forwarded, HeadLimits, Underscores, Upgrades};
use crate::proto::http::{BodyFraming, Method};
use crate::proto::http1::BodyEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use crate::proto::tests::http1::bodies::read;
use crate::proto::tests::http1::given::{
    CONNECT, GET, HEAD, UPGRADE, Verdict, Way, forwarded, networks, request_by, request_within,
    response_within, seen, source,
};

const SEED: u64 = 0x9112;

fn config(cases: u32) -> Config {
    println!("seed {SEED:#x}");
    Config { cases, rng_seed: RngSeed::Fixed(SEED), failure_persistence: None, ..Config::default() }
}

const LIMITS: HeadLimits = HeadLimits { bytes: 260, fields: 6, line: 70 };

fn lines() -> impl Strategy<Value = Vec<&'static str>> {
    let good = vec![
        "A: b\r\n",
        "Cookie:  x=y \r\n",
        "X-Empty:\r\n",
        "Connection: keep-alive\r\n",
        "connection: a, X-Forwarded-For\r\n",
        "Keep-Alive: timeout=5\r\n",
        "TE: trailers\r\n",
        "Upgrade: h2c\r\n",
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "Max-Forwards: 3\r\n",
        "X_Forwarded_For: 10.0.0.2\r\n",
        "Authorization: NTLM x\r\n",
        "Proxy-Connection: x\r\n",
        "X-Forwarded-For: 10.0.0.1\r\n",
        "Forwarded: for=x\r\n",
        "Via: 1.0 y\r\n",
        "Host: a:80\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Expect: 100-continue\r\n",
    ];
    let bad = vec![
        "Host: b\r\n",
        "Content-Length: 6\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Connection: host\r\n",
        "Bare: lf\n",
        " fold\r\n",
        "A : b\r\n",
        "Nul: \0\r\n",
        "Cr: \rx\r\n",
        "Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        "\r\n",
        "\n",
    ];
    vec(prop_oneof![12 => select(good), 1 => select(bad)], 0..9)
}

fn starts() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just("GET /a?b HTTP/1.1\r\nHost: h\r\n"),
        1 => select(vec![
            "\r\n\r\nHEAD / HTTP/1.1\r\nHost: h\r\n",
            "\r\n\r\n\r\n",
            "POST http://a:81/b HTTP/1.1\r\nHost: h\r\n",
            "GET / HTTP/1.0\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n",
            "TRACE / HTTP/1.1\r\nHost: h\r\n",
            "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n",
            "A-METHOD-LONGER-THAN-ANY-THAT-WE-KNOW / HTTP/1.1\r\nHost: h\r\n",
            "GET / HTTP/2.0\r\n",
            "GET / HTTP/2\r\n",
            "GET / HTTP/1.1\n",
            "G@T / HTTP/1.1\r\n",
            "GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/1.1\r\nHost: h\r\n",
            "GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx HTTP/2.0\r\nHost: h\r\n",
            "GET /xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\0xxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        ]),
    ]
}

fn status_lines() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("HTTP/1.1 200 OK\r\n"),
        1 => select(vec![
            "HTTP/1.0 200 OK\r\n", "HTTP/1.1 204\r\n", "HTTP/1.1 304 \r\n", "HTTP/1.1 100 C\r\n", "HTTP/1.1 101 S\r\n", "HTTP/1.1 205 R\r\n",
            "\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\n", "HTTP/1.1 999 OK\r\n", "HTTP/2 200\r\n",
        ]),
    ]
}

/// A list of those who are trusted, others, and what is no address; over one line or two.
fn elements(before: &'static str) -> impl Strategy<Value = String> {
    let name = if before.is_empty() { "\r\nX-Forwarded-For: " } else { "\r\nForwarded: " };
    let words = vec![
        "1.1.1.1",
        "2.2.2.2:80",
        "\"[2001:db8::1]\"",
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3:4",
        "unknown",
        "\"",
        "\"\\\"",
        "1.1.1.1;by=\"a, for=3.3.3.3",
        "10.0.0.1;by=\"a, for=3.3.3.3\"",
        "",
    ];
    let separators = vec![", ", ",", name];
    vec((select(words), select(separators)), 0..6).prop_map(move |list| {
        list.iter().map(|(word, separator)| format!("{before}{word}{separator}")).collect()
    })
}

/// Noise at a random place: a byte changed, or none.
fn spoiled() -> impl Strategy<Value = Option<(prop::sample::Index, u8)>> {
    prop::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()))
}

fn head(start: &str, lines: &[&str], spoil: Option<(prop::sample::Index, u8)>) -> Vec<u8> {
    let mut bytes = format!("{start}{}\r\nrest", lines.concat()).into_bytes();
    if let Some((at, byte)) = spoil {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    bytes
}

/// Each prefix is partial, or already what the whole is.
fn same_at_any_cut(bytes: &[u8], parse: impl Fn(&[u8]) -> Verdict) -> Result<(), TestCaseError> {
    let whole = parse(bytes);
    let mut decided = false;
    for cut in 0..bytes.len() {
        let verdict = parse(&bytes[..cut]);
        decided |= verdict != Verdict::Partial;
        prop_assert_eq!(&verdict, if decided { &whole } else { &Verdict::Partial }, "cut at {}", cut);
    }
    Ok(())
}

/// A listener that uses all of its rules.
fn strict() -> Way {
    source("10.0.0.9", Forwarded::Both).ruled(|rules| {
        rules.head = LIMITS;
        rules.body = Some(4);
        rules.trace = true;
        rules.connect = true;
        rules.underscores = Underscores::Reject;
        rules.upgrades = Upgrades::Any;
        rules.via = Some("y".into());
        rules.trusted_proxies = networks(&["10.0.0.0/8"]);
    })
}

/// No field that ends at a hop is left but for those of our own hop, and none that Connection named.
fn no_hop_by_hop(head: &str, lines: &[&str]) -> Result<(), TestCaseError> {
    let mut lower = head.to_ascii_lowercase();
    for ours in ["connection: te\r\nte: trailers\r\n", "upgrade: websocket\r\nconnection: upgrade\r\n"] {
        lower = lower.replacen(ours, "", 1);
    }
    for name in ["connection", "keep-alive", "te", "upgrade", "proxy-connection", "http2-settings"] {
        prop_assert!(!lower.contains(&format!("\r\n{name}:")), "{} in {:?}", name, head);
    }
    let lines: Vec<_> = lines.iter().take_while(|line| **line != "\r\n").collect();
    let named = lines.iter().any(|line| line.starts_with("connection: a,"));
    let came = lines.iter().filter(|line| line.starts_with("A:")).count();
    prop_assert_eq!(head.matches("\r\nA: b\r\n").count() > 0, came > 0 && !named, "{:?}", head);
    Ok(())
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn request_heads_are_the_same_at_any_cut(
        start in starts(), lines in lines(), spoil in spoiled(), is_strict in any::<bool>(),
    ) {
        let bytes = head(start, &lines, spoil);
        let way = if is_strict { strict() } else { Way::silent().ruled(|rules| rules.head = LIMITS) };
        same_at_any_cut(&bytes, |cut| request_by(cut, &way))?;
    }

    #[test]
    fn response_heads_are_the_same_at_any_cut(
        start in status_lines(), lines in lines(), spoil in spoiled(), ask in select(vec![GET, HEAD, UPGRADE, CONNECT]),
    ) {
        let bytes = head(start, &lines, spoil);
        same_at_any_cut(&bytes, |cut| response_within(cut, ask, &LIMITS))?;
    }

    /// Any cut gives the same content, end and fault.
    #[test]
    fn bodies_are_the_same_at_any_cut(
        chunks in vec(vec(any::<u8>(), 0..40), 0..6), cuts in vec(1usize..30, 0..40), spoil in spoiled(),
        trailers in vec(select(vec!["A: b\r\n", "Host: x\r\n", "X-Sum:\r\n", "content_length: 5\r\n"]), 0..5),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            BodyEncoder::Chunked.encode(chunk, &mut bytes);
        }
        bytes.extend_from_slice(format!("0;x=y\r\n{}\r\nsurplus", trailers.concat()).as_bytes());
        if let Some((at, byte)) = spoil {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        for framing in [BodyFraming::Chunked, BodyFraming::Length(50), BodyFraming::UntilClose] {
            let whole = read(framing, &bytes, &mut std::iter::empty());
            prop_assert_eq!(&whole, &read(framing, &bytes, &mut std::iter::repeat(1)));
            prop_assert_eq!(&whole, &read(framing, &bytes, &mut cuts.iter().copied()));
        }
    }

    #[test]
    fn what_is_encoded_is_decoded(
        chunks in vec(vec(any::<u8>(), 0..300), 0..6), trailers in select(vec!["", "A: b\r\n", "A:\r\nB: c\r\n"]),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            BodyEncoder::Chunked.encode(chunk, &mut bytes);
        }
        BodyEncoder::Chunked.finish(trailers.as_bytes(), &mut bytes);
        let back = read(BodyFraming::Chunked, &bytes, &mut std::iter::empty());
        prop_assert_eq!(back.content, chunks.concat());
        prop_assert_eq!((back.consumed, back.end), (bytes.len(), Ok(true)));
        prop_assert_eq!(back.trailers, trailers);
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..200), start in starts(), status in status_lines()) {
        for bytes in [bytes.clone(), [start.as_bytes(), &bytes].concat(), [status.as_bytes(), &bytes].concat()] {
            request_within(&bytes, &LIMITS);
            request_by(&bytes, &strict());
            response_within(&bytes, GET, &LIMITS);
            read(BodyFraming::Chunked, &bytes, &mut std::iter::repeat(7));
        }
    }

    /// What we send is what we would take, it means the same, and it is a fixed point.
    #[test]
    fn forwarded_requests_parse_again(start in starts(), lines in lines()) {
        let bytes = head(start, &lines, None);
        let Verdict::Request { ask, body, expects, .. } = request_within(&bytes, &HeadLimits::default()) else {
            return Ok(());
        };
        let both = source("2001:db8::1", Forwarded::Both).ruled(|rules| rules.via = Some("p".into()));
        let sent = forwarded(&bytes, &both);
        no_hop_by_hop(&sent, &lines)?;
        let Verdict::Request { ask: again, body: body_again, expects: expects_again, len, forwarded: fixed, .. } =
            request_within(&sent, &HeadLimits::default())
        else {
            return Err(TestCaseError::fail(sent));
        };
        prop_assert_eq!((again.method, again.minor_version, body_again, expects_again), (ask.method, 1, body, expects));
        prop_assert_eq!(len, sent.len());
        if ask.method != Method::Options { // of which Max-Forwards is counted down
            prop_assert_eq!(fixed, sent);
        }
        prop_assert_eq!((again.upgrade, again.chunked), (ask.upgrade, ask.chunked));
    }

    /// Whatever came in the lists: the next proxy, which trusts us, finds the source that we found.
    #[test]
    fn the_next_proxy_finds_the_same_source(
        x in elements(""), rfc7239 in elements("for="), style in select(vec![Forwarded::XForwarded, Forwarded::Rfc7239, Forwarded::Both]),
    ) {
        let mut way = strict();
        way.rules.forwarded = style;
        way.rules.head = HeadLimits::default();
        way.rules.via = None;
        let head = format!("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: {x}\r\nForwarded: {rfc7239}\r\n\r\n");
        let source = |head: &str, way: &Way| seen(head, way, |request| request.source(way.peer, &way.rules));
        let sent = forwarded(&head, &way);
        let next = Way { peer: "10.0.0.10".parse().unwrap(), ..way.clone() };
        prop_assert_eq!(source(&sent, &next), source(&head, &way), "{} became {}", head, sent);
    }

    #[test]
    fn forwarded_responses_parse_again(start in status_lines(), lines in lines()) {
        let bytes = head(start, &lines, None);
        let Verdict::Response { status, body, forwarded: sent, .. } =
            response_within(&bytes, GET, &HeadLimits::default())
        else {
            return Ok(());
        };
        no_hop_by_hop(&sent, &lines)?;
        let Verdict::Response { status: again, body: body_again, len, .. } =
            response_within(&sent, GET, &HeadLimits::default())
        else {
            return Err(TestCaseError::fail(sent));
        };
        let body = match body {
            _ if status == 205 => BodyFraming::None,
            BodyFraming::UntilClose => BodyFraming::Chunked,
            body => body,
        };
        prop_assert_eq!((again, body_again, len), (status, body, sent.len()));
    }
}
