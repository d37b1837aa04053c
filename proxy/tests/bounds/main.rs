//! Every buffer has a bound in bytes, also while it is in use; and clients that left wait for nothing.
//!
//! `held` has members that do not read and clients that do, `waiting` those who would wait for ever if they were still there,
//! and `square` what one client could multiply. `member` is a service that takes nothing until it is told to.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod held;
mod member;
#[path = "../it/support/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
mod square;
#[path = "../it/support/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
mod waiting;
#[path = "../it/support/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
