//! Tests what the generator promises over real sockets, against a small server in the tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say so and stop")]

mod comparisons;
mod exact;
mod frames;
mod held;
mod liars;
mod mistakes;
mod open_loop;
mod overhead;
mod program;
mod server;
mod slow;
mod tables;
