//! Shows whether a server keeps the order of pipelined requests, by the table of software and by probes, and whether it is well,
//! by checks.
//!
//! [`quick`] is the probe before pipelining with `pipeline: auto`; it runs on a runtime of its own and not on
//! a worker. `docs/pipelining.md` says why both the table and a probe are needed, and what neither can show.

mod answers;
mod battery;
mod command;
mod fault;
mod health;
mod pipeline;
mod quick;
mod report;
mod requests;
pub mod software;
mod wire;

pub use command::{ProbeArguments, command};
pub use fault::Fault;
pub use health::{CheckFault, check};
pub use quick::quick;
pub use software::{Software, SoftwareEntry, TABLE, Versions, judge};

#[cfg(test)]
mod tests;
