//! Assigns sources to members.
//!
//! `rendezvous` ranks members for a source; `sources` counts the sources of each member, for the metrics.

mod rendezvous;
mod sources;

pub use rendezvous::{Candidate, best, name_hash};
pub use sources::{SourceStatus, Sources};
