//! Assigns sources to members.
//!
//! `rendezvous` ranks members for a source; `sources` counts the sources of each member, for the metrics; `moves` says which sources
//! another configuration moves.

mod moves;
mod rendezvous;
mod sources;

pub(crate) use moves::{
    BackendChange, BackendMoves, Ranking, SourceFlow, SourceList, SourceMoves, compare, sample,
};
#[cfg(feature = "bench")]
pub use rendezvous::best_index;
pub(crate) use rendezvous::{Candidate, best, name_hash};
pub(crate) use sources::{SourceStatus, Sources};
