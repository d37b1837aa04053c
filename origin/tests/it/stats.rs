//! The counters are exact, and whoever has read an answer finds it counted.

use penstock_origin::{Address, Options, Origin};

use crate::wire::{Wire, address, both_ways, eventually, request, start, start_with};

#[test]
fn requests_and_bytes_are_counted_to_the_unit() {
    for origin in both_ways() {
        let (mut sent, mut received) = (0, 0);
        let mut wire = Wire::to(&origin);
        for (n, target) in
            ["/hello", "/bytes/20000000", "/chunked/9000", "/nowhere", "/status/500"].iter().enumerate()
        {
            let text = request("GET", target);
            sent += text.len() as u64;
            received += length_of_answer(wire.send(text));
            let stats = origin.stats().total();
            assert_eq!(stats.requests, n as u64 + 1);
            assert_eq!((stats.received_bytes, stats.sent_bytes), (sent, received), "{target}");
        }
        let stats = &origin.stats().listeners[0];
        assert_eq!((stats.member.as_str(), &stats.address), ("a", &Address::Ip(address(&origin))));
        assert_eq!((stats.open, stats.peak, stats.accepted, stats.refused), (1, 1, 1, 0));
    }
}

/// The bytes of one answer as they stood on the wire.
fn length_of_answer(wire: &mut Wire) -> u64 {
    let answer = wire.answer();
    let reason = match answer.status {
        200 => "OK",
        404 => "Not Found",
        _ => "Internal Server Error",
    };
    let fields: usize = answer.fields.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
    let chunks = answer.field("transfer-encoding").map_or(0, |_| "2000\r\n\r\n328\r\n\r\n0\r\n\r\n".len());
    ("HTTP/1.1 200 \r\n\r\n".len() + reason.len() + fields + chunks + answer.body.len()) as u64
}

#[test]
fn connections_are_counted_by_listener() {
    let any = ([127, 0, 0, 1], 0).into();
    let listen = vec![("x".to_owned(), any), ("y".to_owned(), any)];
    let origin = Origin::start(Options { listen, threads: 3, ..Options::default() }).unwrap();
    let address = |at: usize| origin.addresses()[at].1;
    for round in 0..3_u64 {
        let mut wires: Vec<_> = (0..10).map(|n| Wire::connect(address(usize::from(n >= 7)))).collect();
        for (n, wire) in wires.iter_mut().enumerate() {
            let member = if n >= 7 { "y" } else { "x" };
            assert_eq!(wire.get("/hello").field("x-member"), Some(member));
        }
        let stats = origin.stats();
        let numbers = |at: usize| {
            let listener = &stats.listeners[at];
            (listener.open, listener.peak, listener.accepted, listener.requests)
        };
        assert_eq!(numbers(0), (7, 7, 7 * (round + 1), 7 * (round + 1)));
        assert_eq!(numbers(1), (3, 3, 3 * (round + 1), 3 * (round + 1)));
        assert_eq!((stats.total().open, stats.total().requests), (10, 10 * (round + 1)));
        drop(wires);
        eventually("all are closed", || origin.stats().total().open == 0);
    }
}

#[test]
fn looking_at_stats_counts_no_request() {
    for origin in both_ways() {
        let mut wire = Wire::to(&origin);
        wire.get("/hello");
        for _ in 0..3 {
            let answer = wire.get("/stats");
            let stats = answer.json();
            assert_eq!(stats["total"]["requests"], 1);
            assert_eq!(stats["listeners"][0]["member"], "a");
            assert_eq!(stats["listeners"][0]["open"], 1);
            assert!(stats["note"].as_str().unwrap().contains("/stats excluded"));
        }
        assert_eq!(wire.ask("HEAD", "/stats").status, 200);
        assert_eq!(origin.stats().total().requests, 1);
    }
}

#[test]
fn ten_thousand_requests_over_many_connections_and_threads() {
    let origin = start_with(Options { threads: 2, ..Options::default() });
    let address = address(&origin);
    let client = move || {
        for _ in 0..5 {
            let mut wire = Wire::connect(address);
            for _ in 0..10 {
                wire.send(request("GET", "/simple").repeat(25));
                for _ in 0..25 {
                    assert_eq!(wire.answer().status, 200);
                }
            }
        }
    };
    let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(client)).collect();
    for client in clients {
        client.join().unwrap();
    }
    let stats = origin.stats().total();
    let asked = 10_000 * request("GET", "/simple").len() as u64;
    assert_eq!((stats.requests, stats.accepted, stats.received_bytes), (10_000, 40, asked));
    assert!(stats.peak <= 40);
}

#[test]
fn stop_closes_connections_and_frees_the_port() {
    for origin in both_ways() {
        let address = address(&origin);
        let mut idle = Wire::to(&origin);
        assert_eq!(idle.get("/hello").status, 200);
        let mut waiting = Wire::to(&origin);
        let sent = [request("GET", "/hello"), request("GET", "/delay/3600000")];
        waiting.send(&sent[1]);
        // A request not read yet would turn the close into a reset.
        let all = sent.concat().len() as u64;
        eventually("both requests are read", || origin.stats().total().received_bytes == all);
        assert_eq!(origin.stats().total().open, 2);
        origin.stop();
        assert_eq!(idle.rest(), b"");
        assert_eq!(waiting.rest(), b"");
        let listen = vec![("b".to_owned(), address)];
        let again = Origin::start(Options { listen, ..Options::default() }).unwrap();
        assert_eq!(Wire::to(&again).get("/hello").field("x-member"), Some("b"));
    }
}

#[test]
fn what_cannot_be_bound_or_named_is_an_error() {
    let origin = start();
    let taken = vec![("z".to_owned(), address(&origin))];
    let error = Origin::start(Options { listen: taken, ..Options::default() }).err().unwrap();
    assert!(error.to_string().starts_with("z on 127.0.0.1:"), "{error}");
    let split = vec![("a\r\nX: y".to_owned(), ([127, 0, 0, 1], 0).into())];
    assert!(Origin::start(Options { listen: split, ..Options::default() }).is_err());
}
