//! Provides the connection of a probe, which belongs to no pool.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::config::{Address, Backend, SocketOptions};
use crate::net::{self, Socket};
use crate::proto::http::Method;

use super::answers::{self, Reply, ReplyRead, Unreadable};
use super::fault::Fault;

/// The time for which a probe waits for unrequested bytes.
pub(super) const LISTEN_FOR: Duration = Duration::from_millis(10);
/// The pause between the pieces of a request, long enough for each to be read by itself.
pub(super) const PAUSE: Duration = Duration::from_millis(3);
/// The time for connecting, since a missing host does not report itself.
const CONNECT: Duration = Duration::from_secs(5);
/// The number of bytes in one read.
const READ: usize = 64 << 10;

/// The address that a probe connects to, and the options for that.
#[derive(Clone, Debug)]
pub(super) struct ProbeAddress {
    address: Address,
    host: String,
    from: Option<std::net::IpAddr>,
    options: SocketOptions,
}

impl ProbeAddress {
    /// Returns the address of a member with the options of its backend's links, and the first source address
    /// of the same family.
    #[must_use]
    pub(super) fn of(address: &Address, backend: &Backend) -> Self {
        let family = address.ip().map(|ip| ip.is_ipv4());
        let from = backend.source_addresses.iter().find(|from| Some(from.is_ipv4()) == family).copied();
        // Each piece must leave when it is written.
        let options = SocketOptions { nodelay: true, ..backend.socket.clone() };
        // A Unix socket has no name that a server would know.
        let host = address.ip().map_or_else(|| "localhost".to_owned(), |ip| ip.to_string());
        Self { address: address.clone(), host, from, options }
    }

    /// Returns the address of a server that is in no configuration and is known to its users as `host`.
    #[must_use]
    pub(super) fn at(address: Address, host: String) -> Self {
        let options = SocketOptions {
            nodelay: true,
            keepalive: None,
            user_timeout: None,
            send_buffer: None,
            receive_buffer: None,
            tos: None,
            mark: None,
            congestion: None,
        };
        Self { address, host, from: None, options }
    }

    /// Returns the value of the `Host` field.
    #[must_use]
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    fn connect(&self) -> io::Result<Socket> {
        Socket::new(net::connect(&self.address, self.from, &self.options)?)
    }
}

/// A connection to the member, and the bytes that were received and not used.
pub(super) struct Wire {
    socket: Socket,
    came: Vec<u8>,
    ended: bool,
}

impl Wire {
    pub(super) async fn open(place: &ProbeAddress) -> Result<Self, Fault> {
        let opened = async {
            let socket = loop {
                match place.connect() {
                    // A Unix socket with a full accept queue refuses at once (unix(7)).
                    Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(PAUSE).await,
                    opened => break opened?,
                }
            };
            poll_fn(|cx| socket.poll_connected(cx)).await?;
            Ok(socket)
        };
        let opened = crate::event_loop::timeout(CONNECT, opened).await;
        let opened = opened.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
        let socket = opened.map_err(|error: io::Error| Fault::Connect(error.kind()))?;
        Ok(Self { socket, came: Vec::new(), ended: false })
    }

    /// Sends pieces with a pause between them, so that each arrives by itself. Reads meanwhile, because a
    /// member that cannot write may not read either.
    pub(super) async fn send<'p>(
        &mut self,
        pieces: impl IntoIterator<Item = &'p [u8]>,
        pause: Duration,
    ) -> Result<(), Fault> {
        for (i, piece) in pieces.into_iter().enumerate() {
            if i > 0 {
                tokio::time::sleep(pause).await;
            }
            let mut left = piece;
            poll_fn(|cx| self.poll_send(cx, &mut left)).await.map_err(|_| Fault::Closed)?;
        }
        Ok(())
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, left: &mut &[u8]) -> Poll<io::Result<()>> {
        while !left.is_empty() {
            let sent = self.socket.try_send(left)?;
            *left = &left[sent..];
            // The member may not read because it cannot write, so its answers are taken first.
            if sent == 0 {
                let read = self.poll_read(cx);
                if self.socket.poll_writable(cx)?.is_pending() && read.is_pending() {
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the complete answer to a request of `method`.
    pub(super) async fn answer(&mut self, method: Method) -> Result<Reply, Unanswered> {
        loop {
            match answers::take(&mut self.came, method, self.ended)? {
                ReplyRead::Whole(reply) => return Ok(*reply),
                ReplyRead::Partial if self.ended => return Err(Unanswered::Fault(Fault::Closed)),
                ReplyRead::Partial => poll_fn(|cx| self.poll_read(cx)).await,
            }
        }
    }

    /// Reads until the bytes that came are `enough`, and returns whether they are. They are not if the connection ended or `most`
    /// bytes came before.
    pub(super) async fn receive(&mut self, most: usize, enough: impl Fn(&[u8]) -> bool) -> bool {
        while !enough(&self.came) {
            if self.ended || self.came.len() >= most {
                return false;
            }
            poll_fn(|cx| self.poll_read(cx)).await;
        }
        true
    }

    /// Returns whether the connection has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Checks for a moment that no bytes come and the connection stays open.
    pub(super) async fn stays_quiet(&mut self, moment: Duration) -> Result<(), Fault> {
        if self.came.is_empty() && !self.ended {
            let read = poll_fn(|cx| self.poll_read(cx));
            // The timeout is the good outcome.
            let _ = tokio::time::timeout(moment, read).await;
        }
        match (self.came.is_empty(), self.ended) {
            (false, _) => Err(Fault::Surplus),
            (true, true) => Err(Fault::Closed),
            (true, false) => Ok(()),
        }
    }

    /// Returns the received bytes that were not part of an answer.
    pub(super) fn unread(&self) -> &[u8] {
        &self.came
    }

    /// Reads available bytes. It is ready when bytes came or the connection ended.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Ready(());
        }
        let begun = self.came.len();
        self.came.resize(begun + READ, 0);
        let read = self.socket.poll_recv(cx, &mut self.came[begun..]);
        let count = match &read {
            Poll::Ready(Ok(count)) => *count,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.came.truncate(begun + count);
        self.ended = read.is_ready() && count == 0;
        read.map(|_| ())
    }
}

/// The reason why a request got no answer that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// The member is at fault.
    Fault(Fault),
    /// The answer is longer than a probe reads.
    TooLong,
}

impl From<Unreadable> for Unanswered {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Malformed(detail) => Self::Fault(Fault::Malformed(detail)),
            Unreadable::TooLong => Self::TooLong,
        }
    }
}
