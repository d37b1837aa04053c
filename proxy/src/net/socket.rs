//! A stream socket that its task polls by hand, and a listening socket.

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

/// A connected (or connecting) stream, over TCP or a Unix socket.
///
/// It keeps no buffer: an idle connection costs its descriptor and its place in epoll.
#[derive(Debug)]
pub struct Socket(AsyncFd<RegisteredStream>);

/// A stream that is registered, and whether it is a Unix socket.
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

/// What a look at a stream finds, without taking anything from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peeked {
    /// It is open, and nothing has come.
    Quiet,
    /// So many bytes are there to be read (as far as the look went).
    Bytes(usize),
    /// The other side has ended it (FIN), and all it sent before has been read.
    Ended,
    /// It was reset, or failed in another way.
    Broken,
}

impl Socket {
    /// Registers `stream`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    pub fn new(stream: Stream) -> io::Result<Self> {
        let unix = stream.domain()? == Domain::UNIX;
        if unix {
            // TCP sockets have this from the listening one, or from before they connected.
            stream.set_out_of_band_inline(true)?;
        }
        watch(RegisteredStream { stream, unix }, Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY)
            .map(Self)
    }

    /// Reads what is there; `Ok(0)` is the end of the stream.
    ///
    /// A short read has emptied the socket (epoll(7), edge-triggered), so readiness is cleared at once, which saves the
    /// read that would only say `EAGAIN`. Two things end a read early though more is there: the mark of urgent data
    /// (RFC 9293 section 3.8.5), which is why readiness for that is watched, and on a Unix socket descriptors that were
    /// sent along (unix(7)), which is why such a socket is read by a call that tells of them.
    ///
    /// # Errors
    /// What `recv(2)` says, `EAGAIN` excepted.
    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = buf.len();
        if self.0.get_ref().unix {
            return self.poll_read(cx, |stream| receive_alone(stream, buf));
        }
        self.poll_read(cx, |mut stream| stream.read(buf).map(|n| (n, 0 < n && n < room)))
    }

    /// Reads by `read` when there is something to read. It also tells whether that left nothing.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&Stream) -> io::Result<(usize, bool)>,
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            match read(self.stream()) {
                Ok((n, empties)) => {
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

    /// Whether urgent data has come since a read found nothing: one that was short may have ended before it. (Also after
    /// the other side's FIN, when no readiness is cleared anyway.)
    pub(super) fn is_urgent(&self) -> bool {
        self.0.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
    }

    fn urgent_is_read(&self) {
        let _ = self.0.try_io(Interest::PRIORITY, |_| io::Result::<()>::Err(ErrorKind::WouldBlock.into()));
    }

    fn stream(&self) -> &Stream {
        &self.0.get_ref().stream
    }

    /// Writes as much of `bytes` as fits now; `Ok(0)` when nothing does.
    ///
    /// # Errors
    /// What `send(2)` says, `EAGAIN` excepted.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(|mut stream| stream.write(bytes))
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
        self.try_write(|mut stream| stream.write_vectored(&parts))
    }

    /// Writes by `write` as much as fits now; `Ok(0)` when nothing does.
    pub(super) fn try_write(&self, mut write: impl FnMut(&Stream) -> io::Result<usize>) -> io::Result<usize> {
        match write(self.stream()) {
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                // So that `poll_writable` waits for the room there will be.
                let _ = self.0.try_io(Interest::WRITABLE, |_| io::Result::<()>::Err(e));
                Ok(0)
            }
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            other => other,
        }
    }

    /// Waits until something may be written (or the socket has failed).
    ///
    /// # Errors
    /// When the runtime is going away.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx).map_ok(|_ready| ())
    }

    /// Waits for a reset, which no reading tells where nothing is read (yet, or any more).
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        while let Ok(mut ready) = ready!(self.0.poll_write_ready(cx)) {
            if ready.ready().is_write_closed() {
                break;
            }
            ready.clear_ready(); // who wants to write just tries
        }
        let error = self.stream().take_error();
        if matches!(error, Ok(None)) { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Whether what was written is still on its way, to another side that may yet get it. What has arrived at its
    /// kernel stays there to be read, whatever comes after. (On a Unix socket, writing is arriving.)
    pub fn is_sending(&self, cx: &mut Context<'_>) -> bool {
        let is_there = match self.0.poll_write_ready(cx) {
            Poll::Ready(ready) => ready.is_ok_and(|ready| !ready.ready().is_write_closed()),
            Poll::Pending => true,
        };
        is_there && self.local_address().is_some() && unacknowledged(self.stream()) > 0
    }

    /// Bytes that were written and have not been taken by the other side's kernel yet.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        unacknowledged(self.stream())
    }

    /// Waits for a non-blocking connect to end.
    ///
    /// # Errors
    /// Why it failed.
    pub fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut ready = ready!(self.0.poll_write_ready(cx))?;
        ready.retain_ready();
        // EPOLLERR or EPOLLHUP: only then is there an error to be fetched.
        let failed = ready.ready().is_write_closed();
        Poll::Ready(match failed.then(|| self.stream().take_error()).transpose()?.flatten() {
            Some(error) => Err(error),
            None => Ok(()),
        })
    }

    /// Whether the stream is open, and nothing has come that nobody asked for.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.peek(&mut [0]) == Peeked::Quiet
    }

    /// Copies what has come into `buf`, and leaves it to be read.
    #[must_use]
    pub fn peek(&self, buf: &mut [u8]) -> Peeked {
        peek(self.stream(), buf)
    }

    /// Looks at what has come, each time that more has, until `judge` has seen enough. All of it stays to be read.
    ///
    /// # Errors
    /// `UnexpectedEof` where no more can come. When the runtime is going away.
    pub fn poll_until<R>(
        &self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        mut judge: impl FnMut(Peeked, &[u8]) -> Option<R>,
    ) -> Poll<io::Result<R>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            let sight = self.peek(buf);
            match judge(sight, buf) {
                Some(verdict) => return Poll::Ready(Ok(verdict)),
                // What cannot be cleared: the end is there, behind what has been seen.
                None if ready.ready().is_read_closed() => {
                    return Poll::Ready(Err(ErrorKind::UnexpectedEof.into()));
                }
                None => ready.clear_ready(),
            }
        }
    }

    /// Reads what is known to be there.
    ///
    /// # Errors
    /// What `recv(2)` says, `EAGAIN` included.
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        (&mut self.stream()).read(buf)
    }

    /// Sends FIN: nothing more will be written (RFC 9112 section 9.6, RFC 9293 section 3.6).
    pub fn finish(&self) {
        // It fails only where the stream has ended already, which is what was wanted.
        let _ = self.stream().shutdown(Shutdown::Write);
    }

    /// Its end will be a reset, and what was not sent by then is lost (RFC 9293 section 3.10.5).
    pub fn abort_on_drop(&self) {
        // It fails only for what is no TCP socket, which knows no resets.
        let _ = self.stream().set_linger(Some(Duration::ZERO));
    }

    /// The address of our side. None for a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        self.stream().local_addr().ok()?.as_socket()
    }

    /// Gives the stream back, deregistered.
    #[must_use]
    pub fn into_stream(self) -> Stream {
        self.0.into_inner().stream
    }
}

/// Reads from a Unix socket, and tells whether that has emptied it. Descriptors that come along end a read, and are closed.
fn receive_alone(stream: &Stream, buf: &mut [u8]) -> io::Result<(usize, bool)> {
    let room = buf.len();
    let mut control = RecvAncillaryBuffer::default();
    let came = recvmsg(stream, &mut [IoSliceMut::new(buf)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let more = came.bytes == room || came.flags.contains(ReturnFlags::CTRUNC);
    Ok((came.bytes, 0 < came.bytes && !more))
}

/// Looks at a stream that may be registered nowhere; as [`Socket::peek`].
#[must_use]
pub(crate) fn peek(stream: &impl AsFd, buf: &mut [u8]) -> Peeked {
    match recv(stream, buf, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Peeked::Ended,
        Ok((_, n)) => Peeked::Bytes(n),
        Err(Errno::AGAIN | Errno::INTR) => Peeked::Quiet,
        Err(_) => Peeked::Broken,
    }
}

/// Bytes that were written and not acknowledged yet (SIOCOUTQ, tcp(7)).
#[allow(unsafe_code)] // neither socket2 nor rustix knows the request
fn unacknowledged(stream: &Stream) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open for as long as `stream` lives; the kernel writes one int, which outlives the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if result == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Registers a stream, or what is no more than that.
#[allow(unsafe_code)] // the only way to register a descriptor by hand
fn watch<S: AsRawFd>(socket: S, interest: Interest) -> io::Result<AsyncFd<S>> {
    // SAFETY: a `Stream` owns its descriptor, always tells the same one, and closes it when it is dropped, which
    // `AsyncFd` does after it has deregistered it. The same is so for `RegisteredStream`, which has one.
    unsafe { AsyncFd::register_with_interest(socket, interest) }.map_err(io::Error::from)
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Acceptor(AsyncFd<Stream>);

impl Acceptor {
    /// Registers `listener`, which must be non-blocking, with this thread's runtime.
    ///
    /// # Errors
    /// What `epoll_ctl` says.
    pub(crate) fn new(listener: Stream) -> io::Result<Self> {
        watch(listener, Interest::READABLE).map(Self)
    }

    /// The next connection, already non-blocking, and who it is from: this machine itself (127.0.0.1, port 0)
    /// where it came through a Unix socket.
    ///
    /// # Errors
    /// What `accept4(2)` says, `EAGAIN` excepted.
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
