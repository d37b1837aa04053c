//! The load generator that comes with penstock: thousands of keep-alive clients, exact counts.
//!
//! Counts are compared by equality, not "about". It shares no code with the proxy or the origin, so it cannot share their bugs.

mod answer;
mod check;
mod chunked;
mod client;
mod clients;
mod connection;
mod frame;
mod keys;
mod plan;
mod report;
mod request;
mod rng;
mod shard;
mod socket;
mod sources;
mod summary;
mod wire;

pub use clients::{Clients, run, run_watched};
pub use plan::{Command, Plan, Prefix, Protocol, Stop, Work};
pub use report::{Errors, Report};
pub use socket::raise_descriptor_limit;
pub use sources::{BadSources, sources};
