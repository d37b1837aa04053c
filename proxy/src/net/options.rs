//! Makes sockets with the options of the configuration.
//! In: an address and `SocketOptions`. Out: a listening or a connecting socket, non-blocking.
//! Knows nothing of workers or of what is carried.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use crate::config::{Address, SocketOptions};

/// Binds and listens. Accepted sockets inherit the options, so accepting needs no further call.
///
/// # Errors
/// What `socket(2)`, `bind(2)` or `listen(2)` says.
pub fn listen(bind: &Address, backlog: u32, options: &SocketOptions) -> io::Result<Socket> {
    let socket = match bind {
        Address::Ip(address) => bind_ip(*address, options)?,
        Address::Unix(path) => bind_unix(path, options)?,
    };
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// A socket with these options, for [`change`]; it is bound to nothing.
///
/// # Errors
/// What `socket(2)` or `setsockopt(2)` says.
pub fn like(bind: &Address, options: &SocketOptions) -> io::Result<Socket> {
    match bind {
        Address::Ip(address) => tcp_socket(*address, options),
        Address::Unix(_) => unix_socket(options),
    }
}

/// Gives a listening socket another backlog, and the options of a socket that was made for this ([`like`]): what it
/// accepts from then on has them. Buffers of a fixed size cannot be given back to the kernel's tuning.
///
/// # Errors
/// What `listen(2)` or `setsockopt(2)` says.
pub fn change(
    socket: &Socket,
    bind: &Address,
    backlog: u32,
    like: &Socket,
    options: &SocketOptions,
) -> io::Result<()> {
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    if let Address::Ip(address) = bind {
        socket.set_tcp_nodelay(like.tcp_nodelay()?)?;
        let keepalive = like.keepalive()?;
        socket.set_keepalive(keepalive)?;
        if keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(like.tcp_keepalive_time()?))?;
        }
        socket.set_tcp_user_timeout(like.tcp_user_timeout()?)?;
        socket.set_tcp_congestion(&like.tcp_congestion()?)?;
        if address.is_ipv6() {
            socket.set_tclass_v6(like.tclass_v6()?)?;
        } else {
            socket.set_tos_v4(like.tos_v4()?)?;
        }
    }
    // Setting a mark needs CAP_NET_ADMIN, also where it is the one that there is.
    if socket.mark()? != like.mark()? {
        socket.set_mark(like.mark()?)?;
    }
    set_buffers(socket, options)
}

fn bind_ip(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let socket = tcp_socket(address, options)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// A path left behind by one who is gone is taken over; one at which somebody listens is not.
fn bind_unix(path: &Path, options: &SocketOptions) -> io::Result<Socket> {
    let socket = unix_socket(options)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(e) if e.kind() == ErrorKind::AddrInUse && is_left_behind(path, &address) => {
            std::fs::remove_file(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    Ok(socket)
}

fn is_left_behind(path: &Path, address: &SockAddr) -> bool {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
    let refused =
        |probe: Socket| probe.connect(address).is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused);
    is_socket && Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).is_ok_and(refused)
}

/// Begins to connect, from the address `from` if one is given; the outcome is told by the socket's becoming
/// writable.
///
/// # Errors
/// What `socket(2)`, `bind(2)` or `connect(2)` says, `EINPROGRESS` excepted.
pub fn connect(to: &Address, from: Option<IpAddr>, options: &SocketOptions) -> io::Result<Socket> {
    let (socket, address) = match to {
        Address::Ip(to) => (tcp_socket(*to, options)?, SockAddr::from(*to)),
        Address::Unix(path) => (unix_socket(options)?, SockAddr::unix(path)?),
    };
    if let Some(from) = from {
        choose_port_late(&socket)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&address) {
        Err(e) if e.raw_os_error() != Some(libc::EINPROGRESS) => Err(e),
        _ => Ok(socket),
    }
}

/// `IP_BIND_ADDRESS_NO_PORT`: a local port is chosen at connect(2), where it need only be unique for the
/// destination, and not at a bind(2) before it, where it would have to be unique altogether (ip(7)). The kernel
/// reads it for IPv6 as well.
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

fn tcp_socket(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // An urgent byte is one of the stream, as telnet and FTP want it, and nobody has to fetch it from elsewhere.
    socket.set_out_of_band_inline(true)?;
    if options.nodelay {
        socket.set_tcp_nodelay(true)?;
    }
    if let Some(idle) = options.keepalive {
        socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(idle))?;
    }
    if let Some(timeout) = options.user_timeout {
        socket.set_tcp_user_timeout(Some(timeout))?;
    }
    if let Some(name) = &options.congestion {
        socket.set_tcp_congestion(name.as_bytes())?;
    }
    match options.tos {
        Some(tos) if address.is_ipv6() => socket.set_tclass_v6(tos.into())?,
        Some(tos) => socket.set_tos_v4(tos.into())?,
        None => {}
    }
    set_common(&socket, options)?;
    Ok(socket)
}

fn unix_socket(options: &SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    set_common(&socket, options)?;
    Ok(socket)
}

fn set_common(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    if let Some(mark) = options.mark {
        socket.set_mark(mark.get())?;
    }
    set_buffers(socket, options)
}

fn set_buffers(socket: &Socket, options: &SocketOptions) -> io::Result<()> {
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(())
}
