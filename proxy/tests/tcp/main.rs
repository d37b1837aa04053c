//! Tests what `protocol: tcp` promises to its users, end to end: real sockets, members that do what a test says.
//!
//! Each promise has a file; `given` is what they stand on, besides what they share with `tests/e2e`.
//! Ports are the kernel's, nothing asserts how long something took, and seeds are fixed and printed.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod affinity;
mod ages;
#[path = "../it/support/binary.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod binary;
mod descriptors;
mod evict;
mod exact;
mod given;
mod half_close;
#[path = "../it/support/headers.rs"]
mod headers;
mod invariants;
mod ipv6;
mod lifecycle;
mod limits;
mod members;
mod proxy_in;
mod proxy_out;
mod resets;
#[path = "../it/support/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
#[path = "../it/support/script.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod script;
mod sockets;
#[path = "../it/support/splitmix.rs"]
mod splitmix;
#[path = "../it/support/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
mod stream;
mod unix;
mod warm;
#[path = "../it/support/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
