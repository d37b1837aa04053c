//! Pipes for splice(2), through which bytes go from socket to socket without being copied into this process.
//!
//! Each worker has a few pipes for all its tunnels.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use super::{Descriptors, Socket};

/// A pipe, and how much of a stream is in it.
#[derive(Debug)]
pub struct Pipe {
    end: OwnedFd,
    start: OwnedFd,
    len: usize,
    _descriptors: Descriptors<2>,
}

/// What a pipe may hold. It is counted in pages that need not be full.
const CAPACITY: usize = 1 << 20;
const FLAGS: SpliceFlags = SpliceFlags::NONBLOCK.union(SpliceFlags::MOVE);

impl Pipe {
    fn new() -> Option<Self> {
        let descriptors = Descriptors::try_take()?;
        let (end, start) = pipe_with(PipeFlags::NONBLOCK | PipeFlags::CLOEXEC).ok()?;
        // A smaller pipe works as well; it needs more calls. (An unprivileged user may have only so many pages.)
        let _ = fcntl_setpipe_size(&start, CAPACITY);
        Some(Self { end, start, len: 0, _descriptors: descriptors })
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Fills the empty pipe from `socket`. `Ok(0)` says that only a read can tell what is there: the end of the stream, or
    /// urgent data, in front of which splice(2) stops for good.
    ///
    /// # Errors
    /// What `splice(2)` says, `EAGAIN` excepted, which can only mean that nothing has come.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>, socket: &Socket) -> Poll<io::Result<usize>> {
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

    /// Empties it into `socket`, as far as that takes it now; `Ok(0)` when it takes nothing.
    ///
    /// # Errors
    /// What `splice(2)` says, `EAGAIN` excepted.
    pub fn try_empty(&mut self, socket: &Socket) -> io::Result<usize> {
        let n = socket.try_write(|stream| Ok(splice(&self.end, None, stream, None, self.len, FLAGS)?))?;
        self.len -= n;
        Ok(n)
    }
}

/// The pipes of one worker. Only streams that have bytes in a pipe have one.
#[derive(Debug, Default)]
pub struct Pipes {
    free: RefCell<Vec<Pipe>>,
    lent: Cell<usize>,
}

/// Most pipes of a worker; each is two descriptors. Where all are in use, bytes are copied.
const MOST: usize = 128;
/// Most pipes that are kept while nobody uses them.
const MOST_FREE: usize = 16;

impl Pipes {
    /// An empty pipe; none where too many are in use, the kernel has none for us, or links need the descriptors.
    #[must_use]
    pub fn lend(&self) -> Option<Pipe> {
        if self.lent.get() >= MOST {
            return None;
        }
        let pipe = self.free.borrow_mut().pop().or_else(Pipe::new)?;
        self.lent.set(self.lent.get() + 1);
        Some(pipe)
    }

    /// The pipe is not needed any more. What is still in it is lost.
    pub fn give_back(&self, pipe: Pipe) {
        self.lent.set(self.lent.get() - 1);
        let mut free = self.free.borrow_mut();
        if pipe.is_empty() && free.len() < MOST_FREE {
            free.push(pipe);
        }
    }
}
