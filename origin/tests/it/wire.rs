//! A plain client for the tests: raw bytes out, parsed answers in.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use penstock_origin::{Options, Origin};
use socket2::{Domain, SockAddr, Socket, Type};

/// A worker origin with one member, `a`.
pub(crate) fn start() -> Origin {
    start_with(Options::default())
}

/// An origin with one member, `a`, on a port of the kernel's choice.
pub(crate) fn start_with(options: Options) -> Origin {
    Origin::start(Options { listen: vec![("a".to_owned(), ([127, 0, 0, 1], 0).into())], ..options }).unwrap()
}

/// A member `a` on an address and a member `u` on a path, which speak the same.
pub(crate) fn start_both(options: Options) -> Origin {
    start_with(Options { unix: vec![("u".to_owned(), fresh_path())], ..options })
}

/// A path that no other test has, short enough for a socket.
pub(crate) fn fresh_path() -> PathBuf {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Relaxed);
    std::env::temp_dir().join(format!("penstock-origin-{}-{number}.sock", std::process::id()))
}

/// Both ways to serve, for promises that hold for both.
pub(crate) fn both_ways() -> [Origin; 2] {
    [start(), start_with(Options { legacy: Some(64), ..Options::default() })]
}

pub(crate) fn address(origin: &Origin) -> SocketAddr {
    origin.addresses()[0].1
}

/// Waits for what happens on another thread; that it happens at all is asserted, not when.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came true: {what}");
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One connection to the origin.
pub(crate) struct Wire {
    pub(crate) stream: Socket,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn to(origin: &Origin) -> Self {
        Self::connect(address(origin))
    }

    /// One to each member, whatever it listens on.
    pub(crate) fn to_all(origin: &Origin) -> Vec<Self> {
        let addresses = origin.addresses().iter().map(|(_, address)| Self::connect(*address));
        addresses.chain(origin.paths().iter().map(|(_, path)| Self::unix(path))).collect()
    }

    pub(crate) fn connect(address: SocketAddr) -> Self {
        let wire = Self::over(Domain::for_address(address), &address.into());
        wire.stream.set_tcp_nodelay(true).unwrap();
        wire
    }

    pub(crate) fn unix(path: &Path) -> Self {
        Self::over(Domain::UNIX, &SockAddr::unix(path).unwrap())
    }

    fn over(domain: Domain, address: &SockAddr) -> Self {
        let stream = Socket::new(domain, Type::STREAM, None).unwrap();
        stream.connect(address).unwrap();
        // So that a missing answer fails the test and does not hang it.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// The client's own address, as the origin sees it.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.stream.local_addr().unwrap().as_socket()
    }

    pub(crate) fn shut(&mut self) -> &mut Self {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        self
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends a request without a body and reads its answer.
    pub(crate) fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(request(method, target)).answer_to(method)
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target)
    }

    /// Sends a request with a body by length and reads its answer.
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        let length = body.len();
        self.send(format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"));
        self.send(body).answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let head = self.take_through(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let field = |line: &str| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap();
        let mut answer = Answer { status, fields: lines.map(field).collect(), body: Vec::new() };
        if method != "HEAD" && !matches!(status, 100..=199 | 204 | 304) {
            answer.body = self.body(&answer);
        }
        answer
    }

    fn body(&mut self, answer: &Answer) -> Vec<u8> {
        if let Some(length) = answer.field("content-length") {
            return self.take(length.parse().unwrap());
        }
        if answer.field("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        self.rest()
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.take_through(b"\r\n")).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            assert!(size <= 64 * 1024, "a chunk of {size} bytes");
            body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// All bytes up to an orderly close; a reset panics.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// True when the connection ends by RST, false when by FIN; what came before is dropped.
    pub(crate) fn ends_by_reset(&mut self) -> bool {
        let mut room = [0; 4096];
        loop {
            match self.stream.read(&mut room) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
                Err(error) => panic!("neither end nor reset: {error}"),
            }
        }
    }

    /// Takes so many bytes off the connection.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.fill() > 0, "closed {} bytes early", count - self.read.len());
        }
        self.read.drain(..count).collect()
    }

    /// The next line, without its LF.
    pub(crate) fn line(&mut self) -> String {
        let mut line = self.take_through(b"\n");
        line.pop();
        String::from_utf8(line).unwrap()
    }

    /// Sends a line and reads the line that answers it.
    pub(crate) fn say(&mut self, line: &str) -> String {
        self.send(format!("{line}\n")).line()
    }

    fn take_through(&mut self, end: &[u8]) -> Vec<u8> {
        let mut searched = 0;
        loop {
            let rest = &self.read[searched..];
            if let Some(at) = rest.windows(end.len()).position(|window| window == end) {
                return self.read.drain(..searched + at + end.len()).collect();
            }
            searched = (self.read.len() + 1).saturating_sub(end.len());
            assert!(
                self.fill() > 0,
                "closed before {end:?}, after {:?}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    fn fill(&mut self) -> usize {
        let mut room = [0; 65_536];
        let count = self.stream.read(&mut room).unwrap();
        self.read.extend_from_slice(&room[..count]);
        count
    }
}

/// A request without a body, as text.
pub(crate) fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// `count` bytes of the pattern.
pub(crate) fn pattern(count: u64) -> Vec<u8> {
    (0..count).map(penstock_origin::byte_at).collect()
}
