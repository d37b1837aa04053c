//! An origin of bytes says what it should, over TCP and over Unix sockets, half-closes included.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use penstock_origin::{Fnv1a, Options, Origin, Prefix, Speaks};

use crate::wire::{Wire, eventually, pattern, start_both, start_with};

fn speaking(speaks: Speaks) -> Origin {
    start_both(Options { speaks, threads: 2, ..Options::default() })
}

/// Numbers from a fixed seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.below(256) as u8).collect()
    }
}

fn both_closed(origin: &Origin) {
    eventually("both have closed", || origin.stats().total().open == 0);
}

#[test]
fn echo_sends_back_what_comes_in_any_cut_and_then_shuts() {
    let seed = 0x5eed_0001;
    println!("seed {seed:#x}");
    let origin = speaking(Speaks::Echo);
    for mut wire in Wire::to_all(&origin) {
        let mut random = Random(seed);
        let bytes = random.bytes(2_000_000);
        let mut writer = wire.stream.try_clone().unwrap();
        let sent = bytes.clone();
        let sender = std::thread::spawn(move || {
            let mut rest = sent.as_slice();
            while !rest.is_empty() {
                let most = if random.below(2) == 0 { 3 } else { 200_000 };
                let count = rest.len().min(1 + random.below(most) as usize);
                writer.write_all(&rest[..count]).unwrap();
                rest = &rest[count..];
            }
            writer.shutdown(std::net::Shutdown::Write).unwrap();
        });
        assert!(wire.rest() == bytes);
        sender.join().unwrap();
    }
    both_closed(&origin);
    for member in origin.stats().listeners {
        assert_eq!((member.received_bytes, member.sent_bytes), (2_000_000, 2_000_000), "{}", member.member);
    }
}

#[test]
fn echo_answers_before_the_client_shuts() {
    let origin = speaking(Speaks::Echo);
    for mut wire in Wire::to_all(&origin) {
        for word in ["a", "bc", "def"] {
            assert_eq!(wire.send(word).take(word.len()), word.as_bytes());
        }
        assert_eq!(wire.shut().rest(), b"");
    }
}

/// Writes the pattern until the origin takes no more; how much that was. It takes no more when nothing has gone
/// for a while.
fn write_until_blocked(wire: &mut Wire, most: usize) -> usize {
    let period = pattern(251 * 1000);
    wire.stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut written = 0;
    while written < most {
        match wire.stream.write(&period[written % period.len()..]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    written
}

#[test]
fn echo_reads_nothing_while_nobody_reads_what_it_says() {
    let origin = speaking(Speaks::Echo);
    for (at, mut wire) in Wire::to_all(&origin).into_iter().enumerate() {
        let most = 64 << 20;
        let written = write_until_blocked(&mut wire, most);
        assert!(written < most, "all of {most} bytes were taken");
        let member = &origin.stats().listeners[at];
        let held = member.received_bytes - member.sent_bytes;
        assert!((1..=128 * 1024).contains(&held), "{held} bytes are held");
        assert!(wire.shut().rest() == pattern(written as u64), "all comes back in the end");
    }
}

#[test]
fn discard_counts_and_answers_nothing() {
    let origin = speaking(Speaks::Discard);
    for mut wire in Wire::to_all(&origin) {
        assert_eq!(wire.send(pattern(3_000_000)).shut().rest(), b"");
    }
    both_closed(&origin);
    for member in origin.stats().listeners {
        assert_eq!((member.received_bytes, member.sent_bytes), (3_000_000, 0));
    }
}

#[test]
fn what_is_generated_comes_unasked_and_ends_while_the_client_may_go_on() {
    for bytes in [0, 1, 5_000_000] {
        let origin = speaking(Speaks::Generate { bytes });
        for mut wire in Wire::to_all(&origin) {
            assert!(wire.rest() == pattern(bytes));
            wire.send("still here");
        }
        both_closed(&origin);
        for member in origin.stats().listeners {
            assert_eq!((member.received_bytes, member.sent_bytes), (10, bytes));
        }
    }
}

#[test]
fn what_is_generated_comes_whole_to_a_client_that_has_shut() {
    let origin = speaking(Speaks::Generate { bytes: 5_000_000 });
    for mut wire in Wire::to_all(&origin) {
        wire.shut();
        assert!(wire.rest() == pattern(5_000_000));
    }
}

#[test]
fn total_answers_when_the_client_has_shut() {
    let seed = 0x5eed_0002;
    println!("seed {seed:#x}");
    let origin = speaking(Speaks::Total);
    let bytes = Random(seed).bytes(700_001);
    let mut hash = Fnv1a::default();
    hash.update(&bytes);
    for mut wire in Wire::to_all(&origin) {
        let answer = wire.send(&bytes).shut().rest();
        assert_eq!(String::from_utf8(answer).unwrap(), format!("700001 {:016x}\n", hash.value()));
    }
    for mut wire in Wire::to_all(&origin) {
        assert_eq!(wire.shut().rest(), b"0 cbf29ce484222325\n");
    }
}

#[test]
fn a_slow_reader_is_felt_by_who_writes() {
    let origin = speaking(Speaks::SlowReader { bytes_per_second: 1 });
    for (at, mut wire) in Wire::to_all(&origin).into_iter().enumerate() {
        wire.stream.set_send_buffer_size(64 * 1024).unwrap();
        let most = 4 << 20;
        let written = write_until_blocked(&mut wire, most);
        assert!(written < 1 << 20, "{written} bytes were taken");
        let received = origin.stats().listeners[at].received_bytes;
        assert!((1..1000).contains(&received), "{received} bytes were read");
    }
}

#[test]
fn a_slow_reader_reads_all_and_closes() {
    let origin = speaking(Speaks::SlowReader { bytes_per_second: 2_000_000 });
    for mut wire in Wire::to_all(&origin) {
        assert_eq!(wire.send(pattern(400_000)).shut().rest(), b"");
    }
    both_closed(&origin);
    for member in origin.stats().listeners {
        assert_eq!((member.received_bytes, member.sent_bytes), (400_000, 0));
    }
}

#[test]
fn a_banner_comes_first_and_quit_ends() {
    let origin = speaking(Speaks::Banner);
    let mut wires = Wire::to_all(&origin);
    for (wire, member) in wires.iter_mut().zip(["a", "u"]) {
        let mut hears = |expected: &str| {
            let heard = wire.take(expected.len());
            assert_eq!(String::from_utf8(heard).unwrap(), expected);
        };
        hears(&format!("220 {member} ready\r\n"));
        wire.send("EHLO x\r\nNO");
        let heard = wire.take(12);
        assert_eq!(heard, b"250 EHLO x\r\n");
        assert_eq!(wire.send("OP\r\nQUIT\r\nNOOP\r\n").rest(), b"250 NOOP\r\n221 bye\r\n");
    }
    // The clients do not close, and are let go all the same.
    both_closed(&origin);
    drop(wires);
}

#[test]
fn silence_on_both_sides_closes_after_the_idle_timeout() {
    for speaks in [Speaks::Echo, Speaks::Generate { bytes: 9 }, Speaks::SlowReader { bytes_per_second: 1 }] {
        let idle_timeout = Some(Duration::from_millis(100));
        let origin = start_both(Options { speaks, idle_timeout, ..Options::default() });
        let wires = Wire::to_all(&origin);
        eventually("both have come", || origin.stats().total().accepted == 2);
        both_closed(&origin);
        drop(wires);
    }
}

#[test]
fn the_clients_of_each_member_are_told() {
    let origin = speaking(Speaks::Echo);
    let mut wires = Wire::to_all(&origin);
    for wire in &mut wires {
        wire.send("x").take(1);
    }
    let stats = origin.stats();
    for (member, wire) in stats.listeners.iter().zip(&wires) {
        assert_eq!((member.open, member.accepted), (1, 1));
        let clients: Vec<_> = member.clients.iter().map(|client| (client.address, client.header)).collect();
        assert_eq!(clients, [(wire.address(), None)]);
    }
    assert_eq!((stats.total().received_bytes, stats.total().sent_bytes), (2, 2));
}

#[test]
fn stats_are_told_over_http_beside_members_that_speak_bytes() {
    let stats = Some(([127, 0, 0, 1], 0).into());
    let options = Options { speaks: Speaks::Echo, proxy_protocol: true, stats, ..Options::default() };
    let origin = start_both(options);
    let mut wire = Wire::to(&origin);
    wire.send("PROXY TCP4 192.0.2.1 192.0.2.2 12 34\r\nhello");
    assert_eq!(wire.take(5), b"hello");
    let told = Wire::connect(origin.stats_address().unwrap()).get("/stats").json();
    let listeners = told["listeners"].as_array().unwrap();
    assert_eq!(listeners.len(), 2);
    assert_eq!(listeners[1]["address"], format!("unix:{}", origin.paths()[0].1.display()));
    assert_eq!((&listeners[0]["member"], &listeners[0]["received_bytes"]), (&"a".into(), &5.into()));
    let clients = serde_json::json!([{ "address": "192.0.2.1:12", "destination": "192.0.2.2:34", "header": 1,
        "unique_id": null, "authority": null }]);
    assert_eq!(listeners[0]["clients"], clients);
    assert_eq!((&told["total"]["headers_good"], &told["total"]["headers_bad"]), (&1.into(), &0.into()));
    assert_eq!(origin.addresses().len(), 1, "the place for the counters is no member");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = |options| Origin::start(options).err().unwrap().kind();
    let legacy = Options { legacy: Some(1), speaks: Speaks::Echo, ..Options::default() };
    assert_eq!(refused(legacy), ErrorKind::InvalidInput);
    let slow = Speaks::SlowReader { bytes_per_second: 0 };
    assert_eq!(refused(Options { speaks: slow, ..Options::default() }), ErrorKind::InvalidInput);
    let paced = Options { at_once: Some(1), speaks: Speaks::Total, ..Options::default() };
    assert_eq!(refused(paced), ErrorKind::InvalidInput);
    let slowed = Options { work: Duration::from_millis(1), speaks: Speaks::Echo, ..Options::default() };
    assert_eq!(refused(slowed), ErrorKind::InvalidInput);
    assert_eq!(refused(Options { at_once: Some(0), ..Options::default() }), ErrorKind::InvalidInput);
    let narrow = Prefix { width: 1, offset: 255, counts_header: true, ..Prefix::default() };
    for prefix in [Prefix { width: 3, ..Prefix::default() }, narrow] {
        let speaks = Speaks::LengthPrefixed(prefix);
        assert_eq!(refused(Options { speaks, ..Options::default() }), ErrorKind::InvalidInput);
    }
}

#[test]
fn a_stop_closes_what_speaks_bytes() {
    let origin = start_with(Options { speaks: Speaks::Echo, ..Options::default() });
    let mut wire = Wire::to(&origin);
    assert_eq!(wire.send("x").take(1), b"x");
    origin.stop();
    assert_eq!(wire.rest(), b"");
}
