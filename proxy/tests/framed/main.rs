//! Tests what `protocol: lines` and `length_prefixed` promise to their users, end to end, with the included origin.
//!
//! Each promise has a file; `given` is what they stand on, besides what they share with `tests/e2e`.
//! Ports are the kernel's, nothing asserts how long something took, and seeds are fixed and printed.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod answers;
mod conversations;
mod counts;
mod dialects;
mod given;
#[path = "../it/support/headers.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod headers;
mod lifecycle;
mod limits;
mod load;
mod lookahead;
mod misbehaviour;
mod refusals;
mod rescue;
#[path = "../it/support/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
#[path = "../it/support/script.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod script;
#[path = "../it/support/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
#[path = "../it/support/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
