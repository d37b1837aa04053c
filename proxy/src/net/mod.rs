//! Provides sockets (creation, options, reading and writing), and pipes between them.

mod limit;
mod options;
mod path;
mod pipe;
mod socket;

pub(crate) use limit::{Descriptors, has_room, has_room_by_now, raise_descriptor_limit, reserve_descriptors};
pub(crate) use options::{KernelOptions, connect, like, listen, listen_private};
pub(crate) use path::SocketFile;
pub(crate) use pipe::{Pipe, Pipes};
pub(crate) use socket::{Acceptor, Peeked, Socket, peek};
/// A stream socket or listening socket that is not registered with a runtime.
pub(crate) use socket2::Socket as Stream;
