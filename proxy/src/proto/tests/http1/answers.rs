//! Tests the responses that the proxy generates; its own parser must take them.

use crate::cause::Cause;
use crate::proto::http::BodyFraming;
use crate::proto::http1::error_answer;

use crate::proto::tests::http1::given::{Ask, DATED, GET, HEAD, NOW, OLD, OLD_KEPT, Verdict, response, text};

fn answer(status: u16, cause: Cause, ask: Option<Ask>, close: bool) -> String {
    let mut out = Vec::new();
    error_answer(status, cause, ask.map(|ask| (ask.method, ask.format())), close, NOW, &mut out);
    text(&out)
}

#[test]
fn d8_an_answer_names_its_cause() {
    assert_eq!(
        answer(503, Cause::QueueFull, Some(GET), false),
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nContent-Length: 11\r\n\
         Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 1\r\n\r\nqueue_full\n"
    );
}

/// RFC 9112 section 6.3 and 9.3, RFC 9110 section 9.3.2.
#[test]
fn d8_every_answer_has_its_exact_length_and_connection() {
    for cause in Cause::ALL {
        for (ask, forced) in
            [(None, false), (Some(GET), false), (Some(GET), true), (Some(HEAD), false), (Some(OLD), false)]
        {
            let bytes = answer(cause.status(), cause, ask, forced);
            let Verdict::Response { status, body, keep, len, .. } = response(&bytes, GET) else { panic!() };
            assert_eq!(status, cause.status());
            let content = answer(cause.status(), cause, Some(GET), false);
            let (_, content) = content.split_once("\r\n\r\n").unwrap();
            assert!(content.starts_with(cause.name()) && content.ends_with('\n'), "{content}");
            assert_eq!(content.len() > cause.name().len() + 1, cause == Cause::LoopDetected, "{content}");
            assert_eq!(body, BodyFraming::Length(content.len() as u64));
            assert_eq!(&bytes[len..], if ask == Some(HEAD) { "" } else { content });
            assert_eq!(keep, !forced && ask.is_some_and(|ask| ask.keep_alive), "{bytes}");
            assert_eq!(bytes.contains("Retry-After: 1\r\n"), status == 503);
            assert!(bytes.contains(DATED), "RFC 9110 section 6.6.1: {bytes}");
            assert!(!bytes.contains(" Error\r\n") || status == 500, "every status has its phrase: {bytes}");
        }
    }
    assert!(
        answer(502, Cause::BadResponse, Some(OLD_KEPT), false).contains("\r\nConnection: keep-alive\r\n")
    );
    assert!(answer(405, Cause::Unsupported, None, true).contains("\r\nAllow: GET, "));
}
