//! A plain end of a connection, for clients and for scripted members: raw bytes go out, and parsed responses come in.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// So that a missing answer fails the test and does not hang it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for what happens on another thread; that it happens at all is asserted, not when.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The values of all lines of this name.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        fields(&self.head, name)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn member(&self) -> String {
        self.field("x-member").unwrap_or_else(|| panic!("no member in {self:?}")).to_owned()
    }

    pub(crate) fn closes(&self) -> bool {
        self.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// Status and cause of an answer of the proxy's own. Behind the cause there may be more for whoever reads it.
    pub(crate) fn cause(&self) -> (u16, &str) {
        (self.status, self.text().split(": ").next().unwrap_or_default().trim_end())
    }
}

/// The values of all lines of this name in a head.
pub(crate) fn fields<'h>(head: &'h str, name: &str) -> Vec<&'h str> {
    let lines = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    lines.filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::new(TcpStream::connect(to).unwrap())
    }

    pub(crate) fn connect_from(source: Ipv4Addr, to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::new(socket.into())
    }

    /// With a receive buffer as small as the kernel allows.
    pub(crate) fn connect_narrow(to: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::new(socket.into())
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends FIN.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Ends the connection by RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    pub(crate) fn ask(&mut self, method: &str, target: &str) -> Answer {
        self.send(request(method, target)).answer_to(method)
    }

    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target)
    }

    /// Sends a request with a body by length and reads its answer.
    pub(crate) fn post(&mut self, target: &str, body: &[u8]) -> Answer {
        self.send(post(target, body)).answer()
    }

    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        let head = self.head();
        let status = head.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("an answer: {head:?}"));
        let mut answer = Answer { status: status[..3].parse().unwrap(), head, body: Vec::new() };
        if method != "HEAD" && !matches!(answer.status, 100..200 | 204 | 304) {
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

    /// A chunked body without trailers.
    pub(crate) fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.take_through(b"\r\n")).unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            body.extend(self.take(size));
            assert_eq!(self.take(2), b"\r\n");
            if size == 0 {
                return body;
            }
        }
    }

    /// A whole head, with the empty line that ends it.
    pub(crate) fn head(&mut self) -> String {
        String::from_utf8(self.take_through(b"\r\n\r\n")).unwrap()
    }

    /// A whole head, or `None` where the connection ended before it.
    pub(crate) fn next_head(&mut self) -> Option<String> {
        while !self.read.windows(4).any(|window| window == b"\r\n\r\n") {
            if matches!(self.try_fill(), Ok(0) | Err(_)) {
                return None;
            }
        }
        Some(self.head())
    }

    /// All bytes up to an orderly close; a reset panics.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.read)
    }

    /// All bytes up to the end of the connection, and whether that was a reset.
    pub(crate) fn rest_and_reset(&mut self) -> (Vec<u8>, bool) {
        let reset = loop {
            match self.try_fill() {
                Ok(0) => break false,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break true,
                Err(error) => panic!("neither end nor reset: {error}"),
            }
        };
        (std::mem::take(&mut self.read), reset)
    }

    /// Asserts that the connection has been closed in order, with nothing more on it.
    #[track_caller]
    pub(crate) fn is_over(&mut self) {
        let rest = self.rest();
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Takes so many bytes off the connection.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            assert!(self.fill() > 0, "closed {} bytes early", count - self.read.len());
        }
        self.read.drain(..count).collect()
    }

    /// As [`Wire::take`], or `None` where the connection ends before.
    pub(crate) fn try_take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.read.len() < count {
            if matches!(self.try_fill(), Ok(0) | Err(_)) {
                return None;
            }
        }
        Some(self.read.drain(..count).collect())
    }

    /// What has been read and not taken.
    pub(crate) fn buffered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.read)
    }

    fn take_through(&mut self, end: &[u8]) -> Vec<u8> {
        let mut from = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.read[from..], end) {
                return self.read.drain(..from + at + end.len()).collect();
            }
            from = self.read.len().saturating_sub(end.len());
            let seen = String::from_utf8_lossy(&self.read[..self.read.len().min(300)]).into_owned();
            assert!(self.fill() > 0, "closed before {end:?}, after {seen:?}");
        }
    }

    fn fill(&mut self) -> usize {
        self.try_fill().unwrap()
    }

    fn try_fill(&mut self) -> std::io::Result<usize> {
        let mut room = [0; 65_536];
        let count = self.stream.read(&mut room)?;
        self.read.extend_from_slice(&room[..count]);
        Ok(count)
    }
}

/// The members that these clients meet now.
pub(crate) fn members_of(clients: &mut [Wire]) -> Vec<String> {
    clients.iter_mut().map(|client| client.get("/hello").member()).collect()
}

/// A request without a body, as text.
pub(crate) fn request(method: &str, target: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

/// A request with a body by length.
pub(crate) fn post(target: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// `count` bytes of the origin's pattern.
pub(crate) fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|i| (i % 251) as u8).collect()
}

/// A client whose request occupies a link, alone, until its [`release`]: it has asked whether it may send its body, and
/// has been told so.
pub(crate) fn occupy(to: SocketAddr) -> Wire {
    let mut client = Wire::connect(to);
    client.send("POST /add HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 14\r\n\r\n");
    let told = client.next_head().unwrap();
    assert!(told.starts_with("HTTP/1.1 100 "), "{told}");
    client
}

/// Completes the request of a client that occupies a link.
pub(crate) fn release(client: &mut Wire) -> Answer {
    let answer = client.send("{\"args\":[1,2]}").answer();
    assert_eq!(answer.text(), r#"{"result":3}"#);
    answer
}
