//! Shows whether a server keeps the order of pipelined requests: the table of software, and probes.
//!
//! [`quick`] is what precedes pipelining by `pipeline: auto`; it runs off the workers' path, on a runtime of its own.
//! `docs/pipelining.md` says why both the table and a probe are needed, and what neither can show.

mod answers;
mod battery;
mod command;
mod fault;
mod pipeline;
mod quick;
mod report;
mod requests;
pub mod software;
mod wire;

pub use command::{ProbeArguments, command};
pub use fault::Fault;
pub use quick::quick;
pub use software::{Software, SoftwareEntry, TABLE, Versions, judge};

#[cfg(test)]
mod tests;
