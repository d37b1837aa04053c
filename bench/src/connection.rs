//! Runs one keep-alive connection: sends requests, reads answers, and checks each against its request.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::answer::Piece;
use crate::check::{Check, Verdict};
use crate::frame::Whole;
use crate::pace::Pace;
use crate::plan::Plan;
use crate::report::Loss;
use crate::request::Asked;
use crate::shard::Shard;
use crate::wire::Reader;

/// The result of a turn of a connection.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Bytes were written or read without a fault.
    Progress,
    /// The connection ended in order: as its last answer had said, or while nothing was in flight.
    Closed,
    /// The connection cannot be used any more, and exchanges in flight on it are lost.
    Lost(Loss, String),
    /// Unrequested bytes came.
    Surplus(String),
}

pub(crate) struct Connection {
    /// The number of its client.
    client: u64,
    stream: TcpStream,
    source: IpAddr,
    reader: Reader,
    /// The beginning of a head or of a chunk line that is incomplete.
    held: Vec<u8>,
    out: Vec<u8>,
    written: usize,
    in_flight: VecDeque<Exchange>,
    /// The timer for the deadline of the oldest exchange, or earlier; it is moved only when it fires.
    timer: Pin<Box<Sleep>>,
    members: Vec<(String, u64)>,
    proven: bool,
    /// The number of exchanges that may still begin on this connection.
    room: u64,
    reading: Pace,
    writing: Pace,
    /// The number of bytes of `out` after which sending stops for a while.
    stall_after: Option<usize>,
}

struct Exchange {
    started: Instant,
    /// The time from which the latency counts; earlier than `started` if an open loop runs late.
    intended: Instant,
    check: Check,
    class: Option<usize>,
    status: u16,
    /// The index of the member that the answer names.
    member: Option<usize>,
}

impl Connection {
    pub(crate) fn new(client: u64, stream: TcpStream, plan: &Plan) -> io::Result<Self> {
        Ok(Self {
            client,
            source: stream.local_addr()?.ip(),
            stream,
            reader: Reader::new(plan),
            held: Vec::new(),
            out: Vec::new(),
            written: 0,
            in_flight: VecDeque::new(),
            timer: Box::pin(sleep_until(Instant::now() + plan.timeout)),
            members: Vec::new(),
            proven: false,
            room: plan.per_connection.map_or(u64::MAX, |most| most.max(1)),
            reading: Pace::new(plan.read_rate),
            writing: Pace::new(plan.write_rate),
            stall_after: None,
        })
    }

    /// Lets the sending of all that is queued stop in the middle, if nothing of it was sent.
    pub(crate) fn stall(&mut self) {
        if self.written == 0 {
            self.stall_after = Some(self.out.len() / 2);
        }
    }

    /// Queues a request. `write` appends it and returns the expected answer.
    pub(crate) fn push(
        &mut self,
        started: Instant,
        intended: Instant,
        write: impl FnOnce(&mut Vec<u8>) -> Asked,
    ) {
        let Asked { expect, class } = write(&mut self.out);
        let check = Check::new(expect);
        self.in_flight.push_back(Exchange { started, intended, check, class, status: 0, member: None });
        self.room = self.room.saturating_sub(1);
    }

    /// Returns whether no more exchanges may begin on this connection.
    pub(crate) fn is_used_up(&self) -> bool {
        self.room == 0
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns whether all requests have been sent.
    pub(crate) fn is_flushed(&self) -> bool {
        self.out.is_empty()
    }

    /// Returns whether the connection has brought a complete answer.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Sends and reads what is possible now, or waits until something is, or until `due`.
    pub(crate) async fn turn(&mut self, shard: &Shard, due: Option<Instant>) -> Turn {
        poll_fn(|cx| match (self.poll_turn(shard, cx), due) {
            (Poll::Pending, Some(due)) => {
                shard.timers.poll_due(due, self.client, cx).map(|()| Turn::Progress)
            }
            (turn, _) => turn,
        })
        .await
    }

    fn poll_turn(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<Turn> {
        if !self.is_flushed()
            && let Poll::Ready(turn) = self.poll_write(shard, cx)
        {
            return Poll::Ready(turn);
        }
        // A server that echoes a long body stalls unless its answer is read while the request is being sent.
        match self.poll_read(shard, cx) {
            Poll::Ready(turn) => Poll::Ready(turn),
            Poll::Pending => self.poll_deadline(shard.plan.timeout, cx),
        }
    }

    fn poll_write(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<Turn> {
        while self.written < self.out.len() {
            let most = match self.writing.allows(Instant::now) {
                Ok(most) => most,
                Err(later) => {
                    ready!(shard.timers.poll_due(later, self.client, cx));
                    continue;
                }
            };
            let end = self.stall_after.unwrap_or(self.out.len()).min(self.written.saturating_add(most));
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..end])) {
                Ok(n) => {
                    self.written += n;
                    self.writing.moved(n, Instant::now);
                    shard.tally().bytes_sent += n as u64;
                }
                Err(error) => return Poll::Ready(Turn::Lost(Loss::Write, error.to_string())),
            }
            if self.stall_after == Some(self.written) {
                self.stall_after = None;
                self.writing.stall_until(Instant::now() + shard.plan.stall);
            }
        }
        self.out.clear();
        self.written = 0;
        if !shard.plan.stall.is_zero() {
            self.reading.stall_until(Instant::now() + shard.plan.stall);
        }
        Poll::Ready(Turn::Progress)
    }

    fn poll_read(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<Turn> {
        let most = match self.reading.allows(Instant::now) {
            Ok(most) => most,
            Err(later) => {
                ready!(shard.timers.poll_due(later, self.client, cx));
                // The time has come since it was looked at.
                return Poll::Ready(Turn::Progress);
            }
        };
        let mut scratch = shard.scratch.borrow_mut();
        let most = most.min(scratch.len());
        let mut read = ReadBuf::new(&mut scratch[..most]);
        if let Err(error) = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)) {
            return Poll::Ready(Turn::Lost(Loss::Read, error.to_string()));
        }
        self.reading.moved(read.filled().len(), Instant::now);
        shard.tally().bytes_received += read.filled().len() as u64;
        Poll::Ready(match read.filled() {
            [] => self.end_of_input(shard),
            bytes => self.absorb(bytes, shard),
        })
    }

    fn poll_deadline(&mut self, timeout: Duration, cx: &mut Context<'_>) -> Poll<Turn> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            let deadline = self.in_flight.front().map_or(now, |oldest| oldest.started) + timeout;
            if deadline <= now {
                return Poll::Ready(Turn::Lost(Loss::Timeout, format!("no whole answer after {timeout:?}")));
            }
            self.timer.as_mut().reset(deadline);
        }
    }

    fn end_of_input(&mut self, shard: &Shard) -> Turn {
        if self.reader.ends_by_close() {
            self.finish(Instant::now(), shard);
            return Turn::Closed;
        }
        match self.in_flight.len() {
            0 => Turn::Closed,
            n => Turn::Lost(Loss::ClosedEarly, format!("end of input with {n} in flight")),
        }
    }

    fn absorb(&mut self, bytes: &[u8], shard: &Shard) -> Turn {
        if self.held.is_empty() {
            let mut input = bytes;
            let turn = self.read_pieces(&mut input, shard);
            self.held.extend_from_slice(input);
            return turn;
        }
        let mut held = mem::take(&mut self.held);
        held.extend_from_slice(bytes);
        let mut input = &held[..];
        let turn = self.read_pieces(&mut input, shard);
        let used = held.len() - input.len();
        held.drain(..used);
        self.held = held;
        turn
    }

    fn read_pieces(&mut self, input: &mut &[u8], shard: &Shard) -> Turn {
        let now = Instant::now();
        loop {
            if self.in_flight.is_empty() && !input.is_empty() {
                return Turn::Surplus(surplus(input));
            }
            let echoed = self.in_flight.front().map_or(0, |exchange| exchange.check.echoed());
            match self.reader.next(input, echoed) {
                Ok(Some(Piece::Head(head))) => {
                    let member = head.member.map(|name| self.member(name));
                    // An answer begins only while its exchange is in flight, as was checked above.
                    let Some(exchange) = self.in_flight.front_mut() else { return Turn::Closed };
                    (exchange.status, exchange.member) = (head.status, member);
                }
                Ok(Some(Piece::Body(body))) => {
                    if let Some(exchange) = self.in_flight.front_mut().filter(|e| e.is_checked()) {
                        exchange.check.body(body);
                    }
                }
                Ok(Some(Piece::Whole(whole))) => self.whole(&whole, now, shard),
                Ok(Some(Piece::End)) => {
                    self.finish(now, shard);
                    if self.reader.closes() {
                        return if input.is_empty() { Turn::Closed } else { Turn::Surplus(surplus(input)) };
                    }
                }
                Ok(None) => return Turn::Progress,
                Err(why) => return Turn::Lost(Loss::BadAnswer, why.to_owned()),
            }
        }
    }

    fn whole(&mut self, whole: &Whole<'_>, now: Instant, shard: &Shard) {
        if let Some(exchange) = self.in_flight.front_mut() {
            exchange.status = whole.status;
            exchange.check.body(whole.content);
            exchange.check.body(whole.behind);
        }
        self.finish(now, shard);
    }

    fn finish(&mut self, now: Instant, shard: &Shard) {
        let Some(exchange) = self.in_flight.pop_front() else { return };
        self.proven = true;
        if let Some((_, count)) = exchange.member.and_then(|index| self.members.get_mut(index)) {
            *count += 1;
        }
        let verdict = exchange.verdict();
        let class = exchange.class.and_then(|class| shard.requests.class(class));
        shard.tally().count_answer(exchange.status, now - exchange.intended, verdict, class);
        shard.show_answer();
    }

    fn member(&mut self, name: &str) -> usize {
        if let Some(index) = self.members.iter().position(|(known, _)| known == name) {
            return index;
        }
        self.members.push((name.to_owned(), 0));
        self.members.len() - 1
    }

    /// Adds the members seen so far to the shard's counts.
    pub(crate) fn settle(&mut self, shard: &Shard) {
        for (member, count) in self.members.iter_mut().filter(|(_, count)| *count > 0) {
            shard.tally().count_member(self.source, member, mem::take(count));
        }
    }

    /// Checks the socket while nothing is in flight, without waiting.
    ///
    /// The check asks the kernel, because the runtime's readiness may be a turn old.
    pub(crate) fn look(&self, shard: &Shard) -> Turn {
        let mut bytes = [0; 4096];
        match recv(self.stream.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Err(Errno::EAGAIN) => Turn::Progress,
            Ok(0) | Err(_) => Turn::Closed,
            Ok(n) => {
                shard.tally().bytes_received += n as u64;
                Turn::Surplus(surplus(&bytes[..n]))
            }
        }
    }

    /// Waits for an answer to begin and reads up to `most` bytes of it, which are ignored.
    pub(crate) async fn nibble(&mut self, shard: &Shard, most: usize) {
        let mut bytes = [0; 16];
        let most = most.min(bytes.len());
        let mut read = ReadBuf::new(&mut bytes[..most]);
        // The result does not matter, because the connection is about to be closed.
        let _ = poll_fn(|cx| Pin::new(&mut self.stream).poll_read(cx, &mut read)).await;
        shard.tally().bytes_received += read.filled().len() as u64;
    }

    /// Makes the close that follows a reset.
    pub(crate) fn reset_on_close(&self) {
        // If this fails, the other side sees an orderly end, which an abort may be as well.
        let _ = self.stream.set_zero_linger();
    }
}

impl Exchange {
    /// Returns whether the answer is checked. Only 2xx answers are, because a 503 has a text of its own.
    fn is_checked(&self) -> bool {
        (200..300).contains(&self.status)
    }

    fn verdict(&self) -> Verdict {
        if self.is_checked() {
            return self.check.verdict();
        }
        self.check.refused();
        Verdict::Right
    }
}

fn surplus(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]);
    format!("{} bytes nobody asked for: {start:?}", bytes.len())
}
