//! Drives a stream by hand: the part that a client, a link and a tunnel have in common.
//!
//! A [`Conn`] holds the stream, the waker of the task that polls it, and whether the stream accepts bytes.
//! The owner keeps bytes that wait, because only the owner knows what they are.

use std::cell::{Cell, Ref, RefCell};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::task::{Context, Poll, Waker};

use crate::event_loop::{store_waker, wake};
use crate::metrics::Counter;

use super::Stream;

/// A stream with the state for polling it by hand. After it is closed it holds no stream.
pub(crate) struct Conn {
    io: RefCell<Io>,
    state: Cell<State>,
    /// Whether the owner is in the turn's list of objects to flush.
    listed: Cell<bool>,
}

/// The stream and the waker, in one cell: two would cost an idle client 8 bytes more.
struct Io {
    stream: Option<Stream>,
    waker: Option<Waker>,
}

/// The state of writing.
///
/// ```text
///            the stream is full
///   Open ───────────────────────────▶ Blocked
///    ▲     it may be written again      │
///    └──────────────────────────────────┘
///   any ── writing failed, or the owner gives up ──▶ Failed
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Bytes are written directly to the stream.
    Open,
    /// The stream is full, and the owner's task waits until it accepts bytes again.
    Blocked,
    /// Nothing more is written. Bytes that the other side sent before may still be read.
    Failed,
}

/// The number of reads in one poll. With more, a busy connection needs fewer wake-ups, and other connections
/// wait longer.
const READS: usize = 4;

/// Calls `read` until it breaks with the result of the poll. After a few calls the task yields to others
/// and is polled again.
pub(crate) fn read_some<R>(
    cx: &mut Context<'_>,
    mut read: impl FnMut(&mut Context<'_>) -> ControlFlow<Poll<R>>,
) -> Poll<R> {
    for _ in 0..READS {
        if let ControlFlow::Break(polled) = read(cx) {
            return polled;
        }
    }
    // More may be readable, so the task comes back after the others.
    cx.waker().wake_by_ref();
    Poll::Pending
}

impl Conn {
    /// Makes a connection of an open stream.
    #[must_use]
    pub(crate) fn new(stream: Stream) -> Self {
        let io = Io { stream: Some(stream), waker: None };
        Self { io: RefCell::new(io), state: Cell::new(State::Open), listed: Cell::new(false) }
    }

    /// Stores the waker of the task that is being polled.
    pub(crate) fn keep_waker(&self, cx: &Context<'_>) {
        store_waker(&mut self.io.borrow_mut().waker, cx.waker());
    }

    /// Wakes the task that polled last, if any did.
    pub(crate) fn wake(&self) {
        wake(&self.io.borrow().waker);
    }

    /// Reads available bytes and counts them. An empty result is the end of the stream. See
    /// [`Stream::poll_read`].
    ///
    /// # Errors
    /// The stream was reset or failed, or has been closed.
    pub(crate) fn poll_read<'b>(
        &self,
        cx: &mut Context<'_>,
        scratch: &'b mut [u8],
        received: &Counter,
    ) -> Poll<io::Result<&'b [u8]>> {
        let io = self.io.borrow();
        let Some(stream) = io.stream.as_ref() else {
            return Poll::Ready(Err(ErrorKind::NotConnected.into()));
        };
        let read = stream.poll_read(cx, scratch);
        if let Poll::Ready(Ok(bytes)) = &read {
            received.add(bytes.len() as u64);
        }
        read
    }

    /// Writes as much of `first` and then of `second` as fits now, counts the bytes and returns their number.
    /// If nothing can be written any more, the connection has failed, and its task is woken.
    pub(crate) fn send(&self, first: &[u8], second: &[u8], sent: &Counter) -> usize {
        let written = match self.io.borrow().stream.as_ref() {
            Some(stream) => stream.try_write(first, second),
            None => Ok(0),
        };
        if let Ok(n) = written {
            sent.add(n as u64);
            return n;
        }
        self.fail();
        self.wake();
        0
    }

    /// Puts the owner in the turn's list of objects to flush. Returns whether the owner must be added,
    /// because it was not in the list.
    pub(crate) fn enlist(&self) -> bool {
        !self.listed.replace(true)
    }

    /// Records that the owner is no longer in the list.
    pub(crate) fn end_turn(&self) {
        self.listed.set(false);
    }

    /// Records that the stream is full, so that [`Conn::poll_unblocked`] waits. A failed connection stays
    /// failed.
    pub(crate) fn block(&self) {
        if !self.has_failed() {
            self.state.set(State::Blocked);
        }
    }

    /// Returns whether a stream that was full accepts bytes again, and records that.
    pub(crate) fn poll_unblocked(&self, cx: &mut Context<'_>) -> bool {
        let is_writable = |stream: &Stream| stream.poll_writable(cx).is_ready();
        let unblocked = self.is_blocked() && self.io.borrow().stream.as_ref().is_some_and(is_writable);
        if unblocked {
            self.unblock();
        }
        unblocked
    }

    /// Ends the blocked state, because the owner has nothing to write any more, or another owner takes over.
    pub(crate) fn unblock(&self) {
        if self.is_blocked() {
            self.state.set(State::Open);
        }
    }

    /// Records that nothing more is written.
    pub(crate) fn fail(&self) {
        self.state.set(State::Failed);
    }

    /// Returns whether the stream is full.
    #[must_use]
    pub(crate) fn is_blocked(&self) -> bool {
        self.state.get() == State::Blocked
    }

    /// Returns whether nothing more is written.
    #[must_use]
    pub(crate) fn has_failed(&self) -> bool {
        self.state.get() == State::Failed
    }

    /// Returns whether something could be written now.
    #[must_use]
    pub(crate) fn takes_bytes(&self) -> bool {
        self.state.get() == State::Open
    }

    /// Borrows the stream, if it has not been closed.
    pub(crate) fn stream(&self) -> Ref<'_, Option<Stream>> {
        Ref::map(self.io.borrow(), |io| &io.stream)
    }

    /// Returns whether the stream has been closed or taken. A stream that is borrowed has not.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.io.try_borrow().is_ok_and(|io| io.stream.is_none())
    }

    /// Closes the stream.
    pub(crate) fn close(&self) {
        drop(self.take());
    }

    /// Takes the stream out.
    pub(crate) fn take(&self) -> Option<Stream> {
        self.io.borrow_mut().stream.take()
    }

    /// Closes the writing direction.
    pub(crate) fn close_write(&self) {
        if let Some(stream) = self.io.borrow().stream.as_ref() {
            stream.close_write();
        }
    }

    /// Makes the end of the stream a reset.
    pub(crate) fn reset_on_drop(&self) {
        if let Some(stream) = self.io.borrow().stream.as_ref() {
            stream.reset_on_drop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::sim;

    fn cx() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }

    #[test]
    fn what_is_sent_and_read_is_counted() {
        let (socket, peer) = sim::pair(5);
        let (conn, sent, received) = (Conn::new(Stream::Sim(socket)), Counter::default(), Counter::default());
        assert_eq!(conn.send(b"abc", b"defg", &sent), 5, "as much as there is room for");
        assert_eq!((sent.get(), peer.take(9)), (5, b"abcde".to_vec()));
        peer.send(b"xyz");
        let mut scratch = [0; 8];
        let Poll::Ready(Ok(read)) = conn.poll_read(&mut cx(), &mut scratch, &received) else {
            panic!("it is there")
        };
        assert_eq!((read, received.get()), (&b"xyz"[..], 3));
        assert!(conn.poll_read(&mut cx(), &mut scratch, &received).is_pending());
        peer.finish();
        let ended = conn.poll_read(&mut cx(), &mut scratch, &received);
        assert!(matches!(ended, Poll::Ready(Ok([]))), "FIN");
    }

    #[test]
    fn it_is_flushed_once_a_turn_and_not_while_it_is_full() {
        let (socket, peer) = sim::pair(1);
        let (conn, sent) = (Conn::new(Stream::Sim(socket)), Counter::default());
        assert!(conn.enlist(), "it goes on the list");
        assert!(!conn.enlist(), "where it is already");
        conn.end_turn();
        assert_eq!(conn.send(b"ab", b"", &sent), 1);
        conn.block();
        assert!(!conn.takes_bytes(), "who waits for room is not written to");
        assert!(conn.enlist() && !conn.enlist(), "but may be listed, once");
        conn.end_turn();
        assert!(!conn.poll_unblocked(&mut cx()), "there is none yet");
        peer.take(1);
        assert!(conn.poll_unblocked(&mut cx()) && conn.takes_bytes());
    }

    #[test]
    fn one_that_has_failed_stays_so_and_is_still_read() {
        let (socket, peer) = sim::pair(9);
        let (conn, sent, received) = (Conn::new(Stream::Sim(socket)), Counter::default(), Counter::default());
        peer.send(b"last words");
        conn.close_write();
        assert_eq!(conn.send(b"a", b"", &sent), 0, "after FIN");
        assert!(conn.has_failed());
        conn.block();
        conn.end_turn();
        conn.unblock();
        assert!(conn.has_failed() && !conn.takes_bytes() && !conn.poll_unblocked(&mut cx()));
        let mut scratch = [0; 32];
        let read = conn.poll_read(&mut cx(), &mut scratch, &received);
        assert!(matches!(read, Poll::Ready(Ok(b"last words"))));
        conn.close();
        assert!(conn.is_closed() && conn.poll_read(&mut cx(), &mut scratch, &received).is_ready());
    }

    #[test]
    fn who_reads_without_end_lets_others_have_their_turn() {
        let mut reads = 0;
        let polled: Poll<()> = read_some(&mut cx(), |_| {
            reads += 1;
            ControlFlow::Continue(())
        });
        assert_eq!((polled, reads), (Poll::Pending, READS));
        let polled = read_some(&mut cx(), |_| ControlFlow::Break(Poll::Ready(7)));
        assert_eq!(polled, Poll::Ready(7));
    }
}
