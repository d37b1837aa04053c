//! As much of PostgreSQL's protocol as it takes to ask from a source of one's choice, and to cancel from there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::support::place::connect_from;

/// "PostgreSQL: Message Formats", StartupMessage and CancelRequest.
const VERSION: u32 = 3 << 16;
const CANCEL: u32 = (1234 << 16) + 5678;

/// A connection that has been let in.
pub(crate) struct Pg {
    stream: TcpStream,
    source: [u8; 4],
    at: SocketAddr,
    /// What cancels its query: process id and secret.
    key: Vec<u8>,
}

/// A message: its type, and what follows its length.
struct Message {
    kind: u8,
    body: Vec<u8>,
}

impl Pg {
    pub(crate) fn connect(source: [u8; 4], at: SocketAddr) -> Self {
        let mut stream = connect_from(source, at);
        let user = b"user\0postgres\0database\0postgres\0\0";
        stream.write_all(&counted(&[&VERSION.to_be_bytes(), user])).unwrap();
        let mut pg = Self { stream, source, at, key: Vec::new() };
        loop {
            let message = pg.receive();
            match message.kind {
                b'K' => pg.key = message.body,
                b'Z' => return pg,
                b'E' => panic!("{}", String::from_utf8_lossy(&message.body)),
                _ => {}
            }
        }
    }

    /// The port that it came from.
    pub(crate) fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// The first value of the first row (empty where there is none), or the code of the error (SQLSTATE).
    pub(crate) fn ask(&mut self, sql: &str) -> Result<String, String> {
        self.send(sql);
        self.answer()
    }

    pub(crate) fn send(&mut self, sql: &str) {
        let query = [b"Q", counted(&[sql.as_bytes(), b"\0"]).as_slice()].concat();
        self.stream.write_all(&query).unwrap();
    }

    pub(crate) fn answer(&mut self) -> Result<String, String> {
        let mut answer = Ok(String::new());
        loop {
            let message = self.receive();
            match message.kind {
                b'D' => answer = Ok(first_value(&message.body)),
                b'E' => answer = Err(code(&message.body)),
                b'Z' => return answer,
                _ => {}
            }
        }
    }

    /// Asks, on a connection of its own from the same source, that the query be cancelled. The server closes that.
    pub(crate) fn cancel(&self) {
        let mut stream = connect_from(self.source, self.at);
        stream.write_all(&counted(&[&CANCEL.to_be_bytes(), &self.key])).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "a cancel request has no answer");
    }

    fn receive(&mut self) -> Message {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head).unwrap();
        let [kind, length @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
        self.stream.read_exact(&mut body).unwrap();
        Message { kind, body }
    }
}

/// Parts of a message behind their length, which counts itself.
fn counted(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u32::try_from(content.len() + 4).unwrap();
    [&length.to_be_bytes(), content.as_slice()].concat()
}

/// Of a DataRow: how many columns, and of each its length and its text.
fn first_value(row: &[u8]) -> String {
    let (length, text) = row[2..].split_first_chunk().unwrap();
    let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0); // -1 is NULL
    String::from_utf8(text[..length].to_vec()).unwrap()
}

/// Of an ErrorResponse: the field `C`.
fn code(error: &[u8]) -> String {
    let field = error.split(|byte| *byte == 0).find(|field| field.first() == Some(&b'C')).unwrap();
    String::from_utf8(field[1..].to_vec()).unwrap()
}
