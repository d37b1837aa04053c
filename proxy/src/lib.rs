//! penstock: a reverse proxy with thousands of keep-alive clients in front and a few pooled links behind.
//!
//! `ARCHITECTURE.md` is the map of the modules. Modules import downwards only, and a test checks that.

// A print that fails panics, and one that nobody reads waits for ever: see `notice`.
#![deny(clippy::print_stdout, clippy::print_stderr)]
#![cfg_attr(
    test,
    allow(clippy::print_stdout, clippy::print_stderr, reason = "tests print for whoever runs them")
)]

pub mod access_log;
pub mod admin;
pub mod affinity;
pub mod backend;
pub mod cause;
pub mod cli;
pub mod client;
pub mod config;
pub mod event_loop;
pub mod frontend;
pub mod lifecycle;
pub mod link;
pub mod listener;
pub mod mailbox;
pub mod metrics;
pub mod net;
pub mod notice;
pub mod probe;
pub mod proto;
pub mod relay;
pub mod shared;
pub mod stream;
pub mod worker;
