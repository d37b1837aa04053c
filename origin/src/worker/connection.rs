//! Serves one client's socket on a worker: reads, lets the machine work, writes, waits.

use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::alarm::Alarm;
use super::stream::Stream;
use super::timer::Timer;
use super::{Scratch, Worker};
use crate::clock::Now;
use crate::machine::Machine;
use crate::sockets::LINGER;
use crate::stats::Seat;
use crate::turn::{Next, Turn};

/// A connection and its machine. As a future, it ends with the connection.
pub(super) struct Connection {
    stream: Stream,
    machine: Machine,
    phase: Phase,
    /// Bytes that were read and not yet used.
    unread: Vec<u8>,
    /// Answers that the socket did not accept, and how much of them has been sent since.
    unsent: Vec<u8>,
    gone: usize,
    /// The time of the last activity, from which idling counts.
    last_active: Instant,
    alarm: Alarm,
    /// The timer while an answer is held back.
    timer: Option<Timer>,
    listener: usize,
    worker: Rc<Worker>,
    _seat: Seat,
}

/// The phase: `Serving -> Lingering`. The socket closes when the future is dropped.
#[derive(Clone, Copy)]
enum Phase {
    /// The connection does what the machine asked for.
    Serving(Next),
    /// The connection is shut for writing, and reads until the client closes or until this time.
    Lingering(Instant),
}

/// Whether a connection continues.
enum Flow {
    On,
    Ended,
}

impl Connection {
    /// Makes a connection of which `early` has been read already.
    pub(super) fn new(
        stream: Stream,
        machine: Machine,
        early: Vec<u8>,
        listener: usize,
        worker: Rc<Worker>,
        seat: Seat,
    ) -> Self {
        Self {
            stream,
            machine,
            phase: Phase::Serving(if early.is_empty() { Next::Read } else { Next::Write }),
            unread: early,
            unsent: Vec::new(),
            gone: 0,
            last_active: Instant::now(),
            alarm: Alarm::default(),
            timer: None,
            listener,
            worker,
            _seat: seat,
        }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        ready!(self.write_rest(cx))?;
        match self.phase {
            Phase::Serving(Next::Read) => self.read_and_work(cx),
            Phase::Serving(Next::Write) => self.work_on(cx),
            Phase::Serving(Next::Sleep(until)) => {
                let timer = self.timer.get_or_insert_with(|| Timer::new(&self.worker.timers));
                ready!(timer.poll_until(until, cx));
                self.timer = None;
                self.work_on(cx)
            }
            Phase::Serving(Next::Close) => self.shut(cx),
            Phase::Serving(Next::Drop) => Poll::Ready(Ok(Flow::Ended)),
            Phase::Serving(Next::Reset) => {
                self.stream.reset_on_close()?;
                Poll::Ready(Ok(Flow::Ended))
            }
            Phase::Serving(Next::Ignore) => self.discard(cx),
            Phase::Lingering(until) => self.linger(until, cx),
        }
    }

    /// Runs the usual turn: one read, all requests in it, one write.
    fn read_and_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let worker = Rc::clone(&self.worker);
        let Scratch { input, output } = &mut *worker.scratch.borrow_mut();
        let Poll::Ready(count) = self.stream.poll_read(cx, input)? else { return self.idle(cx) };
        if count == 0 {
            return Poll::Ready(Ok(Flow::Ended));
        }
        if self.unread.is_empty() {
            return self.work(cx, &input[..count], output);
        }
        let mut joined = mem::take(&mut self.unread);
        joined.extend_from_slice(&input[..count]);
        self.work(cx, &joined, output)
    }

    /// Continues with bytes that were read before.
    fn work_on(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let worker = Rc::clone(&self.worker);
        let output = &mut worker.scratch.borrow_mut().output;
        let unread = mem::take(&mut self.unread);
        self.work(cx, &unread, output)
    }

    fn work(&mut self, cx: &mut Context<'_>, mut input: &[u8], out: &mut Vec<u8>) -> Poll<io::Result<Flow>> {
        out.clear();
        let worker = Rc::clone(&self.worker);
        let member = &mut *worker.members[self.listener].borrow_mut();
        let now = Now::read();
        self.last_active = now.instant;
        let next = self.machine.advance(&mut input, &mut Turn { out, member, now });
        self.phase = Phase::Serving(next);
        if !input.is_empty() {
            self.unread = input.to_vec();
        }
        let sent = self.stream.write(cx, out)?;
        if sent < out.len() {
            self.unsent = out[sent..].to_vec();
        }
        Poll::Ready(Ok(Flow::On))
    }

    fn write_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let unsent = mem::take(&mut self.unsent);
        while self.gone < unsent.len() {
            let sent = self.stream.write(cx, &unsent[self.gone..])?;
            if sent == 0 {
                self.unsent = unsent;
                return Poll::Pending;
            }
            self.gone += sent;
        }
        self.gone = 0;
        self.last_active = Instant::now();
        Poll::Ready(Ok(()))
    }

    /// Waits for bytes, up to the idle timeout.
    fn idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let Some(allowed) = self.worker.idle_timeout else { return Poll::Pending };
        ready!(self.alarm.poll_until(self.last_active + allowed, cx));
        Poll::Ready(Ok(Flow::Ended))
    }

    fn shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        ready!(self.stream.poll_shutdown(cx))?;
        self.phase = Phase::Lingering(Instant::now() + LINGER);
        Poll::Ready(Ok(Flow::On))
    }

    fn linger(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        if let Poll::Ready(flow) = self.discard(cx)? {
            return Poll::Ready(Ok(flow));
        }
        ready!(self.alarm.poll_until(until, cx));
        Poll::Ready(Ok(Flow::Ended))
    }

    /// Reads and drops bytes until the client closes.
    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let worker = Rc::clone(&self.worker);
        let count = ready!(self.stream.poll_read(cx, &mut worker.scratch.borrow_mut().input))?;
        Poll::Ready(Ok(if count == 0 { Flow::Ended } else { Flow::On }))
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.step(cx)) {
                Ok(Flow::On) => {}
                Ok(Flow::Ended) | Err(_) => return Poll::Ready(()),
            }
        }
    }
}
