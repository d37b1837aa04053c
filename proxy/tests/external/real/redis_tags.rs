//! No client gets a wrong response: tagged commands of clients that are killed, to a server that is killed and loses everything.
//!
//! With `PENSTOCK_SOAK` there are a million commands.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use crate::real::random::Random;
use crate::real::redis::{SERVER, server_at};
use crate::real::resp::{Reply, Talk, command};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::Setup;

const CLIENTS: u64 = 32;
const RESTARTS: u64 = 5;
const KEYS: usize = 4;

/// What all clients share.
struct Course {
    to: SocketAddr,
    wanted: u64,
    /// Commands that were answered by the server itself.
    answered: AtomicU64,
    refused: AtomicU64,
    /// How often the server has been killed; counted before it is.
    kills: AtomicU64,
    /// Clients that ended amid their commands.
    left: AtomicU64,
    /// A client has found something wrong.
    failed: AtomicBool,
}

impl Course {
    fn is_over(&self) -> bool {
        self.answered.load(SeqCst) >= self.wanted || self.failed.load(SeqCst)
    }
}

/// What a command of a batch may be answered.
#[derive(Debug)]
enum Asked {
    Exactly(Reply),
    Set {
        key: usize,
        value: u64,
    },
    Get {
        key: usize,
    },
    Incr,
    /// The end of a transaction of an increment and an echo.
    Exec {
        tag: String,
    },
}

/// One connection's knowledge of its own keys. Others never touch them.
#[derive(Default)]
struct Own {
    /// What was stored last for certain, and how often the server had been killed when it was asked to.
    stored: [Option<(u64, u64)>; KEYS],
    /// What may have been stored, or not: its answer has not come, or was an error.
    loose: [Vec<u64>; KEYS],
    count: (i64, u64),
    /// Increments that may have been made, or not.
    loose_count: i64,
}

struct Client<'a> {
    course: &'a Course,
    number: u64,
    life: u64,
    next: u64,
    random: Random,
    own: Own,
}

impl Client<'_> {
    /// Lives and dies until enough was answered.
    fn run(&mut self) {
        while !self.course.is_over() {
            self.life += 1;
            self.own = Own::default();
            let Ok(mut talk) = Talk::try_connect(self.course.to) else { continue };
            let end = self.live(&mut talk);
            match self.random.below(3) {
                _ if end.is_err() => {}
                0 => talk.reset(),
                _ => drop(talk),
            }
        }
    }

    fn live(&mut self, talk: &mut Talk) -> io::Result<()> {
        for _ in 0..1 + self.random.below(60) {
            if self.course.is_over() {
                return Ok(()); // there may be no server any more, for which each command would wait
            }
            let kills = self.course.kills.load(SeqCst);
            let (bytes, asked) = self.batch();
            if self.random.below(60) == 0 {
                self.course.left.fetch_add(1, SeqCst);
                return talk.try_send(&bytes[..self.random.below(bytes.len())]);
            }
            talk.try_send(&bytes)?;
            for asked in asked {
                let reply = talk.try_reply().inspect_err(|error| {
                    assert!(error.kind() != io::ErrorKind::WouldBlock, "{asked:?} was never answered");
                })?;
                self.judge(&asked, reply, kills);
            }
        }
        Ok(())
    }

    /// Commands for one write, with what is to come of them.
    fn batch(&mut self) -> (Vec<u8>, Vec<Asked>) {
        let depth = [1, 1, 4, 16][self.random.below(4)];
        let (mut bytes, mut asked) = (Vec::new(), Vec::new());
        for _ in 0..depth {
            self.next += 1;
            let (own, value) = (format!("{}:{}", self.number, self.life), self.next);
            let tag = format!("{own}:{value}");
            let key = self.random.below(KEYS);
            let queued = || Asked::Exactly(Reply::Simple("QUEUED".to_owned()));
            let mut say = |words: String, then: Asked| {
                bytes.extend(command(&words));
                asked.push(then);
            };
            match self.random.below(20) {
                0..6 => {
                    self.own.loose[key].push(value);
                    say(format!("SET tag:{own}:{key} {tag}"), Asked::Set { key, value });
                }
                6..13 => say(format!("GET tag:{own}:{key}"), Asked::Get { key }),
                13..16 => {
                    self.own.loose_count += 1;
                    say(format!("INCR count:{own}"), Asked::Incr);
                }
                16..18 => say(format!("ECHO {tag}"), Asked::Exactly(Reply::bulk(&tag))),
                18 => {
                    self.own.loose_count += 1;
                    say("MULTI".to_owned(), Asked::Exactly(Reply::ok()));
                    say(format!("INCR count:{own}"), queued());
                    say(format!("ECHO {tag}"), queued());
                    say("EXEC".to_owned(), Asked::Exec { tag });
                }
                _ => say(format!("BLPOP none:{own} 0.001"), Asked::Exactly(Reply::Nil)),
            }
        }
        (bytes, asked)
    }

    #[track_caller]
    fn judge(&mut self, asked: &Asked, reply: Reply, kills: u64) {
        if let Reply::Error(text) = &reply {
            let known =
                ["ERR penstock: ", "LOADING", "EXECABORT"].iter().any(|known| text.starts_with(known));
            assert!(known || text == "ERR EXEC without MULTI", "client {}: {text}", self.number);
            self.course.refused.fetch_add(1, SeqCst);
            return;
        }
        self.course.answered.fetch_add(1, SeqCst);
        match asked {
            Asked::Exactly(expected) => assert_eq!(&reply, expected, "client {}", self.number),
            Asked::Set { key, value } => {
                assert_eq!(reply, Reply::ok());
                self.own.loose[*key].retain(|loose| loose != value);
                self.own.stored[*key] = Some((*value, kills));
            }
            Asked::Get { key } => self.got(*key, &reply),
            Asked::Incr => self.counted(reply.integer(), kills),
            Asked::Exec { tag } => {
                let inner = reply.array();
                assert_eq!(inner[1], Reply::bulk(tag), "client {}", self.number);
                self.counted(inner[0].integer(), kills);
            }
        }
    }

    #[track_caller]
    fn got(&self, key: usize, reply: &Reply) {
        let stored = self.own.stored[key];
        if *reply == Reply::Nil {
            let forgotten = stored.is_none_or(|(_, kills)| self.course.kills.load(SeqCst) > kills);
            assert!(forgotten, "client {}: nothing where {stored:?} was stored", self.number);
            return;
        }
        let own = format!("{}:{}:", self.number, self.life);
        let value = reply.text().strip_prefix(&own).and_then(|value| value.parse().ok());
        let value: u64 = value.unwrap_or_else(|| panic!("client {own} was given {reply:?}"));
        let fits = stored.is_some_and(|(stored, _)| stored == value) || self.own.loose[key].contains(&value);
        assert!(fits, "client {own} was given {value}, and stored {stored:?}");
    }

    #[track_caller]
    fn counted(&mut self, value: i64, kills: u64) {
        let (before, then) = self.own.count;
        let least = if self.course.kills.load(SeqCst) > then { 1 } else { before + 1 };
        let most = before + self.own.loose_count;
        assert!(
            (least..=most).contains(&value),
            "client {}: {value} is not in {least}..={most}",
            self.number
        );
        self.own.count = (value, kills);
        self.own.loose_count -= 1;
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        self.course.failed.fetch_or(std::thread::panicking(), SeqCst);
    }
}

/// Kills the server when so much of the course is over, each time, and starts it again.
fn break_and_mend(course: &Course, directory: &Directory, at: SocketAddr) {
    let mut server = server_at(directory, at, "");
    for kill in 1..=RESTARTS {
        let due = course.wanted * kill / (RESTARTS + 1);
        while course.answered.load(SeqCst) < due && !course.is_over() {
            assert!(server.runs(), "{}", server.said());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        course.kills.fetch_add(1, SeqCst);
        server.signal(rustix::process::Signal::KILL);
        server.wait();
        server = server_at(directory, at, "");
    }
    while !course.is_over() {
        assert!(server.runs(), "{}", server.said());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut talk = Talk::connect(course.to);
    eventually("it answers", || talk.ask("PING") == Reply::Simple("PONG".to_owned()));
}

#[test]
fn no_tagged_command_is_answered_wrongly() {
    if !are_here(&[SERVER]) {
        return;
    }
    let (seed, soak) = (0x5eed_7a95, std::env::var_os("PENSTOCK_SOAK").is_some());
    let wanted = if soak { 1_000_000 } else { 50_000 };
    println!("seed {seed:#x}, {wanted} commands");
    let directory = Directory::new("redis-tags");
    let at = own_address();
    let proxy = Setup::resp(at).backend("links: { max_per_member: 8, connect_timeout: 500ms }").start();
    let none = AtomicU64::default;
    let course = Course {
        to: proxy.address(),
        wanted,
        answered: none(),
        refused: none(),
        kills: none(),
        left: none(),
        failed: false.into(),
    };
    std::thread::scope(|scope| {
        let course = &course;
        for number in 0..CLIENTS {
            let random = Random::new(seed + number);
            let mut client = Client { course, number, life: 0, next: 0, random, own: Own::default() };
            scope.spawn(move || client.run());
        }
        break_and_mend(course, &directory, at);
    });
    println!("{:?} answered, {:?} refused, {:?} left", course.answered, course.refused, course.left);
    assert!(course.left.load(SeqCst) > 0 && course.kills.load(SeqCst) == RESTARTS);
}
