//! Tests what `proto::framing` promises, on raw bytes: where frames end, and what a request needs.
//!
//! "Redis" means its `src/networking.c` and the commands of versions 7 and 8.

mod answers;
mod commands;
mod cost;
mod given;
mod lines;
mod prefixed;
mod properties;
mod requests;
