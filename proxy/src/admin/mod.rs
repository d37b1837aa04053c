//! The admin server: `/metrics`, `/healthz` and `/readyz`, on a thread of its own and never on a worker's.

mod pages;
mod ready;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use ready::{Readiness, ReadyState};
pub(crate) use server::{Admin, MOST_CONNECTIONS, start};
