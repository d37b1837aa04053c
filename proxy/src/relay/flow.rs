//! Moves bytes in one direction of a relay, unchanged and in order.
//!
//! Between two reads a flow holds only bytes that could not be written. Until they are written, nothing is
//! read.

use std::cell::Cell;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::task::{Context, Poll, ready};

use crate::event_loop::EventLoop;
use crate::metrics::Counter;
use crate::net::{Pipe, Pipes, Socket};
use crate::stream::{Stream, read_some};

use super::copy_mode::CopyMode;

/// The sockets, settings and counters of a flow for one poll.
pub(super) struct FlowIo<'a> {
    pub(super) event_loop: &'a EventLoop,
    pub(super) pipes: &'a Pipes,
    pub(super) from: &'a Stream,
    pub(super) to: &'a Stream,
    /// Counts bytes read.
    pub(super) read: &'a Counter,
    /// Counts bytes written.
    pub(super) written: &'a Counter,
    /// Counts written bytes that were spliced.
    pub(super) spliced: &'a Counter,
    /// Whether bytes may be spliced.
    pub(super) splice: bool,
    /// A flag that is set when a byte moves.
    pub(super) moved: &'a Cell<bool>,
    /// A count to which delivered bytes are added.
    pub(super) delivered: &'a Cell<u64>,
}

impl FlowIo<'_> {
    /// Returns the socket that bytes can be spliced from, if they can be spliced to the other one as well.
    fn splice_from(&self) -> Option<&Socket> {
        let may = self.splice && self.to.splice_socket().is_some();
        self.from.splice_socket().filter(|_| may)
    }
}

/// The way in which a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FlowEnd {
    /// The sender sent FIN, and the receiver got everything before it.
    Ended,
    /// The sender was reset, and the receiver got everything before that.
    Reset,
    /// The receiver accepts no more bytes.
    Deaf,
}

#[derive(Debug)]
pub(super) struct Flow {
    unsent: Unsent,
    copy_mode: CopyMode,
    /// The end of the flow once nothing more will be read.
    end: Option<FlowEnd>,
}

/// The bytes that were read and could not be written yet.
#[derive(Debug)]
enum Unsent {
    Nothing,
    Bytes { bytes: Box<[u8]>, at: usize },
    Pipe(Pipe),
}

impl Flow {
    /// Makes a flow that first writes these bytes.
    pub(super) fn new(first: &[u8]) -> Self {
        Self { unsent: Unsent::of(first), copy_mode: CopyMode::Copy, end: None }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, io: &FlowIo<'_>) -> Poll<FlowEnd> {
        read_some(cx, |cx| self.poll_once(cx, io))
    }

    /// Writes the bytes that are held, then reads once.
    fn poll_once(&mut self, cx: &mut Context<'_>, io: &FlowIo<'_>) -> ControlFlow<Poll<FlowEnd>> {
        match self.poll_deliver(cx, io) {
            Poll::Pending => return ControlFlow::Break(Poll::Pending),
            Poll::Ready(ControlFlow::Break(())) => return ControlFlow::Break(Poll::Ready(FlowEnd::Deaf)),
            Poll::Ready(ControlFlow::Continue(())) => {}
        }
        // The end is reported only after everything before it has been written.
        if let Some(end) = self.end {
            return ControlFlow::Break(Poll::Ready(end));
        }
        let read = match (self.copy_mode, io.splice_from()) {
            (CopyMode::Splice { .. }, Some(from)) => self.poll_splice(cx, from, io),
            (CopyMode::Copy, _) | (CopyMode::Splice { .. }, None) => self.poll_copy(cx, io),
        };
        if read.is_ready() { ControlFlow::Continue(()) } else { ControlFlow::Break(Poll::Pending) }
    }

    /// Writes the bytes that are held, and breaks if they can never be written.
    fn poll_deliver(&mut self, cx: &mut Context<'_>, io: &FlowIo<'_>) -> Poll<ControlFlow<()>> {
        loop {
            let written = match &mut self.unsent {
                Unsent::Nothing => return Poll::Ready(ControlFlow::Continue(())),
                Unsent::Bytes { bytes, at } => io.to.try_write(&bytes[*at..], &[]),
                Unsent::Pipe(pipe) => match io.to.splice_socket() {
                    Some(socket) => pipe.try_empty(socket),
                    None => Err(ErrorKind::Unsupported.into()), // cannot happen, see `splice_from`
                },
            };
            match written {
                Ok(0) => {
                    if ready!(io.to.poll_writable(cx)).is_err() {
                        return Poll::Ready(ControlFlow::Break(()));
                    }
                }
                Ok(n) => self.delivered(n, io),
                Err(_) => return Poll::Ready(ControlFlow::Break(())),
            }
        }
    }

    fn delivered(&mut self, n: usize, io: &FlowIo<'_>) {
        io.written.add(n as u64);
        io.moved.set(true);
        io.delivered.set(io.delivered.get() + n as u64);
        let done = match &mut self.unsent {
            Unsent::Nothing => return,
            Unsent::Bytes { bytes, at } => {
                *at += n;
                *at == bytes.len()
            }
            Unsent::Pipe(pipe) => {
                io.spliced.add(n as u64);
                pipe.is_empty()
            }
        };
        if done {
            self.release(io);
        }
    }

    /// Returns whether bytes are held.
    pub(super) fn holds(&self) -> bool {
        !matches!(self.unsent, Unsent::Nothing)
    }

    /// Drops the bytes that are held and returns their pipe.
    pub(super) fn release(&mut self, io: &FlowIo<'_>) {
        if let Unsent::Pipe(pipe) = std::mem::replace(&mut self.unsent, Unsent::Nothing) {
            io.pipes.give_back(pipe);
        }
    }

    /// Reads once into the worker's buffer and writes the bytes at once.
    fn poll_copy(&mut self, cx: &mut Context<'_>, io: &FlowIo<'_>) -> Poll<()> {
        let mut input = io.event_loop.input();
        let room = input.len();
        let (read, bytes) = match ready!(io.from.poll_read(cx, &mut input)) {
            Ok(bytes) => (Ok(bytes.len()), bytes),
            Err(error) => (Err(error), &[][..]),
        };
        let Some(n) = self.came(read, io) else { return Poll::Ready(()) };
        self.copy_mode = self.copy_mode.after(n, n == room);
        // An error of this write shows again when the rest is delivered.
        let sent = io.to.try_write(bytes, &[]).unwrap_or(0);
        io.written.add(sent as u64);
        self.unsent = Unsent::of(&bytes[sent..]);
        Poll::Ready(())
    }

    /// Reads once into a pipe. If there is no pipe, the bytes are copied.
    fn poll_splice(&mut self, cx: &mut Context<'_>, from: &Socket, io: &FlowIo<'_>) -> Poll<()> {
        let Some(mut pipe) = io.pipes.lend() else { return self.poll_copy(cx, io) };
        let filled = pipe.poll_fill(cx, from);
        // A pipe without bytes may serve another tunnel meanwhile.
        if pipe.is_empty() {
            io.pipes.give_back(pipe);
        } else {
            self.unsent = Unsent::Pipe(pipe);
        }
        match ready!(filled) {
            // End of file may also mean that the pipe took nothing, so a plain read decides.
            Ok(0) => ready!(self.poll_copy(cx, io)),
            filled => {
                if let Some(n) = self.came(filled, io) {
                    self.copy_mode = self.copy_mode.after(n, false);
                }
            }
        }
        Poll::Ready(())
    }

    fn came(&mut self, read: std::io::Result<usize>, io: &FlowIo<'_>) -> Option<usize> {
        match read {
            Ok(0) => self.end = Some(FlowEnd::Ended),
            Err(_) => self.end = Some(FlowEnd::Reset),
            Ok(n) => {
                io.read.add(n as u64);
                io.moved.set(true);
                return Some(n);
            }
        }
        None
    }
}

impl Unsent {
    fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::Nothing } else { Self::Bytes { bytes: bytes.into(), at: 0 } }
    }
}
