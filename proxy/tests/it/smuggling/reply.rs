//! A client that reads responses strictly, and tells a whole one from one cut short.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::smuggling::cuts::Cut;
use crate::support::wire::{PATIENCE, fields};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    /// Interim answers before it.
    pub(crate) interim: Vec<u16>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Fin,
    Reset,
}

/// What was to be an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Whole(Reply),
    /// These bytes, and then the end: no answer, or one whose reader knows that it lacks something.
    Short(Vec<u8>, End),
    /// No answer that a strict client takes.
    Bad(String),
}

impl Outcome {
    /// The answer, or what came instead of it.
    pub(crate) fn whole(self) -> Result<Reply, String> {
        match self {
            Self::Whole(reply) => Ok(reply),
            Self::Short(bytes, end) => Err(format!("{:?} and {end:?}", bytes.escape_ascii().to_string())),
            Self::Bad(why) => Err(why),
        }
    }
}

impl Reply {
    /// What the proxy says in its own answers, up to where it explains itself.
    pub(crate) fn cause(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        text.split(": ").next().unwrap_or_default().trim_end().to_owned()
    }
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    got: Vec<u8>,
    end: Option<End>,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, got: Vec::new(), end: None }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        Cut::Whole.send(&mut self.stream, bytes.as_ref());
        self
    }

    /// Sends FIN, if there is still somebody.
    pub(crate) fn finish(&self) {
        _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The answer to this method that comes next.
    pub(crate) fn reply(&mut self, method: &str) -> Outcome {
        loop {
            match read(&self.got, method, self.end) {
                Ok(Some((reply, len))) => {
                    self.got.drain(..len);
                    return Outcome::Whole(reply);
                }
                Ok(None) => {}
                Err(why) => {
                    let got = self.got.escape_ascii().to_string();
                    return Outcome::Bad(format!("{why}: {got:.300}"));
                }
            }
            if let Some(end) = self.end {
                return Outcome::Short(std::mem::take(&mut self.got), end);
            }
            if let Err(why) = self.fill() {
                return Outcome::Bad(why);
            }
        }
    }

    /// So many raw bytes.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<u8>, String> {
        while self.got.len() < count {
            if let Some(end) = self.end {
                return Err(format!("{end:?} after {:?}", self.got.escape_ascii().to_string()));
            }
            self.fill()?;
        }
        Ok(self.got.drain(..count).collect())
    }

    /// Everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Result<Vec<u8>, String> {
        while self.end.is_none() {
            self.fill()?;
        }
        Ok(std::mem::take(&mut self.got))
    }

    fn fill(&mut self) -> Result<(), String> {
        let mut room = [0; 65_536];
        match self.stream.read(&mut room) {
            Ok(0) => self.end = Some(End::Fin),
            Ok(n) => self.got.extend_from_slice(&room[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => self.end = Some(End::Reset),
            Err(error) => {
                return Err(format!("neither answer nor end ({error}): {:.300}", self.got.escape_ascii()));
            }
        }
        Ok(())
    }
}

type Answered = Result<Option<(Reply, usize)>, String>;

/// Reads one answer, and the interim ones before it.
fn read(bytes: &[u8], method: &str, end: Option<End>) -> Answered {
    let mut interim = Vec::new();
    let mut at = 0;
    loop {
        let Some(length) = memchr::memmem::find(&bytes[at..], b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[at..at + length + 2]).map_err(|_| "a head of other bytes")?;
        at += length + 4;
        let status = status(head)?;
        if (100..200).contains(&status) && status != 101 {
            interim.push(status);
            continue;
        }
        let reply = Reply { status, head: head.to_owned(), body: Vec::new(), trailers: Vec::new(), interim };
        return body(reply, &bytes[at..], method, end).map(|r| r.map(|(reply, len)| (reply, at + len)));
    }
}

fn status(head: &str) -> Result<u16, String> {
    let rest = head.strip_prefix("HTTP/1.1 ").ok_or("no status line")?;
    let (digits, after) = rest.split_at_checked(3).ok_or("no status")?;
    let lines_are_fine = head.split("\r\n").all(|line| !line.contains(['\r', '\n', '\0']))
        && head.trim_end().split("\r\n").skip(1).all(|line| !line.starts_with([' ', '\t']));
    match digits.parse() {
        Ok(status) if after.starts_with(' ') && lines_are_fine => Ok(status),
        _ => Err("a malformed head".to_owned()),
    }
}

fn body(mut reply: Reply, bytes: &[u8], method: &str, end: Option<End>) -> Answered {
    let none = method == "HEAD" || matches!(reply.status, 101 | 204 | 304);
    if none || (method == "CONNECT" && (200..300).contains(&reply.status)) {
        return Ok(Some((reply, 0)));
    }
    let (lengths, codings) =
        (fields(&reply.head, "content-length"), fields(&reply.head, "transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([length], []) => {
            let length: usize = length.parse().map_err(|_| "a length that is none")?;
            let Some(body) = bytes.get(..length) else { return Ok(None) };
            reply.body = body.to_vec();
            Ok(Some((reply, length)))
        }
        ([], [coding]) if coding.ends_with("chunked") => chunks(reply, bytes),
        ([], []) if end == Some(End::Fin) => {
            reply.body = bytes.to_vec();
            Ok(Some((reply, bytes.len())))
        }
        ([], []) => Ok(None),
        _ => Err("framed in two ways".to_owned()),
    }
}

fn chunks(mut reply: Reply, bytes: &[u8]) -> Answered {
    let mut at = 0;
    loop {
        let Some(end) = memchr::memmem::find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let size =
            std::str::from_utf8(&bytes[at..at + end]).ok().and_then(|s| usize::from_str_radix(s, 16).ok());
        let size = size.ok_or("a chunk without a size")?;
        at += end + 2;
        if size == 0 {
            break;
        }
        let Some(data) = bytes.get(at..at + size + 2) else { return Ok(None) };
        reply.body.extend(data.strip_suffix(b"\r\n").ok_or("no CRLF behind a chunk")?);
        at += size + 2;
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(Some((reply, at + 2)));
    }
    let Some(end) = memchr::memmem::find(&bytes[at..], b"\r\n\r\n") else { return Ok(None) };
    reply.trailers = bytes[at..at + end + 2].to_vec();
    Ok(Some((reply, at + end + 4)))
}
