//! penstock: thousands of keep-alive clients in front, a few pooled links behind.
//!
//! See `ARCHITECTURE.md` for the map. Modules import downwards only; a test holds that.

pub mod admin;
pub mod cause;
pub mod config;
pub mod metrics;
pub mod proto;
