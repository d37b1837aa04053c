//! The admin server: `/metrics`, `/healthz`, `/readyz`, on a thread of its own.
//! In: an address, the metrics, how ready the proxy is. Out: plain text to whoever asks.
//! Knows nothing of clients, links or workers, and never runs on a worker's thread.

mod pages;
mod ready;
mod server;
#[cfg(test)]
mod tests;

pub use pages::Page;
pub use ready::{Readiness, ReadyState};
pub use server::{Admin, MOST_CONNECTIONS, start, start_with};
