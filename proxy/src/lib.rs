//! Implements penstock, a reverse proxy with thousands of keep-alive clients in front and a few pooled links
//! behind.
//!
//! `ARCHITECTURE.md` is the map of the modules. Modules import downwards only, and a test checks that.

// `println!` panics if it fails, and blocks if nobody reads; `notice` does neither.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    test,
    allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print for whoever runs them")
)]

// Public is what others than the crate itself need: the binary (`cli`), the tests on sockets (`config`, `lifecycle`, `metrics`,
// `probe`) and the fuzz targets (`cause`, `config`, `link`, `proto`); the micro-benchmarks need the same. The feature `bench` opens
// `affinity` to them, and nothing else that is private.
mod access_log;
mod admin;
#[cfg(not(feature = "bench"))]
mod affinity;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod affinity;
mod backend;
pub mod cause;
pub mod cli;
mod client;
pub mod config;
mod event_loop;
mod frontend;
pub mod lifecycle;
pub mod link;
mod listener;
mod mailbox;
pub mod metrics;
mod net;
mod notice;
pub mod probe;
pub mod proto;
mod relay;
mod shared;
mod stream;
mod worker;
