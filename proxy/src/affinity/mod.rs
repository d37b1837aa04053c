//! Assigns sources to members.
//!
//! `rendezvous` ranks members for a source; `sources` counts the sources of each member, for the metrics.

mod rendezvous;
mod sources;

#[cfg(feature = "bench")]
pub use rendezvous::best_index;
pub(crate) use rendezvous::{Candidate, best, name_hash};
pub(crate) use sources::{SourceStatus, Sources};
