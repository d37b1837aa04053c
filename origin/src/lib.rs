//! Implements the origin server that comes with penstock: it answers, delays, echoes, counts and misbehaves
//! on demand.
//!
//! The origin shares no code with the proxy, so that it cannot share its mistakes.

#![deny(clippy::print_stdout, clippy::print_stderr)] // a print that fails panics

mod answer;
mod arithmetic;
mod base64;
mod body;
mod clerk;
mod client;
mod clock;
mod doors;
mod echo;
mod fnv;
mod head;
mod introduction;
mod legacy;
mod login;
mod machine;
mod options;
mod origin;
mod pattern;
mod register;
mod routes;
mod sending;
mod service;
mod sockets;
mod speaker;
mod stats;
mod talk;
mod turn;
mod upgrade;
mod websocket;
mod work;
mod worker;

pub use fnv::Fnv1a;
pub use options::{Address, Options, OverLimit, Prefix, Speaks};
pub use origin::Origin;
pub use pattern::{byte_at, visible_at};
pub use register::ClientStats;
pub use stats::{ListenerStats, Stats};
