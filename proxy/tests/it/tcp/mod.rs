//! Tests what `protocol: tcp` promises to its users, end to end: real sockets, members that do what a test says.
//!
//! Each promise has a file; `given` is what they stand on, besides `support`.

mod affinity;
mod ages;
mod descriptors;
mod evict;
mod exact;
mod given;
mod half_close;
mod invariants;
mod ipv6;
mod lifecycle;
mod limits;
mod members;
mod proxy_in;
mod proxy_out;
mod resets;
mod sockets;
mod stream;
mod unix;
mod warm;
