//! Real programs through `protocol: tcp` and `resp`, unchanged: databases, shells, mail, bulk, the client's address.
//!
//! Each kind has a file; `program`, `child`, `place`, `proxy`, `random`, `database`, `pgwire`, `resp` and `web` carry them.
//! Every program has an address of its own and is ended by its pid; nothing asserts how long it took.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod addresses;
mod child;
mod database;
mod examples;
mod iperf;
mod mail;
mod pgwire;
mod place;
mod postgres;
mod program;
mod proxy;
mod random;
mod redis;
mod redis_cli;
mod redis_clients;
mod redis_errors;
mod redis_half_close;
mod redis_links;
mod redis_long;
mod redis_resp3;
mod redis_tags;
mod redis_talk;
mod resp;
#[path = "../it/support/splitmix.rs"]
mod splitmix;
mod ssh;
mod web;
mod websocket;
