//! One client's socket on a worker: reads, lets the machine work, writes, waits.
//! In goes readiness; out go the machine's answers, and the end that it asks for.
//! It knows nothing of HTTP, and keeps no buffer but for what could not be parsed or written.

use std::io;
use std::mem;
use std::net::{SocketAddr, TcpStream as StdStream};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::{Scratch, Worker};
use crate::client::Client;
use crate::clock::Now;
use crate::sockets::LINGER;
use crate::stats::{Seat, Traffic};
use crate::turn::{Next, Turn};

/// An accepted socket on its way to its worker.
pub(super) struct Arrival {
    /// Non-blocking already.
    pub(super) stream: StdStream,
    pub(super) source: SocketAddr,
    pub(super) listener: usize,
    pub(super) seat: Seat,
}

/// A connection and its machine; as a future, it is done when the connection is.
pub(super) struct Connection {
    stream: TcpStream,
    client: Client,
    phase: Phase,
    /// Read and not yet understood, or not yet wanted.
    unread: Vec<u8>,
    /// Answers that the socket did not take, and how much of them has gone since.
    unsent: Vec<u8>,
    gone: usize,
    /// When the connection last did something; idling counts from here.
    last_active: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    listener: usize,
    traffic: Arc<Traffic>,
    worker: Rc<Worker>,
    _seat: Seat,
}

/// `Serving -> Lingering`; the socket closes when the future is dropped.
#[derive(Clone, Copy)]
enum Phase {
    /// Does what the machine asked for.
    Serving(Next),
    /// Shut for writing; reads on until the client closes, or until then.
    Lingering(Instant),
}

/// Whether a connection goes on.
enum Flow {
    On,
    Ended,
}

impl Connection {
    pub(super) fn new(arrival: Arrival, worker: Rc<Worker>) -> io::Result<Self> {
        let traffic = Arc::clone(&worker.members[arrival.listener].borrow().traffic);
        Ok(Self {
            stream: TcpStream::from_std(arrival.stream)?,
            client: Client::new(arrival.source),
            phase: Phase::Serving(Next::Read),
            unread: Vec::new(),
            unsent: Vec::new(),
            gone: 0,
            last_active: Instant::now(),
            timer: None,
            listener: arrival.listener,
            traffic,
            worker,
            _seat: arrival.seat,
        })
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        ready!(self.write_rest(cx))?;
        match self.phase {
            Phase::Serving(Next::Read) => self.read_and_work(cx),
            Phase::Serving(Next::Write) => self.work_on(cx),
            Phase::Serving(Next::Sleep(until)) => {
                ready!(self.sleep_until(until, cx));
                self.work_on(cx)
            }
            Phase::Serving(Next::Close) => self.shut(cx),
            Phase::Serving(Next::Drop) => Poll::Ready(Ok(Flow::Ended)),
            Phase::Serving(Next::Reset) => {
                self.stream.set_zero_linger()?;
                Poll::Ready(Ok(Flow::Ended))
            }
            Phase::Serving(Next::Ignore) => self.discard(cx),
            Phase::Lingering(until) => self.linger(until, cx),
        }
    }

    /// The common turn: one read, all requests in it, one write.
    fn read_and_work(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let worker = Rc::clone(&self.worker);
        let Scratch { input, output } = &mut *worker.scratch.borrow_mut();
        let Poll::Ready(count) = self.read(cx, input)? else { return self.idle(cx) };
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

    /// Goes on with what was read before.
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
        let next = self.client.advance(&mut input, &mut Turn { out, member, now });
        self.phase = Phase::Serving(next);
        if !input.is_empty() {
            self.unread = input.to_vec();
        }
        let sent = self.write(cx, out)?;
        if sent < out.len() {
            self.unsent = out[sent..].to_vec();
        }
        Poll::Ready(Ok(Flow::On))
    }

    /// `AsyncRead::poll_read` clears readiness after a short read, which saves the read that `try_read`
    /// would lose to EAGAIN.
    fn read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        self.traffic.received(buffer.filled().len());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// One write; how many bytes the socket took.
    fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.traffic.sending(bytes.len());
        let written = match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(0),
        };
        let left = bytes.len() - written.as_ref().copied().unwrap_or(0);
        if left > 0 {
            self.traffic.unsent(left);
        }
        written
    }

    fn write_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unsent.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let unsent = mem::take(&mut self.unsent);
        while self.gone < unsent.len() {
            let sent = self.write(cx, &unsent[self.gone..])?;
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

    fn sleep_until(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let until = until.into();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }

    /// Waits for bytes, as long as the idle timeout allows. The timer is lazy: it is set anew when it has
    /// fired, not when something was read.
    fn idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let Some(allowed) = self.worker.idle_timeout else { return Poll::Pending };
        let until = self.last_active + allowed;
        let mut alarm = self.timer.as_ref().map_or(until, |timer| timer.deadline().into_std());
        loop {
            ready!(self.sleep_until(alarm, cx));
            if Instant::now() >= until {
                return Poll::Ready(Ok(Flow::Ended));
            }
            alarm = until;
        }
    }

    fn shut(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        self.phase = Phase::Lingering(Instant::now() + LINGER);
        Poll::Ready(Ok(Flow::On))
    }

    fn linger(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        if let Poll::Ready(flow) = self.discard(cx)? {
            return Poll::Ready(Ok(flow));
        }
        ready!(self.sleep_until(until, cx));
        Poll::Ready(Ok(Flow::Ended))
    }

    /// Reads to no end, until the client closes.
    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Flow>> {
        let worker = Rc::clone(&self.worker);
        let count = ready!(self.read(cx, &mut worker.scratch.borrow_mut().input))?;
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
