//! Checks request heads: what is accepted is one request to anybody, and what is sent on is the same request.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use penstock::config::{
    Forwarded, HeadLimits, HostMatch, HttpRules, Networks, RouteRule, Underscores, Upgrades,
};
use penstock::proto::http::{Ask, BodyFraming, Method, Reject, RequestHead};
use penstock::proto::http1::{
    Date, FieldRoom, Forwarding, Parsed, error_answer, parse_request, parse_response,
};

use super::head::Head;
use super::input::{Input, same_at_any_cut};

const DATE: Date = *b"Thu, 01 Jan 1970 00:00:00 GMT";
const PSEUDONYM: &str = "penstock";
/// Whatever is sent fits in these.
const WIDE: HeadLimits = HeadLimits { bytes: 1 << 20, fields: HeadLimits::MAX_FIELDS, line: 1 << 20 };

/// Checks a request head.
pub fn check(input: &[u8]) {
    let mut input = Input(input);
    let rules = rules(&mut input);
    let peer = peer(&mut input);
    let no_expect = input.flag();
    let bytes = input.0;
    same_at_any_cut(bytes, &Verdict::Partial, |cut| judge(cut, &rules));
    let mut fields = FieldRoom::new();
    match parse_request(bytes, &rules, &mut fields) {
        Ok(Parsed::Partial) => {}
        Err(reject) => check_refusal(reject),
        Ok(Parsed::Head { head, len }) => {
            let way = Forwarding { peer, rules: &rules, no_expect };
            check_head(&head, &bytes[..len], &way);
        }
    }
}

fn rules(input: &mut Input<'_>) -> HttpRules {
    let small = HeadLimits { bytes: 260, fields: 6, line: 70 };
    let some = || Upgrades::Only(["websocket".into(), "h2c".into()].into());
    let upgrades = [Upgrades::default(), Upgrades::Any, Upgrades::Off, some()];
    let styles =
        [Forwarded::XForwarded, Forwarded::Rfc7239, Forwarded::Both, Forwarded::Remove, Forwarded::Off];
    HttpRules {
        forwarded: input.pick(styles),
        underscores: input.pick([Underscores::Pass, Underscores::Drop, Underscores::Reject]),
        upgrades: upgrades[input.below(4)].clone(),
        head: input.pick([HeadLimits::default(), small]),
        trace: true,
        connect: true,
        trusted_proxies: networks(input.below(3)),
        via: Some(PSEUDONYM.into()),
        ..HttpRules::default()
    }
}

/// None, the peer's alone, everybody.
pub(super) fn networks(which: usize) -> Networks {
    let trusted = [&[][..], &["192.0.2.0/24", "2001:db8::/32"], &["0.0.0.0/0", "::/0"]];
    trusted[which].iter().map(|network| network.parse().expect("a network")).collect()
}

fn peer(input: &mut Input<'_>) -> IpAddr {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
    input.pick([Ipv4Addr::new(192, 0, 2, 7).into(), v6.into(), Ipv4Addr::new(203, 0, 113, 9).into()])
}

/// A verdict without its borrows.
#[derive(PartialEq, Debug)]
enum Verdict {
    Partial,
    Refused(Reject),
    Taken { ask: Ask, body: BodyFraming, len: usize, sent: Vec<u8> },
}

fn judge(bytes: &[u8], rules: &HttpRules) -> Verdict {
    let mut fields = FieldRoom::new();
    match parse_request(bytes, rules, &mut fields) {
        Ok(Parsed::Partial) => Verdict::Partial,
        Err(reject) => Verdict::Refused(reject),
        Ok(Parsed::Head { head, len }) => {
            let mut sent = Vec::new();
            let peer = Ipv4Addr::LOCALHOST.into();
            head.forward(&Forwarding { peer, rules, no_expect: false }, &mut sent);
            Verdict::Taken { ask: head.ask(), body: head.body, len, sent }
        }
    }
}

/// The answer to it is one that a client can read.
fn check_refusal(reject: Reject) {
    assert!((400..=599).contains(&reject.status), "{reject:?}");
    let mut out = Vec::new();
    error_answer(reject.status, reject.cause, None, false, &DATE, &mut out);
    let (status, length) = read_answer(&out, GET);
    assert_eq!(status, reject.status);
    assert!(length > reject.cause.name().len() as u64);
}

const GET: Ask = Ask { method: Method::Get, upgrade: false, chunked: false };

/// The status of an answer of ours, and how long its content is, all of which is there.
fn read_answer(bytes: &[u8], ask: Ask) -> (u16, u64) {
    let mut fields = FieldRoom::new();
    let Ok(Parsed::Head { head, len }) = parse_response(bytes, &WIDE, ask, &mut fields) else {
        panic!("an answer of ours is none: {}", bytes.escape_ascii());
    };
    let length = match head.body {
        BodyFraming::None => 0,
        BodyFraming::Length(n) => n,
        other => panic!("{other:?} of an answer of ours"),
    };
    assert_eq!((bytes.len() - len) as u64, length, "{}", bytes.escape_ascii());
    (head.status, length)
}

fn check_head(head: &RequestHead<'_, '_>, bytes: &[u8], way: &Forwarding<'_>) {
    let empty_lines = bytes.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
    let came = Head::read(&bytes[empty_lines..]);
    check_start(head, &came);
    assert_eq!(head.body, came.framing().unwrap_or(BodyFraming::None), "the framing");
    let connection = came.list(b"connection");
    let says = |option: &[u8]| connection.iter().any(|o| o == option);
    let keeps = !says(b"close") && (head.minor_version == 1 || says(b"keep-alive"));
    assert_eq!(head.keep_alive, keeps, "whether the client's connection stays");
    check_own_answer(head, &came);
    let mut sent = Vec::new();
    head.forward(way, &mut sent);
    let told = Head::read(&sent);
    // What proxies tell is taken from strangers, and passes from those who are trusted.
    let trusted = !way.rules.trusted_proxies.is_empty() && way.rules.trusted_proxies.contains(way.peer);
    let passes = match way.rules.forwarded {
        Forwarded::Off => true,
        Forwarded::Remove => false,
        _ => trusted,
    };
    let strange =
        |name: &[u8]| !passes && matches!(name, b"x-real-ip" | b"x-forwarded-host" | b"true-client-ip");
    for name in came.fields.iter().map(|(name, _)| name).filter(|name| strange(name)) {
        assert_eq!(told.one(name), None, "{}", name.escape_ascii());
    }
    told.assert_carries(&came, &connection);
    assert_eq!(told.framing().unwrap_or(BodyFraming::None), head.body, "{}", sent.escape_ascii());
    check_hop(head, &told);
    check_source(head, &came, &told, way);
    check_twins(&told, way.rules);
    check_again(head, &sent, way, &connection);
}

/// Three words with one space between them.
fn check_start(head: &RequestHead<'_, '_>, came: &Head) {
    let words: Vec<_> = came.start.split(|b| *b == b' ').collect();
    let version: &[u8] = if head.minor_version == 1 { b"HTTP/1.1" } else { b"HTTP/1.0" };
    assert_eq!(words, [head.method_text().as_bytes(), head.target().as_bytes(), version], "the request line");
    let host = came.one(b"host");
    assert!(host.is_some() || head.minor_version == 0, "HTTP/1.1 without Host");
    if head.target().starts_with('/') {
        assert_eq!(head.host(), host, "whom it is for");
    }
}

fn check_own_answer(head: &RequestHead<'_, '_>, came: &Head) {
    let counts = matches!(head.method, Method::Options | Method::Trace);
    let hops = if counts { came.one(b"max-forwards") } else { None };
    let ends = hops.is_some_and(|hops| hops.iter().all(|b| *b == b'0'));
    let mut out = Vec::new();
    assert_eq!(head.own_answer(&DATE, false, &mut out), ends.then_some(200), "who answers");
    if ends {
        assert_eq!(read_answer(&out, head.ask()).0, 200);
    }
}

/// What ends at a hop is not sent on, but for what we say of our own hop (RFC 9110 section 7.6.1).
fn check_hop(head: &RequestHead<'_, '_>, told: &Head) {
    for name in [&b"keep-alive"[..], b"proxy-connection"] {
        assert_eq!(told.one(name), None, "{}", name.escape_ascii());
    }
    let said = told.list(b"connection");
    let upgrades = head.upgrade && head.method != Method::Connect;
    assert_eq!(said.iter().any(|o| o == b"upgrade"), upgrades, "Connection: upgrade");
    assert_eq!(told.one(b"upgrade").is_some(), upgrades, "Upgrade");
    let te = told.one(b"te");
    assert!(matches!(te, None | Some(b"trailers")), "TE");
    assert_eq!(said.iter().any(|o| o == b"te"), te.is_some(), "Connection: TE");
    let settings = told.one(b"http2-settings").is_some();
    assert_eq!(said.iter().any(|o| o == b"http2-settings"), settings, "HTTP2-Settings");
    assert_eq!(said.len(), usize::from(upgrades) + usize::from(te.is_some()) + usize::from(settings));
}

/// The fields that tell the way: each at most once, and what an untrusted peer says of others is not believed.
fn check_source(head: &RequestHead<'_, '_>, came: &Head, told: &Head, way: &Forwarding<'_>) {
    let style = way.rules.forwarded;
    let peer = way.peer.to_string();
    let trusted = !way.rules.trusted_proxies.is_empty() && way.rules.trusted_proxies.contains(way.peer);
    let source = head.source(way.peer, way.rules);
    assert!(trusted || source == way.peer, "an untrusted peer spoke for {source}");
    let via = told.one(b"via").expect("Via");
    assert!(via.ends_with(PSEUDONYM.as_bytes()), "{}", via.escape_ascii());
    let (x, rfc7239) = (
        matches!(style, Forwarded::XForwarded | Forwarded::Both),
        matches!(style, Forwarded::Rfc7239 | Forwarded::Both),
    );
    if style == Forwarded::Off {
        let connection = came.list(b"connection");
        for name in [&b"x-forwarded-for"[..], b"forwarded", b"x-forwarded-proto"] {
            let named = connection.iter().any(|o| o == name);
            let due: Vec<_> = came.all(name).filter(|_| !named).collect();
            assert_eq!(told.all(name).collect::<Vec<_>>(), due, "{}", name.escape_ascii());
        }
        return;
    }
    let list = told.one(b"x-forwarded-for");
    assert_eq!(list.is_some(), x);
    assert!(list.is_none_or(|list| list.ends_with(peer.as_bytes())), "the peer is the last");
    assert!(trusted || list.is_none_or(|list| list == peer.as_bytes()), "{list:?}");
    let proto = told.one(b"x-forwarded-proto");
    assert!(matches!((x, proto), (true, Some(b"http" | b"https")) | (false, None)), "X-Forwarded-Proto");
    assert!(trusted || proto != Some(b"https"), "https by hearsay");
    let list = told.one(b"forwarded");
    assert_eq!(list.is_some(), rfc7239);
    let own = if way.peer.is_ipv6() {
        format!("for=\"[{peer}]\";proto=http")
    } else {
        format!("for={peer};proto=http")
    };
    assert!(list.is_none_or(|list| list.ends_with(own.as_bytes())), "the peer is the last");
    assert!(trusted || list.is_none_or(|list| list == own.as_bytes()), "{list:?}");
}

/// No name that a CGI program would take for one that we frame by or write.
fn check_twins(told: &Head, rules: &HttpRules) {
    for (name, _) in told.fields.iter().filter(|(name, _)| name.contains(&b'_')) {
        let alike: Vec<u8> = name.iter().map(|b| if *b == b'_' { b'-' } else { *b }).collect();
        let frames = matches!(&alike[..], b"content-length" | b"transfer-encoding");
        let ours = matches!(&alike[..], b"x-forwarded-for" | b"x-forwarded-proto");
        assert!(!frames && (!ours || rules.forwarded == Forwarded::Off), "{}", name.escape_ascii());
        assert_eq!(rules.underscores, Underscores::Pass, "{}", name.escape_ascii());
    }
}

/// What was sent is what we would take ourselves, it means the same, and sent on it stays as it is.
fn check_again(head: &RequestHead<'_, '_>, sent: &[u8], way: &Forwarding<'_>, named: &[Vec<u8>]) {
    let plain = HttpRules {
        head: WIDE,
        forwarded: Forwarded::Off,
        underscores: Underscores::Pass,
        trusted_proxies: Networks::default(),
        via: None,
        ..way.rules.clone()
    };
    let mut fields = FieldRoom::new();
    let again = parse_request(sent, &plain, &mut fields);
    let Ok(Parsed::Head { head: again, len }) = again else { panic!("{again:?}: {}", sent.escape_ascii()) };
    assert_eq!(len, sent.len(), "{}", sent.escape_ascii());
    assert_eq!((again.method_text(), again.minor_version), (head.method_text(), 1));
    assert_eq!((again.body, again.upgrade, again.binds), (head.body, head.upgrade, head.binds));
    assert_eq!(again.expect_continue, head.expect_continue && !way.no_expect);
    assert_eq!(again.host().unwrap_or_default(), head.host().unwrap_or_default(), "whom it is for");
    let whole = head.method == Method::Options && again.target() == "*";
    assert!(whole || path(again.target()) == path(head.target()), "what it is for: {}", sent.escape_ascii());
    // What Connection names is for us, and may decide where the request goes without going there.
    let hidden = named.iter().any(|name| name == b"a");
    assert!(
        hidden || again.rule(&routes()) == head.rule(&routes()),
        "where it goes: {}",
        sent.escape_ascii()
    );
    let mut fixed = Vec::new();
    again.forward(&Forwarding { peer: way.peer, rules: &plain, no_expect: false }, &mut fixed);
    if !matches!(head.method, Method::Options | Method::Trace) {
        assert_eq!(fixed.escape_ascii().to_string(), sent.escape_ascii().to_string(), "sent on again");
    }
}

/// The target without scheme and authority.
fn path(target: &str) -> String {
    let scheme = target.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"));
    let Some(rest) = target.get(7..).filter(|_| scheme) else { return target.to_owned() };
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    if path.starts_with('/') { path.to_owned() } else { format!("/{path}") }
}

fn routes() -> [RouteRule; 4] {
    let any =
        RouteRule { host: None, path_prefix: None, methods: Vec::new(), fields: Vec::new(), backend: 0 };
    [
        RouteRule { host: Some(HostMatch::Exactly("a:80".into())), ..any.clone() },
        RouteRule {
            host: Some(HostMatch::Below(".example.com".into())),
            methods: vec!["GET".into()],
            ..any.clone()
        },
        RouteRule { fields: vec![("a".into(), Some("b".into()))], ..any.clone() },
        RouteRule { path_prefix: Some("/p".into()), ..any },
    ]
}
