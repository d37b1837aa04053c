//! Five hundred clients of Redis share eight links, whatever they do; the server itself counts them.

use std::net::SocketAddr;

use crate::real::redis::{BENCHMARK, SERVER, server_at};
use crate::real::resp::{Reply, Talk};
use crate::support::child::Run;
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{Proxy, Setup};

const EIGHT: &str = "links: { max_per_member: 8 }";

/// A value of INFO.
pub(crate) fn info(talk: &mut Talk, section: &str, name: &str) -> u64 {
    let text = talk.ask(&format!("INFO {section}"));
    let text = text.text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim().parse().unwrap()
}

fn benchmark(more: &str, shown: &[&str]) {
    if !are_here(&[SERVER, BENCHMARK]) {
        return;
    }
    let directory = Directory::new("redis-links");
    let at = own_address();
    // A ninth link would be turned away, and counted.
    let _server = server_at(&directory, at, "--maxclients 8");
    let proxy = Setup::resp(at).backend(EIGHT).start();
    let to = format!("-h {} -p {} --csv", proxy.address().ip(), proxy.address().port());
    let mut run = Run::new(BENCHMARK, directory.path()).args(&to).args("-c 500 -r 1000").args(more).start();
    assert!(run.wait().success(), "{}", run.said());
    let said = run.said().to_lowercase();
    assert!(!said.contains("err") && !said.contains("penstock"), "{said}");
    for test in shown {
        assert!(run.out().contains(&format!("\"{test}")), "no {test} in {}", run.said());
    }
    let mut talk = Talk::connect(proxy.address());
    assert_eq!(info(&mut talk, "stats", "rejected_connections"), 0);
    assert_no_errors(&proxy);
}

fn assert_no_errors(proxy: &Proxy) {
    assert_eq!(proxy.counted("penstock_request_errors_total", "").unwrap_or_default(), 0);
    let closed = proxy.counted("penstock_backend_connections_closed_total", "reason=\"desync\"");
    assert_eq!(closed.unwrap_or_default(), 0);
}

const ALL: &[&str] = &["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPUSH", "RPOP", "HSET", "MSET"];
const TESTS: &str = "-t ping,set,get,incr,lpush,rpop,hset,mset";

#[test]
fn five_hundred_clients_share_eight_links_one_request_at_a_time() {
    benchmark(&format!("{TESTS} -n 10000"), ALL);
}

#[test]
fn five_hundred_clients_share_eight_links_with_sixteen_in_flight() {
    benchmark(&format!("{TESTS} -n 50000 -P 16"), ALL);
}

#[test]
fn long_answers_of_many_are_told_apart() {
    benchmark("-t lrange -n 2000 -P 4", &["LRANGE_100", "LRANGE_600"]);
    benchmark("-t set,get -n 4000 -d 20000", &["SET", "GET"]);
}

fn stand(more: &str) -> Option<(impl Sized, Proxy, SocketAddr)> {
    are_here(&[SERVER]).then(|| {
        let directory = Directory::new("redis-links");
        let at = own_address();
        let server = server_at(&directory, at, more);
        ((server, directory), Setup::resp(at).backend(EIGHT).start(), at)
    })
}

#[test]
fn those_who_keep_a_link_are_among_the_eight() {
    let Some((_server, proxy, _)) = stand("--maxclients 8") else { return };
    // Each of the two workers has four links.
    let mut kept: Vec<_> = (0..3).map(|_| Talk::connect(proxy.address())).collect();
    for (i, talk) in kept.iter_mut().enumerate() {
        match i % 3 {
            0 => assert_eq!(talk.ask("SELECT 1"), Reply::ok()),
            1 => assert_eq!(talk.ask("SUBSCRIBE news").array().len(), 3),
            _ => assert_eq!(talk.ask("MULTI"), Reply::ok()),
        }
    }
    let mut others: Vec<_> = (0..100).map(|_| Talk::connect(proxy.address())).collect();
    for round in 0..5 {
        for talk in &mut others {
            talk.say("INCR shared");
        }
        let mut counts: Vec<_> = others.iter_mut().map(|talk| talk.reply().integer()).collect();
        counts.sort_unstable();
        assert_eq!(counts, (1..=100).map(|i| round * 100 + i).collect::<Vec<_>>());
    }
    let before = info(&mut others[0], "clients", "connected_clients");
    assert!(before <= 8, "{before}");
    assert_eq!(info(&mut others[0], "stats", "rejected_connections"), 0);
    drop(kept);
    eventually("the links of those who left are closed", || {
        info(&mut others[0], "clients", "connected_clients") < before
    });
    // All that they asked for had been answered.
    assert_eq!(proxy.counted("penstock_request_errors_total", "").unwrap_or(0), 0);
}

/// What a client made of its link is gone with it: database, names, subscriptions, transactions, watched keys.
#[test]
fn nobody_inherits_what_another_made_of_its_link() {
    let Some((_server, proxy, _)) = stand("") else { return };
    assert_eq!(Talk::connect(proxy.address()).ask("SET where 0"), Reply::ok());
    let leave = [
        "SELECT 1",
        "MULTI",
        "WATCH where",
        "SUBSCRIBE a",
        "MONITOR",
        "CLIENT NO-EVICT on",
        "HELLO 3 SETNAME x",
    ];
    for (round, left) in leave.iter().cycle().take(70).enumerate() {
        let mut talk = Talk::connect(proxy.address());
        assert!(!talk.say(left).first().is_empty());
        if round % 2 == 0 {
            talk.reset();
        }
        let mut next = Talk::connect(proxy.address());
        for _ in 0..3 {
            assert_eq!(next.ask("GET where"), Reply::bulk("0"), "after {left}");
        }
        assert_eq!(next.ask("CLIENT GETNAME"), Reply::Nil, "after {left}");
    }
}

#[test]
fn clients_with_a_name_of_their_own_share_links() {
    let Some((_server, proxy, _)) = stand("--maxclients 8") else { return };
    let mut talks: Vec<_> = (0..50).map(|_| Talk::connect(proxy.address())).collect();
    for (i, talk) in talks.iter_mut().enumerate() {
        assert_eq!(talk.ask(&format!("CLIENT SETNAME client{i}")), Reply::ok());
        assert_eq!(talk.ask("CLIENT SETINFO LIB-NAME test"), Reply::ok());
        assert_eq!(talk.ask("SELECT 0"), Reply::ok());
        assert_eq!(talk.ask("PING"), Reply::Simple("PONG".to_owned()));
    }
    assert_eq!(info(&mut talks[0], "stats", "rejected_connections"), 0);
}
