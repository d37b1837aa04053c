//! Requests by hand: a thousand of them in one go, whatever they are, and bytes that are no requests at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::clients::front::{Front, pattern};

/// A connection, and what has come on it.
struct Wire {
    stream: TcpStream,
    come: Vec<u8>,
}

impl Wire {
    fn to(front: &Front) -> Self {
        let stream = TcpStream::connect(front.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream, come: Vec::new() }
    }

    /// Sends all of it while answers come, and has no more to say.
    fn send(&self, bytes: Vec<u8>) -> std::thread::JoinHandle<()> {
        let mut stream = self.stream.try_clone().unwrap();
        std::thread::spawn(move || {
            stream.write_all(&bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        })
    }

    /// The next head and the length of its content; interim answers are none.
    #[track_caller]
    fn head(&mut self) -> (String, usize) {
        let head = String::from_utf8(self.through(b"\r\n\r\n")).unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        (head, length)
    }

    #[track_caller]
    fn through(&mut self, end: &[u8]) -> Vec<u8> {
        loop {
            if let Some(at) = self.come.windows(end.len()).position(|window| window == end) {
                return self.come.drain(..at + end.len()).collect();
            }
            assert!(self.read() > 0, "it ended after {:?}", String::from_utf8_lossy(&self.come));
        }
    }

    #[track_caller]
    fn take(&mut self, count: usize) -> Vec<u8> {
        while self.come.len() < count {
            assert!(self.read() > 0, "it ended {} bytes early", count - self.come.len());
        }
        self.come.drain(..count).collect()
    }

    fn rest(mut self) -> Vec<u8> {
        while self.read() > 0 {}
        self.come
    }

    fn read(&mut self) -> usize {
        let mut room = [0; 65_536];
        let count = self.stream.read(&mut room).unwrap();
        self.come.extend_from_slice(&room[..count]);
        count
    }
}

/// The `n`th request, and the content of its answer.
fn request(n: usize) -> (String, Vec<u8>) {
    let head = |method: &str, target: &str, more: &str| {
        format!("{method} {target} HTTP/1.1\r\nHost: h\r\n{more}\r\n")
    };
    match n % 10 {
        3 => (head("POST", "/add", "Content-Length: 19\r\n") + &format!("{{\"args\":[{n:>6},1]}}"), sum(n)),
        5 => (head("GET", &format!("/bytes/{n}"), ""), pattern(n)),
        6 => (head("HEAD", "/bytes/9", ""), Vec::new()),
        7 => (head("PUT", "/echo", "Content-Length: 4\r\n") + &format!("{n:04}"), format!("{n:04}").into()),
        9 => (head("GET", "/delay/1", ""), b"{\"delayed_ms\":1}".to_vec()),
        _ => (head("GET", "/json", ""), b"{\"message\":\"Hello, World!\"}".to_vec()),
    }
}

fn sum(n: usize) -> Vec<u8> {
    format!("{{\"result\":{}}}", n + 1).into()
}

#[test]
fn a_thousand_requests_in_one_go_are_answered_in_order() {
    let front = Front::start();
    let mut wire = Wire::to(&front);
    let asked: Vec<_> = (0..1000).map(request).collect();
    let sender = wire.send(asked.iter().map(|(text, _)| text.as_str()).collect::<String>().into());
    for (n, (text, content)) in asked.iter().enumerate() {
        let (head, length) = wire.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{n}: {head}");
        let length = if text.starts_with("HEAD") { 0 } else { length };
        assert!(wire.take(length) == *content, "{n}: {text}");
    }
    assert!(wire.rest().is_empty(), "nothing is behind the last");
    sender.join().unwrap();
    front.carried(1000);
}

#[test]
fn trailers_go_up_and_come_down() {
    let front = Front::start();
    let mut wire = Wire::to(&front);
    let up = "POST /trailers HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n\
              3;ext=1\r\nabc\r\n0\r\nX-A: b\r\nContent-Length: 5\r\nAuthorization: x\r\nx-c:\td \r\n\r\n";
    let down = "GET /trailers HTTP/1.1\r\nHost: h\r\nTE: trailers\r\n\r\n";
    let sender = wire.send(format!("{up}{down}").into());
    let (_, length) = wire.head();
    let back = String::from_utf8(wire.take(length)).unwrap();
    // RFC 9110 section 6.5.1: what frames or authenticates has no business there.
    assert_eq!(back, r#"{"trailers":[["X-A","b"],["x-c","d"]]}"#);
    let (head, _) = wire.head();
    assert!(head.contains("\r\nTransfer-Encoding: chunked\r\n"), "{head}");
    let body = String::from_utf8(wire.rest()).unwrap();
    assert!(
        body.ends_with("\r\n0\r\nX-Fnv: e03293cb76ae880f\r\nX-Part: one\r\nX-Part: two\r\n\r\n"),
        "{body}"
    );
    sender.join().unwrap();
    front.carried(2);
}

/// By default WebSockets are let through, and nothing else: the request is an ordinary one.
#[test]
fn an_upgrade_to_what_is_not_allowed_is_an_ordinary_request() {
    let front = Front::start();
    let mut wire = Wire::to(&front);
    let asked = "GET /upgrade HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: raw\r\n\r\n\
                 GET /headers HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n";
    let sender = wire.send(asked.into());
    let (head, length) = wire.head();
    assert!(head.starts_with("HTTP/1.1 426 "), "{head}");
    wire.take(length);
    let (_, length) = wire.head();
    let seen = String::from_utf8(wire.take(length)).unwrap().to_lowercase();
    assert!(!seen.contains("upgrade") && !seen.contains("h2c"), "{seen}");
    assert!(wire.rest().is_empty());
    sender.join().unwrap();
    front.carried(2);
}

/// What comes with the handshake in one piece is for the WebSocket; the client may shut its side at once.
#[test]
fn a_websocket_may_speak_before_it_is_answered() {
    let front = Front::start();
    let mut wire = Wire::to(&front);
    let handshake = "GET /websocket HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let message = [b"\x82\xfe\xea\x60\0\0\0\0", pattern(60_000).as_slice()].concat();
    let close = b"\x88\x82\0\0\0\0\x03\xe8";
    let sender = wire.send([handshake.as_bytes(), &message, close].concat());
    let (head, _) = wire.head();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    assert_eq!(wire.take(4), b"\x82\x7e\xea\x60");
    assert!(wire.take(60_000) == pattern(60_000));
    assert_eq!(wire.rest(), b"\x88\x02\x03\xe8");
    sender.join().unwrap();
    front.carried(1);
}
