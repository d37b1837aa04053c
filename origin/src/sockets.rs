//! What is done to sockets beyond reading and writing: bind, listen, reset, back off.
//! In go addresses and sockets; out come listening sockets, resets and waiting times.
//! It knows nothing of HTTP, threads and runtimes.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// How long a closing connection is read on, so that unread bytes do not turn the close into a RST that
/// destroys the last answer (RFC 9112 section 9.6).
pub(crate) const LINGER: Duration = Duration::from_secs(1);

/// Binds and listens. Accepted sockets inherit TCP_NODELAY from the listening one (Linux), which saves
/// a system call for each.
pub(crate) fn listen(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Makes the coming close a RST. Should that fail, the close is an orderly one.
pub(crate) fn reset_on_close(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
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
