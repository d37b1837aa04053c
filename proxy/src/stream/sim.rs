//! Implements a stream in memory: a test holds the other end and decides what arrives, when, and how much of
//! it.
//!
//! The stream behaves like a TCP socket of the kernel as far as the proxy can tell: a write takes as much as
//! there is room for, a close with unread bytes is a reset, a reset destroys undelivered bytes, and waiting
//! tasks are woken when any of this may have changed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::Stream;
use crate::config::Address;
use crate::event_loop::{store_waker, wake};
use crate::net::Peeked;

/// The proxy's end.
#[derive(Debug)]
pub struct SimSocket(Rc<SimWire>);

/// The test's end.
#[derive(Debug)]
pub(crate) struct Peer(Rc<SimWire>);

/// The state between the two ends.
#[derive(Debug, Default)]
struct SimWire {
    /// Bytes that have arrived at the proxy and were not read yet.
    arrived: RefCell<VecDeque<u8>>,
    /// Bytes that the proxy has written and the peer has not taken.
    written: RefCell<VecDeque<u8>>,
    /// The largest number of such bytes.
    room: Cell<usize>,
    /// The end of the peer's side.
    peer: Cell<End>,
    /// The end of the proxy's side.
    proxy: Cell<End>,
    resets_on_drop: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
    /// What the proxy has read and written so far.
    reads: Cell<Traffic>,
    writes: Cell<Traffic>,
}

/// How many calls of the kernel it would have been, and how many bytes it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) calls: u64,
    pub(crate) bytes: u64,
}

impl Traffic {
    fn and(self, bytes: usize) -> Self {
        Self { calls: self.calls + 1, bytes: self.bytes + bytes as u64 }
    }
}

/// The way in which one side has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum End {
    /// The side may send more.
    #[default]
    Open,
    /// The side has sent FIN.
    Finished,
    /// The side has closed in order, so that bytes sent before arrive.
    Closed,
    /// The side was reset.
    Reset,
}

/// Makes a stream on which up to `room` bytes may be on their way to the peer.
pub(crate) fn pair(room: usize) -> (SimSocket, Peer) {
    let wire = Rc::new(SimWire { room: Cell::new(room.max(1)), ..SimWire::default() });
    (SimSocket(wire.clone()), Peer(wire))
}

impl SimWire {
    fn is_reset(&self) -> bool {
        self.peer.get() == End::Reset || self.proxy.get() == End::Reset
    }

    fn has_room(&self) -> usize {
        self.room.get().saturating_sub(self.written.borrow().len())
    }
}

impl SimSocket {
    pub(super) fn poll_recv(&self, cx: &Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let wire = &self.0;
        let mut arrived = wire.arrived.borrow_mut();
        if wire.is_reset() {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if arrived.is_empty() && wire.peer.get() == End::Open {
            store_waker(&mut wire.reader.borrow_mut(), cx.waker());
            return Poll::Pending;
        }
        let n = arrived.len().min(buf.len());
        wire.reads.set(wire.reads.get().and(n));
        arrived.drain(..n).zip(buf).for_each(|(byte, place)| *place = byte);
        Poll::Ready(Ok(n))
    }

    pub(super) fn try_send_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        let wire = &self.0;
        // Who has closed answers what comes with a reset.
        if wire.peer.get() == End::Closed {
            wire.peer.set(End::Reset);
            wake(&wire.reader.borrow());
        }
        if wire.is_reset() || wire.proxy.get() != End::Open {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let n = wire.has_room().min(first.len() + second.len());
        wire.written.borrow_mut().extend(first.iter().chain(second).take(n));
        wire.writes.set(wire.writes.get().and(n));
        Ok(n)
    }

    pub(super) fn poll_writable(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.0.has_room() > 0 || self.0.is_reset() {
            return Poll::Ready(Ok(()));
        }
        store_waker(&mut self.0.writer.borrow_mut(), cx.waker());
        Poll::Pending
    }

    pub(super) fn poll_broken(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.is_reset() {
            return Poll::Ready(());
        }
        store_waker(&mut self.0.writer.borrow_mut(), cx.waker());
        Poll::Pending
    }

    pub(super) fn is_sending(&self, _: &Context<'_>) -> bool {
        !self.0.is_reset() && self.unacknowledged() > 0
    }

    pub(super) fn unacknowledged(&self) -> usize {
        self.0.written.borrow().len()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.peek(&mut [0]) == Peeked::Quiet
    }

    pub(super) fn peek(&self, buf: &mut [u8]) -> Peeked {
        let arrived = self.0.arrived.borrow();
        match arrived.len().min(buf.len()) {
            _ if self.0.is_reset() => Peeked::Broken,
            0 if self.0.peer.get() == End::Open => Peeked::Quiet,
            0 => Peeked::Ended,
            n => {
                arrived.iter().zip(buf).for_each(|(byte, place)| *place = *byte);
                Peeked::Bytes(n)
            }
        }
    }

    pub(super) fn finish(&self) {
        if self.0.proxy.get() == End::Open {
            self.0.proxy.set(End::Finished);
        }
    }

    pub(super) fn abort_on_drop(&self) {
        self.0.resets_on_drop.set(true);
    }

    pub(super) fn local_address(&self) -> Option<SocketAddr> {
        None
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        let wire = &self.0;
        // The kernel resets a TCP connection that is closed with unread bytes.
        let unread = !wire.arrived.borrow().is_empty();
        if wire.resets_on_drop.get() || unread {
            wire.written.borrow_mut().clear();
            wire.proxy.set(End::Reset);
        } else if wire.proxy.get() != End::Reset {
            wire.proxy.set(End::Closed);
        }
    }
}

impl Peer {
    /// Delivers these bytes to the proxy, which answers with a reset if it has closed.
    pub(crate) fn send(&self, bytes: &[u8]) {
        let wire = &self.0;
        if wire.peer.get() != End::Open {
            return;
        }
        if wire.proxy.get() == End::Closed {
            return wire.proxy.set(End::Reset);
        }
        wire.arrived.borrow_mut().extend(bytes);
        wake(&wire.reader.borrow());
    }

    /// Takes up to `most` bytes that the proxy has written.
    pub(crate) fn take(&self, most: usize) -> Vec<u8> {
        let mut written = self.0.written.borrow_mut();
        let n = written.len().min(most);
        let taken = written.drain(..n).collect();
        drop(written);
        if n > 0 {
            wake(&self.0.writer.borrow());
        }
        taken
    }

    /// How many bytes wait to be taken.
    pub(crate) fn waiting(&self) -> usize {
        self.0.written.borrow().len()
    }

    /// How far the proxy has ended it, as far as the peer can tell: it reads what came before a FIN first.
    pub(crate) fn seen_end(&self) -> End {
        match self.0.proxy.get() {
            End::Finished | End::Closed if self.waiting() > 0 => End::Open,
            end => end,
        }
    }

    /// Sends FIN.
    pub(crate) fn finish(&self) {
        self.end(End::Finished);
    }

    /// Closes it in order.
    pub(crate) fn close(&self) {
        self.end(End::Closed);
    }

    /// Resets it: what is on its way is lost, both ways.
    pub(crate) fn reset(&self) {
        self.0.arrived.borrow_mut().clear();
        self.0.written.borrow_mut().clear();
        self.end(End::Reset);
    }

    fn end(&self, how: End) {
        if self.0.peer.get() != End::Reset {
            self.0.peer.set(how);
        }
        wake(&self.0.reader.borrow());
        wake(&self.0.writer.borrow());
    }

    /// Whether it has said FIN, or more than that.
    pub(crate) fn has_ended(&self) -> bool {
        self.0.peer.get() != End::Open
    }

    /// How far the proxy has ended it, whatever is still to be taken.
    pub(crate) fn proxy_end(&self) -> End {
        self.0.proxy.get()
    }

    /// What the proxy has read, and what it has written.
    pub(crate) fn traffic(&self) -> (Traffic, Traffic) {
        (self.0.reads.get(), self.0.writes.get())
    }
}

/// A connection that the proxy asks for. Who has it accepts or refuses it, or lets it wait.
pub(crate) struct Knock {
    /// Where it is to go.
    pub(crate) to: Address,
    answer: Rc<Answer>,
}

#[derive(Default)]
struct Answer {
    given: RefCell<Option<io::Result<SimSocket>>>,
    waker: RefCell<Option<Waker>>,
}

impl Knock {
    /// Accepts it. Of what the proxy writes so many bytes may wait to be read.
    pub(crate) fn accept(self, room: usize) -> Peer {
        let (socket, peer) = pair(room);
        self.answer(Ok(socket));
        peer
    }

    /// Whether the proxy still waits for an answer.
    pub(crate) fn is_awaited(&self) -> bool {
        Rc::strong_count(&self.answer) > 1
    }

    /// Refuses it.
    pub(crate) fn refuse(self) {
        self.answer(Err(ErrorKind::ConnectionRefused.into()));
    }

    fn answer(self, given: io::Result<SimSocket>) {
        *self.answer.given.borrow_mut() = Some(given);
        wake(&self.answer.waker.borrow());
    }
}

thread_local! {
    /// Connections that the proxy of this thread asks for, where it is a simulated one.
    static KNOCKS: RefCell<Option<VecDeque<Knock>>> = const { RefCell::new(None) };
}

/// From here on all connections of this thread are simulated.
pub(crate) fn enter() {
    KNOCKS.set(Some(VecDeque::new()));
}

/// From here on they are real again.
pub(crate) fn leave() {
    KNOCKS.set(None);
}

/// Those who knocked since this was asked last.
pub(crate) fn knocks() -> Vec<Knock> {
    KNOCKS.with_borrow_mut(|knocks| {
        knocks.as_mut().map(|knocks| knocks.drain(..).collect()).unwrap_or_default()
    })
}

/// Connects where this thread's connections are simulated.
pub(crate) fn connect(to: &Address) -> Option<impl Future<Output = io::Result<Stream>> + use<>> {
    let answer = Rc::new(Answer::default());
    let knock = Knock { to: to.clone(), answer: answer.clone() };
    let is_simulated =
        KNOCKS.with_borrow_mut(|knocks| knocks.as_mut().map(|knocks| knocks.push_back(knock)).is_some());
    is_simulated.then(|| {
        poll_fn(move |cx| match answer.given.borrow_mut().take() {
            Some(given) => Poll::Ready(given.map(Stream::Sim)),
            None => {
                store_waker(&mut answer.waker.borrow_mut(), cx.waker());
                Poll::Pending
            }
        })
    })
}
