//! Protocols without sockets: bytes go in, verdicts come out. No file in here does I/O or reads a clock.

mod fnv;
mod frame;
pub mod framing;
pub mod http;
pub mod http1;
pub mod lines;
pub mod prefixed;
pub mod proxy;
pub mod reread;
pub mod resp;
#[cfg(test)]
mod tests;
pub(crate) mod text;
