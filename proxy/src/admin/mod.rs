//! Runs the admin server with `/metrics`, `/healthz` and `/readyz` on a thread of its own, so that scraping
//! costs workers nothing.

mod pages;
mod ready;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use ready::{Readiness, ReadyState};
pub(crate) use server::{Admin, MOST_CONNECTIONS, start};
