//! Sockets: made, set up, read and written.
//! In: addresses and options. Out: non-blocking sockets that a task can wait for.
//! Knows nothing of what the bytes mean.

mod options;
mod socket;

pub use options::{connect, listen};
pub use socket::{Acceptor, Socket};
