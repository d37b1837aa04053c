//! What `proto::framing` promises, as sentences on raw bytes: where frames end, and what a request needs.
//! In: requests and answers of lines, length-prefixed protocols and Redis. Out: verdicts, the same at any cut.
//! Knows nothing of sockets. "Redis" means its `src/networking.c` and the commands of version 7 and 8.

#![allow(clippy::unwrap_used, reason = "all of this is tests, helpers included")]

mod answers;
mod commands;
mod cost;
mod given;
mod lines;
mod prefixed;
mod properties;
mod requests;
