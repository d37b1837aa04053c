//! Tests how much is held for members that do not read: a bounded amount for a link, for a client and for all.
//!
//! What is held is looked at from outside: bytes that a client could get rid of are in the kernel's buffers, or here. A sender
//! that cannot go on has met a bound, and the metric tells how much of it is ours.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::member::{Ends, Member};
use crate::stand::{Proxy, Setup};
use crate::wire::{Wire, eventually};

const MIB: usize = 1 << 20;
/// What a kernel may hold of one client on its way to the proxy and from there to the member, where all have these buffers (it
/// doubles them).
const KERNEL: usize = MIB;
const BUFFER: usize = 64 << 10;

/// With small buffers of the kernel's, and all the time in the world.
fn setup(budget: &str) -> Setup {
    let setup = Setup::new().workers(1).top(&format!("buffer_budget: {budget}"));
    let setup = setup.listener("socket: { receive_buffer: 64KiB }").backend("socket: { send_buffer: 64KiB }");
    setup.backend("response_timeout: 5m").backend("queue: { timeout: 5m }")
}

fn narrow(proxy: &Proxy) -> Wire {
    let client = proxy.client();
    socket2::SockRef::from(&client.stream).set_send_buffer_size(BUFFER).unwrap();
    client
}

/// Writes as much of `what`, again and again, as is taken before nothing is for a second.
fn stuff(stream: &TcpStream, what: &[u8], most: usize) -> usize {
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let (mut stream, mut sent) = (stream, 0);
    while sent < most {
        match stream.write(&what[sent % what.len()..]) {
            Ok(n) => sent += n,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(e) => panic!("{e} after {sent} bytes"),
        }
    }
    sent
}

fn held(proxy: &Proxy) -> usize {
    usize::try_from(proxy.sum("penstock_buffer_bytes")).unwrap()
}

/// Of this process, for the one who looks.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The most that is held while `until` does not hold.
fn most_held(proxy: &Proxy, mut until: impl FnMut() -> bool) -> usize {
    let (began, mut most) = (Instant::now(), 0);
    while !until() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not end");
        most = most.max(held(proxy));
        std::thread::sleep(Duration::from_millis(2));
    }
    most
}

fn ends_never(_: &mut Vec<u8>, _: &[u8]) -> usize {
    0
}

/// Issue 12, 1: 60 MB to a member with a window of 4 KiB, first with one that does not read, then with one that does.
#[test]
fn an_upload_is_not_held_for_a_member_with_a_small_window() {
    const BODY: usize = 60 * MIB;
    for chunked in [false, true] {
        let count = |kept: &mut Vec<u8>, new: &[u8]| {
            kept.extend_from_slice(new);
            let over = kept.ends_with(b"THE END") || kept.ends_with(b"THE END\r\n0\r\n\r\n");
            kept.drain(..kept.len().saturating_sub(20));
            usize::from(over)
        };
        let member = Member::start(count, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let proxy = setup("256MiB").listener("timeouts: { body: 5m }").before_one(member.address);
        let mut client = narrow(&proxy);
        client.send("POST /up HTTP/1.1\r\nHost: a\r\n");
        let piece = if chunked {
            client.send("Transfer-Encoding: chunked\r\n\r\n");
            [&b"10000\r\n"[..], &vec![b'x'; 65536], b"\r\n"].concat()
        } else {
            client.send(format!("Content-Length: {}\r\n\r\n", BODY + 7));
            vec![b'x'; 65536]
        };
        let all = piece.len() * (BODY / 65536);
        let sent = stuff(&client.stream, &piece, all);
        assert!(sent < KERNEL + MIB, "{sent} bytes went somewhere");
        assert!(held(&proxy) <= MIB / 2, "{} bytes are held", held(&proxy));
        member.read();
        let mut rest = client.stream.try_clone().unwrap();
        rest.set_write_timeout(None).unwrap();
        let writer = std::thread::spawn(move || {
            let mut sent = sent;
            while sent < all {
                let piece = &piece[sent % piece.len()..];
                rest.write_all(piece).unwrap();
                sent += piece.len();
            }
            rest.write_all(if chunked { b"7\r\nTHE END\r\n0\r\n\r\n" } else { b"THE END" }).unwrap();
        });
        let most = most_held(&proxy, || member.came() >= BODY as u64);
        assert!(most <= MIB / 2, "{most} bytes were held");
        assert_eq!(client.answer().status, 200);
        writer.join().unwrap();
        drop(client);
        eventually("nothing is held", || held(&proxy) == 0);
    }
}

/// Issue 12, 2: a member answers quickly, so that its links become deep, and then pauses, while clients go on asking. Each may
/// have many requests in flight, each link may carry many.
struct Pause {
    protocol: &'static str,
    framing: &'static str,
    small: &'static [u8],
    ends: Ends,
    answer: &'static [u8],
}

impl Pause {
    /// One client on one link has it to itself, as deep as it is; of eight, those who come later find it slow.
    fn with(&self, frame: &[u8]) {
        self.with_so_many(1, frame);
        self.with_so_many(8, frame);
    }

    fn with_so_many(&self, clients: usize, frame: &[u8]) {
        let links = clients;
        const BUDGET: usize = 8 * MIB;
        let member = Member::start(self.ends, self.answer);
        member.read();
        let setup = setup("8MiB").listener(&format!("protocol: {}", self.protocol)).listener(self.framing);
        let setup = setup.listener("timeouts: { body: 5m, head: 5m, write: 5m }");
        // All clients are one source, which would not get the last link: see `max_per_source`.
        let proxy = setup
            .backend(&format!("links: {{ max_per_member: {links}, max_per_source: off, rescue_after: off }}"))
            .before_one(member.address);
        let mut clients: Vec<_> = (0..clients).map(|_| narrow(&proxy)).collect();
        eventually("links are deep", || {
            for client in &mut clients {
                client.send(self.small.repeat(64));
                assert_eq!(client.take(64 * self.answer.len()), self.answer.repeat(64));
            }
            proxy.sum("penstock_backend_pipeline_depth_limit") >= 64
        });
        member.pause();
        let before = resident();
        let stuffed: Vec<_> = std::thread::scope(|scope| {
            let one = |client: &'_ Wire| stuff(&client.stream, frame, 60 * MIB);
            let mut all = Vec::new(); // all begin before the first is waited for
            clients.iter().for_each(|client| all.push(scope.spawn(move || one(client))));
            all.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (all, grown, held) =
            (stuffed.iter().sum::<usize>(), resident().saturating_sub(before), held(&proxy));
        println!(
            "{} of {}: {all} bytes taken, {held} held, grown by {grown} KiB",
            self.protocol,
            frame.len()
        );
        let kernel = links * KERNEL;
        let bound = BUDGET + links * frame.len();
        assert!(held <= bound, "{held} bytes are held");
        assert!(all <= bound + kernel, "{all} bytes went somewhere");
        member.read();
        // Each gets an answer for each frame that it has sent.
        for (mut client, sent) in clients.into_iter().zip(stuffed) {
            let mut writer = client.stream.try_clone().unwrap();
            writer.set_write_timeout(None).unwrap();
            let rest =
                if sent % frame.len() == 0 { Vec::new() } else { frame[sent % frame.len()..].to_vec() };
            let frames = (sent + rest.len()) / frame.len();
            let writing = std::thread::spawn(move || writer.write_all(&rest));
            let answers = client.take(frames * self.answer.len());
            assert!(answers.chunks(self.answer.len()).all(|one| one == self.answer));
            writing.join().unwrap().unwrap();
        }
        proxy.at_rest();
        eventually("nothing is held", || proxy.sum("penstock_buffer_bytes") == 0);
    }
}

#[test]
fn values_that_redis_does_not_read_are_bounded_in_bytes() {
    // The last word of each request ends with the only `!` in it.
    let ends: Ends = |kept, new| {
        kept.extend_from_slice(new);
        let ends = kept.windows(3).filter(|end| *end == b"!\r\n").count();
        kept.drain(..kept.len().saturating_sub(2));
        ends
    };
    let small = b"*2\r\n$4\r\nPING\r\n$1\r\n!\r\n";
    let pause = Pause { protocol: "resp", framing: "trusted: none", small, ends, answer: b"+OK\r\n" };
    // Some that are shared, and some that are passed on while they come.
    for size in [50_000, 1_000_000] {
        let head = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${size}\r\n").into_bytes();
        pause.with(&[head, vec![b'v'; size - 1], b"!\r\n".to_vec()].concat());
    }
}

#[test]
fn lines_that_a_member_does_not_read_are_bounded_in_bytes() {
    let ends: Ends = |_, new| new.iter().filter(|byte| **byte == b'\n').count();
    let framing = "framing: { terminator: lf, max_length: 2MiB }";
    let pause = Pause { protocol: "lines", framing, small: b"small\n", ends, answer: b"ok\n" };
    for size in [2_000, 1_000_000] {
        pause.with(&[vec![b'v'; size], b"\n".to_vec()].concat());
    }
}

/// A head that does not end, a line that does not, and what comes behind a request that is not answered: of each client so
/// much is kept, and of all together.
#[test]
fn clients_that_say_half_of_something_are_held_to_the_budget() {
    const CLIENTS: usize = 40;
    let member = Member::start(ends_never, b"");
    let setup = setup("2MiB").listener("protocol: lines");
    let setup = setup.listener("framing: { terminator: lf, max_length: 1MiB }");
    let setup = setup.listener("timeouts: { head: 10s }");
    let proxy = setup.before_one(member.address);
    let clients: Vec<_> = (0..CLIENTS).map(|_| proxy.client()).collect();
    let half = vec![b'x'; 300_000];
    std::thread::scope(|scope| {
        clients.iter().for_each(|client| _ = scope.spawn(|| stuff(&client.stream, &half, half.len())));
    });
    let bound = 2 * MIB + CLIENTS * (16 << 10);
    eventually("something is held", || held(&proxy) >= MIB);
    assert!(held(&proxy) <= bound, "{} bytes are held", held(&proxy));
    // Small requests go on all the same.
    member.read();
    let mut small = proxy.client();
    small.send("hello\n");
    eventually("it is asked", || member.came() >= 6);
    // Who has half of something and no room for the rest is not read, so that it leaves is seen when its time is over.
    drop((clients, small));
    eventually("nothing is held", || held(&proxy) == 0);
}
