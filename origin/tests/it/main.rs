//! Tests what the origin promises, over real sockets: one module for each promise.
#![allow(clippy::unwrap_used, reason = "a test may panic wherever it is surprised")]

mod bytes;
mod command;
mod faults;
mod frames;
mod headers;
mod legacy;
mod login;
mod oddities;
mod pace;
mod routes;
mod stats;
mod streams;
mod unix;
mod upgrades;
mod wire;
