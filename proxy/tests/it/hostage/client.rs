//! One end of a connection, of a client or of the member: bytes go out, and heads, content, lines and frames come in.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};

/// How long anything may take that is to happen at all.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How long a client waits for one answer.
pub(crate) const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Most bytes of one read.
const ROOM: usize = 16_384;

/// What these tests speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Http,
    Lines,
    /// Frames that begin with their length, in four bytes.
    Prefixed,
    Resp,
}

impl Tongue {
    /// The lines of the listener's section that say so.
    pub(crate) fn listener(self) -> &'static str {
        match self {
            Self::Http => "protocol: http",
            Self::Lines => "protocol: lines",
            Self::Prefixed => "protocol: length_prefixed",
            Self::Resp => "protocol: resp",
        }
    }

    /// A request that is this text. HTTP asks for `/text`; Redis is asked by GET.
    pub(crate) fn request(self, text: &str) -> Vec<u8> {
        match self {
            Self::Http => format!("GET /{text} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes(),
            Self::Lines => format!("{text}\n").into_bytes(),
            Self::Prefixed => prefixed(text),
            Self::Resp => command(&["GET", text]),
        }
    }

    /// A request that waits at the member until so many of them are there, and shares its link with nobody.
    pub(crate) fn meet(self, count: usize) -> Vec<u8> {
        match self {
            Self::Http => {
                format!("POST /meet/{count} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").into_bytes()
            }
            Self::Lines | Self::Prefixed => self.request(&format!("meet/{count}")),
            Self::Resp => command(&["MEET", &format!("meet/{count}")]),
        }
    }
}

pub(crate) fn prefixed(text: &str) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text.as_bytes()].concat()
}

/// A Redis command.
pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    words.iter().for_each(|word| bytes += &format!("${}\r\n{word}\r\n", word.len()));
    bytes.into_bytes()
}

/// Waits for what is to come true at all.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let all = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(PATIENCE, all).await.is_ok(), "never came true: {what}");
}

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Shared with those who look whether the other end is still there.
    pub(crate) stream: Arc<TcpStream>,
    read: Vec<u8>,
}

fn closed() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "closed before the end")
}

fn wrong(what: String) -> Error {
    Error::new(ErrorKind::InvalidData, what)
}

impl Conn {
    pub(crate) fn new(stream: TcpStream) -> Self {
        _ = stream.set_nodelay(true); // a connection that was reset already cannot be told
        Self { stream: Arc::new(stream), read: Vec::new() }
    }

    pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        Self::connect_by(TcpSocket::new_v4()?, from, to).await
    }

    /// With a receive buffer as small as the kernel allows, so that the kernel holds next to nothing for it.
    pub(crate) async fn connect_narrow(from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Self::connect_by(socket, from, to).await
    }

    async fn connect_by(socket: TcpSocket, from: Ipv4Addr, to: SocketAddr) -> Result<Self> {
        socket.bind(SocketAddr::from((from, 0)))?;
        Ok(Self::new(socket.connect(to).await?))
    }

    #[allow(clippy::needless_pass_by_ref_mut, reason = "what two say at once would be mixed")]
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<()> {
        let mut left = bytes.as_ref();
        while !left.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(left) {
                Ok(written) => left = &left[written..],
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }

    /// Ends the connection by RST.
    pub(crate) fn reset(self) {
        _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
    }

    /// Reads once more, so many bytes at most; the end of the connection is an error.
    pub(crate) async fn fill(&mut self, most: usize) -> Result<()> {
        loop {
            self.stream.readable().await?;
            // No wait from here on: whoever gives up waiting must find what was read, and nothing else.
            let old = self.read.len();
            self.read.resize(old + most, 0);
            let read = self.stream.try_read(&mut self.read[old..]);
            self.read.truncate(old + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => return Err(closed()),
                Err(why) if why.kind() == ErrorKind::WouldBlock => {}
                read => return read.map(|_| ()),
            }
        }
    }

    /// Reads and throws away until the connection ends, or fails.
    pub(crate) async fn drain(&mut self) {
        while self.fill(ROOM).await.is_ok() {
            self.read.clear();
        }
    }

    /// Waits until the other end has closed; what it says meanwhile is kept.
    pub(crate) async fn gone(&mut self) {
        while self.fill(ROOM).await.is_ok() {}
    }

    pub(crate) async fn through(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = memchr::memmem::find(&self.read[from..], end) {
                return Ok(self.read.drain(..from + at + end.len()).collect());
            }
            from = self.read.len().saturating_sub(end.len());
            self.fill(ROOM).await?;
        }
    }

    pub(crate) async fn take(&mut self, count: usize) -> Result<Vec<u8>> {
        while self.read.len() < count {
            self.fill(ROOM).await?;
        }
        Ok(self.read.drain(..count).collect())
    }

    /// Takes so many bytes and throws them away as they come.
    pub(crate) async fn skip(&mut self, mut count: usize) -> Result<()> {
        loop {
            let taken = count.min(self.read.len());
            self.read.drain(..taken);
            count -= taken;
            if count == 0 {
                return Ok(());
            }
            self.fill(ROOM).await?;
        }
    }

    async fn text_through(&mut self, end: &[u8]) -> Result<String> {
        let bytes = self.through(end).await?;
        String::from_utf8(bytes[..bytes.len() - end.len()].to_vec()).map_err(|_| wrong("not text".to_owned()))
    }

    /// A head of HTTP, without the empty line that ends it.
    pub(crate) async fn head(&mut self) -> Result<Head> {
        Ok(Head(self.text_through(b"\r\n\r\n").await?))
    }

    /// The content behind a head; its length, where it is not asked for.
    pub(crate) async fn skip_body(&mut self, head: &Head) -> Result<usize> {
        if head.field("transfer-encoding").is_none() {
            let length = head.field("content-length").map_or(Ok(0), str::parse);
            let length = length.map_err(|_| wrong(head.0.clone()))?;
            return self.skip(length).await.map(|()| length);
        }
        let mut length = 0;
        loop {
            let line = self.text_through(b"\r\n").await?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| wrong(line))?;
            self.skip(size + 2).await?;
            length += size;
            if size == 0 {
                return Ok(length);
            }
        }
    }

    /// One answer: its text, where it is a good one.
    pub(crate) async fn answer(&mut self, tongue: Tongue) -> Result<String> {
        match tongue {
            Tongue::Http => self.http_answer().await,
            Tongue::Lines => self.text_through(b"\n").await,
            Tongue::Prefixed => self.prefixed().await,
            Tongue::Resp => self.resp_answer().await,
        }
    }

    async fn http_answer(&mut self) -> Result<String> {
        let head = self.head().await?;
        let length =
            head.field("content-length").unwrap_or("0").parse().map_err(|_| wrong(head.0.clone()))?;
        let text = String::from_utf8_lossy(&self.take(length).await?).trim_end().to_owned();
        if head.status() == 200 { Ok(text) } else { Err(wrong(format!("{} {text}", head.status()))) }
    }

    /// The text of a frame that begins with its length.
    pub(crate) async fn prefixed(&mut self) -> Result<String> {
        let length = u32::from_be_bytes(self.take(4).await?.try_into().unwrap()) as usize;
        Ok(String::from_utf8_lossy(&self.take(length).await?).into_owned())
    }

    async fn resp_answer(&mut self) -> Result<String> {
        let line = self.text_through(b"\r\n").await?;
        match line.split_at(1) {
            ("+", text) => Ok(text.to_owned()),
            ("$", length) => {
                let length: usize = length.parse().map_err(|_| wrong(line.clone()))?;
                let bytes = self.take(length + 2).await?;
                Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
            }
            _ => Err(wrong(line)),
        }
    }

    /// A Redis command as an array of its words.
    pub(crate) async fn command(&mut self) -> Result<Vec<String>> {
        let line = self.text_through(b"\r\n").await?;
        let count = line.strip_prefix('*').and_then(|count| count.parse().ok()).ok_or_else(|| wrong(line))?;
        let mut words: Vec<String> = Vec::with_capacity(count);
        for _ in 0..count {
            words.push(self.resp_answer().await?);
        }
        Ok(words)
    }

    /// One exchange: the text of its answer, or what came instead of it.
    pub(crate) async fn ask(
        &mut self,
        tongue: Tongue,
        request: &[u8],
    ) -> std::result::Result<String, String> {
        let both = async {
            self.send(request).await?;
            self.answer(tongue).await
        };
        match timeout(CLIENT_TIMEOUT, both).await {
            Ok(answer) => answer.map_err(|why| why.to_string()),
            Err(_) => Err(format!("no answer within {CLIENT_TIMEOUT:?}")),
        }
    }

    /// As [`Conn::ask`], of what is answered with its own text.
    pub(crate) async fn get(&mut self, tongue: Tongue, text: &str) -> std::result::Result<String, String> {
        self.ask(tongue, &tongue.request(text)).await
    }
}

/// A head of HTTP, of a request or of an answer.
pub(crate) struct Head(pub(crate) String);

impl Head {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.0.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    pub(crate) fn status(&self) -> u16 {
        self.0.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    /// The target of a request, without its `/`.
    pub(crate) fn target(&self) -> &str {
        self.0.split(' ').nth(1).unwrap_or_default().trim_start_matches('/')
    }
}
