//! Provides sockets (creation, options, reading and writing), and pipes between them.

mod limit;
mod options;
mod path;
mod pipe;
mod socket;

pub use limit::{Descriptors, has_room, has_room_by_now, raise_descriptor_limit, reserve_descriptors};
pub use options::{KernelOptions, connect, like, listen};
pub use path::SocketFile;
pub use pipe::{Pipe, Pipes};
pub use socket::{Acceptor, Peeked, Socket, peek};
/// A stream socket or listening socket that is not registered with a runtime.
pub use socket2::Socket as Stream;
