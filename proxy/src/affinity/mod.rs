//! Affinity: which member a source is assigned to.
//!
//! `rendezvous` ranks members for a source; `sources` counts which sources are at which member, for the metrics.

mod rendezvous;
mod sources;

pub use rendezvous::{Candidate, best, name_hash};
pub use sources::{SourceStatus, Sources};
