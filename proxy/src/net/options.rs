//! Creates listening and connecting sockets, non-blocking, with the options of the configuration.

use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::path::SocketFile;
use crate::config::{Address, SocketOptions};

/// Binds and listens. Accepted sockets inherit the options, so accepting needs no further call.
///
/// # Errors
/// Returns the error of `socket(2)`, `bind(2)` or `listen(2)`.
pub(crate) fn listen(bind: &Address, backlog: u32, options: &SocketOptions) -> io::Result<Socket> {
    let socket = match bind {
        Address::Ip(address) => bind_ip(*address, options)?,
        Address::Unix(path) => bind_unix(path, unix_socket(options)?)?,
    };
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}

/// Binds a Unix socket to which only the user of this process can connect (and root), and listens.
///
/// # Errors
/// Returns the error of `socket(2)`, `bind(2)`, `chmod(2)` or `listen(2)`.
pub(crate) fn listen_private(path: &Arc<Path>) -> io::Result<Socket> {
    let socket = bind_unix(path, Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?)?;
    // Connects are refused until the socket listens, so that nobody gets in before the mode is set.
    let listening = std::fs::set_permissions(path, Permissions::from_mode(PRIVATE))
        .and_then(|()| socket.listen(PRIVATE_BACKLOG));
    if listening.is_err()
        && let Some(file) = SocketFile::at(path)
    {
        file.remove();
    }
    listening.map(|()| socket)
}

/// Only the owner may read and write. Connecting to a Unix socket needs the right to write (unix(7)).
const PRIVATE: u32 = 0o600;
/// The length of the accept queue of a private socket, in connections. Commands are rare.
const PRIVATE_BACKLOG: i32 = 64;

/// Returns an unbound socket with these options, which shows whether they are accepted and what values they
/// have.
///
/// # Errors
/// Returns the error of `socket(2)` or `setsockopt(2)`.
pub(crate) fn like(bind: &Address, options: &SocketOptions) -> io::Result<Socket> {
    match bind {
        Address::Ip(address) => tcp_socket(*address, options),
        Address::Unix(_) => unix_socket(options),
    }
}

/// The options of a listening socket as the kernel has them, including those that nobody has set. Accepted
/// sockets inherit them. Buffers are not included, because the kernel cannot resume tuning a fixed size.
#[derive(Debug)]
pub(crate) struct KernelOptions {
    tcp: Option<KernelTcpOptions>,
    mark: u32,
}

#[derive(Debug)]
struct KernelTcpOptions {
    nodelay: bool,
    keepalive: Option<TcpKeepalive>,
    user_timeout: Option<Duration>,
    congestion: Vec<u8>,
    service: TrafficClass,
}

/// The type of service of IPv4 or the traffic class of IPv6.
#[derive(Debug)]
enum TrafficClass {
    V4(u32),
    V6(u32),
}

impl KernelOptions {
    /// Returns the options of a socket that is, or could be, bound to this address.
    ///
    /// # Errors
    /// Returns the error of `getsockopt(2)`.
    pub(crate) fn of(socket: &Socket, bind: &Address) -> io::Result<Self> {
        let tcp = bind.ip().map(|address| KernelTcpOptions::of(socket, address.is_ipv6())).transpose()?;
        Ok(Self { tcp, mark: socket.mark()? })
    }

    /// Sets the options on a listening socket, together with a backlog and fixed buffer sizes.
    ///
    /// # Errors
    /// Returns the error of `listen(2)` or `setsockopt(2)`. Some options may have been set then.
    pub(crate) fn give(&self, socket: &Socket, backlog: u32, options: &SocketOptions) -> io::Result<()> {
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        if let Some(tcp) = &self.tcp {
            tcp.give(socket)?;
        }
        // Setting a mark needs CAP_NET_ADMIN even if the value stays the same.
        if socket.mark()? != self.mark {
            socket.set_mark(self.mark)?;
        }
        set_buffers(socket, options)
    }
}

impl KernelTcpOptions {
    fn of(socket: &Socket, v6: bool) -> io::Result<Self> {
        let idle = socket.keepalive()?.then(|| socket.tcp_keepalive_time()).transpose()?;
        Ok(Self {
            nodelay: socket.tcp_nodelay()?,
            keepalive: idle.map(|idle| TcpKeepalive::new().with_time(idle)),
            user_timeout: socket.tcp_user_timeout()?,
            congestion: socket.tcp_congestion()?,
            service: if v6 {
                TrafficClass::V6(socket.tclass_v6()?)
            } else {
                TrafficClass::V4(socket.tos_v4()?)
            },
        })
    }

    fn give(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(self.nodelay)?;
        socket.set_keepalive(self.keepalive.is_some())?;
        if let Some(keepalive) = &self.keepalive {
            socket.set_tcp_keepalive(keepalive)?;
        }
        socket.set_tcp_user_timeout(self.user_timeout)?;
        socket.set_tcp_congestion(&self.congestion)?;
        match self.service {
            TrafficClass::V4(value) => socket.set_tos_v4(value),
            TrafficClass::V6(value) => socket.set_tclass_v6(value),
        }
    }
}

fn bind_ip(address: SocketAddr, options: &SocketOptions) -> io::Result<Socket> {
    let socket = tcp_socket(address, options)?;
    // A restart must not wait for connections in TIME-WAIT.
    socket.set_reuse_address(true)?;
    // `[::]` also accepts IPv4, whatever the default of the system is.
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Binds a Unix socket. A file whose owner has ended is replaced; one on which somebody listens is not.
fn bind_unix(path: &Arc<Path>, socket: Socket) -> io::Result<Socket> {
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(e) if e.kind() == ErrorKind::AddrInUse => {
            let there = SocketFile::at(path).filter(SocketFile::is_left_behind).ok_or(e)?;
            // A process that has just bound the file refuses connections, too, until it listens.
            std::thread::sleep(BETWEEN_BIND_AND_LISTEN);
            if there.is_left_behind() {
                there.remove();
            }
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    Ok(socket)
}

/// The time to wait for a process that has bound a socket and does not listen yet.
const BETWEEN_BIND_AND_LISTEN: Duration = Duration::from_millis(50);

/// Begins to connect, from the address `from` if one is given. The socket becomes writable when the result is
/// known.
///
/// # Errors
/// Returns the error of `socket(2)`, `bind(2)` or `connect(2)`, except `EINPROGRESS`.
pub(crate) fn connect(to: &Address, from: Option<IpAddr>, options: &SocketOptions) -> io::Result<Socket> {
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

/// Sets `IP_BIND_ADDRESS_NO_PORT`: the kernel chooses the local port at connect(2), where it must be unique
/// for the destination only, and not at bind(2), where it would have to be unique altogether (ip(7)). The
/// kernel reads the option for IPv6 as well.
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
    // Urgent bytes stay in the stream, as telnet and FTP expect, so that nothing has to fetch them
    // separately.
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
