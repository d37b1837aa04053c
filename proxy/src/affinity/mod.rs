//! Which member a source meets.
//! `rendezvous` ranks members for a source; `sources` counts who is where, for the metrics.
//! Knows nothing of links or clients.

mod rendezvous;
mod sources;

pub use rendezvous::{Candidate, best, name_hash};
pub use sources::{Meeting, Sources};
