//! A client behind a PROXY header is who the header says; without a good one it is not served.

use std::io::Read;
use std::net::SocketAddr;

use penstock_origin::{ClientStats, Options, Origin, Speaks};

use crate::wire::{Wire, eventually, request, start_both};

const ONE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n";

/// Version 2, of 2001:db8::1 port 1025 to 2001:db8::2 port 258, with the unique id c0ffee00 and the authority
/// `db.example`.
const TWO: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x38\
    \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x04\x01\x01\x02\
    \x05\x00\x04\xc0\xff\xee\x00\x02\x00\x0adb.example";

/// Version 2, LOCAL: a look of the proxy's own.
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

fn clients() -> [ClientStats; 2] {
    let address = |text: &str| text.parse::<SocketAddr>().ok();
    [
        ClientStats {
            address: address("192.0.2.1:56324"),
            destination: address("198.51.100.7:443"),
            header: Some(1),
            ..ClientStats::default()
        },
        ClientStats {
            address: address("[2001:db8::1]:1025"),
            destination: address("[2001:db8::2]:258"),
            header: Some(2),
            unique_id: Some("c0ffee00".to_owned()),
            authority: Some("db.example".to_owned()),
        },
    ]
}

fn behind(speaks: Speaks, legacy: Option<usize>) -> Origin {
    start_both(Options { speaks, legacy, proxy_protocol: true, ..Options::default() })
}

/// HTTP on workers, HTTP on legacy threads.
fn both_ways() -> [Origin; 2] {
    [behind(Speaks::Http, None), behind(Speaks::Http, Some(64))]
}

#[test]
fn http_shows_the_client_of_the_header() {
    for origin in both_ways() {
        for (header, client) in [ONE, TWO].into_iter().zip(clients()) {
            for mut wire in Wire::to_all(&origin) {
                wire.send(header).send(request("GET", "/echo"));
                assert_eq!(wire.answer().json()["source"], client.address.unwrap().to_string());
                assert_eq!(wire.get("/hello").status, 200);
            }
        }
        for member in origin.stats().listeners {
            assert_eq!(member.clients, clients());
            let asked = 2 * (request("GET", "/echo") + &request("GET", "/hello")).len() as u64;
            assert_eq!((member.received_bytes, member.requests), (asked, 4), "headers are not counted");
            assert_eq!((member.headers_good, member.headers_bad, member.headers_problem), (2, 0, None));
        }
    }
}

#[test]
fn a_header_in_any_cut_is_the_same() {
    for header in [ONE, TWO] {
        let origin = behind(Speaks::Echo, None);
        for cut in 1..=header.len() {
            let mut wire = Wire::to(&origin);
            wire.send(&header[..cut]);
            std::thread::yield_now();
            assert_eq!(wire.send(&header[cut..]).send("hello").take(5), b"hello", "cut at {cut}");
        }
        let mut wire = Wire::to(&origin);
        for byte in header.iter().chain(b"hello") {
            wire.send([*byte]);
        }
        assert_eq!(wire.take(5), b"hello");
        let with_more = [header, b"hello"].concat();
        assert_eq!(Wire::to(&origin).send(with_more).take(5), b"hello");
        assert_eq!(origin.stats().total().headers_good, header.len() as u64 + 2);
    }
}

#[test]
fn who_hides_behind_a_local_header_is_whom_the_connection_comes_from() {
    for origin in both_ways() {
        for header in [LOCAL, b"PROXY UNKNOWN\r\n"] {
            let mut wire = Wire::to(&origin);
            let own = wire.address();
            wire.send(header).send(request("GET", "/echo"));
            assert_eq!(wire.answer().json()["source"], own.unwrap().to_string());
            let last = origin.stats().listeners[0].clients.pop().unwrap();
            assert_eq!((last.address, last.destination), (own, None));
        }
        let mut wire = Wire::unix(&origin.paths()[0].1);
        wire.send(LOCAL).send(request("GET", "/echo"));
        assert!(wire.answer().json()["source"].is_null(), "a Unix socket has no address");
    }
}

/// Whether by FIN or, what was sent being unread, by RST: closed, and not a byte said.
fn is_closed_unsaid(wire: &mut Wire) -> bool {
    !matches!(wire.stream.read(&mut [0; 64]), Ok(1..))
}

#[test]
fn without_a_good_header_nothing_is_served() {
    let bad = [
        request("GET", "/hello").into_bytes(),
        b"PROXY TCP4 192.0.2.1 198.51.100.7 56324\r\nGET /hello HTTP/1.1\r\nHost: h\r\n\r\n".to_vec(),
        [&TWO[..12], b"\x31", &TWO[13..], request("GET", "/hello").as_bytes()].concat(),
        [ONE, ONE].concat(),
    ];
    for origin in both_ways() {
        for (at, bytes) in bad[..3].iter().enumerate() {
            for mut wire in Wire::to_all(&origin) {
                assert!(is_closed_unsaid(wire.send(bytes)), "{bytes:?}");
            }
            assert_eq!(origin.stats().total().headers_bad, 2 * (at as u64 + 1), "{bytes:?}");
        }
        let member = &origin.stats().listeners[0];
        assert_eq!(member.headers_problem, Some("version 2: unknown version or command"));
        assert_eq!((member.headers_good, member.requests, member.clients.len()), (0, 0, 0));
        // One header is all there is: the second is a request, and a malformed one.
        assert!(Wire::to(&origin).send(&bad[3]).answer().status >= 400);
    }
    let origin = behind(Speaks::Banner, None);
    for mut wire in Wire::to_all(&origin) {
        assert!(is_closed_unsaid(wire.send(&bad[0])), "not even the banner is said");
    }
}

#[test]
fn a_header_that_is_cut_off_is_bad_and_silence_is_not() {
    for origin in both_ways() {
        drop(Wire::to_all(&origin));
        eventually("both have gone", || {
            origin.stats().total().accepted == 2 && origin.stats().total().open == 0
        });
        assert_eq!(origin.stats().total().headers_bad, 0);
        for mut wire in Wire::to_all(&origin) {
            assert!(is_closed_unsaid(wire.send(&TWO[..40]).shut()));
        }
        assert_eq!(origin.stats().total().headers_bad, 2);
    }
}

#[test]
fn each_way_to_speak_begins_behind_the_header() {
    let cases = [
        (Speaks::Banner, "QUIT\r\n", "220 a ready\r\n221 bye\r\n"),
        (Speaks::Total, "foobar", "6 85944171f73967e8\n"),
        (Speaks::Generate { bytes: 2 }, "x", "\0\x01"),
        (Speaks::Discard, "x", ""),
        (Speaks::SlowReader { bytes_per_second: 1000 }, "x", ""),
        (Speaks::Echo, "x", "x"),
    ];
    for (speaks, says, hears) in cases {
        for (header, client) in [ONE, TWO].into_iter().zip(clients()) {
            let origin = behind(speaks, None);
            let mut wire = Wire::to(&origin);
            wire.send([header, says.as_bytes()].concat()).shut();
            assert_eq!(String::from_utf8(wire.rest()).unwrap(), hears, "{speaks:?}");
            let member = &origin.stats().listeners[0];
            assert_eq!((&member.clients[..], member.received_bytes), (&[client][..], says.len() as u64));
        }
    }
}
