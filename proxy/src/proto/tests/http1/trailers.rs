//! Tests trailers, and TE, which asks for them.

use crate::proto::http::BodyFraming;
use crate::proto::http1::{BodyDecoder, BodyEncoder};

use crate::proto::tests::http1::bodies::read;
use crate::proto::tests::http1::given::{Way, forwarded, text, with};

fn kept(trailers: &str) -> String {
    let body = format!("1\r\na\r\n0\r\n{trailers}\r\n");
    let whole = read(BodyFraming::Chunked, body.as_bytes(), &mut std::iter::empty());
    let bytewise = read(BodyFraming::Chunked, body.as_bytes(), &mut std::iter::repeat(1));
    assert_eq!(whole, bytewise);
    assert_eq!(whole.end, Ok(true), "{trailers:?}");
    whole.trailers
}

/// RFC 9110 section 6.5: as they came, in their order.
#[test]
fn d4_s6_5_trailers_travel_on() {
    for trailers in [
        "",
        "A: b\r\n",
        "Server-Timing: db;dur=53\r\ngrpc-status: 0\r\nX-Empty:\r\nA:  b \r\nA: c\r\n",
        "ETag: \"x\"\r\nContent-Digest: sha-256=:x:\r\n",
        "X-Content-Type: a\r\nHosts: b\r\nIff: c\r\n",
    ] {
        assert_eq!(kept(trailers), trailers);
    }
}

/// RFC 9110 section 6.5.1: not what frames, routes, authenticates, describes or modifies a message.
#[test]
fn d4_s6_5_1_trailers_that_would_change_the_message_do_not() {
    for name in [
        "Transfer-Encoding",
        "content-length",
        "Content_Length",
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Proxy-Connection",
        "Authorization",
        "Proxy-Authorization",
        "Proxy-Authenticate",
        "WWW-Authenticate",
        "Cookie",
        "Set-Cookie",
        "Content-Type",
        "CONTENT-ENCODING",
        "Content-Range",
        "Cache-Control",
        "Expect",
        "Max-Forwards",
        "Range",
        "If-Match",
        "If-None-Match",
        "Date",
        "Location",
        "Retry-After",
        "Vary",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "x_forwarded_for",
        "X-Forwarded-Host",
        "X-Real-IP",
    ] {
        assert_eq!(kept(&format!("A: b\r\n{name}: x\r\nC: d\r\n")), "A: b\r\nC: d\r\n", "{name}");
    }
}

/// RFC 9112 section 7.1.2: in trailers, behind the last chunk; nowhere where the framing has no place for them.
#[test]
fn d4_m7_1_2_trailers_are_written_behind_the_last_chunk() {
    for (encoder, expected) in [
        (BodyEncoder::Chunked, "0\r\nA: b\r\n\r\n"),
        (BodyEncoder::Raw, ""), // as it is for HTTP/1.0
        (BodyEncoder::None, ""),
    ] {
        let mut out = Vec::new();
        encoder.finish(b"A: b\r\n", &mut out);
        assert_eq!(text(&out), expected);
    }
}

#[test]
fn d4_m8_there_are_no_trailers_before_the_end() {
    let mut decoder = BodyDecoder::of_request(BodyFraming::Chunked);
    decoder.decode(b"0\r\nA: b\r\nC: d\r\n").unwrap();
    assert_eq!(decoder.trailers(), b"");
    assert!(decoder.at_eof().is_err());
    assert_eq!(decoder.trailers(), b"");
    decoder.decode(b"\r\n").unwrap();
    assert_eq!(decoder.trailers(), b"A: b\r\nC: d\r\n");
    assert_eq!(decoder.at_eof(), Ok(()));
    assert_eq!(decoder.trailers(), b"A: b\r\nC: d\r\n");
}

/// RFC 9110 section 10.1.4: TE is for one hop; `trailers` is said anew, with its connection option.
#[test]
fn d3_s10_1_4_of_te_only_trailers_is_forwarded() {
    let way = Way::silent();
    let sent = with("A: b\r\nConnection: TE\r\nTE: trailers\r\n");
    for te in [
        "TE: trailers\r\n",
        "te: gzip;q=0.5, Trailers\r\nConnection: te\r\n",
        "TE: gzip\r\nTE: trailers\r\nConnection: TE, close\r\n",
    ] {
        assert_eq!(forwarded(with(&format!("{te}A: b\r\n")), &way), sent, "{te:?}");
    }
    for te in ["TE: gzip\r\n", "TE:\r\n", "TE: xtrailers\r\nConnection: TE\r\n", "Connection: TE\r\n"] {
        assert_eq!(forwarded(with(&format!("{te}A: b\r\n")), &way), with("A: b\r\n"), "{te:?}");
    }
    let old = forwarded("GET / HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n", &way);
    assert_eq!(old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.0 takes no trailers");
}
