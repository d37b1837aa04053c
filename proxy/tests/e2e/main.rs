//! Tests what penstock promises to its users, end to end: real sockets, the included origin, the load generator.
//!
//! Each promise has a file; `stand`, `wire`, `scrape`, `script`, `held` and `binary` are what the tests stand on.
//! Ports are the kernel's, nothing asserts how long something took, and seeds are fixed and printed.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod access_log;
mod admin;
mod affinity;
mod away;
mod bad_requests;
mod binary;
mod bodies;
mod depth;
mod descriptors;
mod duty;
mod exactness;
mod faults;
mod handover;
mod held;
mod http;
mod invariants;
mod ipv6;
mod kept;
mod legacy;
mod lifecycle;
mod limits;
mod links;
mod memory;
mod paused;
mod proof;
mod queue;
mod reload;
mod rescue;
mod routes;
mod scrape;
mod script;
mod stand;
mod timeouts;
mod unheard;
mod upgrade;
mod urgent;
mod wire;
