//! The conversation of one connection with Redis through `protocol: resp`, byte by byte: pipelines, transactions, waits, the end.

use std::net::SocketAddr;

use crate::real::random::Random;
use crate::real::redis::{SERVER, server_at};
use crate::real::redis_links::info;
use crate::real::resp::{Reply, Talk, array, command};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{Proxy, Setup};

const EIGHT: &str = "links: { max_per_member: 8 }";

fn stand() -> Option<(impl Sized, Proxy, SocketAddr)> {
    are_here(&[SERVER]).then(|| {
        let directory = Directory::new("redis-talk");
        let at = own_address();
        let server = server_at(&directory, at, "");
        ((server, directory), Setup::resp(at).backend(EIGHT).start(), at)
    })
}

fn queued() -> Reply {
    Reply::Simple("QUEUED".to_owned())
}

fn pong() -> Reply {
    Reply::Simple("PONG".to_owned())
}

#[test]
fn plain_lines_are_commands_too() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut talk = Talk::connect(proxy.address());
    talk.send("PING\r\nset key \"a b\"\r\nGET key\nPING hello\r\n");
    let expected = [pong(), Reply::ok(), Reply::bulk("a b"), Reply::bulk("hello")];
    assert_eq!(talk.replies(4), expected);
    talk.send("\r\n\r\n").say("PING").send("*0\r\n").say("PING");
    assert_eq!(talk.replies(2), [pong(), pong()], "what is empty has no answer");
}

#[test]
fn any_cut_of_a_pipeline_has_the_same_answers() {
    let Some((_server, proxy, _)) = stand() else { return };
    let words =
        ["SET cut 1", "MULTI", "INCR cut", "GET cut", "EXEC", "GET cut", "BLPOP none 0.01", "ECHO end"];
    let bytes: Vec<u8> = words.iter().flat_map(|words| command(words)).collect();
    let inner = Reply::Array(vec![Reply::Integer(2), Reply::bulk("2")]);
    let expected = [
        Reply::ok(),
        Reply::ok(),
        queued(),
        queued(),
        inner,
        Reply::bulk("2"),
        Reply::Nil,
        Reply::bulk("end"),
    ];
    let mut talk = Talk::connect(proxy.address());
    for size in (1..bytes.len()).step_by(7).chain([bytes.len()]) {
        for piece in bytes.chunks(size) {
            talk.send(piece);
        }
        assert_eq!(talk.replies(expected.len()), expected, "in pieces of {size}");
    }
}

#[test]
fn an_empty_value_and_one_of_line_ends_come_back() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut talk = Talk::connect(proxy.address());
    for value in [&b""[..], b"\r\n", b"$3\r\nabc\r\n", b"*1\r\n$4\r\nQUIT\r\n", &[0; 100_000]] {
        talk.send(array(&[b"SET", b"key", value])).say("GET key").say("STRLEN key");
        let expected = [Reply::ok(), Reply::Bulk(value.to_vec()), Reply::Integer(value.len() as i64)];
        assert_eq!(talk.replies(3), expected);
    }
}

/// Shared, blocking, transactions, watched keys and what is answered here, in one pipeline; the answers in order.
#[test]
fn a_mixed_pipeline_is_answered_in_order() {
    let Some((_server, proxy, _)) = stand() else { return };
    let seed = 0x5eed_4001;
    println!("seed {seed:#x}");
    let address = proxy.address();
    let talker = |number: u64| {
        let mut random = Random::new(seed + number);
        let (mut talk, mut count) = (Talk::connect(address), 0);
        for round in 0..30 {
            let (bytes, expected) = mixture(&mut random, number, round, &mut count);
            for piece in bytes.chunks(1 + random.below(2000)) {
                talk.send(piece);
            }
            for (at, expected) in expected.iter().enumerate() {
                assert_eq!(&talk.reply(), expected, "client {number}, round {round}, answer {at}");
            }
        }
    };
    std::thread::scope(|scope| (0..20).for_each(|number| drop(scope.spawn(move || talker(number)))));
}

/// Some commands of one client, and their answers.
fn mixture(random: &mut Random, number: u64, round: u32, count: &mut i64) -> (Vec<u8>, Vec<Reply>) {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for i in 0..1 + random.below(20) {
        let tag = format!("{number}-{round}-{i}");
        let mut say = |words: &str, reply: Reply| {
            bytes.extend(command(words));
            expected.push(reply);
        };
        match random.below(9) {
            0 => say(&format!("ECHO {tag}"), Reply::bulk(&tag)),
            1 => {
                say(&format!("SET own:{number} {tag}"), Reply::ok());
                say(&format!("GET own:{number}"), Reply::bulk(&tag));
            }
            2 => {
                *count += 1;
                say(&format!("INCR count:{number}"), Reply::Integer(*count));
            }
            3 => {
                let item = Reply::Array(vec![Reply::bulk(&format!("list:{number}")), Reply::bulk(&tag)]);
                say(&format!("RPUSH list:{number} {tag}"), Reply::Integer(1));
                say(&format!("BLPOP list:{number} 0"), item);
            }
            4 => {
                *count += 1;
                say("MULTI", Reply::ok());
                say(&format!("INCR count:{number}"), queued());
                say(&format!("ECHO {tag}"), queued());
                say("EXEC", Reply::Array(vec![Reply::Integer(*count), Reply::bulk(&tag)]));
            }
            5 => {
                say(&format!("WATCH own:{number}"), Reply::ok());
                say(&format!("ECHO {tag}"), Reply::bulk(&tag));
                say("UNWATCH", Reply::ok());
            }
            6 => say(&format!("CLIENT SETNAME {tag}"), Reply::ok()),
            7 => say(
                "EVAL return{ARGV[1]} 0 ".replace("0 ", &format!("0 {tag}")).as_str(),
                Reply::Array(vec![Reply::bulk(&tag)]),
            ),
            _ => {
                say("MULTI", Reply::ok());
                say(&format!("INCR count:{number}"), queued());
                say("DISCARD", Reply::ok());
            }
        }
    }
    (bytes, expected)
}

#[test]
fn a_watched_key_that_changed_aborts() {
    let Some((_server, proxy, _)) = stand() else { return };
    let (mut one, mut other) = (Talk::connect(proxy.address()), Talk::connect(proxy.address()));
    for (changes, expected) in [(false, Reply::Array(vec![Reply::ok()])), (true, Reply::Nil)] {
        assert_eq!(one.ask("WATCH key"), Reply::ok());
        assert_eq!(one.ask("MULTI"), Reply::ok());
        assert_eq!(one.ask("SET key mine"), queued());
        if changes {
            assert_eq!(other.ask("SET key yours"), Reply::ok());
        }
        assert_eq!(one.ask("EXEC"), expected);
    }
    assert_eq!(one.ask("GET key"), Reply::bulk("yours"));
}

#[test]
fn transactions_of_many_do_not_mix() {
    let Some((_server, proxy, _)) = stand() else { return };
    // Three of the four links of each worker: one is left to those that keep none.
    let mut talks: Vec<_> = (0..6).map(|_| Talk::connect(proxy.address())).collect();
    for words in ["MULTI", "INCR multi", "INCR multi"] {
        let replies: Vec<_> = talks.iter_mut().map(|talk| talk.ask(words)).collect();
        assert!(replies.iter().all(|reply| *reply == if words == "MULTI" { Reply::ok() } else { queued() }));
    }
    for (i, talk) in talks.iter_mut().enumerate() {
        let i = i as i64;
        assert_eq!(
            talk.ask("EXEC"),
            Reply::Array(vec![Reply::Integer(2 * i + 1), Reply::Integer(2 * i + 2)])
        );
    }
}

#[test]
fn those_that_keep_links_leave_one_to_the_others() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut many: Vec<_> = (0..20).map(|_| Talk::connect(proxy.address())).collect();
    many.iter_mut().for_each(|talk| _ = talk.say("SUBSCRIBE news"));
    let mut others: Vec<_> = (0..4).map(|_| Talk::connect(proxy.address())).collect();
    others.iter_mut().for_each(|talk| assert_eq!(talk.ask("ECHO here"), Reply::bulk("here")));
}

#[test]
fn who_leaves_a_transaction_has_done_nothing() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut other = Talk::connect(proxy.address());
    for resets in [false, true].repeat(10) {
        let mut talk = Talk::connect(proxy.address());
        talk.say("MULTI").say("SET left behind");
        assert_eq!(talk.replies(2), [Reply::ok(), queued()]);
        if resets {
            talk.reset();
        }
        assert_eq!(other.ask("GET left"), Reply::Nil);
    }
    eventually("no link is in a transaction", || !other.ask("CLIENT LIST").text().contains("multi=1"));
}

#[test]
fn who_waits_holds_up_nobody() {
    let Some((_server, proxy, _)) = stand() else { return };
    // Each of the two workers has four links.
    let mut waiting: Vec<_> = (0..3).map(|_| Talk::connect(proxy.address())).collect();
    for talk in &mut waiting {
        talk.say("BLPOP slow 0");
    }
    let mut others: Vec<_> = (0..50).map(|_| Talk::connect(proxy.address())).collect();
    eventually("all are waiting", || info(&mut others[0], "clients", "blocked_clients") == 3);
    for _ in 0..10 {
        for talk in &mut others {
            talk.say("PING");
        }
        others.iter_mut().for_each(|talk| assert_eq!(talk.reply(), pong()));
    }
    assert_eq!(others[0].ask("RPUSH slow item item item"), Reply::Integer(3));
    for talk in &mut waiting {
        assert_eq!(talk.reply().array().len(), 2);
        assert_eq!(talk.ask("PING"), pong());
    }
}

#[test]
fn who_left_while_waiting_takes_nothing() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut other = Talk::connect(proxy.address());
    for resets in [false, true, false] {
        let mut talk = Talk::connect(proxy.address());
        talk.say("BLPOP queue 0");
        eventually("it waits", || info(&mut other, "clients", "blocked_clients") == 1);
        if resets {
            talk.reset();
        } else {
            drop(talk);
        }
        eventually("it waits no more", || info(&mut other, "clients", "blocked_clients") == 0);
        assert_eq!(other.ask("RPUSH queue item"), Reply::Integer(1));
        assert_eq!(other.ask("LPOP queue"), Reply::bulk("item"));
    }
}

#[test]
fn a_subscriber_hears_all_and_says_more() {
    let Some((_server, proxy, _)) = stand() else { return };
    let (mut hears, mut says) = (Talk::connect(proxy.address()), Talk::connect(proxy.address()));
    hears.say("PING").say("SUBSCRIBE a b").say("PING").say("UNSUBSCRIBE b");
    assert_eq!(hears.reply(), pong());
    for words in ["subscribe", "subscribe", "pong", "unsubscribe"] {
        assert_eq!(hears.reply().array()[0], Reply::bulk(words));
    }
    for i in 0..1000 {
        says.say(&format!("PUBLISH a {i}")).say(&format!("PUBLISH b {i}"));
    }
    for reply in says.replies(2000).chunks(2) {
        assert_eq!(reply, [Reply::Integer(1), Reply::Integer(0)]);
    }
    for i in 0..1000 {
        let expected = [Reply::bulk("message"), Reply::bulk("a"), Reply::bulk(&i.to_string())];
        assert_eq!(hears.reply().array(), expected);
    }
    hears.say("UNSUBSCRIBE").reply();
    assert_eq!(hears.ask("ECHO still"), Reply::bulk("still"));
}

#[test]
fn hello_tells_what_the_server_is() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut talk = Talk::connect(proxy.address());
    assert!(matches!(talk.ask("HELLO"), Reply::Array(_)));
    assert!(matches!(talk.ask("HELLO 2"), Reply::Array(_)));
    assert!(talk.ask("HELLO 9").text().starts_with("NOPROTO"));
    assert_eq!(talk.ask("PING"), pong());
}

#[test]
fn quit_is_answered_behind_what_was_asked_before() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut talk = Talk::connect(proxy.address());
    talk.say("ECHO a").say("BLPOP none 0.02").say("ECHO b").say("QUIT").say("ECHO c");
    assert_eq!(talk.replies(4), [Reply::bulk("a"), Reply::Nil, Reply::bulk("b"), Reply::ok()]);
    talk.is_over();
    let mut talk = Talk::connect(proxy.address());
    talk.say("MULTI").say("QUIT");
    assert_eq!(talk.replies(2), [Reply::ok(), Reply::ok()]);
    talk.is_over();
}

/// `printf ... | nc -N`: what was asked before the end of a client's side is answered.
#[test]
fn who_has_said_everything_is_answered_everything() {
    let Some((_server, proxy, _)) = stand() else { return };
    let pipelines: [(&str, usize); 5] = [
        ("ECHO a|ECHO b|ECHO c", 3),
        ("SET a 1|MULTI|INCR a|EXEC", 4),
        ("ECHO a|SET b 1|EVAL return{ARGV[1]} 0 x|ECHO c", 4),
        ("ECHO a|WATCH a|UNWATCH|ECHO b|MULTI|EXEC|ECHO c", 7),
        ("GET a|SELECT 0|CLIENT SETNAME x|GET a", 4),
    ];
    for (words, count) in pipelines.iter().cycle().take(60) {
        let bytes: Vec<u8> = words.split('|').flat_map(command).collect();
        let mut talk = Talk::connect(proxy.address());
        talk.send(bytes).finish();
        for at in 0..*count {
            assert!(talk.try_reply().is_ok(), "answer {at} of {words}");
        }
        talk.is_over();
    }
}

/// Redis itself drops who ends its side while it waits.
#[test]
fn what_was_asked_before_a_wait_is_answered_to_who_has_said_everything() {
    let Some((_server, proxy, _)) = stand() else { return };
    for _ in 0..20 {
        let mut talk = Talk::connect(proxy.address());
        talk.say("ECHO a").say("BLPOP queue 0").finish();
        assert_eq!(talk.reply(), Reply::bulk("a"));
        talk.is_over();
    }
    let mut other = Talk::connect(proxy.address());
    eventually("nobody waits", || info(&mut other, "clients", "blocked_clients") == 0);
    assert_eq!(other.ask("RPUSH queue item"), Reply::Integer(1));
    assert_eq!(other.ask("LPOP queue"), Reply::bulk("item"));
}

/// Behind a command that holds it up, a client may say as much as it likes, but nobody keeps all of it.
#[test]
fn a_long_pipeline_behind_a_wait_is_not_kept_in_memory() {
    let Some((_server, proxy, _)) = stand() else { return };
    let mut talk = Talk::connect(proxy.address());
    let mut other = Talk::connect(proxy.address());
    talk.say("BLPOP gate 0");
    eventually("it waits", || info(&mut other, "clients", "blocked_clients") == 1);
    let address = proxy.address();
    let value = vec![b'v'; 100_000];
    let writer = std::thread::spawn(move || {
        for _ in 0..500 {
            talk.send(array(&[b"SET", b"much", &value]));
        }
        talk
    });
    let mut moved = u64::MAX;
    let received = || proxy.counted("penstock_client_received_bytes_total", "").unwrap_or_default();
    eventually("it takes no more", || {
        std::thread::sleep(std::time::Duration::from_millis(100));
        let now = received();
        std::mem::replace(&mut moved, now) == now
    });
    assert!(moved < 8_000_000, "{moved} bytes were read ahead");
    Talk::connect(address).ask("RPUSH gate open");
    let mut talk = std::thread::scope(|_| {
        // The answers fit into the buffers of the sockets.
        writer.join().unwrap()
    });
    assert_eq!(talk.reply().array().len(), 2);
    assert!(talk.replies(500).iter().all(|reply| *reply == Reply::ok()));
}
