//! Opens the generator's sockets, bound to a source without taking a port before the connect.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpSocket, TcpStream};

use crate::plan::Plan;

/// Connects as the plan says, from `source` or from the kernel's choice.
pub(crate) async fn connect(source: Option<Ipv4Addr>, plan: &Plan) -> io::Result<TcpStream> {
    let to = plan.to;
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        // Without the option, bind takes a port for this address alone, and a source is used up after 28,000
        // connections to any destination.
        setsockopt(&socket, sockopt::IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::from((source, 0)))?;
    }
    if let Some(size) = plan.socket_buffer {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        // The size of the window is agreed upon in the connect.
        socket.set_recv_buffer_size(size)?;
        socket.set_send_buffer_size(size)?;
    }
    let stream = socket.connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Raises the soft limit on descriptors to the hard one, and returns the limit in force.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}
