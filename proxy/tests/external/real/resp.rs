//! A plain client of Redis: requests as arrays or as any bytes, responses as values.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// So that a missing answer fails the test and does not hang it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An answer (RESP2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Self>),
}

impl Reply {
    pub(crate) fn bulk(text: &str) -> Self {
        Self::Bulk(text.as_bytes().to_vec())
    }

    pub(crate) fn ok() -> Self {
        Self::Simple("OK".to_owned())
    }

    /// What it says, where it is text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Simple(text) | Self::Error(text) => text,
            Self::Bulk(bytes) => std::str::from_utf8(bytes).unwrap(),
            other => panic!("no text: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn integer(&self) -> i64 {
        match self {
            Self::Integer(value) => *value,
            other => panic!("no integer: {other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn array(self) -> Vec<Self> {
        match self {
            Self::Array(elements) => elements,
            other => panic!("no array: {other:?}"),
        }
    }
}

/// One connection.
pub(crate) struct Talk {
    stream: BufReader<TcpStream>,
}

impl Talk {
    #[track_caller]
    pub(crate) fn connect(to: SocketAddr) -> Self {
        Self::try_connect(to).unwrap()
    }

    pub(crate) fn try_connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends a command, its words between blanks.
    pub(crate) fn say(&mut self, words: &str) -> &mut Self {
        self.send(command(words))
    }

    /// Sends these bytes.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.try_send(bytes).unwrap();
        self
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// The next answer.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply().unwrap()
    }

    /// So many answers.
    #[track_caller]
    pub(crate) fn replies(&mut self, count: usize) -> Vec<Reply> {
        (0..count).map(|_| self.reply()).collect()
    }

    /// Says it and gives the answer.
    #[track_caller]
    pub(crate) fn ask(&mut self, words: &str) -> Reply {
        self.say(words).reply()
    }

    pub(crate) fn try_reply(&mut self) -> io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| bad(&line))?;
        let number = || rest.parse::<i64>().map_err(|_| bad(&line));
        Ok(match kind {
            "+" => Reply::Simple(rest.to_owned()),
            "-" => Reply::Error(rest.to_owned()),
            ":" => Reply::Integer(number()?),
            "$" | "*" if number()? < 0 => Reply::Nil,
            "$" => {
                let mut bytes = vec![0; number()? as usize + 2];
                self.stream.read_exact(&mut bytes)?;
                bytes.truncate(bytes.len() - 2);
                Reply::Bulk(bytes)
            }
            "*" => Reply::Array((0..number()?).map(|_| self.try_reply()).collect::<io::Result<_>>()?),
            _ => return Err(bad(&line)),
        })
    }

    /// The first bytes of an answer, of whichever version of the protocol.
    pub(crate) fn first(&mut self) -> Vec<u8> {
        self.stream.fill_buf().unwrap().to_vec()
    }

    /// Asserts that it has been closed, with nothing more on it; a reset will do.
    #[track_caller]
    pub(crate) fn is_over(&mut self) {
        let mut rest = Vec::new();
        match self.stream.read_to_end(&mut rest) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }

    /// Sends FIN.
    pub(crate) fn finish(&mut self) -> &mut Self {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        self
    }

    /// Ends it by RST.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(self.stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None if line.is_empty() => Err(ErrorKind::UnexpectedEof.into()),
            None => Err(bad(&line)),
        }
    }
}

fn bad(line: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("no answer of Redis: {line:?}"))
}

/// A command as an array of bulk strings; its words are between blanks.
pub(crate) fn command(words: &str) -> Vec<u8> {
    let words: Vec<_> = words.split_ascii_whitespace().map(str::as_bytes).collect();
    array(&words)
}

/// These words as an array of bulk strings.
pub(crate) fn array(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}
