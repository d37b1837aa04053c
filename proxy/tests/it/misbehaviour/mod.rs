//! Members that break the rules, and what may then not happen: no answer reaches another client, and nothing hangs.
//!
//! `rows` and `matrix` are the table: every misdeed of `member`, before 8 and 500 clients (`load`), by default and by
//! `pipeline: 32`, in each `protocol`. `depth` says how deep members are used by default; `external/members` asks real servers.

mod depth;
mod load;
mod matrix;
mod member;
mod panics;
mod protocol;
mod rows;
mod setup;
