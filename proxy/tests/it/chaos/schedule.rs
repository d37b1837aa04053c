//! Draws what happens, and when, from the seed, and makes it happen until the time is over.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use socket2::SockRef;

use crate::chaos::World;
use crate::chaos::setup::Shape;
use crate::support::binary::Binary;
use crate::support::splitmix::Random;

pub(crate) struct Schedule {
    random: Random,
    done: BTreeMap<&'static str, u32>,
    /// What is still to be undone, and when.
    undo: Vec<(Instant, Undo)>,
}

#[derive(Clone, Copy)]
enum Undo {
    StartMember(usize),
    ContinueMember(usize),
    Descriptors,
}

impl Schedule {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), done: BTreeMap::new(), undo: Vec::new() }
    }

    /// Lets things happen for so long.
    pub(crate) fn run(&mut self, world: &mut World, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end {
            let pause = self.millis(50, 500);
            std::thread::sleep(pause);
            self.undo(world);
            self.happen(world);
        }
    }

    fn undo(&mut self, world: &mut World) {
        let (due, later) = self.undo.drain(..).partition(|(at, _)| *at <= Instant::now());
        self.undo = later;
        let due: Vec<(Instant, Undo)> = due;
        for (_, undo) in due {
            match undo {
                Undo::StartMember(which) => world.members.start_again(which),
                Undo::ContinueMember(which) => world.members.signal(which, Signal::CONT),
                Undo::Descriptors => descriptors(&world.binary, None),
            }
        }
    }

    fn happen(&mut self, world: &mut World) {
        let which = self.random.below(world.members.count());
        let name = match self.random.below(20) {
            0..4 => {
                world.members.kill(which);
                self.later(0, 2_000, Undo::StartMember(which));
                "a member was killed"
            }
            4..7 => {
                world.members.signal(which, Signal::STOP);
                self.later(50, 3_000, Undo::ContinueMember(which));
                "a member stood still"
            }
            7..9 => {
                world.binary.signal(Signal::STOP);
                std::thread::sleep(self.millis(20, 3_000));
                world.binary.signal(Signal::CONT);
                "the proxy stood still"
            }
            9..11 => {
                world.members.replace_crowd();
                "48 clients were killed, and others came"
            }
            11..13 => {
                self.storm(world);
                "200 clients asked for half of something, and reset"
            }
            13..17 => {
                let shape = Shape::draw(&world.places, &world.directory, &mut self.random);
                if world.reload(&shape.text()) { "another configuration" } else { "a reload was refused" }
            }
            17 => {
                assert!(!world.reload("listeners: { web: 1 }\n"), "a wrong configuration was taken");
                "a wrong configuration"
            }
            _ => {
                descriptors(&world.binary, Some(self.random.below(20) as u64));
                self.later(100, 2_000, Undo::Descriptors);
                "descriptors ran short"
            }
        };
        *self.done.entry(name).or_default() += 1;
    }

    /// Half a request each, and a reset.
    fn storm(&mut self, world: &World) {
        let places = &world.places;
        let ways: [(SocketAddr, &[u8]); 5] = [
            (places.http, b"GET /hello HTTP/1.1\r\nHost: h\r\nX-Half: "),
            (places.http, b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\nhalf"),
            (places.resp, b"*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nhalf"),
            (places.lines, b"echo half"),
            (places.tcp, b"echo half"),
        ];
        let mut open = Vec::new();
        for _ in 0..200 {
            let (to, words) = ways[self.random.below(ways.len())];
            // Who is not let in any more, or is closed at once, is as well.
            let Ok(mut stream) = TcpStream::connect_timeout(&to, Duration::from_secs(5)) else { continue };
            let _ = stream.write_all(words);
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            open.push(stream);
        }
    }

    fn later(&mut self, least: u64, most: u64, undo: Undo) {
        let at = Instant::now() + self.millis(least, most);
        self.undo.push((at, undo));
    }

    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + self.random.next() % (most - least))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.done.iter().try_for_each(|(what, times)| writeln!(f, "{times:>5} x {what}"))
    }
}

/// Lets the proxy have so many descriptors more than it has, or as many as it may have.
pub(crate) fn descriptors(binary: &Binary, more: Option<u64>) {
    let process = Pid::from_raw(binary.id().cast_signed()).unwrap();
    let most = getrlimit(Resource::Nofile).maximum;
    let open = || std::fs::read_dir(format!("/proc/{}/fd", binary.id())).unwrap().count() as u64;
    let current = more.map(|more| open() + more).or(most);
    prlimit(Some(process), Resource::Nofile, Rlimit { current, maximum: most }).unwrap();
}
