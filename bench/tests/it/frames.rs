//! Tests lines, length-prefixed frames and Redis: each answer goes to its client, and each wrong one is
//! counted.

use std::collections::HashMap;
use std::sync::atomic::Ordering::SeqCst;

use penstock_bench::{Command, Errors, Plan, Prefix, Protocol, Report, Stop, Work, run};

use crate::tables::{Say, Table, answer, bulk, command, count, counted, line, redis};

const LF: Protocol = Protocol::Lines { crlf: false };
const COUNTED: Protocol = Protocol::LengthPrefixed(Prefix {
    length_bytes: 2,
    little_endian: true,
    includes_header: true,
    offset: 3,
});

fn plan(table: &Table, protocol: Protocol, work: Work) -> Plan {
    Plan { clients: 5, protocol, work, stop: Stop::Requests(20), ..Plan::new(table.address) }
}

fn add() -> Work {
    Work::Add(String::new())
}

fn keys() -> Work {
    let commands = [Command::Set, Command::Get, Command::Incr];
    Work::Mixed(commands.map(|command| (1, Work::Keys { command, sizes: vec![0, 10, 1000] })).into())
}

/// Makes a Redis in which `lie` may replace an answer.
fn liar(mut lie: impl FnMut(&[String], u64) -> Option<Say> + Send + 'static) -> Table {
    let mut stored = HashMap::new();
    Table::start(command, move |words, before| {
        let honest = redis(&mut stored, words);
        lie(words, before).unwrap_or(Say::Bytes(honest))
    })
}

fn ended(report: &Report) {
    assert_eq!(report.requests, report.answered + report.errors.lost() + report.aborted, "{report:?}");
}

#[test]
fn sums_and_texts_come_back_to_their_own_client_at_any_depth() {
    let texts = Work::Say { sizes: vec![0, 1, 1000, 60_000] };
    let mix = Work::Mixed(vec![(8, add()), (1, Work::Add("delay 200".into())), (1, texts)]);
    for depth in [1, 8] {
        for protocol in [LF, Protocol::Lines { crlf: true }, COUNTED] {
            let table = match protocol {
                COUNTED => {
                    Table::start(counted, |words, _| Say::Bytes(count(&words[0], &answer(&words[1..]))))
                }
                Protocol::Lines { crlf: true } => {
                    Table::start(line, |words, _| Say::Bytes((answer(words) + "\r\n").into()))
                }
                _ => Table::start(line, |words, _| Say::Bytes((answer(words) + "\n").into())),
            };
            let report = run(&Plan { depth, ..plan(&table, protocol, mix.clone()) }).unwrap();
            assert!(report.is_clean(), "{protocol:?}: {report:?}");
            assert_eq!((report.answered, table.asked.load(SeqCst)), (100, 100));
        }
    }
}

#[test]
fn each_class_of_a_mix_is_told_apart() {
    let slow = std::time::Duration::from_millis(30);
    let table = Table::start(line, move |words, _| {
        if words[2] == "delay" {
            std::thread::sleep(slow);
        }
        Say::Bytes((answer(words) + "\n").into())
    });
    let mix = Work::Mixed(vec![(19, add()), (1, Work::Add("delay 30".into()))]);
    let report =
        run(&Plan { clients: 1, stop: Stop::Requests(200), ..plan(&table, LF, mix.clone()) }).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let (fast, delayed) = (&report.classes["add"], &report.classes["delay 30"]);
    assert_eq!(fast.len() + delayed.len(), 200);
    assert!((1..40).contains(&delayed.len()), "one in twenty expected: {report:?}");
    assert!(delayed.min() >= slow.as_nanos() as u64 && fast.min() < delayed.min(), "{report:?}");
    let again = run(&Plan { clients: 1, stop: Stop::Requests(200), ..plan(&table, LF, mix) }).unwrap();
    assert_eq!(again.classes["add"].len(), fast.len(), "the same seed draws the same mix");
}

#[test]
fn another_ones_line_is_a_mix_up_and_a_wrong_sum_is_wrong() {
    let lying = |lie: fn(&[String], u64) -> Option<&'static str>| {
        let table = Table::start(line, move |words, before| {
            Say::Bytes((lie(words, before).map_or_else(|| answer(words), str::to_owned) + "\n").into())
        });
        let report = run(&Plan { refusal: Some(b"ERR busy\n".to_vec()), ..plan(&table, LF, add()) }).unwrap();
        ended(&report);
        assert_eq!(report.answered, 100);
        report
    };
    let report = lying(|_, before| (before % 10 == 9).then_some("77-1 5"));
    assert_eq!((report.mix_ups, report.errors, report.wrong()), (10, Errors::default(), 10), "{report:?}");
    let report = lying(|_, before| (before % 50 == 9).then_some("5"));
    assert_eq!((report.errors.wrong_answer, report.wrong()), (2, 2), "{report:?}");
    let report = lying(|_, before| (before % 50 == 9).then_some("ERR busy"));
    assert_eq!((report.by_class, report.wrong()), ([0, 98, 0, 0, 2], 0), "a refusal is no wrong answer");
    assert!(report.is_right() && !report.is_clean());
}

#[test]
fn the_bytes_before_the_count_must_come_back() {
    let table = Table::start(counted, |words, before| {
        let first = if before % 25 == 0 { "xyz" } else { &words[0] };
        Say::Bytes(count(first, &answer(&words[1..])))
    });
    let report = run(&plan(&table, COUNTED, add())).unwrap();
    assert_eq!((report.wrong(), report.answered), (4, 100), "{report:?}");
}

#[test]
fn what_is_said_twice_is_surplus() {
    let table = Table::start(line, |words, before| {
        let twice = if before == 30 { 2 } else { 1 };
        Say::Bytes((answer(words) + "\n").repeat(twice).into())
    });
    let report = run(&plan(&table, LF, add())).unwrap();
    assert_eq!((report.errors.surplus, report.wrong()), (1, 1), "{report:?}");
}

#[test]
fn connections_are_made_anew_after_so_many_exchanges() {
    let table = Table::start(line, |words, _| Say::Bytes((answer(words) + "\n").into()));
    for (per_connection, depth, expected) in [(1, 1, 100), (8, 4, 15), (100, 1, 5)] {
        let before = table.accepted.load(SeqCst);
        let report =
            run(&Plan { per_connection: Some(per_connection), depth, ..plan(&table, LF, add()) }).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!((report.answered, report.connections), (100, expected), "{per_connection} each");
        assert_eq!(table.accepted.load(SeqCst) - before, expected);
    }
}

#[test]
fn clients_that_take_turns_leave_when_they_have_done_enough() {
    // There is one place, which others get only when its client closes.
    let (place, wait) = std::sync::mpsc::channel::<std::net::TcpStream>();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().for_each(|stream| drop(place.send(stream.unwrap()))));
    std::thread::spawn(move || {
        for stream in wait {
            crate::tables::serve_line(stream);
        }
    });
    let plan = Plan {
        clients: 6,
        protocol: LF,
        work: add(),
        per_connection: Some(10),
        stop: Stop::Requests(3),
        ..Plan::new(address)
    };
    let report = run(&plan).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.answered, report.connections), (18, 6));
}

#[test]
fn a_client_that_rests_is_right_all_the_same_and_sees_a_close() {
    let table = Table::start(line, |words, before| match before % 10 {
        9 => Say::Last((answer(words) + "\n").into()),
        _ => Say::Bytes((answer(words) + "\n").into()),
    });
    let pause = std::time::Duration::from_millis(20);
    let report = run(&Plan { pause, ..plan(&table, LF, add()) }).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.answered, 100);
    assert!(report.connections > 5, "{report:?}");
}

#[test]
fn redis_gives_back_what_each_client_stored() {
    let table = liar(|_, _| None);
    for depth in [1, 16] {
        let stop = Stop::Requests(200);
        let report = run(&Plan { depth, stop, ..plan(&table, Protocol::Resp, keys()) }).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert_eq!(report.answered, 1000);
        assert_eq!(report.classes.keys().collect::<Vec<_>>(), ["get", "incr", "set"]);
    }
}

#[test]
fn a_lie_of_redis_is_found_and_counted_once() {
    let run = |table: &Table| {
        let report =
            run(&Plan { clients: 1, stop: Stop::Requests(300), ..plan(table, Protocol::Resp, keys()) });
        let report = report.unwrap();
        assert_eq!(report.answered, 300);
        report
    };
    let mut lies = 0;
    let report = run(&liar(move |words, _| {
        let lie = words[0] == "GET" && lies < 2;
        lies += u64::from(lie);
        lie.then(|| Say::Bytes(bulk("9-1:x")))
    }));
    assert_eq!((report.mix_ups, report.wrong()), (2, 2), "{report:?}");
    let mut gone = false;
    let report = run(&liar(move |words, _| {
        let lie = words[0] == "GET" && !gone;
        gone |= lie;
        lie.then(|| Say::Bytes(b"$-1\r\n".to_vec()))
    }));
    assert_eq!((report.errors.wrong_answer, report.wrong()), (1, 1), "{report:?}");
    let mut stored = HashMap::new();
    let twice = Table::start(command, move |words, before| {
        if words[0] == "INCR" && before > 150 && before < 155 {
            redis(&mut stored, words);
        }
        Say::Bytes(redis(&mut stored, words))
    });
    let report = run(&twice);
    assert!(report.wrong() >= 1 && report.wrong() <= 4, "a command carried out twice: {report:?}");
}

#[test]
fn what_breaks_is_made_anew_and_is_no_wrong_answer() {
    // The command was carried out, and the connection closed before the answer, so that the client cannot
    // know.
    let table = liar(|_, before| (before % 40 == 39).then(|| Say::Last(Vec::new())));
    for (depth, abort_one_in) in [(1, None), (8, None), (8, Some(10))] {
        let stop = Stop::Requests(200);
        let plan = Plan { depth, abort_one_in, stop, ..plan(&table, Protocol::Resp, keys()) };
        let report = run(&plan).unwrap();
        ended(&report);
        assert!(report.errors.lost() > 0 && report.connections > 10, "{report:?}");
        assert!(report.is_right() && !report.is_clean(), "{report:?}");
    }
}

#[test]
fn an_error_reply_is_a_refusal_and_what_follows_is_not_held_against_it() {
    // The command was refused although it was carried out, as by a proxy whose link broke.
    let table = liar(|_, before| (before % 40 == 39).then(|| Say::Bytes(b"-ERR gone\r\n".to_vec())));
    let report = run(&Plan { depth: 8, stop: Stop::Requests(200), ..plan(&table, Protocol::Resp, keys()) });
    let report = report.unwrap();
    assert_eq!((report.answered, report.by_class), (1000, [0, 975, 0, 0, 25]), "{report:?}");
    assert!(report.is_right(), "{report:?}");
}

#[test]
fn a_server_that_forgets_is_wrong_unless_it_may() {
    let forgetful = || {
        let mut stored = HashMap::new();
        Table::start(command, move |words, before| {
            if before % 100 == 99 {
                stored.clear();
            }
            Say::Bytes(redis(&mut stored, words))
        })
    };
    let plan = |may_forget, table: &Table| Plan {
        may_forget,
        stop: Stop::Requests(200),
        ..plan(table, Protocol::Resp, keys())
    };
    assert!(run(&plan(false, &forgetful())).unwrap().errors.wrong_answer > 0);
    let report = run(&plan(true, &forgetful())).unwrap();
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn work_of_another_protocol_is_refused() {
    let table = Table::start(line, |_, _| Say::Bytes(Vec::new()));
    let short = Prefix { length_bytes: 1, includes_header: true, offset: 200, ..Prefix::default() };
    let short = Protocol::LengthPrefixed(short);
    for (protocol, work) in
        [(LF, Work::Ids), (short, add()), (Protocol::Http, add()), (Protocol::Resp, add()), (LF, keys())]
    {
        assert!(run(&plan(&table, protocol, work)).is_err());
    }
    assert_eq!(table.accepted.load(SeqCst), 0);
}
