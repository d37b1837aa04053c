//! Defines a connection for all code above it: bytes in and bytes out, independent of what carries them.
//!
//! A stream knows nothing of HTTP. The carrier is a variant of [`Stream`] rather than a type parameter or a
//! `dyn`: each call costs one branch, which the processor predicts. [`Conn`] is a stream together with the
//! state that its owner needs to drive it by hand.

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
    /// The bytes travel over a socket unchanged.
    Plain(Socket),
    /// The bytes stay in memory, and a test decides when they arrive.
    #[cfg(test)]
    Sim(sim::SimSocket),
}

/// Calls the same method on the carrier.
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
    /// Reads into `scratch` and returns the bytes, none at the end of the stream.
    ///
    /// The bytes are a part of `scratch`, not always its beginning, since an encrypted stream decrypts them
    /// in place.
    ///
    /// # Errors
    /// The stream was reset or failed.
    pub fn poll_read<'b>(&self, cx: &mut Context<'_>, scratch: &'b mut [u8]) -> Poll<io::Result<&'b [u8]>> {
        let n = ready!(carrier!(self, carrier => carrier.poll_recv(cx, scratch)))?;
        Poll::Ready(Ok(&scratch[..n]))
    }

    /// Writes as much of `first` and then of `second` as fits now, in one system call, and returns the number
    /// of bytes.
    ///
    /// # Errors
    /// Nothing can be written any more.
    pub fn try_write(&self, first: &[u8], second: &[u8]) -> io::Result<usize> {
        carrier!(self, carrier => carrier.try_send_both(first, second))
    }

    /// Waits until bytes may be written or the stream has failed.
    ///
    /// # Errors
    /// The runtime is shutting down.
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carrier!(self, carrier => carrier.poll_writable(cx))
    }

    /// Waits for a reset of a stream that nobody reads at present, since no read would show it.
    pub fn poll_broken(&self, cx: &mut Context<'_>) -> Poll<()> {
        carrier!(self, carrier => carrier.poll_broken(cx))
    }

    /// Returns whether written bytes have not arrived and the other side may still get them.
    pub fn is_sending(&self, cx: &mut Context<'_>) -> bool {
        carrier!(self, carrier => carrier.is_sending(cx))
    }

    /// Returns how many bytes were written and have not been taken by the other side's kernel yet.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        carrier!(self, carrier => carrier.unacknowledged())
    }

    /// Returns whether the stream may carry another exchange: it is open, and no unexpected bytes have come.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        carrier!(self, carrier => carrier.is_quiet())
    }

    /// Copies received bytes into `buf` and leaves them to be read.
    #[must_use]
    pub fn peek(&self, buf: &mut [u8]) -> Peeked {
        carrier!(self, carrier => carrier.peek(buf))
    }

    /// Closes the writing direction. Bytes written before still arrive.
    pub fn close_write(&self) {
        carrier!(self, carrier => carrier.finish());
    }

    /// Makes the end of the stream a reset, which the other side cannot mistake for an orderly end.
    pub fn reset_on_drop(&self) {
        carrier!(self, carrier => carrier.abort_on_drop());
    }

    /// Returns the local address; `None` for a Unix socket.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        carrier!(self, carrier => carrier.local_address())
    }

    /// Returns the socket whose bytes the kernel may move directly, if there is one.
    #[must_use]
    pub fn splice_socket(&self) -> Option<&Socket> {
        match self {
            Self::Plain(socket) => Some(socket),
            #[cfg(test)]
            Self::Sim(_) => None,
        }
    }
}
