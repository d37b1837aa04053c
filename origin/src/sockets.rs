//! Operations on sockets beyond reading and writing: bind, listen, look, reset, back off.

use std::io;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::options::Address;

/// How long a closing connection is read on, so that unread bytes do not turn the close into a RST that
/// destroys the last answer (RFC 9112 section 9.6).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Binds and listens. Accepted sockets inherit TCP_NODELAY and the receive buffer (in bytes) from the listening
/// one (Linux), which saves a system call for each.
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

/// Whether nobody accepts on the Unix socket at this path. A full backlog is somebody, hence no waiting.
pub(crate) fn is_deserted(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let connected = socket.connect(&SockAddr::unix(path)?);
    Ok(connected.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused))
}

/// Makes the coming close a RST, where the socket knows one. Should that fail, the close is an orderly one.
pub(crate) fn reset_on_close(socket: &Socket) {
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// How long to leave accept alone after an error: not at all where only the one connection failed,
/// a while where descriptors or memory ran out (EMFILE and the like), so that nothing spins.
pub(crate) fn back_off(error: &io::Error) -> Duration {
    match error.kind() {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted => {
            Duration::ZERO
        }
        _ => Duration::from_millis(50),
    }
}
