//! The tests with real programs, unchanged: servers, clients, browsers and other proxies, which Debian, npm and PyPI have.
//!
//! Where a program is missing, its tests say `SKIPPED` and what to install; with `PENSTOCK_TEST_ALL=1` they fail instead. Every
//! program has an address of its own and is ended by its pid; nothing asserts how long it took.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers included")]

mod clients;
mod differential;
mod members;
mod probe;
mod real;
mod support;
