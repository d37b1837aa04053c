//! Every buffer has a bound in bytes, also while it is in use; and clients that left wait for nothing.
//!
//! `held` has members that do not read and clients that do, `waiting` those who would wait for ever if they were still there,
//! and `square` what one client could multiply. `member` is a service that takes nothing until it is told to.

mod held;
mod member;
mod square;
mod waiting;
