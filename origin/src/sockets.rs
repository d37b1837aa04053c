//! Provides operations on sockets besides reading and writing: bind, listen, check, reset, back off.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::options::Address;

/// The time for which a closing connection is read on, so that unread bytes do not turn the close into a
/// reset that destroys the last answer (RFC 9112 section 9.6).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Binds and listens. Accepted sockets inherit TCP_NODELAY and the receive buffer (in bytes) from the
/// listening one on Linux, which saves a system call each.
pub(crate) fn listen(address: &Address, backlog: u32, receive_buffer: Option<usize>) -> io::Result<Socket> {
    let (domain, at) = match address {
        Address::Ip(address) => (Domain::for_address(*address), SockAddr::from(*address)),
        Address::Unix(path) => (Domain::UNIX, SockAddr::unix(path)?),
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if domain != Domain::UNIX {
        socket.set_reuse_address(true)?;
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.bind(&at)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// Returns whether nobody accepts on the Unix socket at this path. A full backlog means that somebody does,
/// so that no wait is needed.
pub(crate) fn is_deserted(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SockAddr::unix(path)?);
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Makes the close a reset, if the socket has resets. If that fails, the close is an orderly one.
pub(crate) fn reset_on_close(socket: &Socket) {
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// Returns the pause before the next accept after an error: none if only one connection failed, and a while
/// if descriptors or memory ran out (EMFILE and the like), so that accepting does not spin.
pub(crate) fn back_off(error: &io::Error) -> Duration {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
            Duration::ZERO
        }
        _ => Duration::from_millis(50),
    }
}
