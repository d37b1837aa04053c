//! A PROXY header is asked for where the configuration says so, believed of those it names, and taken off exactly.

use std::net::Ipv4Addr;

use crate::support::headers::{LOCAL, PROXY, SIGNATURE, take_v1, v1, v2};
use crate::support::stand::{Proxy, Setup, origin};
use crate::support::wire::{Wire, eventually, request};
use crate::tcp::given::{Member, are_one, is_reset, members, next_of, stand, tcp};

const SOURCE: &str = "198.51.100.7:4711";
const DESTINATION: &str = "203.0.113.9:5432";

fn required(trusted: &str) -> Setup {
    Setup::new().listener("proxy_protocol: required").listener(&format!("trusted: {trusted}"))
}

/// What is told on to the member shows what was believed.
fn believing() -> Setup {
    required("any").listener("protocol: tcp").backend("proxy_protocol: v1")
}

fn rejected(proxy: &Proxy) -> i64 {
    proxy.sum_of("penstock_client_connections_rejected_total", &["reason=\"proxy_header\""])
}

#[track_caller]
fn is_believed(client: &mut Wire, member: &Member) {
    let mut link = member.next();
    assert_eq!(take_v1(&mut link), v1(SOURCE, DESTINATION));
    are_one(client, &mut link);
}

fn headers() -> [Vec<u8>; 3] {
    let tlvs: &[(u8, &[u8])] = &[(0x04, &[0; 100]), (0xea, b"vendor")];
    [
        v1(SOURCE, DESTINATION).into_bytes(),
        v2(PROXY, SOURCE, DESTINATION, &[]),
        v2(PROXY, SOURCE, DESTINATION, tlvs),
    ]
}

#[test]
fn both_versions_are_believed() {
    let (proxy, member) = stand(&believing());
    for header in headers() {
        let mut client = proxy.client();
        client.send(header);
        is_believed(&mut client, &member);
    }
    assert_eq!(rejected(&proxy), 0);
}

#[test]
fn a_header_may_come_byte_by_byte() {
    let (proxy, member) = stand(&believing());
    for header in headers() {
        let mut client = proxy.client();
        for byte in header {
            client.send([byte]);
            std::thread::yield_now();
        }
        is_believed(&mut client, &member);
    }
}

#[test]
fn a_header_may_come_with_what_follows() {
    let (proxy, member) = stand(&believing());
    let mut sent = 0;
    for header in headers() {
        for follows in [&b"x"[..], &[b'y'; 30_000]] {
            let whole = [&header[..], follows].concat();
            sent += whole.len() as i64;
            let mut client = proxy.client();
            client.send(whole).finish();
            let mut link = member.next();
            assert_eq!(take_v1(&mut link), v1(SOURCE, DESTINATION));
            assert_eq!(link.rest(), follows);
        }
    }
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_client_received_bytes_total"), sent, "I5, with the headers");
}

#[test]
fn what_is_no_header_is_refused() {
    let (proxy, member) = stand(&believing());
    let too_long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(93));
    let mut huge = v2(PROXY, SOURCE, DESTINATION, &[]);
    huge[14..16].copy_from_slice(&5000_u16.to_be_bytes());
    huge.extend([0; 5000]);
    let mut third = v2(PROXY, SOURCE, DESTINATION, &[]);
    third[12] = 0x31;
    let wrong: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.9 4711\r\n",
        b"PROXY TCP4 198.51.100.7 203.0.113.9 4711 99999\r\n",
        b"\0",
        too_long.as_bytes(),
        &huge,
        &third,
    ];
    for (i, bytes) in (1..).zip(wrong) {
        let mut client = proxy.client();
        client.send(bytes);
        is_reset(&mut client);
        assert_eq!(rejected(&proxy), i, "{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(50)]));
    }
    let s = proxy.at_rest();
    assert_eq!(s.sum("penstock_client_connections_accepted_total"), 0);
    assert_eq!(s.sum("penstock_client_received_bytes_total"), 0);
    assert!(member.waiting().is_none());
}

#[test]
fn who_leaves_before_the_header_is_whole_is_refused() {
    let (proxy, member) = stand(&believing().listener("timeouts: { head: 10m }"));
    for (i, begun) in (1..).zip([&b""[..], b"PROXY TC", SIGNATURE]) {
        proxy.client().send(begun).finish();
        eventually("it is counted", || rejected(&proxy) == 2 * i - 1);
        let mut client = proxy.client();
        client.send(begun);
        client.reset();
        eventually("so is the other", || rejected(&proxy) == 2 * i);
    }
    assert!(member.waiting().is_none());
}

#[test]
fn who_sends_no_header_in_time_is_refused() {
    let (proxy, member) = stand(&believing().listener("timeouts: { head: 200ms }"));
    is_reset(&mut proxy.client());
    let mut begun = proxy.client();
    begun.send("PROXY TCP4 ");
    is_reset(&mut begun);
    assert_eq!(rejected(&proxy), 2);
    assert!(member.waiting().is_none());
}

#[test]
fn only_those_who_are_trusted_are_heard() {
    let setup = required("[10.0.0.0/8, 127.40.0.0/16, ::1]").listener("protocol: tcp");
    let (proxy, member) = stand(&setup.listener("timeouts: { head: 10m }"));
    for i in 1..=3 {
        let mut other = proxy.client_from([127, 41, 0, 1]);
        assert_eq!(other.rest_and_reset().0, b"");
        assert_eq!(rejected(&proxy), i);
    }
    let mut client = proxy.client_from([127, 40, 200, 1]);
    client.send(v1(SOURCE, DESTINATION));
    are_one(&mut client, &mut member.next());
    assert!(member.waiting().is_none());
    assert_eq!(proxy.sum("penstock_client_connections_accepted_total"), 1);
}

#[test]
fn who_has_not_said_who_it_is_holds_up_nobody_and_counts_as_open() {
    let (proxy, member) = stand(&believing().workers(1).listener("max_connections: 5"));
    let silent: Vec<_> = (0..4).map(|_| proxy.client()).collect();
    let mut client = proxy.client();
    client.send(v1(SOURCE, DESTINATION));
    is_believed(&mut client, &member);
    assert_eq!(proxy.client().rest_and_reset().0, b"");
    let full = || proxy.sum_of("penstock_client_connections_rejected_total", &["reason=\"max\""]);
    assert_eq!(full(), 1);
    drop(silent);
    eventually("their places are free", || rejected(&proxy) == 4);
}

#[test]
fn affinity_follows_the_source_that_is_told() {
    let (members, named) = members(["a", "b", "c"]);
    let told = required("any").listener("protocol: tcp").before(&named);
    let direct = tcp().before(&named);
    for i in 1..=30 {
        let source = Ipv4Addr::new(127, 42, 0, i);
        let mut client = told.client();
        client.send(v1(&format!("{source}:999"), DESTINATION));
        let (by_header, _link) = next_of(&members);
        let _client = direct.client_from(source.octets());
        let (by_address, _link) = next_of(&members);
        assert_eq!(by_header, by_address, "{source}");
    }
}

#[test]
fn an_http_listener_takes_one_too() {
    let member = Member::start();
    let proxy = required("any").before_one(member.address);
    for header in headers() {
        let mut client = proxy.client();
        client.send(header).send(request("GET", "/first")).send(request("GET", "/second"));
        let mut link = member.next();
        for path in ["/first", "/second"] {
            let head = link.head();
            assert!(head.starts_with(&format!("GET {path} ")), "{head}");
            assert_eq!(crate::support::wire::fields(&head, "x-forwarded-for"), ["198.51.100.7"], "{head}");
            link.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.answer().status, 200);
        }
        drop((client, link));
        eventually("the link is gone", || proxy.sum("penstock_backend_connections") == 0);
    }
    let mut plain = proxy.client();
    plain.send(request("GET", "/"));
    is_reset(&mut plain);
    assert_eq!(rejected(&proxy), 1);
}

#[test]
fn http_clients_meet_the_member_of_the_source_that_is_told() {
    let (origin, told) = required("any").with(origin(3));
    let direct = Setup::new().before(origin.addresses());
    for i in 1..=30 {
        let source = Ipv4Addr::new(127, 43, 0, i);
        let mut client = told.client();
        client.send(v2(PROXY, &format!("{source}:999"), DESTINATION, &[]));
        assert_eq!(client.get("/hello").member(), direct.client_from(source.octets()).get("/hello").member());
    }
}

#[test]
fn who_tells_of_nobody_is_itself_also_over_http() {
    let member = Member::start();
    let proxy = required("any").before_one(member.address);
    let mut client = proxy.client_from([127, 44, 0, 5]);
    client.send(v2(LOCAL, SOURCE, DESTINATION, &[])).send(request("GET", "/"));
    assert_eq!(crate::support::wire::fields(&member.next().head(), "x-forwarded-for"), ["127.44.0.5"]);
}

#[test]
fn a_drain_does_not_wait_for_headers() {
    let (mut proxy, member) =
        stand(&believing().top("drain_timeout: 20s").listener("timeouts: { head: 10m }"));
    let mut silent = proxy.client();
    let mut begun = proxy.client();
    begun.send("PROXY ");
    // Clients are accepted in their order: behind this one, the two are in.
    let mut third = proxy.client();
    third.send(v1(SOURCE, DESTINATION));
    is_believed(&mut third, &member);
    drop(third);
    proxy.at_rest();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(proxy.running_mut().drain());
    silent.rest_and_reset();
    begun.rest_and_reset();
    let drained = proxy.sum_of("penstock_client_connections_rejected_total", &["reason=\"draining\""]);
    assert_eq!((drained, rejected(&proxy)), (2, 0));
}
