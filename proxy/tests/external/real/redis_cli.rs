//! `redis-cli` through `protocol: resp`, as anybody would use it, on links that its connections share.

use std::net::SocketAddr;

use crate::real::random::{assert_same, write_bytes};
use crate::real::redis::{CLI, SERVER, server_at};
use crate::support::child::{Child, Run};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::{Proxy, Setup};

const EIGHT: &str = "links: { max_per_member: 8 }";

/// Redis, the proxy before it, and the directory they are in.
struct Stand {
    proxy: Proxy,
    _server: Child,
    directory: Directory,
}

impl Stand {
    /// `None` where the programs are not here.
    fn new(more: &str) -> Option<Self> {
        are_here(&[SERVER, CLI]).then(|| {
            let directory = Directory::new("redis-cli");
            let at = own_address();
            let server = server_at(&directory, at, more);
            let setup = Setup::resp(at).backend(EIGHT).listener("framing: { max_length: 64MiB }");
            Self { proxy: setup.start(), _server: server, directory }
        })
    }

    fn cli(&self) -> Run {
        self.cli_to(self.proxy.address())
    }

    fn cli_to(&self, at: SocketAddr) -> Run {
        Run::new(CLI, self.directory.path()).args(&format!("-h {} -p {}", at.ip(), at.port()))
    }

    /// Says these lines on one connection; what is printed, a line for each answer.
    #[track_caller]
    fn lines(&self, lines: &str) -> Vec<String> {
        let input = self.directory.write("lines", lines.trim());
        self.cli().input(&input).succeed().lines().map(str::to_owned).collect()
    }

    fn ask(&self, words: &str) -> String {
        self.cli().args(words).succeed()
    }
}

#[test]
fn one_command_after_the_other() {
    let Some(stand) = Stand::new("") else { return };
    assert_eq!(stand.ask("ping"), "PONG\n");
    assert_eq!(stand.ask("set key value"), "OK\n");
    assert_eq!(stand.ask("get key"), "value\n");
    assert_eq!(stand.ask("get nothing"), "\n");
    assert_eq!(stand.ask("incr count"), "1\n");
    assert_eq!(stand.ask("incr count"), "2\n");
    assert_eq!(stand.ask("rpush list a b c"), "3\n");
    assert_eq!(stand.ask("lrange list 0 -1"), "a\nb\nc\n");
    assert!(stand.ask("lpush key x").starts_with("WRONGTYPE"));
    assert!(stand.ask("nonsense x").starts_with("ERR unknown command"));
    assert_eq!(stand.ask("-n 0 get key"), "value\n");
}

#[test]
fn large_values_go_both_ways() {
    let Some(stand) = Stand::new("") else { return };
    const LENGTH: usize = 10_000_000;
    let (value, read) = (stand.directory.join("value"), stand.directory.join("read"));
    write_bytes(&value, 21, LENGTH);
    assert_eq!(stand.cli().args("-x set key").input(&value).succeed(), "OK\n");
    assert_eq!(stand.ask("strlen key"), format!("{LENGTH}\n"));
    stand.cli().args("--raw get key").output(&read).succeed();
    let mut bytes = std::fs::read(&read).unwrap();
    assert_eq!(bytes.pop(), Some(b'\n'), "redis-cli ends its answer with a line end");
    std::fs::write(&read, bytes).unwrap();
    assert_same(&value, &read, LENGTH as u64);
}

#[test]
fn a_hundred_thousand_commands_are_piped() {
    let Some(stand) = Stand::new("") else { return };
    let commands: String = (0..100_000).map(|i| format!("SET piped:{i} {i}\r\n")).collect();
    let input = stand.directory.write("commands", commands);
    let said = stand.cli().arg("--pipe").input(&input).succeed();
    assert!(said.contains("errors: 0, replies: 100000"), "{said}");
    assert_eq!(stand.ask("dbsize"), "100000\n");
    assert_eq!(stand.ask("get piped:99999"), "99999\n");
}

#[test]
fn errors_are_piped_in_their_places() {
    let Some(stand) = Stand::new("") else { return };
    let commands: String = (0..1000).map(|i| format!("SET key {i}\r\nLPUSH key {i}\r\n")).collect();
    let input = stand.directory.write("commands", commands);
    let run = stand.cli().arg("--pipe").input(&input);
    let mut child = run.start();
    child.wait();
    assert!(child.said().contains("errors: 1000, replies: 2000"), "{}", child.said());
}

#[test]
fn a_transaction_is_one() {
    let Some(stand) = Stand::new("") else { return };
    let said = stand.lines("multi\nset a 1\nincr a\nget a\nexec\nget a");
    assert_eq!(said, ["OK", "QUEUED", "QUEUED", "QUEUED", "OK", "2", "2", "2"]);
    assert_eq!(stand.lines("multi\nincr a\ndiscard\nget a"), ["OK", "QUEUED", "OK", "2"]);
    let said = stand.lines("multi\nincr\nexec\nget a");
    assert!(said[1].starts_with("ERR wrong number"), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("EXECABORT")), "{said:?}");
    assert_eq!(said.last().unwrap(), "2");
}

#[test]
fn another_database_is_ones_own() {
    let Some(stand) = Stand::new("") else { return };
    assert_eq!(stand.lines("set where 0\nselect 1\nset where 1\nget where"), ["OK", "OK", "OK", "1"]);
    assert_eq!(stand.ask("get where"), "0\n");
    assert_eq!(stand.ask("-n 1 get where"), "1\n");
    assert_eq!(stand.ask("get where"), "0\n");
}

#[test]
fn who_says_the_password_comes_in_and_nobody_else() {
    let Some(stand) = Stand::new("--requirepass secret") else { return };
    let ask = |how: &str| stand.cli().args(how).args("ping").env("REDISCLI_AUTH", "").start();
    let mut said = Vec::new();
    for how in ["", "--no-auth-warning -a secret", "--no-auth-warning -a wrong", ""] {
        let mut child = ask(how);
        child.wait();
        said.push(child.said());
    }
    assert!(said[0].starts_with("NOAUTH"), "{said:?}");
    assert_eq!(said[1], "PONG\n");
    assert!(said[2].contains("WRONGPASS") && said[2].contains("NOAUTH"), "{said:?}");
    assert!(said[3].starts_with("NOAUTH"), "the link of who had the password went to another: {said:?}");
}

#[test]
fn what_is_published_arrives() {
    let Some(stand) = Stand::new("") else { return };
    let mut subscriber = stand.cli().args("subscribe news more").start();
    subscriber.until("both", |said| said.matches("subscribe\n").count() == 2);
    for i in 0..20 {
        assert_eq!(stand.ask(&format!("publish news item{i}")), "1\n");
    }
    subscriber.until_it_says("item19\n");
    let items = subscriber.out().lines().filter(|line| line.starts_with("item")).count();
    assert_eq!(items, 20);
    drop(subscriber);
    eventually("its link is closed", || stand.ask("publish news late") == "0\n");
}

#[test]
fn what_others_do_is_monitored() {
    let Some(stand) = Stand::new("") else { return };
    let mut monitor = stand.cli().arg("monitor").start();
    monitor.until_it_says("OK\n");
    stand.ask("set watched 1");
    monitor.until_it_says("\"set\" \"watched\" \"1\"");
}

#[test]
fn who_asks_for_resp3_goes_on_with_resp2() {
    let Some(stand) = Stand::new("") else { return };
    let mut child = stand.cli().args("-3 config get maxmemory").start();
    child.wait();
    assert!(child.out().contains("maxmemory"), "{}", child.said());
}

#[test]
fn a_queue_hands_over_what_is_pushed() {
    let Some(stand) = Stand::new("") else { return };
    let mut waiting: Vec<_> = (0..5).map(|_| stand.cli().args("blpop queue 0").start()).collect();
    for i in 0..5 {
        stand.ask(&format!("rpush queue item{i}"));
    }
    waiting.iter_mut().for_each(|child| assert!(child.wait().success()));
    let mut said: Vec<_> = waiting.iter().map(Child::out).collect();
    said.sort();
    assert_eq!(said, (0..5).map(|i| format!("queue\nitem{i}\n")).collect::<Vec<_>>());
    assert_eq!(stand.ask("llen queue"), "0\n");
}
