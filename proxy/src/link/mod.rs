//! Links: pooled connections to members, and the exchanges they carry.
//! `queue`, `answer`, `exchange`, `pool`, `lines`, `depth`, `routes` and `opening` decide from bytes and time alone;
//! `shelf` and `driver` put sockets to them; `proof` says whether a member is pipelined to at all; `outlet`, `stock` and `passage` give a tunnel a link of its own. Knows nothing of clients but what `Receiver` asks of them.

mod answer;
mod budget;
mod connect;
mod depth;
mod driver;
mod exchange;
mod holders;
mod idle;
mod lines;
mod loans;
mod manners;
mod opening;
mod outlet;
mod passage;
mod places;
mod pool;
mod proof;
mod queue;
mod reader;
mod rights;
mod routes;
mod seat;
mod shelf;
mod stock;

pub use answer::End;
pub use depth::{Consent, Reason};

pub use driver::Link;
pub use exchange::{Fate, Request, Slot};
pub use holders::{GiveWay, Held};
pub use lines::{Demand, SourceKey, Want};
pub use loans::Loans;
pub use outlet::{Outlet, OwnLink};
pub use passage::{Passage, TunnelPlace};
pub use pool::{How, Pool, SeatId};
pub use proof::{Accused, Bell, Errand, Finding, Proof, Standing};
pub use queue::{Broken, Queue, Sink};
pub use reader::Ask;
pub use shelf::{Receiver, Share, Shelf, Submitted, Waiter};
pub use stock::Stock;

#[cfg(test)]
pub(crate) mod tests;
