//! Sockets: made, set up, read and written.
//! In: addresses and options. Out: non-blocking sockets that a task can wait for.
//! Knows nothing of what the bytes mean.

mod limit;
mod options;
mod socket;

pub use limit::raise_descriptor_limit;
pub use options::{connect, listen};
pub use socket::{Acceptor, Socket};
