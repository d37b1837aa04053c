//! Tests what penstock promises to its users, end to end: real sockets, the included origin, the load generator.
//!
//! Each promise has a file.

mod access_log;
mod admin;
mod affinity;
mod away;
mod bad_requests;
mod bodies;
mod control;
mod depth;
mod descriptors;
mod duty;
mod ejection;
mod exactness;
mod faults;
mod handover;
mod health;
mod http;
mod invariants;
mod ipv6;
mod kept;
mod legacy;
mod lifecycle;
mod limits;
mod links;
mod memory;
mod moves;
mod paused;
mod proof;
mod queue;
mod reload;
mod rescue;
mod routes;
mod states;
mod timeouts;
mod unheard;
mod upgrade;
mod urgent;
mod watch;
