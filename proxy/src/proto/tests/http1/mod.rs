//! Tests what `proto::http1` promises, on raw bytes: heads and content as clients and members send them.

mod answers;
mod bodies;
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
