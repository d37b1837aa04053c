//! The access log: the worker puts together a line for each exchange, and a thread of the log writes it.
//!
//! `record` has the fields of an exchange, `formatter` writes them (`escape`, `number` and `timestamp` help), `log_writer` gathers a worker's
//! lines, `log` has the queues of all logs, and only `file_writer` (with `block_writer`) waits for a disk. No worker ever waits;
//! `docs/decisions/0020-a-log-never-waits.md` says why.

mod block_writer;
mod control;
mod escape;
mod file_writer;
mod formatter;
mod line_block;
mod log;
mod log_writer;
mod number;
mod record;
#[cfg(test)]
mod tests;
mod timestamp;

pub use log::{Log, Logs};
pub use log_writer::LogWriter;
pub use record::{LogRecord, RequestSummary};
