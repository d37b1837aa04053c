//! Serves a new client: reads its PROXY header if one is expected, registers it, and gives it a machine.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, ready};

use tokio::task::spawn_local;
use tokio::time::timeout;

use super::connection::Connection;
use super::dialogue::Dialogue;
use super::stream::{Accepted, Stream};
use super::{READ_SIZE, Worker};
use crate::client::Client;
use crate::introduction::{self, Introduction, Said};
use crate::machine::Machine;
use crate::register::ClientStats;
use crate::speaker::Speaker;
use crate::stats::Seat;

/// An accepted socket on its way to its worker.
pub(super) struct Arrival {
    pub(super) accepted: Accepted,
    /// The address of the connection; `None` on a Unix socket.
    pub(super) source: Option<SocketAddr>,
    pub(super) listener: usize,
    pub(super) seat: Seat,
}

impl Arrival {
    /// Starts the task that serves the client. If the reactor refuses the socket, it is closed.
    pub(super) fn take_on(self, worker: &Rc<Worker>) {
        let member = worker.members[self.listener].borrow();
        let Ok(stream) = Stream::new(self.accepted, Arc::clone(&member.traffic)) else { return };
        let worker = Rc::clone(worker);
        if member.manner.is_plain() {
            let (machine, early) = (Machine::Http(Client::new(self.source)), Vec::new());
            spawn_local(Connection::new(stream, machine, early, self.listener, worker, self.seat));
        } else {
            spawn_local(serve(stream, self.source, self.listener, worker, self.seat));
        }
    }
}

async fn serve(
    mut stream: Stream,
    source: Option<SocketAddr>,
    listener: usize,
    worker: Rc<Worker>,
    seat: Seat,
) {
    let Some((client, early)) = meet(&mut stream, source, listener, &worker).await else { return };
    let address = client.address;
    let manner = {
        let member = worker.members[listener].borrow();
        member.register.came(client);
        member.manner
    };
    if let Some(machine) = Machine::new(manner.speaks, address, seat.number()) {
        return Connection::new(stream, machine, early, listener, worker, seat).await;
    }
    let mut said = Vec::new();
    let member = worker.members[listener].borrow().answers.member().to_owned();
    if let Some(speaker) = Speaker::new(manner.speaks, &member, &mut said) {
        Dialogue::new(stream, speaker, &said, &early, worker, seat).await;
    }
}

/// Returns the client and the bytes after its header, or `None` if the connection is to be closed.
async fn meet(
    stream: &mut Stream,
    source: Option<SocketAddr>,
    listener: usize,
    worker: &Rc<Worker>,
) -> Option<(ClientStats, Vec<u8>)> {
    if !worker.members[listener].borrow().manner.header {
        return Some((ClientStats { address: source, ..ClientStats::default() }, Vec::new()));
    }
    let mut bytes = Vec::new();
    let read = read_header(stream, &mut bytes, worker);
    let problem = match worker.idle_timeout {
        None => read.await,
        Some(allowed) => timeout(allowed, read).await.unwrap_or(Err("not all of it came in time")),
    };
    match problem {
        Ok(said) => Some((said.client(source), bytes)),
        // A client that connects and sends nothing (or connects in advance) does nothing wrong.
        Err(_) if bytes.is_empty() => None,
        Err(wrong) => {
            worker.members[listener].borrow().register.turned_away(wrong);
            None
        }
    }
}

/// Reads the header, and leaves bytes after it in `bytes`.
async fn read_header(
    stream: &mut Stream,
    bytes: &mut Vec<u8>,
    worker: &Worker,
) -> Result<Said, introduction::Wrong> {
    loop {
        match read_more(stream, bytes, worker).await {
            Ok(0) => return Err("cut off"),
            Err(_) => return Err("cut off by an error"),
            Ok(_) => {}
        }
        if let Introduction::Done(length, said) = introduction::parse(bytes)? {
            bytes.drain(..length);
            stream.received(bytes.len());
            return Ok(said);
        }
    }
}

async fn read_more(stream: &mut Stream, bytes: &mut Vec<u8>, worker: &Worker) -> io::Result<usize> {
    poll_fn(|cx| {
        let input = &mut worker.scratch.borrow_mut().input[..READ_SIZE];
        let count = ready!(stream.poll_peruse(cx, input))?;
        bytes.extend_from_slice(&input[..count]);
        Poll::Ready(Ok(count))
    })
    .await
}
