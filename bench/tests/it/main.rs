//! What the generator promises, over real sockets, against a tiny server of the tests' own.
//! In: plans. Out: reports compared by equality with what the server counted.
//! Knows nothing of the proxy.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod exact;
mod frames;
mod held;
mod liars;
mod program;
mod server;
mod tables;
