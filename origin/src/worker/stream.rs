//! Provides a stream of bytes and its listening socket, over TCP or a Unix socket, on one worker.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::Socket;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::options::Address;
use crate::stats::Traffic;

/// A listening socket on the reactor.
pub(super) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listening {
    pub(super) fn new(socket: Socket, address: &Address) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(match address {
            Address::Ip(_) => Self::Tcp(TcpListener::from_std(socket.into())?),
            Address::Unix(_) => Self::Unix(UnixListener::from_std(socket.into())?),
        })
    }

    /// Returns the next client, and its address if it has one.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, source) = listener.accept().await?;
                Ok((Accepted::Tcp(stream.into_std()?), Some(source)))
            }
            Self::Unix(listener) => Ok((Accepted::Unix(listener.accept().await?.0.into_std()?), None)),
        }
    }
}

/// An accepted socket, non-blocking and not on a reactor: the reactor of the accepting worker must not watch
/// a socket that another worker serves.
pub(super) enum Accepted {
    Tcp(StdTcpStream),
    Unix(StdUnixStream),
}

/// A client's socket, with the counters of its bytes.
pub(super) struct Stream {
    carrier: Carrier,
    traffic: Arc<Traffic>,
}

enum Carrier {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn new(accepted: Accepted, traffic: Arc<Traffic>) -> io::Result<Self> {
        let carrier = match accepted {
            Accepted::Tcp(stream) => Carrier::Tcp(TcpStream::from_std(stream)?),
            Accepted::Unix(stream) => Carrier::Unix(UnixStream::from_std(stream)?),
        };
        Ok(Self { carrier, traffic })
    }

    /// Reads once and counts the bytes.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let count = ready!(self.poll_peruse(cx, room))?;
        self.received(count);
        Poll::Ready(Ok(count))
    }

    /// Reads once without counting: [`Stream::received`] counts later.
    ///
    /// `AsyncRead::poll_read` clears readiness after a short read, which saves the read that `try_read` would
    /// waste on EAGAIN.
    /// would lose to EAGAIN.
    pub(super) fn poll_peruse(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(room);
        ready!(match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Carrier::Unix(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    pub(super) fn received(&self, count: usize) {
        self.traffic.received(count);
    }

    /// Writes once, and returns the number of bytes that the socket accepted. If it accepted none, it wakes
    /// the task when it will.
    pub(super) fn write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.traffic.sending(bytes.len());
        let polled = match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Carrier::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        let written = match polled {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(0),
        };
        let left = bytes.len() - written.as_ref().copied().unwrap_or(0);
        if left > 0 {
            self.traffic.unsent(left);
        }
        written
    }

    /// Shuts the socket for writing.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.carrier {
            Carrier::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Carrier::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    /// Makes the close a reset, which a Unix socket does not have.
    pub(super) fn reset_on_close(&self) -> io::Result<()> {
        match &self.carrier {
            Carrier::Tcp(stream) => stream.set_zero_linger(),
            Carrier::Unix(_) => Ok(()),
        }
    }
}
