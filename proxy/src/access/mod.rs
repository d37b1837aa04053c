//! The access log: a line for each exchange, put together by its worker, written by a thread of the log's own.
//! In: what is known of an exchange when it has ended. Out: whole lines in a file, or on the standard output.
//! Knows nothing of clients, links or how an exchange goes.
//!
//! `entry` is what may be said, `line` says it (`escape`, `number` and `stamp` help), `pen` gathers a worker's
//! lines, `log` is where they go, and `writer` (with `whole`) is the only one who waits for a disk.

mod entry;
mod escape;
mod line;
mod log;
mod number;
mod pen;
mod stamp;
#[cfg(test)]
mod tests;
mod whole;
mod writer;

pub use entry::{Entry, Noted};
pub use log::{Log, Logs};
pub use pen::Pen;
