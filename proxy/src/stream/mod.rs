//! A connection as everything above sees it: bytes in, bytes out, whatever carries them.
//!
//! The stream knows nothing of HTTP. How its bytes travel is a variant of [`Stream`], not a type parameter and not a `dyn`: each call
//! costs one branch, which the processor predicts. [`Conn`] is a stream together with what its owner needs to drive it by hand.

mod conn;
#[cfg(test)]
pub(crate) mod sim;

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, ready};

use crate::net::{Peeked, Socket};

pub(crate) use conn::{Conn, read_some};

/// A connected stream of bytes.
#[derive(Debug)]
pub enum Stream {
    /// The bytes go over the socket as they are.
    Plain(Socket),
    /// The bytes stay in memory, and a test decides when they arrive.
    #[cfg(test)]
    Sim(sim::SimSocket),
}

/// Calls the same method of whatever carries the bytes.
macro_rules! carrier {
    ($stream:expr, $carrier:ident => $call:expr) => {
        match $stream {
            Stream::Plain($carrier) => $call,
            #[cfg(test)]
            Stream::Sim($carrier) => $call,
        }
    };
}

impl Stream {
    /// Reads into `scratch` and returns the bytes that came; none at the end of the stream.
    ///
    /// The bytes are a part of `scratch`, and not always its beginning: where they travel encrypted they are decrypted in place.
    ///
    /// # Errors
    /// The stream was reset, or failed in another way.
    pub fn poll_read<'b>(&self, cx: &mut Context<'_>, scratch: &'b mut [u8]) -> Poll<io::Result<&'b [u8]>> {
        let n = ready!(carrier!(self, carrier => carrier.poll_recv(cx, scratch)))?;
        Poll::Ready(Ok(&scratch[..n]))
    }

    /// Writes as much of `first` and then of `second` as fits now, in one system call; `Ok(0)` when nothing does.
    ///
    /// # Errors
    /// Nothing can be written any more.
    pub fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        carrier!(self, carrier => carrier.try_send_both(first, second))
    }

    /// Waits until something may be written, or the stream has failed.
    ///
    /// # Errors
    /// The runtime is going away.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carrier!(self, carrier => carrier.poll_writable(cx))
    }

    /// Waits for a reset, which no reading tells where nothing is read (yet, or any more).
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        carrier!(self, carrier => carrier.poll_broken(cx))
    }

    /// Returns whether what was written is still on its way, to another side that may yet get it.
    pub fn is_sending(&self, cx: &mut Context<'_>) -> bool {
        carrier!(self, carrier => carrier.is_sending(cx))
    }

    /// Returns how many bytes were written and have not been taken by the other side's kernel yet.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        carrier!(self, carrier => carrier.unacknowledged())
    }

    /// Returns whether the stream may carry one more exchange: it is open, and nothing has come that nobody asked for.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        carrier!(self, carrier => carrier.is_quiet())
    }

    /// Copies what has come into `buf`, and leaves it to be read.
    #[must_use]
    pub fn peek(&self, buf: &mut [u8]) -> Peeked {
        carrier!(self, carrier => carrier.peek(buf))
    }

    /// Says that nothing more will be written. What was written before still arrives.
    pub fn close_write(&self) {
        carrier!(self, carrier => carrier.finish());
    }

    /// Makes its end a reset, which the other side cannot take for an orderly one.
    pub fn reset_on_drop(&self) {
        carrier!(self, carrier => carrier.abort_on_drop());
    }

    /// Returns the address of our side. There is none for a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        carrier!(self, carrier => carrier.local_address())
    }

    /// Returns the socket whose bytes the kernel may move without showing them to us, if there is one.
    #[must_use]
    pub fn splice_socket(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            #[cfg(test)]
            Self::Sim(_) => None,
        }
    }
}
