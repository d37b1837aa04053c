//! The tests of what penstock promises: on real sockets, with members and clients of their own, in one binary.
//!
//! A room holds the promises of one kind, a file each; `support` is what they all stand on. Ports are the kernel's, nothing
//! asserts how long something took, and seeds are fixed and printed. What needs programs of others is in `tests/external`.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers included")]

mod architecture;
mod bounds;
mod chaos;
mod command;
mod dashboards;
mod docs;
mod e2e;
mod framed;
mod hostage;
mod misbehaviour;
mod probe;
mod regressions;
mod rules;
mod smuggling;
mod support;
mod tcp;
