//! Provides pipes for splice(2), through which bytes move between sockets without being copied into this
//! process.
//!
//! Each worker has a few pipes for all its tunnels.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::{Descriptors, Socket};

/// A pipe, and the number of bytes in it.
#[derive(Debug)]
pub(crate) struct Pipe {
    end: OwnedFd,
    start: OwnedFd,
    len: usize,
    _descriptors: Descriptors<2>,
}

/// The capacity of a pipe in bytes. The kernel counts pages, which need not be full.
const CAPACITY: usize = 1 << 20;
const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

impl Pipe {
    fn new() -> Option<Self> {
        let descriptors = Descriptors::try_take()?;
        let (end, start) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        // A smaller pipe works as well but needs more calls. The kernel limits the pages of an unprivileged
        // user.
        let _ = fcntl_setpipe_size(&start, CAPACITY);
        Some(Self { end, start, len: 0, _descriptors: descriptors })
    }

    /// Returns whether the pipe is empty.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills the empty pipe from `socket`. `Ok(0)` means that only a read can tell what is there: the end of
    /// the stream, or urgent data, at which splice(2) stops for good.
    ///
    /// # Errors
    /// Returns the error of `splice(2)`, except `EAGAIN`, which can only mean that nothing has come.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<usize>> {
        debug_assert!(self.is_empty(), "else EAGAIN could mean that the pipe is full");
        let filled =
            socket.poll_read(cx, |stream| match splice(stream, None, &self.start, None, CAPACITY, FLAGS) {
                Err(Errno::AGAIN) if socket.is_urgent() => Ok((0, false)),
                filled => Ok((filled?, false)),
            });
        if let Poll::Ready(Ok(n)) = filled {
            self.len += n;
        }
        filled
    }

    /// Empties the pipe into `socket` as far as that accepts bytes now, and returns their number.
    ///
    /// # Errors
    /// Returns the error of `splice(2)`, except `EAGAIN`.
    pub(crate) fn try_empty(&mut self, socket: &Socket) -> io::Result<usize> {
        let n = socket.try_write(|stream| Ok(splice(&self.end, None, stream, None, self.len, FLAGS)?))?;
        self.len -= n;
        Ok(n)
    }
}

/// The pipes of one worker. A stream has a pipe only while there are bytes in it.
#[derive(Debug, Default)]
pub(crate) struct Pipes {
    free: RefCell<Vec<Pipe>>,
    lent: Cell<usize>,
}

/// The largest number of pipes of a worker, with two descriptors each. If all are in use, bytes are copied.
const MOST: usize = 128;
/// The largest number of unused pipes that are kept.
const MOST_FREE: usize = 16;

impl Pipes {
    /// Returns an empty pipe, or `None` if too many are in use, the kernel gives none, or links need the
    /// descriptors.
    #[must_use]
    pub(crate) fn lend(&self) -> Option<Pipe> {
        if self.lent.get() >= MOST {
            return None;
        }
        let pipe = self.free.borrow_mut().pop().or_else(Pipe::new)?;
        self.lent.set(self.lent.get() + 1);
        Some(pipe)
    }

    /// Returns a pipe. Bytes that are still in it are lost.
    pub(crate) fn give_back(&self, pipe: Pipe) {
        self.lent.set(self.lent.get() - 1);
        let mut free = self.free.borrow_mut();
        // A pipe with bytes in it would deliver them to another tunnel.
        if pipe.is_empty() && free.len() < MOST_FREE {
            free.push(pipe);
        }
    }
}
