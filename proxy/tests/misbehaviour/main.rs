//! Members that break the rules, and what may then not happen: no answer reaches another client, and nothing hangs.
//!
//! `rows` and `matrix` are the table: every misdeed of `member`, before 8 and 500 clients (`load`), by default and by
//! `pipeline: 32`, in each `protocol`. `real` has real servers (`server`): how deep they are used by default. Ports are the
//! kernel's, and nothing asserts how long something took.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

#[allow(dead_code, reason = "tests/real/ needs all of it")]
#[path = "../external/support/child.rs"]
mod child;
mod load;
mod matrix;
mod member;
mod panics;
#[allow(dead_code, reason = "tests/real/ needs all of it")]
#[path = "../external/support/place.rs"]
mod place;
#[path = "../external/support/program.rs"]
mod program;
mod protocol;
mod real;
mod rows;
#[path = "../it/support/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
mod server;
mod setup;
#[path = "../it/support/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
#[path = "../it/support/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
