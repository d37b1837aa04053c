//! Tests that the probe and `penstock probe` find out whether a server keeps the order of pipelined requests.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod command;
mod members;
mod quick;
mod real;
mod table;

#[path = "../external/support/child.rs"]
#[allow(dead_code, reason = "the tests of real programs need more of it")]
mod child;
#[path = "../external/support/place.rs"]
#[allow(dead_code, reason = "the tests of real programs need more of it")]
mod place;
#[path = "../external/support/program.rs"]
mod program;
