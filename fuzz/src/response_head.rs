//! Checks response heads: what is accepted is one response to anybody, and what the client gets is the same response.

use penstock::config::HeadLimits;
use penstock::proto::http::{self, BodyFraming, Codings, Method, Reject, ResponseFormat, ResponseHead};
use penstock::proto::http1::{BodyEncoder, Date, FieldRoom, Outgoing, Parsed, parse_response};

use super::head::{Head, trim};
use super::input::{Input, same_at_any_cut};

const DATE: Date = *b"Thu, 01 Jan 1970 00:00:00 GMT";

/// Checks a response head.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let method = input.pick([Method::Get, Method::Head, Method::Post, Method::Connect]);
    let bits = input.below(128);
    let [upgrade, old, last, chunked, close, small, coded] =
        [1, 2, 4, 8, 16, 32, 64].map(|bit| bits & bit != 0);
    let upgrade = method == Method::Connect || (upgrade && !old);
    let codings = Codings::asked_for(if coded && !old { b"gzip, deflate" } else { b"" });
    let framing = http::Ask { method, upgrade, chunked };
    let ask =
        Ask { framing, format: ResponseFormat { minor_version: u8::from(!old), keep_alive: !last, codings } };
    let limits = if small { HeadLimits { bytes: 260, fields: 6, line: 70 } } else { HeadLimits::default() };
    let bytes = input.0;
    same_at_any_cut(bytes, &Verdict::Partial, |cut| judge(cut, ask, &limits));
    let mut fields = FieldRoom::new();
    match parse_response(bytes, &limits, ask.framing, &mut fields) {
        Ok(Parsed::Partial) => {}
        Err(reject) => assert_eq!(reject.status, 502),
        Ok(Parsed::Head { head, len }) => check_head(&head, &bytes[..len], ask, close),
    }
}

/// What was asked, and what its client takes.
#[derive(Clone, Copy)]
struct Ask {
    framing: http::Ask,
    format: ResponseFormat,
}

/// A verdict without its borrows.
#[derive(PartialEq, Debug)]
enum Verdict {
    Partial,
    Refused(Reject),
    Taken { status: u16, body: BodyFraming, keep: bool, len: usize, sent: Vec<u8> },
}

fn judge(bytes: &[u8], ask: Ask, limits: &HeadLimits) -> Verdict {
    let mut fields = FieldRoom::new();
    match parse_response(bytes, limits, ask.framing, &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Refused(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut sent = Vec::new();
            if let Err(cause) = head.forward(ask.format, false, &DATE, &mut sent) {
                return Verdict::Refused(cause.into());
            }
            Verdict::Taken { status: head.status, body: head.body, keep: head.keep_alive, len, sent }
        }
    }
}

fn check_head(head: &ResponseHead<'_, '_>, bytes: &[u8], ask: Ask, close: bool) {
    let came = Head::read(bytes);
    let version: &[u8] = if head.minor_version == 1 { b"HTTP/1.1 " } else { b"HTTP/1.0 " };
    let status = came.start.strip_prefix(version).expect("a version").get(..3).expect("a status");
    assert_eq!(status, head.status.to_string().as_bytes());
    assert_eq!(head.body, framing(&came, head, ask), "the framing");
    assert!(!head.switches() || ask.framing.upgrade, "switches without being asked to");
    let connection = came.list(b"connection");
    let closes = connection.iter().any(|option| option == b"close");
    let unclear =
        came.all(b"transfer-encoding").next().is_some() && came.all(b"content-length").next().is_some();
    let last = closes || unclear || head.switches() || head.body == BodyFraming::UntilClose;
    assert!(!(last && head.keep_alive), "the link is used again");
    let mut sent = Vec::new();
    let Ok(outgoing) = head.forward(ask.format, close, &DATE, &mut sent) else {
        return assert!(
            sent.is_empty() && came.all(b"transfer-encoding").next().is_some(),
            "what its client takes"
        );
    };
    let codings = came.list(b"transfer-encoding");
    let plain = |coding: &Vec<u8>| coding == b"chunked" || coding == b"identity";
    assert!(
        outgoing.encoder == BodyEncoder::None
            || codings.iter().all(plain)
            || ask.format.codings != Codings::NONE,
        "not asked for"
    );
    let told = Head::read(&sent);
    assert_eq!(told.start.get(..12), Some(format!("HTTP/1.1 {}", head.status).as_bytes()));
    told.assert_carries(&came, &connection);
    check_fields(head, &came, &told, ask, outgoing);
    if !head.is_interim() {
        check_again(head, &sent, ask, outgoing);
    }
}

/// RFC 9112 section 6.3, rules 1 to 4 and 6 to 8; where lengths repeat themselves they agree (rule 5).
fn framing(came: &Head, head: &ResponseHead<'_, '_>, ask: Ask) -> BodyFraming {
    let bare = head.status < 200 || matches!(head.status, 204 | 304) || ask.framing.method == Method::Head;
    if bare || (ask.framing.method == Method::Connect && head.status < 300) {
        return BodyFraming::None;
    }
    let codings: Vec<_> = came.list(b"transfer-encoding").into_iter().filter(|c| c != b"identity").collect();
    if let Some(last) = codings.last() {
        if last == b"chunked" {
            return BodyFraming::Chunked;
        }
        assert!(came.all(b"content-length").next().is_none(), "a length that nobody goes by");
    }
    if !codings.is_empty() || came.all(b"content-length").next().is_none() {
        return if head.status == 205 { BodyFraming::None } else { BodyFraming::UntilClose };
    }
    let mut lengths = came.all(b"content-length").flat_map(|value| value.split(|b| *b == b',')).map(trim);
    let Some(first) = lengths.next() else { return BodyFraming::UntilClose };
    let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse::<u64>().ok();
    let length = number(first).expect("Content-Length is a number");
    assert!(lengths.all(|other| number(other) == Some(length)), "one number");
    if length == 0 { BodyFraming::None } else { BodyFraming::Length(length) }
}

fn check_fields(head: &ResponseHead<'_, '_>, came: &Head, told: &Head, ask: Ask, outgoing: Outgoing) {
    for name in [&b"keep-alive"[..], b"proxy-connection", b"te", b"http2-settings"] {
        assert_eq!(told.one(name), None, "{}", name.escape_ascii());
    }
    let final_one = head.status >= 200;
    let dates = came.all(b"date").count().max(usize::from(final_one));
    let named = came.list(b"connection").iter().any(|option| option == b"date");
    assert!(named || told.all(b"date").count() == dates, "Date");
    let coding = told.one(b"transfer-encoding");
    assert_eq!(coding.is_some(), outgoing.encoder == BodyEncoder::Chunked, "Transfer-Encoding");
    assert!(coding.is_none() || ask.format.minor_version == 1, "chunks for a client of 1.0");
    let length = told.one(b"content-length");
    let bare = !final_one || head.status == 204 || head.switches();
    assert!(length.is_none() || !(bare || coding.is_some()), "Content-Length");
    let said = told.list(b"connection");
    let says = |option: &[u8]| said.iter().any(|o| o == option);
    let closes = final_one && !head.switches() && outgoing.close;
    assert_eq!(says(b"close"), closes, "Connection: close");
    assert!(!says(b"keep-alive") || ask.format.minor_version == 0, "Connection: keep-alive");
    assert_eq!(says(b"upgrade"), told.one(b"upgrade").is_some(), "Upgrade");
    assert!(head.status != 101 || says(b"upgrade"), "101 to what");
}

/// The client reads the same answer.
fn check_again(head: &ResponseHead<'_, '_>, sent: &[u8], ask: Ask, outgoing: Outgoing) {
    let wide = HeadLimits { bytes: 1 << 20, fields: HeadLimits::MAX_FIELDS, line: 1 << 20 };
    let ask = http::Ask { chunked: false, ..ask.framing };
    let mut fields = FieldRoom::new();
    let again = parse_response(sent, &wide, ask, &mut fields);
    let Ok(Parsed::Head { head: again, len }) = again else { panic!("{again:?}: {}", sent.escape_ascii()) };
    assert_eq!((len, again.status), (sent.len(), head.status), "{}", sent.escape_ascii());
    assert_eq!(again.switches(), head.switches());
    let due = match (outgoing.encoder, head.body) {
        (BodyEncoder::None, _) => BodyFraming::None,
        (BodyEncoder::Raw, BodyFraming::Length(n)) => BodyFraming::Length(n),
        (BodyEncoder::Raw, _) => BodyFraming::UntilClose,
        (BodyEncoder::Chunked, _) => BodyFraming::Chunked,
    };
    assert_eq!(again.body, due, "{}", sent.escape_ascii());
    assert!(due != BodyFraming::UntilClose || outgoing.close, "who ends it");
    assert_eq!(again.keep_alive, !outgoing.close && !head.switches(), "{}", sent.escape_ascii());
}
