//! The clients that people have, unchanged, through the default configuration: the built program, its own origin.
//! One file for each kind of client; what a client has to say for itself is a script beside it, in its own language.
//! Each asserts what came, to the byte or the request, and at the end that the proxy's numbers agree with the origin's.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod browser;
#[allow(dead_code, reason = "tests/real/ needs all of it")]
#[path = "../real/child.rs"]
mod child;
mod curl;
mod driver;
mod front;
mod load;
mod node;
#[allow(dead_code, reason = "tests/real/ needs all of it")]
#[path = "../real/place.rs"]
mod place;
#[path = "../real/program.rs"]
mod program;
mod python;
mod raw;
mod websocket;
