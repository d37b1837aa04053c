//! Long requests to Redis: what does not fit the buffer is passed on while it comes, in bounded memory.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use crate::real::redis::{SERVER, server_at};
use crate::real::redis_links::info;
use crate::real::resp::{Reply, Talk, array};
use crate::support::place::{Directory, eventually, own_address};
use crate::support::program::are_here;
use crate::support::proxy::Setup;

const MIB: u64 = 1 << 20;

/// The built program, so that its memory is its own.
struct Penstock(Child);

impl Drop for Penstock {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Penstock {
    /// Bytes of memory that it has, or had at most.
    fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }
}

#[test]
fn two_hundred_megabytes_go_through_in_thirty_two_of_memory() {
    if !are_here(&[SERVER]) {
        return;
    }
    let directory = Directory::new("redis-long");
    let (at, front) = (own_address(), own_address());
    let _server = server_at(&directory, at, "");
    let config = format!(
        "admin: off\nlisteners:\n  redis: {{ bind: \"{front}\", protocol: resp, backend: redis }}\n\
         backends:\n  redis: {{ members: {{ a: \"{at}\" }} }}\n"
    );
    let file = directory.path().join("penstock.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    let penstock = Penstock(command.args(["run", "-c"]).arg(&file).spawn().unwrap());
    eventually("it listens", || TcpStream::connect(front).is_ok());
    let mut talk = Talk::connect(front);
    assert_eq!(talk.ask("PING").text(), "PONG");
    let before = penstock.memory("VmRSS");
    let piece = vec![b'x'; MIB as usize];
    talk.send("*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$209715200\r\n");
    for _ in 0..200 {
        talk.send(&piece);
    }
    talk.send("\r\n");
    assert_eq!(talk.reply(), Reply::ok());
    let stored = penstock.memory("VmHWM");
    assert_eq!(talk.ask("STRLEN big").integer(), 200 * MIB as i64);
    let mut stream = TcpStream::connect(front).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"GET big\r\n").unwrap();
    let expected = "$209715200\r\n".len() as u64 + 200 * MIB + 2;
    assert_eq!(std::io::copy(&mut stream.take(expected), &mut std::io::sink()).unwrap(), expected);
    let read = penstock.memory("VmHWM");
    println!("{before} bytes before, {stored} at most for SET, {read} at most with GET");
    assert!(read < before + 32 * MIB, "{before} bytes before, {stored} at most for SET, {read} with GET");
}

struct Stand {
    proxy: crate::support::proxy::Proxy,
    direct: Talk,
    _server: crate::support::child::Child,
    _directory: Directory,
}

fn stand(links: usize, listener: &str) -> Option<Stand> {
    are_here(&[SERVER]).then(|| {
        let directory = Directory::new("redis-long-frames");
        let at = own_address();
        let server = server_at(&directory, at, "");
        let setup = Setup::resp(at).backend(&format!("links: {{ max_per_member: {links} }}"));
        let proxy = setup.listener(listener).start();
        Stand { proxy, direct: Talk::connect(at), _server: server, _directory: directory }
    })
}

#[test]
fn a_long_frame_that_is_broken_off_takes_nobody_with_it() {
    let Some(mut stand) = stand(1, "timeouts: { body: 1s }") else { return };
    for round in 0..12 {
        let mut broken = TcpStream::connect(stand.proxy.address()).unwrap();
        broken.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        broken.write_all(b"*3\r\n$3\r\nSET\r\n$5\r\nhalf!\r\n$1000000\r\n").unwrap();
        broken.write_all(&vec![b'y'; 300_000 + round]).unwrap();
        eventually("some of it has come there", || {
            stand.direct.ask("CLIENT LIST").text().lines().count() == 2
        });
        match round % 4 {
            0 => drop(broken),
            1 => broken.shutdown(Shutdown::Write).unwrap(),
            2 => {
                // It stalls, and is told so.
                let mut told = Vec::new();
                broken.read_to_end(&mut told).unwrap();
                assert_eq!(told, b"-ERR penstock: body_timeout\r\n");
            }
            _ => {
                broken.write_all(&vec![b'y'; 700_000 - round]).unwrap();
                broken.write_all(b"xx").unwrap();
                let mut told = Vec::new();
                let _ = broken.read_to_end(&mut told); // the end may be a reset, as not all was read
                assert!(
                    told.is_empty() || told == b"-ERR penstock: bad_request\r\n",
                    "{}",
                    told.escape_ascii()
                );
            }
        }
        let mut next = Talk::connect(stand.proxy.address());
        let value = format!("{}{round}", "z".repeat(100));
        assert_eq!(next.say(&format!("SET whole {value}")).reply(), Reply::ok(), "in round {round}");
        assert_eq!(next.ask("GET whole"), Reply::bulk(&value));
        assert_eq!(next.ask("EXISTS half!"), Reply::Integer(0));
    }
}

#[test]
fn half_a_frame_that_fits_the_buffer_holds_no_link() {
    let Some(stand) = stand(1, "timeouts: { head: 60s }") else { return };
    let mut halves: Vec<_> = (0..20)
        .map(|_| {
            let mut half = Talk::connect(stand.proxy.address());
            half.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n").send(vec![b'h'; 60_000]);
            half
        })
        .collect();
    let mut other = Talk::connect(stand.proxy.address());
    for _ in 0..100 {
        assert!(other.ask("INCR n").integer() > 0);
    }
    for half in &mut halves {
        half.send(vec![b'h'; 40_000]).send("\r\n");
        assert_eq!(half.reply(), Reply::ok());
    }
    assert_eq!(other.ask("STRLEN a"), Reply::Integer(100_000));
}

#[test]
fn long_frames_are_answered_as_short_ones() {
    let Some(mut stand) = stand(2, "timeouts: { idle: 60s }") else { return };
    let long = vec![b'v'; 3_000_000];
    let many: Vec<Vec<u8>> = (0..30_000).map(|i| format!("key{i}").into_bytes()).collect();
    let mut mget: Vec<&[u8]> = vec![b"MGET"];
    mget.extend(many.iter().map(Vec::as_slice));
    let mut talk = Talk::connect(stand.proxy.address());
    let mut other = Talk::connect(stand.proxy.address());
    assert_eq!(talk.ask("LPUSH list 1"), Reply::Integer(1));
    for _ in 0..3 {
        // Pipelined with short ones; each cut is the kernel's.
        talk.say("PING").send(array(&[b"SET", b"long", &long])).say("STRLEN long").send(array(&mget));
        talk.send(array(&[b"APPEND", b"list", &long])).say("ECHO end");
        assert_eq!(talk.reply().text(), "PONG");
        assert_eq!(talk.replies(2), [Reply::ok(), Reply::Integer(long.len() as i64)]);
        assert_eq!(talk.reply().array(), vec![Reply::Nil; many.len()]);
        assert!(talk.reply().text().starts_with("WRONGTYPE"));
        assert_eq!(talk.reply(), Reply::bulk("end"));
        // In a transaction, and while keys are watched.
        talk.say("WATCH long").send(array(&[b"SET", b"other", &long])).say("MULTI");
        talk.send(array(&[b"SET", b"long2", &long])).say("STRLEN long2").say("EXEC").say("ECHO after");
        assert_eq!(talk.replies(3), vec![Reply::ok(); 3]);
        let queued = Reply::Simple("QUEUED".to_owned());
        assert_eq!(talk.replies(2), [queued.clone(), queued]);
        let done = [Reply::ok(), Reply::Integer(long.len() as i64)];
        assert_eq!(talk.reply().array(), done);
        assert_eq!(talk.reply(), Reply::bulk("after"));
        assert_eq!(other.ask("STRLEN long2"), done[1]);
    }
    // Those that leave something behind keep the link for good, and a name does not stay.
    let mut named = Talk::connect(stand.proxy.address());
    named.send(array(&[b"CLIENT", b"SETNAME", &long[..100_000]]));
    assert_eq!(named.reply(), Reply::ok());
    drop(named);
    eventually("its link is gone", || !stand.direct.ask("CLIENT LIST").text().contains("name=vvv"));
    assert_eq!(other.ask("CLIENT GETNAME"), Reply::Nil);
    assert!(info(&mut stand.direct, "clients", "connected_clients") <= 3);
}

#[test]
fn what_turns_out_too_long_is_refused_before_it_takes_a_link_or_ends_it() {
    let Some(mut stand) = stand(1, "framing: { max_length: 1MiB }") else { return };
    let mut talk = Talk::connect(stand.proxy.address());
    talk.send("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2000000\r\n");
    assert_eq!(talk.reply(), Reply::Error("ERR penstock: body_too_large".to_owned()));
    talk.is_over();
    let mut talk = Talk::connect(stand.proxy.address());
    talk.send("*4\r\n$3\r\nSET\r\n$1\r\na\r\n$600000\r\n").send(vec![b'x'; 600_000]).send("\r\n$600000\r\n");
    assert_eq!(talk.reply(), Reply::Error("ERR penstock: body_too_large".to_owned()));
    talk.is_over();
    let mut other = Talk::connect(stand.proxy.address());
    assert_eq!(other.ask("EXISTS a"), Reply::Integer(0));
    assert!(info(&mut stand.direct, "clients", "connected_clients") <= 2);
}
