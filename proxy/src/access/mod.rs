//! The access log: the worker puts together a line for each exchange, and a thread of the log writes it.
//!
//! `entry` has the fields of an exchange, `line` writes them (`escape`, `number` and `stamp` help), `pen` gathers a worker's
//! lines, `log` has the queues of all logs, and only `writer` (with `whole`) waits for a disk. No worker ever waits;
//! `docs/decisions/0020-a-log-never-waits.md` says why.

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
