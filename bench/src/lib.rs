//! Implements the load generator that comes with penstock: thousands of keep-alive clients with exact counts.
//!
//! Counts are compared for equality. The generator shares no code with the proxy or the origin, so that it
//! cannot share their faults.

mod answer;
mod check;
mod chunked;
mod client;
mod clients;
mod connection;
mod frame;
mod keys;
mod mix;
mod pace;
mod plan;
mod report;
mod request;
mod rng;
mod schedule;
mod shard;
mod socket;
mod sources;
mod summary;
mod timers;
mod wire;

pub use clients::{Clients, Progress, run, run_watched};
pub use mix::mix;
pub use plan::{Command, Literal, Plan, Prefix, Protocol, Stop, Work};
pub use report::{Errors, Report};
pub use socket::raise_descriptor_limit;
pub use sources::{BadSources, sources};
