//! A member works at so many requests at once, whatever connections they came on.

use std::io::Read;
use std::time::Duration;

use penstock_origin::{Options, Origin, Speaks};

use crate::wire::{Wire, eventually, request, start_with};

const LINES: Speaks = Speaks::Lines { crlf: false };

/// Workers and legacy threads, so many requests at once.
fn both_ways(speaks: Speaks, at_once: usize) -> [Origin; 2] {
    let options = Options { speaks, at_once: Some(at_once), ..Options::default() };
    [start_with(Options { legacy: Some(64), ..options.clone() }), start_with(options)]
}

/// Whether bytes have come and not been read.
fn has_answer(wire: &Wire) -> bool {
    wire.stream.set_nonblocking(true).unwrap();
    let answer = wire.stream.peek(&mut [std::mem::MaybeUninit::uninit()]).is_ok_and(|count| count > 0);
    wire.stream.set_nonblocking(false).unwrap();
    answer
}

/// Sends it and waits until the origin has read it, and a little longer, so that it has found its place too.
fn send_and_see_read(origin: &Origin, wire: &mut Wire, text: &str) {
    let before = origin.stats().total().received_bytes;
    wire.send(text);
    eventually("it was read", || origin.stats().total().received_bytes == before + text.len() as u64);
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn who_finds_no_place_waits_for_the_one_before() {
    let (slow, quick) = (request("GET", "/delay/300"), request("GET", "/delay/100"));
    let cases = [
        (Speaks::Http, slow.as_str(), quick.as_str()),
        (LINES, "delay 300 echo slow\n", "delay 100 echo quick\n"),
    ];
    for (speaks, slow, quick) in cases {
        for origin in both_ways(speaks, 1) {
            let (mut first, mut second) = (Wire::to(&origin), Wire::to(&origin));
            send_and_see_read(&origin, &mut first, slow);
            second.send(quick).take(1);
            assert!(has_answer(&first), "what takes longer was done before, because it was asked for before");
        }
    }
}

#[test]
fn who_finds_a_place_does_not_wait() {
    let slow = request("GET", "/delay/1000000");
    for origin in both_ways(Speaks::Http, 3) {
        let (mut first, mut second, mut third) = (Wire::to(&origin), Wire::to(&origin), Wire::to(&origin));
        send_and_see_read(&origin, &mut first, &slow);
        send_and_see_read(&origin, &mut second, &slow);
        assert_eq!(third.get("/hello").status, 200);
        assert_eq!(third.post("/add", br#"{"args":[1,2]}"#).text(), r#"{"result":3}"#);
        send_and_see_read(&origin, &mut third, &slow);
        let mut fourth = Wire::to(&origin);
        // Faults and the counters are nobody's work.
        assert_eq!(fourth.get("/stats").json()["total"]["requests"], 2);
        fourth.send(request("GET", "/hello"));
        fourth.stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(fourth.stream.read(&mut [0; 1]).is_err(), "there was no fourth place");
    }
}

#[test]
fn work_is_done_on_every_protocol() {
    let work = Duration::from_millis(2);
    for legacy in [None, Some(8)] {
        let options = Options { work, at_once: Some(2), legacy, ..Options::default() };
        let origin = start_with(options.clone());
        let mut wire = Wire::to(&origin);
        wire.send(request("GET", "/hello").repeat(20));
        for _ in 0..20 {
            assert_eq!(wire.answer().text(), "Hello, World!");
        }
        assert_eq!(wire.post("/echo", b"body").body, b"body");
        let origin = start_with(Options { speaks: LINES, ..options });
        let mut wire = Wire::to(&origin);
        wire.send("id\n".repeat(20));
        for _ in 0..20 {
            assert_eq!(wire.line(), "a 1");
        }
    }
}

#[test]
fn of_a_mixture_each_so_manieth_is_slow() {
    for origin in crate::wire::both_ways() {
        let (mut first, mut second) = (Wire::to(&origin), Wire::to(&origin));
        let mut delays = Vec::new();
        for at in 0..30 {
            // Counted over all connections of the member.
            let wire = if at % 2 == 0 { &mut first } else { &mut second };
            let answer = wire.get("/mixed?slow=1/10&ms=3");
            delays.push(answer.json()["delayed_ms"].as_u64().unwrap());
        }
        let slow = (1..).zip(delays).filter(|(_, delay)| *delay == 3).map(|(at, _)| at);
        assert_eq!(slow.collect::<Vec<u32>>(), [10, 20, 30]);
        assert_eq!(first.get("/mixed?slow=many").status, 400);
        assert_eq!(first.ask("HEAD", "/mixed").status, 200);
    }
}
