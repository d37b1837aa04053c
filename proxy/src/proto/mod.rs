//! Protocols without sockets: bytes in, verdict out.
//! In: what was read so far. Out: heads, bodies, what to send instead, or why not.
//! Knows nothing of sockets, clients, members or time.

mod fnv;
mod frame;
pub mod framing;
pub mod http1;
pub mod lines;
pub mod prefixed;
pub mod proxy;
pub mod reread;
pub mod resp;
pub(crate) mod text;
