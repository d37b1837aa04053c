//! Runs the admin server with `/metrics`, `/healthz` and `/readyz` on a thread of its own, so that scraping
//! costs workers nothing, and the control server, which takes commands on a Unix socket.

mod control;
mod pages;
mod placement;
mod ready;
mod server;
#[cfg(test)]
mod tests;

pub(crate) use control::{ControlAnswer, ControlCommand, command_pages};
pub(crate) use placement::placement_page;
pub(crate) use ready::{Readiness, ReadyState};
pub(crate) use server::{Admin, ControlServer, MOST_CONNECTIONS, start, start_control};
