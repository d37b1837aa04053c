//! Affinity: which member a source is assigned to.
//!
//! `rendezvous` ranks members for a source; `sources` counts which sources are at which member, for the metrics.

mod rendezvous;
mod sources;

pub(crate) use rendezvous::{Candidate, best, name_hash};
pub(crate) use sources::{SourceStatus, Sources};
