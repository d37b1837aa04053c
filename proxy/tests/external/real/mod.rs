//! Real programs through `protocol: tcp` and `resp`, unchanged: databases, shells, mail, bulk, the client's address.
//!
//! Each kind has a file; `random`, `database`, `pgwire`, `resp` and `web` carry them.

mod addresses;
mod database;
mod examples;
mod iperf;
mod mail;
mod pgwire;
mod postgres;
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
mod ssh;
mod web;
mod websocket;
