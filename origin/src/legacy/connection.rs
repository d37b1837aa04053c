//! One client's blocking socket on its own thread: reads, lets the machine work, writes, sleeps.
//! In goes the socket; out go the machine's answers, and the end that it asks for.
//! It knows nothing of HTTP and of the other connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Instant;

use super::Shared;
use crate::client::Client;
use crate::clock::Now;
use crate::sockets::{self, LINGER};
use crate::stats::Traffic;
use crate::turn::{Member, Next, Turn};

/// As much is read at once, in bytes.
const READ_SIZE: usize = 16 * 1024;

/// Serves the connection to its end. An error only means that the client is gone.
pub(super) fn serve(stream: &TcpStream, source: SocketAddr, member: Member, shared: &Shared) {
    let mut connection = Connection { stream, client: Client::new(source), member, input: Vec::new() };
    let _ = stream.set_read_timeout(shared.idle_timeout).and_then(|()| connection.run(shared));
}

struct Connection<'s> {
    stream: &'s TcpStream,
    client: Client,
    member: Member,
    /// Read and not yet used.
    input: Vec<u8>,
}

impl Connection<'_> {
    fn run(&mut self, shared: &Shared) -> io::Result<()> {
        let mut out = Vec::new();
        loop {
            let next = self.work(&mut out);
            send(self.stream, &self.member.traffic, &out)?;
            match next {
                Next::Write => {}
                Next::Read if self.read()? == 0 => return Ok(()),
                Next::Read => {}
                Next::Sleep(until) if shared.sleep_until(until) => {}
                Next::Sleep(_) | Next::Drop => return Ok(()),
                Next::Reset => {
                    sockets::reset_on_close(self.stream);
                    return Ok(());
                }
                Next::Ignore => return self.discard(None),
                Next::Close => {
                    self.stream.shutdown(Shutdown::Write)?;
                    return self.discard(Some(Instant::now() + LINGER));
                }
            }
        }
    }

    fn work(&mut self, out: &mut Vec<u8>) -> Next {
        out.clear();
        let mut input = self.input.as_slice();
        let mut turn = Turn { out, member: &mut self.member, now: Now::read() };
        let next = self.client.advance(&mut input, &mut turn);
        let used = self.input.len() - input.len();
        self.input.drain(..used);
        next
    }

    fn read(&mut self) -> io::Result<usize> {
        let before = self.input.len();
        self.input.resize(before + READ_SIZE, 0);
        let read = self.stream.read(&mut self.input[before..]);
        let count = read.as_ref().copied().unwrap_or(0);
        self.input.truncate(before + count);
        self.member.traffic.received(count);
        read
    }

    /// Reads to no end, until the client closes or the time is up.
    fn discard(&mut self, until: Option<Instant>) -> io::Result<()> {
        loop {
            self.input.clear();
            if let Some(until) = until {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                self.stream.set_read_timeout(Some(left))?;
            }
            if self.read()? == 0 {
                return Ok(());
            }
        }
    }
}

fn send(mut stream: &TcpStream, traffic: &Traffic, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        traffic.sending(bytes.len());
        let written = stream.write(bytes);
        traffic.unsent(bytes.len() - written.as_ref().copied().unwrap_or(0));
        bytes = &bytes[written?..];
    }
    Ok(())
}
