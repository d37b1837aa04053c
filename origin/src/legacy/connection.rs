//! Serves one client's blocking socket on a thread: reads, lets the machine work, writes, sleeps.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use socket2::Socket;

use super::Shared;
use crate::clock::Now;
use crate::introduction::{self, Introduction, Wrong};
use crate::machine::Machine;
use crate::register::ClientStats;
use crate::sockets::{self, LINGER};
use crate::stats::Traffic;
use crate::turn::{Member, Next, Turn};

/// The number of bytes in one read.
const READ_SIZE: usize = 16 * 1024;

/// Serves the connection to its end. An error means only that the client has gone.
pub(super) fn serve(
    stream: &Socket,
    source: Option<SocketAddr>,
    number: u64,
    member: Member,
    shared: &Shared,
) {
    let mut connection = Connection { stream, member, input: Vec::new() };
    if stream.set_read_timeout(shared.idle_timeout).is_err() {
        return;
    }
    let Some(address) = connection.meet(source) else { return };
    // Options for which this would be a protocol of bytes are refused earlier.
    let Some(machine) = Machine::new(connection.member.manner.speaks, address, number) else { return };
    let _ = connection.run(machine, shared);
}

struct Connection<'s> {
    stream: &'s Socket,
    member: Member,
    /// Bytes that were read and not used.
    input: Vec<u8>,
}

impl Connection<'_> {
    /// Reads the PROXY header, if the listener expects one, and returns the client's address; `None` if there
    /// is nothing to serve.
    fn meet(&mut self, source: Option<SocketAddr>) -> Option<Option<SocketAddr>> {
        if self.member.manner.is_plain() {
            return Some(source);
        }
        if !self.member.manner.header {
            self.member.register.came(ClientStats { address: source, ..ClientStats::default() });
            return Some(source);
        }
        match self.read_header() {
            Ok(said) => {
                let client = said.client(source);
                let address = client.address;
                self.member.register.came(client);
                Some(address)
            }
            // A client that connects and sends nothing (or connects in advance) does nothing wrong.
            Err(_) if self.input.is_empty() => None,
            Err(wrong) => {
                self.member.register.turned_away(wrong);
                None
            }
        }
    }

    /// Reads the header. Bytes after it stay in the input.
    fn read_header(&mut self) -> Result<introduction::Said, Wrong> {
        loop {
            if !self.peruse().is_ok_and(|count| count > 0) {
                return Err("cut off");
            }
            if let Introduction::Done(length, said) = introduction::parse(&self.input)? {
                self.input.drain(..length);
                self.member.traffic.received(self.input.len());
                return Ok(said);
            }
        }
    }

    fn run(&mut self, mut machine: Machine, shared: &Shared) -> io::Result<()> {
        let mut out = Vec::new();
        loop {
            let next = self.work(&mut machine, &mut out);
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

    fn work(&mut self, machine: &mut Machine, out: &mut Vec<u8>) -> Next {
        out.clear();
        let mut input = self.input.as_slice();
        let mut turn = Turn { out, member: &mut self.member, now: Now::read() };
        let next = machine.advance(&mut input, &mut turn);
        let used = self.input.len() - input.len();
        self.input.drain(..used);
        next
    }

    /// Reads once and counts the bytes.
    fn read(&mut self) -> io::Result<usize> {
        let count = self.peruse()?;
        self.member.traffic.received(count);
        Ok(count)
    }

    /// Reads once without counting the bytes.
    fn peruse(&mut self) -> io::Result<usize> {
        let before = self.input.len();
        self.input.resize(before + READ_SIZE, 0);
        let mut stream = self.stream;
        let read = stream.read(&mut self.input[before..]);
        let count = read.as_ref().copied().unwrap_or(0);
        self.input.truncate(before + count);
        read
    }

    /// Reads and drops bytes until the client closes or the time is over.
    fn discard(&mut self, until: Option<Instant>) -> io::Result<()> {
        loop {
            self.input.clear();
            if let Some(until) = until {
                let left = until.saturating_duration_since(Instant::now());
                // A timeout below the kernel's microsecond would mean no timeout.
                if left < Duration::from_millis(1) {
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

fn send(mut stream: &Socket, traffic: &Traffic, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        traffic.sending(bytes.len());
        let written = stream.write(bytes);
        traffic.unsent(bytes.len() - written.as_ref().copied().unwrap_or(0));
        bytes = &bytes[written?..];
    }
    Ok(())
}
