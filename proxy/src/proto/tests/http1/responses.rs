//! Tests response heads: how they are framed, and what the client gets of them, compared whole.

use crate::cause::Cause;
use crate::config::HeadLimits;
use crate::proto::http::{BodyFraming, Codings};
use crate::proto::http1::{BodyEncoder, FieldRoom, Outgoing, Parsed, parse_response};

use crate::proto::tests::http1::given::{
    Ask, DATED, GET, HEAD, OLD, OLD_KEPT, UPGRADE, Verdict, Way, gzip, relayed, response, response_within,
    seen,
};

fn framed(head: &str, ask: Ask) -> (BodyFraming, bool) {
    match response(head, ask) {
        Verdict::Response { body, keep, .. } => (body, keep),
        other => panic!("{head:?}: {other:?}"),
    }
}

fn cause(head: &str) -> Option<Cause> {
    match response(head, GET) {
        Verdict::Reject(reject) => {
            assert_eq!(reject.status, 502);
            Some(reject.cause)
        }
        _ => None,
    }
}

/// RFC 9112 sections 2.2, 4, 5.1 and 5.2.
#[test]
fn d1_m4_malformed_heads_are_bad_responses() {
    for bad in [
        "\r\nHTTP/1.1 200 OK\r\n\r\n",
        "\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\n\n",
        "HTTP/1.1 200 OK\r\nA: b\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n\n",
        "HTTP/1.1 200 O\rK\r\n\r\n",
        "HTTP/1.1 200 O\0K\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 OK\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\n",
    ] {
        assert_eq!(cause(bad), Some(Cause::BadResponse), "{bad:?}");
    }
}

/// RFC 9112 section 4: SP stands before an empty reason phrase too; we send it where it lacks.
#[test]
fn d1_m4_the_reason_phrase_passes_as_it_is() {
    for (line, sent) in [
        ("HTTP/1.1 200 OK", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 404 Not  \tFound", "HTTP/1.1 404 Not  \tFound"),
        ("HTTP/1.1 200 ", "HTTP/1.1 200 "),
        ("HTTP/1.1 200", "HTTP/1.1 200 "),
        ("HTTP/1.0 599 Odd", "HTTP/1.1 599 Odd"),
    ] {
        let (out, _) = relayed(format!("{line}\r\nContent-Length: 0\r\n\r\n"), GET, false);
        assert_eq!(out, format!("{sent}\r\nContent-Length: 0\r\n{DATED}\r\n"));
    }
    let (out, _) = relayed(b"HTTP/1.1 200 \xe9\r\nContent-Length: 0\r\n\r\n", GET, false);
    assert!(out.starts_with("HTTP/1.1 200 \u{e9}\r\n"));
}

/// RFC 9112 section 6.3, rule by rule.
#[test]
fn d4_m6_3_framing_follows_the_rules_in_order() {
    use BodyFraming::{Chunked, Length, None, UntilClose};
    let both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
    for (status, fields, ask, expected) in [
        (200, "Content-Length: 5\r\n", HEAD, (None, true)),
        (200, "Transfer-Encoding: chunked\r\n", HEAD, (None, true)),
        (200, "", HEAD, (None, true)),
        (204, "Content-Length: 5\r\n", GET, (None, false)),
        (304, "Content-Length: 5\r\n", GET, (None, true)),
        (100, "Content-Length: 5\r\n", GET, (None, false)),
        (101, "Upgrade: x\r\n", UPGRADE, (None, false)),
        (200, "Transfer-Encoding: chunked\r\n", GET, (Chunked, true)),
        (200, "Transfer-Encoding: Chunked \r\n", GET, (Chunked, true)),
        (200, both, GET, (Chunked, false)),
        (200, "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", gzip(), (Chunked, true)),
        (200, "Transfer-Encoding: X-GZip, chunked\r\n", gzip(), (Chunked, true)),
        (200, "Transfer-Encoding: gzip\r\n", gzip(), (UntilClose, false)),
        (200, "Transfer-Encoding: gzip\r\n", HEAD, (None, true)),
        (304, "Transfer-Encoding: gzip, chunked\r\n", GET, (None, true)),
        // Names that are no coding, with a length that then counts; but the member is not asked again on this link.
        (200, "Transfer-Encoding: identity\r\nContent-Length: 5\r\n", GET, (Length(5), false)),
        (200, "Transfer-Encoding:\r\nContent-Length: 5\r\n", GET, (Length(5), false)),
        (200, "Transfer-Encoding: identity, ,\r\n", GET, (UntilClose, false)),
        (200, "Transfer-Encoding: identity, chunked\r\n", GET, (Chunked, true)),
        (200, "Content-Length: 5\r\n", GET, (Length(5), true)),
        (200, "Content-Length: 0\r\n", GET, (None, true)),
        (200, "Content-Length: 5\r\nContent-Length: 5\r\n", GET, (Length(5), true)),
        (200, "Content-Length: 5, 5\r\nContent-Length: 05\r\n", GET, (Length(5), true)),
        (200, "", GET, (UntilClose, false)),
        (500, "Connection: close\r\n", GET, (UntilClose, false)),
    ] {
        let head = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
        assert_eq!(framed(&head, ask), expected, "{head:?} to {:?}", ask.method);
    }
}

/// RFC 9112 section 6.3 rule 5 and section 6.1.
#[test]
fn d4_m6_3_lengths_that_disagree_or_are_none_are_bad_responses() {
    for bad in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: 5,\r\n",
        "Content-Length:\r\n",
        "Content-Length: +5\r\n",
        "Content-Length: 18446744073709551616\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: xchunked, chunked\r\n",
        "Transfer-Encoding: chunked;a=b\r\n",
        "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: br\r\nContent-Length: 5\r\n",
    ] {
        assert_eq!(cause(&format!("HTTP/1.1 200 OK\r\n{bad}\r\n")), Some(Cause::BadResponse), "{bad:?}");
    }
}

/// RFC 9112 sections 9.3 and 6.1.
#[test]
fn d6_m9_3_links_are_kept_where_both_version_and_options_say_so() {
    for (head, keep) in [
        ("HTTP/1.1 200 OK\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n", false),
        ("HTTP/1.0 200 OK\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", true),
    ] {
        assert_eq!(framed(&format!("{head}Content-Length: 5\r\n\r\n"), GET).1, keep, "{head:?}");
    }
    let old_chunked = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(framed(old_chunked, GET), (BodyFraming::Chunked, false));
}

/// RFC 2068 section 19.7.1.
#[test]
fn keep_alive_timeout_is_read() {
    for (value, expected) in [
        ("timeout=5", Some(5)),
        ("max=3, Timeout=60", Some(60)),
        ("timeout=x", None),
        ("max=3", None),
        ("", None),
    ] {
        let head = format!("HTTP/1.1 204 No\r\nKeep-Alive: {value}\r\n\r\n");
        let mut fields = FieldRoom::new();
        let parsed = parse_response(head.as_bytes(), &HeadLimits::default(), GET.framing(), &mut fields);
        let Ok(Parsed::Head { head, .. }) = parsed else { panic!() };
        assert_eq!(head.keep_alive_timeout, expected, "{value:?}");
    }
}

#[test]
fn d1_s5_4_limits_hold_for_responses_too() {
    let limits = HeadLimits { bytes: 200, fields: 3, line: 60 };
    for (lines, ended) in [
        ("A: b\r\n".repeat(4), "\r\n"),
        (format!("A: {}\r\n", "b".repeat(58)), "\r\n"),
        (format!("A: {}", "b".repeat(200)), ""),
    ] {
        let Verdict::Reject(reject) =
            response_within(format!("HTTP/1.1 200 OK\r\n{lines}{ended}"), GET, &limits)
        else {
            panic!("{lines:?}")
        };
        assert_eq!((reject.status, reject.cause), (502, Cause::ResponseTooLarge));
    }
}

/// RFC 9110 section 7.6.1, both ways.
#[test]
fn d3_s7_6_1_hop_by_hop_fields_do_not_reach_the_client() {
    let head = "HTTP/1.1 200 OK\r\nServer: x\r\nDate: then\r\nConnection: keep-alive, x-one\r\nSet-Cookie: a\r\nX-One: 1\r\n\
                Keep-Alive: timeout=5\r\nSet-Cookie: b\r\nUpgrade: h2\r\nProxy-Connection: x\r\nContent-Length:  2\r\n\r\n";
    let (out, outgoing) = relayed(head, GET, false);
    assert_eq!(
        out,
        "HTTP/1.1 200 OK\r\nServer: x\r\nDate: then\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length:  2\r\n\r\n"
    );
    assert_eq!(outgoing, Outgoing { encoder: BodyEncoder::Raw, close: false });
}

/// RFC 9112 sections 6.1, 6.3 and 9.3: what each client gets of each framing.
#[test]
fn d4_m6_1_the_body_goes_in_a_framing_the_client_knows() {
    use BodyEncoder::{Chunked, None, Raw};
    let te = "Transfer-Encoding: chunked\r\n";
    let close = "Connection: close\r\n";
    let kept = "Connection: keep-alive\r\n";
    let length = "Content-Length: 2\r\n";
    let closing = Ask { keep_alive: false, ..GET };
    for (fields, ask, forced, expected, encoder, closes) in [
        (length, GET, false, length.to_owned(), Raw, false),
        (length, GET, true, format!("{length}{close}"), Raw, true),
        (length, closing, false, format!("{length}{close}"), Raw, true),
        (length, OLD, false, format!("{length}{close}"), Raw, true),
        (length, OLD_KEPT, false, format!("{length}{kept}"), Raw, false),
        (te, GET, false, te.to_owned(), Chunked, false),
        (te, closing, false, format!("{te}{close}"), Chunked, true),
        (te, OLD_KEPT, false, close.to_owned(), Raw, true),
        ("", GET, false, te.to_owned(), Chunked, false),
        ("", OLD_KEPT, false, close.to_owned(), Raw, true),
        ("", HEAD, false, String::new(), None, false),
        (length, HEAD, false, length.to_owned(), None, false),
        (te, HEAD, false, String::new(), None, false),
        ("Content-Length: 0\r\n", GET, false, "Content-Length: 0\r\n".to_owned(), None, false),
        ("Content-Length: 2, 2\r\n", GET, false, length.to_owned(), Raw, false),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", HEAD, false, length.to_owned(), None, false),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", GET, false, te.to_owned(), Chunked, false),
        (
            "Transfer-Encoding: gzip\r\n",
            gzip(),
            false,
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            Chunked,
            false,
        ),
        (
            "Transfer-Encoding: gzip,chunked\r\n",
            gzip(),
            false,
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            Chunked,
            false,
        ),
        (
            "Transfer-Encoding: identity, gzip\r\nTransfer-Encoding: ,chunked,\r\n",
            gzip(),
            false,
            "Transfer-Encoding: gzip, chunked\r\n".into(),
            Chunked,
            false,
        ),
        ("Transfer-Encoding: identity\r\nContent-Length: 2\r\n", GET, false, length.to_owned(), Raw, false),
    ] {
        let (out, outgoing) = relayed(format!("HTTP/1.1 200 OK\r\n{DATED}{fields}\r\n"), ask, forced);
        assert_eq!(out, format!("HTTP/1.1 200 OK\r\n{DATED}{expected}\r\n"), "{fields:?} to {ask:?}");
        assert_eq!(outgoing, Outgoing { encoder, close: closes }, "{fields:?} to {ask:?}");
    }
}

/// RFC 9110 section 8.6 and 15.2: 1xx and 204 never say a length; 304 may.
#[test]
fn d4_s8_6_statuses_without_content_do_not_say_a_length() {
    for (status, kept) in [(100, false), (103, false), (204, false), (304, true)] {
        let head = format!("HTTP/1.1 {status} X\r\nLink: a\r\nContent-Length: 5\r\n\r\n");
        let (out, outgoing) = relayed(&head, GET, false);
        assert_eq!(out.contains("Content-Length"), kept, "{status}");
        assert!(out.contains("Link: a\r\n"));
        assert_eq!(outgoing.encoder, BodyEncoder::None);
        let (out, _) =
            relayed(format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n"), GET, false);
        let dated = if status >= 200 { DATED } else { "" };
        assert_eq!(out, format!("HTTP/1.1 {status} X\r\n{dated}\r\n"));
    }
}

/// RFC 9110 section 15.2: an interim response decides nothing.
#[test]
fn d5_s15_2_interim_responses_do_not_close() {
    let ask = Ask { keep_alive: false, ..GET };
    let (out, outgoing) = relayed("HTTP/1.1 103 Early\r\nConnection: close\r\n\r\n", ask, true);
    assert_eq!((out.as_str(), outgoing.close), ("HTTP/1.1 103 Early\r\n\r\n", false));
}

/// RFC 9110 section 15.3.6: a 205 has no content, so the client is told of none and gets none.
#[test]
fn d4_s15_3_6_a_205_has_no_content() {
    for (lines, body) in [
        ("Content-Length: 0\r\n", BodyFraming::None),
        ("Content-Length: 5\r\n", BodyFraming::Length(5)),
        ("Content-Length: 5, 5\r\n", BodyFraming::Length(5)),
        ("Transfer-Encoding: chunked\r\n", BodyFraming::Chunked),
        ("", BodyFraming::None),
    ] {
        let head = format!("HTTP/1.1 205 Reset Content\r\nDate: x\r\n{lines}\r\n");
        // What the member sends is still read, so that the link stays in step. Without a length that is nothing.
        assert_eq!(framed(&head, GET), (body, !lines.is_empty()), "{lines:?}");
        let (sent, outgoing) = relayed(&head, GET, false);
        assert_eq!(sent, "HTTP/1.1 205 Reset Content\r\nDate: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(outgoing, Outgoing { encoder: BodyEncoder::None, close: false });
    }
}

/// RFC 9110 section 6.6.1: added where it lacks, never replaced, not to 1xx.
#[test]
fn d3_s6_6_1_date_is_added_where_it_lacks() {
    for (status, lines, added) in
        [(200, "", true), (304, "", true), (500, "dAtE: whenever\r\n", false), (103, "", false)]
    {
        let (sent, _) =
            relayed(format!("HTTP/1.1 {status} X\r\n{lines}Content-Length: 0\r\n\r\n"), GET, false);
        assert_eq!(sent.contains(DATED), added, "{status} {lines:?}");
        assert!(sent.contains(lines));
    }
}

/// RFC 9112 section 6.1: HTTP/1.0 does not know chunks, so what it made of a chunked request is unknown.
#[test]
fn dp_a_1_0_answer_to_a_chunked_request_ends_the_link() {
    let chunked = Ask { chunked: true, ..GET };
    for (minor, ask, keep) in [(0, chunked, false), (0, GET, true), (1, chunked, true)] {
        let head = format!("HTTP/1.{minor} 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(framed(&head, ask).1, keep, "1.{minor} {ask:?}");
    }
}

/// RFC 9110 section 10.1.4, RFC 9112 section 7.4: a coding stays on the content for those who asked for it.
#[test]
fn m7_4_codings_are_for_those_who_asked() {
    for (te, codings, passes) in [
        ("gzip", "gzip", true),
        ("GZIP;q=0.5", "gzip", true),
        ("x-gzip", "gzip", true),
        ("gzip", "X-GZIP", true),
        ("trailers, deflate, ,compress ; q=1", "deflate, x-compress", true),
        ("gzip;q=0", "gzip", false),
        ("gzip;q=0.00", "gzip", false),
        ("gzip ; Q=0", "gzip", false),
        ("", "gzip", false),
        ("trailers", "gzip", false),
        ("deflate", "gzip", false),
        ("gzip", "gzip, deflate", false),
        ("gzip, xchunked", "xchunked", false),
        ("chunked, br", "br", false),
    ] {
        let ask = Ask { codings: Codings::asked_for(te.as_bytes()), ..GET };
        for last in ["", ", chunked"] {
            let head = format!("HTTP/1.1 200 OK\r\n{DATED}Transfer-Encoding: {codings}{last}\r\n\r\n");
            match response(&head, ask) {
                Verdict::Response { forwarded, .. } => {
                    let label = format!("Transfer-Encoding: {codings}, chunked\r\n");
                    assert!(passes && forwarded.contains(&label), "{te:?} {codings:?}: {forwarded}");
                }
                Verdict::Reject(reject) => assert!(!passes && reject.status == 502, "{te:?} {codings:?}"),
                other => panic!("{other:?}"),
            }
        }
    }
    let ask = |version: u8| {
        let head = format!("GET / HTTP/1.{version}\r\nHost: a\r\nTE: gzip\r\nTE: deflate;q=0\r\n\r\n");
        seen(head, &Way::silent(), |request| request.format().codings)
    };
    assert_eq!((ask(1), ask(0)), (Codings::asked_for(b"gzip"), Codings::NONE));
}

// RFC 9112 section 6.1: a client of HTTP/1.0 is sent no transfer coding.
#[test]
fn m6_1_codings_that_stay_on_the_content_are_not_for_http_1_0() {
    for codings in ["gzip", "gzip, chunked"] {
        let head = format!("HTTP/1.1 200 OK\r\n{DATED}Transfer-Encoding: {codings}\r\n\r\n");
        assert!(matches!(response(&head, gzip()), Verdict::Response { .. }), "{codings}");
        assert!(
            matches!(response(&head, OLD_KEPT), Verdict::Reject(reject) if reject.status == 502),
            "{codings}"
        );
    }
}
