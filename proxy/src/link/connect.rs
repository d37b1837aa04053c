//! Connects to a member, and remembers for all workers whether the member answers.

use std::cell::Cell;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cause::Cause;
use crate::config::{Address, Backend};
use crate::metrics::{ConnectError, LinkState, MemberCells, MemberState};
use crate::net::{self, Socket, Stream};

/// How soon a full accept queue is tried again.
const QUEUE_PAUSE: Duration = Duration::from_millis(2);

/// Connects within the backend's limit of time.
///
/// # Errors
/// The cause, as metric, log and answer name it.
pub(super) async fn connect(
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
    match crate::turn::timeout(settings.links.connect_timeout, connecting).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(cause(&error)),
        Err(_) => Err(Cause::ConnectTimeout),
    }
}

/// The local addresses that links come from: each in turn, and the next where one has no port left.
#[derive(Debug, Default)]
pub(super) struct LocalAddresses {
    next: Cell<usize>,
}

impl LocalAddresses {
    fn open(&self, to: &Address, settings: &Backend) -> io::Result<Stream> {
        let connect = |from: Option<IpAddr>| net::connect(to, from, &settings.socket);
        let Address::Ip(member) = to else { return connect(None) };
        let fits = |from: &&IpAddr| from.is_ipv4() == member.is_ipv4();
        let ours: Vec<_> = settings.source_addresses.iter().filter(fits).collect();
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
        _ if is_exhaustion(error) || has_no_port(error) => Cause::ConnectNoPort,
        ErrorKind::ConnectionRefused => Cause::ConnectRefused,
        ErrorKind::TimedOut => Cause::ConnectTimeout,
        _ => Cause::ConnectOther,
    }
}

/// Our own side has no descriptor or no memory for one more.
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

/// A connection that is being opened, in the gauge for as long as it is.
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

/// Whether a member answers: one for the process, read by every worker.
///
/// It goes down when connecting fails and no link to it stands, and up when it answers again.
#[derive(Debug, Default)]
pub struct Health {
    down: AtomicBool,
}

impl Health {
    /// Whether it answers, as far as anybody knows.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    /// Whether another one of `all` answers, as far as anybody knows.
    pub(super) fn another_is_up(self: &Arc<Self>, all: &[Arc<Self>]) -> bool {
        all.iter().any(|other| !Arc::ptr_eq(other, self) && other.is_up())
    }

    /// It does not answer. True for the one who noticed first, who shows it, and has to see when it does again.
    pub(super) fn failed(&self, cells: &MemberCells) -> bool {
        let first = !self.down.swap(true, Ordering::Relaxed);
        if first {
            cells.state.shift(MemberState::Up, MemberState::Down);
        }
        first
    }

    /// It answered. Who notices first shows it.
    pub(super) fn answered(&self, cells: &MemberCells) {
        if !self.is_up() && self.down.swap(false, Ordering::Relaxed) {
            cells.state.shift(MemberState::Down, MemberState::Up);
        }
    }
}

/// How long to wait before a member that is down is tried again while nobody waits for it: ever longer, but not where
/// those who wait at another member of the backend could go to this one only.
pub(super) fn longer(pause: Duration, is_needed: bool) -> Duration {
    if is_needed { FIRST_RECOVERY } else { (pause * 2).min(LONGEST_RECOVERY) }
}

pub(super) const FIRST_RECOVERY: Duration = Duration::from_millis(100);
const LONGEST_RECOVERY: Duration = Duration::from_secs(2);
