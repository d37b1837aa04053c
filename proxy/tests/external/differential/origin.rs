//! The recording member: it keeps every whole request that reaches it, byte for byte, and answers as the row says.

use std::collections::HashMap;
use std::io::{Read as _, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use rustix::net::{RecvFlags, recv};

use crate::differential::reader::{self, Read, Seen, find};
use crate::differential::row::Reply;
use crate::support::place::eventually;

/// The target of the request that follows each row on its connection.
pub(crate) const AFTER: &str = "/after";
/// The target by which the origin itself is asked whether it has accepted all that came before.
const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\n\r\n";

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A member that listens until the tests end.
pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    reply: Reply,
    seen: Vec<Seen>,
    links: HashMap<u32, Link>,
    accepted: u32,
}

struct Link {
    stream: TcpStream,
    /// All that was read is dealt with.
    waits: bool,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            listener.incoming().filter_map(Result::ok).for_each(|stream| welcome(stream, &shared));
        });
        Self { address, state }
    }

    /// From now on it answers like this, and has seen nothing.
    pub(crate) fn begin(&self, reply: Reply) {
        let mut state = lock(&self.state);
        state.reply = reply;
        state.seen.clear();
    }

    /// What it has seen, when all that was sent to it is read.
    pub(crate) fn end(&self) -> Vec<Seen> {
        // Who is answered was accepted after all who came before.
        let mut probe = TcpStream::connect(self.address).unwrap();
        probe.write_all(PROBE).unwrap();
        let mut answer = Vec::new();
        probe.read_to_end(&mut answer).unwrap();
        eventually("all that reached the member is read", || lock(&self.state).links.values().all(is_quiet));
        lock(&self.state).seen.clone()
    }
}

fn is_quiet(link: &Link) -> bool {
    let unread = recv(&link.stream, &mut [0], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    link.waits && unread.is_err_and(|error| error == rustix::io::Errno::AGAIN)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn welcome(stream: TcpStream, shared: &Arc<Mutex<State>>) {
    let mut state = lock(shared);
    state.accepted += 1;
    let number = state.accepted;
    state.links.insert(number, Link { stream: stream.try_clone().unwrap(), waits: false });
    drop(state);
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        // However it ends, it is the proxy that notices.
        let _ = serve(&stream, &shared, number);
        let _ = stream.shutdown(Shutdown::Both);
        lock(&shared).links.remove(&number);
    });
}

/// Reads and answers until either side has had enough.
fn serve(mut stream: &TcpStream, shared: &Mutex<State>, number: u32) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut said_continue) = (Vec::new(), false);
    loop {
        match reader::read(&bytes) {
            Read::Garbage => return Ok(()),
            Read::Request(seen) => {
                bytes.drain(..seen.raw.len());
                said_continue = false;
                if !answer(stream, shared, seen, &bytes)? {
                    return Ok(());
                }
            }
            Read::More => {
                if !said_continue && wants_continue(&bytes) {
                    if let Reply::Early(answer) = lock(shared).reply {
                        return stream.write_all(answer.as_bytes());
                    }
                    stream.write_all(CONTINUE)?;
                    said_continue = true;
                }
                if !more(stream, shared, number, &mut bytes)? {
                    return Ok(());
                }
            }
        }
    }
}

/// Reads once. The bytes are looked at before they are taken, so that nobody finds neither them nor us at work.
fn more(
    mut stream: &TcpStream,
    shared: &Mutex<State>,
    number: u32,
    bytes: &mut Vec<u8>,
) -> std::io::Result<bool> {
    let waits = |waits| {
        lock(shared).links.entry(number).and_modify(|link| link.waits = waits);
    };
    waits(true);
    let there = stream.peek(&mut [0]);
    waits(false);
    let mut buffer = [0; 65536];
    if there? == 0 {
        return Ok(false);
    }
    let len = stream.read(&mut buffer)?;
    bytes.extend_from_slice(&buffer[..len]);
    Ok(true)
}

fn wants_continue(bytes: &[u8]) -> bool {
    let head = find(bytes, b"\r\n\r\n").map(|end| bytes[..end + 2].to_ascii_lowercase());
    head.is_some_and(|head| find(&head, b"\r\nexpect: 100-continue\r\n").is_some())
}

/// Notes the request and answers it; whether the connection stays.
fn answer(stream: &TcpStream, shared: &Mutex<State>, seen: Seen, rest: &[u8]) -> std::io::Result<bool> {
    if seen.is_for("/probe") {
        return Ok(false);
    }
    let mut state = lock(shared);
    let reply = if seen.is_for(AFTER) { Reply::Plain } else { state.reply };
    let is_head = seen.line().starts_with(b"HEAD ");
    let is_last = seen.values("connection").iter().any(|value| value == "close");
    state.seen.push(seen);
    drop(state);
    Ok(say(stream, reply, is_head, rest)? && !is_last)
}

fn say(mut stream: &TcpStream, reply: Reply, is_head: bool, rest: &[u8]) -> std::io::Result<bool> {
    match reply {
        Reply::Plain => {
            let content = if is_head { "" } else { "ok" };
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{content}")?;
            Ok(true)
        }
        Reply::Keep(bytes) => stream.write_all(bytes.as_bytes()).map(|()| true),
        Reply::Close(bytes) | Reply::Early(bytes) => stream.write_all(bytes.as_bytes()).map(|()| false),
        Reply::Switch(bytes) => {
            stream.write_all(bytes.as_bytes())?;
            echo(stream, rest).map(|()| false)
        }
        // Until the proxy has had enough.
        Reply::Never => stream.read(&mut [0]).map(|_| false),
    }
}

fn echo(stream: &TcpStream, rest: &[u8]) -> std::io::Result<()> {
    let (mut from, mut to) = (stream, stream);
    to.write_all(rest)?;
    std::io::copy(&mut from, &mut to).map(|_| ())
}
