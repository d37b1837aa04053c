//! What `proto::http1` promises, as sentences on raw bytes.
//! In: heads and bodies as clients and members send them. Out: verdicts and forwarded bytes.
//! Knows nothing of sockets.

mod answers;
mod bodies;
mod cost;
mod forwarding;
mod given;
mod policies;
mod properties;
mod requests;
mod responses;
mod routing;
mod sources;
mod trailers;
mod upgrades;
