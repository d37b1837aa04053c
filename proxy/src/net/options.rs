//! Makes sockets with the options of the configuration.
//! In: an address and `SocketOptions`. Out: a listening or a connecting socket, non-blocking.
//! Knows nothing of workers or of what is carried.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use crate::config::{Address, SocketOptions};

/// Binds and listens. Accepted sockets inherit the options, so accepting needs no further call.
///
/// # Errors
/// What `socket(2)`, `bind(2)` or `listen(2)` says.
pub fn listen(bind: &Address, backlog: u32, options: &SocketOptions) -> io::Result<TcpListener> {
    let bind = ip(bind)?;
    let socket = stream_socket(bind, options)?;
    socket.set_reuse_address(true)?;
    if bind.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&bind.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// Begins to connect; the outcome is told by the socket's becoming writable.
///
/// # Errors
/// What `socket(2)` or `connect(2)` says, `EINPROGRESS` excepted.
pub fn connect(to: &Address, options: &SocketOptions) -> io::Result<TcpStream> {
    let to = ip(to)?;
    let socket = stream_socket(to, options)?;
    if to.is_ipv4() {
        choose_port_late(&socket)?;
    }
    match socket.connect(&to.into()) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
        _ => Ok(socket.into()),
    }
}

/// `IP_BIND_ADDRESS_NO_PORT`: a local port is chosen at connect(2), where it need only be unique for the
/// destination, and not at a bind(2) before it, where it would have to be unique altogether (ip(7)).
#[allow(unsafe_code)] // neither socket2 nor rustix knows the option
fn choose_port_late(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for as long as `socket` lives, and the value is an int that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn ip(address: &Address) -> io::Result<SocketAddr> {
    address.ip().ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
}

fn stream_socket(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(options.nodelay)?;
    if let Some(idle) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}
