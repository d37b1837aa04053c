//! Connects to a member, and remembers whether it answers.
//! In: an address. Out: a socket, or the cause why not; up or down, for all workers.
//! Knows nothing of pools or requests.

use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cause::Cause;
use crate::config::{Address, Backend};
use crate::metrics::{ConnectError, MemberCells};
use crate::net::{self, Socket};

/// Connects within the backend's limit of time.
///
/// # Errors
/// The cause, as metric, log and answer name it.
pub(super) async fn connect(to: &Address, settings: &Backend) -> Result<Socket, Cause> {
    let connecting = async {
        let socket = Socket::new(net::connect(to, &settings.socket)?)?;
        std::future::poll_fn(|cx| socket.poll_connected(cx)).await?;
        Ok(socket)
    };
    match tokio::time::timeout(settings.links.connect_timeout, connecting).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(error)) => Err(cause(&error)),
        Err(_) => Err(Cause::ConnectTimeout),
    }
}

fn cause(error: &io::Error) -> Cause {
    match error.kind() {
        _ if is_exhaustion(error) => Cause::ConnectNoPort,
        ErrorKind::ConnectionRefused => Cause::ConnectRefused,
        ErrorKind::TimedOut => Cause::ConnectTimeout,
        ErrorKind::AddrNotAvailable | ErrorKind::AddrInUse => Cause::ConnectNoPort,
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

    /// It does not answer. True for the one who noticed first, who has to see when it does again.
    pub(super) fn failed(&self) -> bool {
        !self.down.swap(true, Ordering::Relaxed)
    }

    /// It answered. True when it did not before.
    pub(super) fn answered(&self) -> bool {
        !self.is_up() && self.down.swap(false, Ordering::Relaxed)
    }
}
