//! The client of all proxies: it sends a row and a request behind it, and reads until the connection ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::differential::reader::{find, lines_of};

/// So that a proxy which never ends a connection fails the test and does not hang it.
const PATIENCE: Duration = Duration::from_secs(60);
/// What goes through a tunnel, and comes back.
const PING: &[u8] = b"ping";
/// The last request on each connection; whoever answers it has kept the connection.
const LAST: &str = "GET /after HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n";

/// An answer, as it stood on the wire.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: Vec<u8>,
    pub(crate) content: Vec<u8>,
    /// It ended where its framing says.
    pub(crate) whole: bool,
}

/// All that a client heard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard {
    /// Interim answers as well.
    pub(crate) answers: Vec<Answer>,
    pub(crate) raw: Vec<u8>,
    /// The connection became a tunnel, and what went in came back.
    pub(crate) tunnel: bool,
}

/// Sends the bytes and the last request at once, and reads to the end.
pub(crate) fn ask(to: SocketAddr, bytes: &[u8]) -> Heard {
    let mut stream = connect(to);
    // Who refuses early may not read all.
    let _ = stream.write_all(&[bytes, LAST.as_bytes()].concat());
    heard(read_to_end(&mut stream, Vec::new()), bytes)
}

/// Sends the bytes and waits for a head; where that makes a tunnel, tries it, and else sends the rest and goes on as [`ask`].
pub(crate) fn ask_and_wait(to: SocketAddr, bytes: &[u8], later: &str) -> Heard {
    let mut stream = connect(to);
    let _ = stream.write_all(bytes);
    let raw = read_until(&mut stream, |raw| find(raw, b"\r\n\r\n").is_some());
    if !is_tunnel(&raw, bytes) {
        let _ = stream.write_all([later, LAST].concat().as_bytes());
        return heard(read_to_end(&mut stream, raw), bytes);
    }
    let _ = stream.write_all(PING);
    let echo = |raw: &[u8]| find(raw, PING).is_some();
    let raw = [raw, read_until(&mut stream, echo)].concat();
    Heard { tunnel: echo(&raw), ..heard(raw, bytes) }
}

fn is_tunnel(raw: &[u8], asked: &[u8]) -> bool {
    raw.starts_with(b"HTTP/1.1 101 ") || (asked.starts_with(b"CONNECT ") && raw.starts_with(b"HTTP/1.1 200 "))
}

fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).unwrap_or_else(|error| panic!("{to}: {error}"));
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn read_to_end(stream: &mut TcpStream, raw: Vec<u8>) -> Vec<u8> {
    [raw, read_until(stream, |_| false)].concat()
}

/// Reads until it holds, or the connection ends.
fn read_until(stream: &mut TcpStream, holds: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut raw, mut buffer) = (Vec::new(), [0; 65536]);
    while !holds(&raw) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => raw.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("neither an answer nor an end: {}", String::from_utf8_lossy(&raw))
            }
            Err(_) => break, // a reset is an end
        }
    }
    raw
}

fn heard(raw: Vec<u8>, asked: &[u8]) -> Heard {
    let (mut answers, mut rest) = (Vec::<Answer>::new(), &raw[..]);
    let asked = String::from_utf8_lossy(asked);
    let mut methods =
        asked.split("\r\n\r\n").map(|head| head.split(' ').next().unwrap_or_default().to_owned());
    let mut method = methods.next();
    while !rest.is_empty() {
        let (answer, len) = answer(rest, method.as_deref() == Some("HEAD"));
        if answer.status >= 200 {
            method = methods.next();
        }
        answers.push(answer);
        rest = &rest[len..];
    }
    Heard { answers, raw, tunnel: false }
}

/// The answer at the start of `bytes`, and how long it is.
fn answer(bytes: &[u8], is_head: bool) -> (Answer, usize) {
    let Some(end) = find(bytes, b"\r\n\r\n").map(|at| at + 4).filter(|_| bytes.starts_with(b"HTTP/1."))
    else {
        return (Answer { head: bytes.to_vec(), ..Answer::default() }, bytes.len());
    };
    let head = bytes[..end].to_vec();
    let status = std::str::from_utf8(&bytes[9..12]).ok().and_then(|s| s.parse().ok()).unwrap_or_default();
    let rest = &bytes[end..];
    let start = Answer { status, head, ..Answer::default() };
    if status == 101 {
        return (Answer { content: rest.to_vec(), whole: true, ..start }, bytes.len());
    }
    if is_head || status < 200 || matches!(status, 204 | 304) {
        return (Answer { whole: true, ..start }, end);
    }
    let (content, len, whole) = content(&start.head, rest);
    (Answer { content, whole, ..start }, end + len)
}

/// Content, its length with framing, and whether that is all of it.
fn content(head: &[u8], rest: &[u8]) -> (Vec<u8>, usize, bool) {
    if !lines_of(head, "transfer-encoding").is_empty() {
        return chunks(rest);
    }
    let said = lines_of(head, "content-length").pop();
    let Some(length) = said.and_then(|line| String::from_utf8(line[15..].to_vec()).ok()?.trim().parse().ok())
    else {
        return (rest.to_vec(), rest.len(), true);
    };
    let len = rest.len().min(length);
    (rest[..len].to_vec(), len, rest.len() >= length)
}

fn chunks(bytes: &[u8]) -> (Vec<u8>, usize, bool) {
    let (mut content, mut at) = (Vec::new(), 0);
    let cut = |content| (content, bytes.len(), false);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else { return cut(content) };
        let text = String::from_utf8_lossy(&bytes[at..at + line]);
        let Ok(size) = usize::from_str_radix(text.trim(), 16) else { return cut(content) };
        at += line + 2;
        if size == 0 {
            let Some(end) = find(&bytes[at - 2..], b"\r\n\r\n") else { return cut(content) };
            return (content, at + end + 2, true);
        }
        let Some(chunk) = bytes.get(at..at + size + 2) else { return cut(content) };
        content.extend_from_slice(&chunk[..size]);
        at += size + 2;
    }
}
