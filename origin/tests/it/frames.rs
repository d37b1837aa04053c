//! Requests of lines and behind counts are answered alike, in order, each on its own connection.

use std::io::Write;
use std::time::Duration;

use penstock_origin::{Options, Origin, Prefix, Speaks, visible_at};

use crate::wire::{Wire, address, eventually, start_both, start_with};

const LINES: Speaks = Speaks::Lines { crlf: false };
const COUNTED: Speaks =
    Speaks::LengthPrefixed(Prefix { width: 4, little: false, counts_header: false, offset: 0 });

/// Both ways to serve, each on an address and on a path.
fn both_ways(speaks: Speaks) -> [Origin; 2] {
    let workers = Options { speaks, threads: 2, ..Options::default() };
    [start_both(workers.clone()), start_both(Options { legacy: Some(64), ..workers })]
}

/// As [`COUNTED`] has it.
fn counted(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

#[test]
fn lines_are_answered_in_order_and_counted_to_the_unit() {
    for origin in both_ways(LINES) {
        for (at, mut wire) in Wire::to_all(&origin).into_iter().enumerate() {
            let asked = "echo hello\nadd 2 3\ntag x div 1 0\nfnv foobar\ndelay 3 echo late\nnonsense\n";
            let answers = "hello\n5\nx error: division by zero\n85944171f73967e8\nlate\nerror: not understood: nonsense\n";
            assert_eq!(wire.send(asked).take(answers.len()), answers.as_bytes());
            let stats = &origin.stats().listeners[at];
            assert_eq!((stats.requests, stats.accepted, stats.open, stats.peak), (6, 1, 1, 1));
            assert_eq!((stats.received_bytes, stats.sent_bytes), (asked.len() as u64, answers.len() as u64));
            assert_eq!(stats.clients.len(), 1);
            assert_eq!(stats.clients[0].address, wire.address());
        }
    }
}

#[test]
fn counted_requests_are_answered_in_order() {
    for origin in both_ways(COUNTED) {
        for mut wire in Wire::to_all(&origin) {
            let asked = ["echo a\nb", "mul 6 7", "tag x id", "echo"].map(counted).concat();
            let id = if wire.address().is_some() { "x a 1" } else { "x u 1" };
            let answers = ["a\nb", "42", id, ""].map(counted).concat();
            for byte in &asked {
                wire.send([*byte]);
            }
            assert_eq!(wire.take(answers.len()), answers);
        }
    }
}

#[test]
fn each_of_many_connections_has_its_own_answers() {
    for origin in both_ways(LINES) {
        let address = address(&origin);
        let client = move |client: usize| {
            let mut wire = Wire::connect(address);
            for round in 0..20 {
                let tags: Vec<_> = (0..50).map(|n| format!("{client}-{round}-{n}")).collect();
                let asked: String =
                    tags.iter().map(|tag| format!("tag {tag} add {client} {round}\n")).collect();
                wire.send(asked);
                for tag in tags {
                    assert_eq!(wire.line(), format!("{tag} {}", client + round));
                }
            }
        };
        let clients: Vec<_> = (0..12).map(|n| std::thread::spawn(move || client(n))).collect();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!((origin.stats().total().requests, origin.stats().total().accepted), (12_000, 12));
    }
}

#[test]
fn the_number_tells_which_connection_it_is() {
    for origin in both_ways(LINES) {
        let mut wires: Vec<_> = (0..3).map(|_| Wire::to(&origin)).collect();
        let mut numbers: Vec<_> = wires.iter_mut().map(|wire| wire.say("id")).collect();
        for (wire, number) in wires.iter_mut().zip(&numbers) {
            assert_eq!(wire.say("id"), *number);
        }
        numbers.sort();
        assert_eq!(numbers, ["a 1", "a 2", "a 3"]);
    }
}

#[test]
fn a_delayed_answer_holds_up_its_own_connection_only() {
    for origin in both_ways(LINES) {
        let (mut held, mut free) = (Wire::to(&origin), Wire::to(&origin));
        held.send("delay 1000000 echo a\necho b\n");
        eventually("it was read", || origin.stats().total().received_bytes == 28);
        assert_eq!(free.say("echo c"), "c");
        assert_eq!(origin.stats().total().requests, 1);
    }
}

#[test]
fn large_requests_and_answers_pass() {
    let (count, text) = (3_000_000, "y".repeat(2_000_000));
    for origin in both_ways(LINES) {
        let mut wire = Wire::to(&origin);
        let mut writer = wire.stream.try_clone().unwrap();
        let asked = format!("size {count}\necho {text}\nid\n");
        let sender = std::thread::spawn(move || writer.write_all(asked.as_bytes()).unwrap());
        assert!(wire.take(count as usize).into_iter().eq((0..count).map(visible_at)));
        assert_eq!(wire.line(), "");
        assert!(wire.line() == text);
        assert_eq!(wire.line(), "a 1");
        sender.join().unwrap();
    }
}

#[test]
fn it_misbehaves_as_told() {
    for origin in both_ways(LINES) {
        let ends = |asked: &str| {
            let mut wire = Wire::to(&origin);
            // What is behind is read all the same, because closing on unread bytes is a reset.
            let answer = wire.send(format!("{asked}\n{}", "echo unheard\n".repeat(20_000))).rest();
            String::from_utf8(answer).unwrap()
        };
        assert_eq!(ends("midclose echo 1234567"), "1234");
        assert_eq!(ends("close echo x"), "x\n");
        assert_eq!(ends("close"), "");
        assert!(Wire::to(&origin).send("reset\n").ends_by_reset());
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.send("twice echo x\nearly 5 echo y\necho z\n").take(10), b"x\nx\ny\ny\nz\n");
        // Not that they come late is told here, but that nothing else is answered before they would.
        let mut silent = ["never", "toolong 3"].map(|asked| {
            let mut wire = Wire::to(&origin);
            wire.send(format!("{asked}\necho x\n"));
            wire
        });
        assert_eq!(silent[1].take(3), b"!\"#");
        assert_eq!(wire.say("echo x"), "x");
        for wire in &mut silent {
            assert_eq!(wire.shut().rest(), b"");
        }
    }
}

#[test]
fn clients_are_introduced_before_their_first_frame() {
    for legacy in [None, Some(4)] {
        let origin =
            start_with(Options { speaks: LINES, proxy_protocol: true, legacy, ..Options::default() });
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.send("PROXY TCP4 192.0.2.1 192.0.2.2 12 34\r\nadd 1 2\n").line(), "3");
        assert_eq!(wire.say("id"), "a 1");
        let stats = &origin.stats().listeners[0];
        assert_eq!(stats.clients[0].address, Some(([192, 0, 2, 1], 12).into()));
        assert_eq!((stats.headers_good, stats.received_bytes), (1, 11));
        assert_eq!(Wire::to(&origin).send("add 1 2, and no header\n").rest(), b"");
        assert_eq!(origin.stats().total().headers_bad, 1);
    }
}

#[test]
fn silence_closes_after_the_idle_timeout() {
    for legacy in [None, Some(4)] {
        let idle_timeout = Some(Duration::from_millis(100));
        let origin = start_with(Options { speaks: COUNTED, idle_timeout, legacy, ..Options::default() });
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.send(counted("echo x")).take(5), counted("x"));
        assert_eq!(wire.send(&counted("echo y")[..3]).rest(), b"");
    }
}

#[test]
fn a_stop_closes_what_is_held_back() {
    for origin in both_ways(LINES) {
        let mut wire = Wire::to(&origin);
        assert_eq!(wire.send("echo x\ndelay 1000000 echo y\n").line(), "x");
        origin.stop();
        assert_eq!(wire.rest(), b"");
    }
}
