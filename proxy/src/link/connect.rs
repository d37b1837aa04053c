//! Connects to members, and keeps trying one that is down.
//!
//! `backend::MemberHealth` decides what the outcome of an attempt says of the member.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backoff, HealthChange, HealthState, MemberHealth};
use crate::cause::Cause;
use crate::config::{Address, Backend};
use crate::event_loop::EventLoop;
use crate::metrics::{ConnectError, LinkState, MemberCells, MemberState};
use crate::net::{self, Socket};
use crate::stream::Stream;

/// The pause before a Unix socket whose accept queue is full is tried again: 2 ms. A longer pause makes clients wait where the
/// queue empties soon, a shorter one burns time where it does not.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// Connects to a member within the backend's limit of time.
///
/// # Errors
/// Fails with the cause that metric, log and answer name.
pub(super) async fn connect_socket(
    to: &Address,
    settings: &Backend,
    local: &LocalAddresses,
) -> Result<Socket, Cause> {
    let connecting = async {
        let stream = loop {
            match local.open(to, settings) {
                // A Unix socket whose accept queue is full says so at once (unix(7)), where TCP would wait.
                Err(error) if error.kind() == ErrorKind::WouldBlock => tokio::time::sleep(QUEUE_PAUSE).await,
                opened => break opened?,
            }
        };
        let socket = Socket::new(stream)?;
        std::future::poll_fn(|cx| socket.poll_connected(cx)).await?;
        Ok(socket)
    };
    in_time(settings, connecting).await
}

async fn in_time<S>(settings: &Backend, connecting: impl Future<Output = io::Result<S>>) -> Result<S, Cause> {
    match crate::event_loop::timeout(settings.links.connect_timeout, connecting).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(cause(&error)),
        Err(_) => Err(Cause::ConnectTimeout),
    }
}

/// Connects as [`connect_socket`] does, in the simulation as well.
pub(super) async fn connect(
    to: &Address,
    settings: &Backend,
    local: &LocalAddresses,
) -> Result<Stream, Cause> {
    #[cfg(test)]
    if let Some(connecting) = crate::stream::sim::connect(to) {
        return in_time(settings, connecting).await;
    }
    connect_socket(to, settings, local).await.map(Stream::Plain)
}

/// The local addresses that links come from: each in turn, and the next one where an address has no port left.
#[derive(Debug, Default)]
pub(super) struct LocalAddresses {
    next: Cell<usize>,
}

impl LocalAddresses {
    fn open(&self, to: &Address, settings: &Backend) -> io::Result<net::Stream> {
        let connect = |from: Option<IpAddr>| net::connect(to, from, &settings.socket);
        let Address::Ip(member) = to else { return connect(None) };
        let fits = |from: &&IpAddr| from.is_ipv4() == member.is_ipv4();
        let ours: Vec<_> = settings.source_addresses.iter().filter(fits).collect();
        // Links are spread over all addresses, so that none runs out of ports first.
        let first = self.next.replace(self.next.get().wrapping_add(1));
        let mut opened = Err(ErrorKind::AddrNotAvailable.into());
        for i in 0..ours.len() {
            opened = connect(Some(*ours[(first + i) % ours.len()]));
            if !opened.as_ref().is_err_and(has_no_port) {
                return opened;
            }
        }
        if ours.is_empty() { connect(None) } else { opened }
    }
}

fn has_no_port(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse)
}

fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        // These say nothing of the member: the proxy's own side has run out.
        _ if is_exhaustion(error) || has_no_port(error) => Cause::ConnectNoPort,
        ErrorKind::ConnectionRefused => Cause::ConnectRefused,
        ErrorKind::TimedOut => Cause::ConnectTimeout,
        _ => Cause::ConnectOther,
    }
}

/// Returns whether the proxy's own side has no descriptor or no memory for one more connection.
fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

pub(super) fn count_failure(cells: &MemberCells, cause: Cause) {
    let error = match cause {
        Cause::ConnectRefused => ConnectError::Refused,
        Cause::ConnectTimeout => ConnectError::Timeout,
        Cause::ConnectNoPort => ConnectError::NoPort,
        _ => ConnectError::Other,
    };
    cells.connect_errors[error].inc();
}

/// A connection that is being opened, which the gauge shows for as long as this lives.
pub(super) struct Connecting(Arc<MemberCells>);

impl Connecting {
    pub(super) fn enter(cells: &Arc<MemberCells>) -> Self {
        cells.connections[LinkState::Connecting].inc();
        Self(cells.clone())
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.connections[LinkState::Connecting].dec();
    }
}

/// Shows a change of a member's state, where the caller was the one that caused it.
pub(crate) fn show(change: Option<HealthChange>, cells: &MemberCells) {
    let label = |state| match state {
        HealthState::Up => MemberState::Up,
        HealthState::Drain => MemberState::Drain,
        HealthState::Down => MemberState::Down,
        HealthState::Ejected => MemberState::Ejected,
        HealthState::Maintenance => MemberState::Maintenance,
    };
    if let Some(HealthChange { from, to }) = change {
        cells.state.shift(label(from), label(to));
    }
}

/// Tries a member that is down again, ever less often as its health asks, until it answers, nobody wants to know any more, or
/// an `attempt` has nothing more to do.
pub(super) async fn recover(health: &MemberHealth, turn: &EventLoop, attempt: impl AsyncFn() -> bool) {
    let mut backoff = Backoff::default();
    while health.needs_recovery(turn.draining()) {
        tokio::time::sleep(backoff.pause()).await;
        backoff.lengthen(health);
        if attempt().await {
            return;
        }
    }
}
