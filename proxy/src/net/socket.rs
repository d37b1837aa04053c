//! A stream socket that its task polls by hand, and a listening one.
//! In: a file descriptor and a waker. Out: bytes, with as few system calls as the kernel allows.
//! Knows nothing of what the bytes mean.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, SocketFlags, acceptfrom_with, recv};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A connected (or connecting) stream.
///
/// It keeps no buffer: an idle connection costs its descriptor and its place in epoll.
#[derive(Debug)]
pub struct Socket(AsyncFd<TcpStream>);

impl Socket {
    /// Registers `stream`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    pub fn new(stream: TcpStream) -> io::Result<Self> {
        watch(stream, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    ///
    /// A short read has emptied the socket (epoll(7), edge-triggered), so readiness is cleared at once,
    /// which saves the read that would only say `EAGAIN`.
    ///
    /// # Errors
    /// What `recv(2)` says, `EAGAIN` excepted.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match self.0.get_ref().read(buf) {
                Ok(n) => {
                    if n > 0 && n < buf.len() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => ready.clear_ready(),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Writes as much of `bytes` as fits now; `Ok(0)` when nothing does.
    ///
    /// # Errors
    /// What `send(2)` says, `EAGAIN` excepted.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        none_if_full(self.0.try_io(Interest::WRITABLE, |s| (&mut &*s).write(bytes)))
    }

    /// Writes as much of `first` and then `second` as fits now; `Ok(0)` when nothing does.
    ///
    /// # Errors
    /// What `writev(2)` says, `EAGAIN` excepted.
    pub fn try_send_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        if second.is_empty() {
            return self.try_send(first);
        }
        if first.is_empty() {
            return self.try_send(second);
        }
        let parts = [IoSlice::new(first), IoSlice::new(second)];
        none_if_full(self.0.try_io(Interest::WRITABLE, |s| (&mut &*s).write_vectored(&parts)))
    }

    /// Waits until something may be written (or the socket has failed).
    ///
    /// # Errors
    /// When the runtime is going away.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(|_ready| ())
    }

    /// Waits for a non-blocking connect to end.
    ///
    /// # Errors
    /// Why it failed.
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.0.poll_write_ready(cx))?.retain_ready();
        Poll::Ready(match self.0.get_ref().take_error()? {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    /// Whether the stream is open, and nothing has come that nobody asked for.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut byte = [0_u8; 1];
        let peeked = recv(self.0.get_ref(), &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(e) if e == rustix::io::Errno::AGAIN)
    }

    /// Sends FIN: nothing more will be written (RFC 9112 section 9.6).
    pub fn finish(&self) {
        // It fails only where the stream has ended already, which is what was wanted.
        let _ = self.0.get_ref().shutdown(Shutdown::Write);
    }
}

#[allow(unsafe_code)] // the only way to register a descriptor by hand
fn watch<S: AsRawFd + OwnedSocket>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: `S` owns its descriptor, always tells the same one, and closes it when it is dropped, which
    // `AsyncFd` does after it has deregistered it.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// Sockets of the standard library, which own their descriptors.
trait OwnedSocket {}
impl OwnedSocket for TcpStream {}
impl OwnedSocket for TcpListener {}

fn none_if_full(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(0),
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        other => other,
    }
}

/// A listening socket.
#[derive(Debug)]
pub struct Acceptor(AsyncFd<TcpListener>);

impl Acceptor {
    /// Registers `listener`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    pub fn new(listener: TcpListener) -> io::Result<Self> {
        watch(listener, Interest::READABLE).map(Self)
    }

    /// The next connection, already non-blocking, and who it is from.
    ///
    /// # Errors
    /// What `accept4(2)` says, `EAGAIN` excepted.
    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match acceptfrom_with(self.0.get_ref(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, from)) => return Poll::Ready(source(from).map(|a| (TcpStream::from(fd), a))),
                Err(e) if e == rustix::io::Errno::AGAIN => ready.clear_ready(),
                Err(e) if e == rustix::io::Errno::INTR => {}
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }
}

fn source(from: Option<rustix::net::SocketAddrAny>) -> io::Result<SocketAddr> {
    let Some(address) = from else { return Err(ErrorKind::NotConnected.into()) };
    SocketAddr::try_from(address).map_err(io::Error::from)
}
