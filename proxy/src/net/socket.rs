//! Provides a stream socket that its task polls by hand, and a listening socket.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvFlags, ReturnFlags, SocketAddrAny, SocketFlags, acceptfrom_with, recv, recvmsg,
};
use socket2::{Domain, Socket as Stream};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A connected or connecting stream over TCP or a Unix socket.
///
/// It has no buffer, so that an idle connection costs its descriptor and its entry in epoll.
#[derive(Debug)]
pub struct Socket(AsyncFd<RegisteredStream>);

/// A registered stream and its kind.
#[derive(Debug)]
struct RegisteredStream {
    stream: Stream,
    unix: bool,
}

impl AsRawFd for RegisteredStream {
    fn as_raw_fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }
}

/// The result of peeking at a stream without reading from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peeked {
    /// The stream is open, and no bytes have come.
    Quiet,
    /// At least this number of bytes can be read; the size of the buffer limits the number.
    Bytes(usize),
    /// The other side has sent FIN, and everything before it has been read.
    Ended,
    /// The stream was reset or failed.
    Broken,
}

impl Socket {
    /// Registers `stream`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// Returns the error of `epoll_ctl`.
    pub fn new(stream: Stream) -> io::Result<Self> {
        let unix = stream.domain()? == Domain::UNIX;
        if unix {
            // TCP sockets inherit this from the listening socket, or had it set before they connected.
            stream.set_out_of_band_inline(true)?;
        }
        watch(RegisteredStream { stream, unix }, Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY)
            .map(Self)
    }

    /// Reads available bytes; `Ok(0)` is the end of the stream.
    ///
    /// A short read has emptied the socket (epoll(7), edge-triggered), so readiness is cleared at once, which
    /// saves the read that would only return `EAGAIN`. Two things end a read early although more bytes are
    /// there: the mark of urgent data (RFC 9293 section 3.8.5), which is why readiness for urgent data is
    /// watched, and descriptors sent over a Unix socket (unix(7)), which is why such a socket is read with a
    /// call that reports them.
    ///
    /// # Errors
    /// Returns the error of `recv(2)`, except `EAGAIN`.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = buf.len();
        if self.0.get_ref().unix {
            return self.poll_read(cx, |stream| receive_alone(stream, buf));
        }
        self.poll_read(cx, |mut stream| stream.read(buf).map(|n| (n, 0 < n && n < room)))
    }

    /// Reads with `read` when bytes are there. `read` also returns whether it emptied the socket.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&Stream) -> io::Result<(usize, bool)>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match read(self.stream()) {
                Ok((n, empties)) => {
                    // A read that urgent data cut short has not emptied the socket.
                    if empties && !self.is_urgent() {
                        ready.clear_ready();
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    self.urgent_is_read();
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// Returns whether urgent data has come since a read found nothing, so that a short read may have ended
    /// before it. This also holds after the other side's FIN, when readiness is never cleared anyway.
    pub(super) fn is_urgent(&self) -> bool {
        self.0.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
    }

    fn urgent_is_read(&self) {
        let _ = self.0.try_io(Interest::PRIORITY, |_| io::Result::<()>::Err(ErrorKind::WouldBlock.into()));
    }

    fn stream(&self) -> &Stream {
        &self.0.get_ref().stream
    }

    /// Writes as much of `bytes` as fits now, and returns the number of bytes.
    ///
    /// # Errors
    /// Returns the error of `send(2)`, except `EAGAIN`.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(|mut stream| stream.write(bytes))
    }

    /// Writes as much of `first` and then `second` as fits now, and returns the number of bytes.
    ///
    /// # Errors
    /// Returns the error of `writev(2)`, except `EAGAIN`.
    pub fn try_send_both(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        if second.is_empty() {
            return self.try_send(first);
        }
        if first.is_empty() {
            return self.try_send(second);
        }
        let parts = [IoSlice::new(first), IoSlice::new(second)];
        self.try_write(|mut stream| stream.write_vectored(&parts))
    }

    /// Writes with `write` as much as fits now, and returns the number of bytes.
    pub(super) fn try_write(&self, mut write: impl FnMut(&Stream) -> io::Result<usize>) -> io::Result<usize> {
        match write(self.stream()) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                // Clears readiness, so that `poll_writable` waits for room.
                let _ = self.0.try_io(Interest::WRITABLE, |_| io::Result::<()>::Err(e));
                Ok(0)
            }
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            other => other,
        }
    }

    /// Waits until something may be written or the socket has failed.
    ///
    /// # Errors
    /// Returns an error if the runtime is shutting down.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(|_ready| ())
    }

    /// Waits for a reset of a stream that nobody reads at present, since no read would show it.
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        while let Ok(mut ready) = ready!(self.0.poll_write_ready(cx)) {
            if ready.ready().is_write_closed() {
                break;
            }
            ready.clear_ready(); // writers just try, so nobody relies on this
        }
        let error = self.stream().take_error();
        if matches!(error, Ok(None)) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Returns whether written bytes have not arrived and the other side may still get them. Bytes that its
    /// kernel has taken can be read there whatever follows. On a Unix socket, bytes arrive when they are
    /// written.
    pub fn is_sending(&self, cx: &mut Context<'_>) -> bool {
        let is_there = match self.0.poll_write_ready(cx) {
            Poll::Ready(ready) => ready.is_ok_and(|ready| !ready.ready().is_write_closed()),
            Poll::Pending => true,
        };
        is_there && self.local_address().is_some() && unacknowledged(self.stream()) > 0
    }

    /// Returns the number of written bytes that the other side's kernel has not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        unacknowledged(self.stream())
    }

    /// Waits for the end of a non-blocking connect.
    ///
    /// # Errors
    /// Returns the reason why connecting failed.
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ready = ready!(self.0.poll_write_ready(cx))?;
        ready.retain_ready();
        // Only EPOLLERR or EPOLLHUP mean that there is an error to fetch.
        let failed = ready.ready().is_write_closed();
        Poll::Ready(match failed.then(|| self.stream().take_error()).transpose()?.flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    /// Returns whether the stream is open and no bytes have come.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.peek(&mut [0]) == Peeked::Quiet
    }

    /// Copies received bytes into `buf` and leaves them to be read.
    #[must_use]
    pub fn peek(&self, buf: &mut [u8]) -> Peeked {
        peek(self.stream(), buf)
    }

    /// Peeks whenever more bytes have come until `judge` returns a result. All bytes stay to be read.
    ///
    /// # Errors
    /// Returns `UnexpectedEof` if no more bytes can come, or an error if the runtime is shutting down.
    pub fn poll_until<R>(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        mut judge: impl FnMut(Peeked, &[u8]) -> Option<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let peeked = self.peek(buf);
            match judge(peeked, buf) {
                Some(verdict) => return Poll::Ready(Ok(verdict)),
                // Readiness that cannot be cleared: the stream ends after the bytes seen.
                None if ready.ready().is_read_closed() => {
                    return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
                }
                None => ready.clear_ready(),
            }
        }
    }

    /// Reads bytes that are known to be there.
    ///
    /// # Errors
    /// Returns the error of `recv(2)`, including `EAGAIN`.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&mut self.stream()).read(buf)
    }

    /// Sends FIN, after which nothing is written (RFC 9112 section 9.6, RFC 9293 section 3.6).
    pub fn finish(&self) {
        // An error means that the stream has ended already.
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Makes the end of the stream a reset, which discards unsent bytes (RFC 9293 section 3.10.5).
    pub fn abort_on_drop(&self) {
        // An error means that this is no TCP socket, and other sockets have no resets.
        let _ = self.stream().set_linger(Some(Duration::ZERO));
    }

    /// Returns the local address; `None` for a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.stream().local_addr().ok()?.as_socket()
    }

    /// Returns the stream, no longer registered.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.0.into_inner().stream
    }
}

/// Reads from a Unix socket, and returns whether that emptied it. Descriptors sent along end a read, and are
/// closed.
fn receive_alone(stream: &Stream, buf: &mut [u8]) -> io::Result<(usize, bool)> {
    let room = buf.len();
    let mut control = RecvAncillaryBuffer::default();
    let came = recvmsg(stream, &mut [IoSliceMut::new(buf)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let more = came.bytes == room || came.flags.contains(ReturnFlags::CTRUNC);
    Ok((came.bytes, 0 < came.bytes && !more))
}

/// Works like [`Socket::peek`] on a stream that need not be registered.
#[must_use]
pub(crate) fn peek(stream: &impl AsFd, buf: &mut [u8]) -> Peeked {
    match recv(stream, buf, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Peeked::Ended,
        Ok((_, n)) => Peeked::Bytes(n),
        Err(Errno::AGAIN | Errno::INTR) => Peeked::Quiet,
        Err(_) => Peeked::Broken,
    }
}

/// Returns the number of bytes that were written and not acknowledged (SIOCOUTQ, tcp(7)).
#[allow(unsafe_code)] // neither socket2 nor rustix knows the request
fn unacknowledged(stream: &Stream) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` lives; the kernel writes one int, which outlives the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Registers a descriptor with this thread's runtime.
#[allow(unsafe_code)] // the only way to register a descriptor by hand
fn watch<S: AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: a `Stream` owns its descriptor, always returns the same one, and closes it when it is dropped,
    // which `AsyncFd` does after deregistering it. The same holds for `RegisteredStream`, which contains one.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Acceptor(AsyncFd<Stream>);

impl Acceptor {
    /// Registers `listener`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// Returns the error of `epoll_ctl`.
    pub(crate) fn new(listener: Stream) -> io::Result<Self> {
        watch(listener, Interest::READABLE).map(Self)
    }

    /// Returns the next connection, already non-blocking, and its address. A connection through a Unix socket
    /// has the address 127.0.0.1, port 0.
    ///
    /// # Errors
    /// Returns the error of `accept4(2)`, except `EAGAIN`.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Stream, SocketAddr)>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match acceptfrom_with(self.0.get_ref(), SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok((fd, from)) => return Poll::Ready(Ok((Stream::from(fd), source(from)))),
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(e) => return Poll::Ready(Err(e.into())),
            }
        }
    }
}

fn source(from: Option<SocketAddrAny>) -> SocketAddr {
    let address = from.and_then(|any| SocketAddr::try_from(any).ok());
    address.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into())
}
