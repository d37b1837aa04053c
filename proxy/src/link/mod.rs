//! Links: connections to members, and the exchanges they carry. Knows nothing of clients but what [`Receiver`] asks of them.
//!
//! `queue`, `answer`, `exchange`, `pool`, `lines`, `depth`, `routes` and `opening` decide from bytes and time alone;
//! `shelf` and `driver` put sockets to them; `proof` says whether a member is pipelined to at all; `outlet`, `stock` and `passage`
//! give a tunnel a link of its own.
//!
//! # What may be borrowed when a client is called
//!
//! A client that is told something ([`Receiver::piece`], `placed`, `ended`, `failed`, `again`, `writable`, `give_way`, `switched`)
//! may ask its link or its shelf for anything at once. So it is told with nothing of the queue, the pool or the shelf borrowed:
//! the inner part (`Queue`, `Pool`) returns what is to be done, and the outer part (`Link`, `Shelf`) does it when the borrow has
//! ended (`queue::receive` has the queue for one look after the other). The last of a client may be dropped in the same places only.
//! The turn's scratch buffers, which hold what the client is told, and the socket that is being read stay borrowed meanwhile.
//!
//! Two kinds of calls are made inside of borrows, and reach nothing of a link: questions that a client answers from its own state
//! (`closes`, `is_full`, `is_gone`, `has_ended`, `same`, `moved`), and the closures that append a head or a part of a body to the
//! buffer they are given. `Link::assert_free` and `Shelf::assert_free` hold all this against the rule in builds for debugging, and
//! `tests::callbacks` does so in each call.

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
pub use loans::{Loans, TunnelPlace};
pub use outlet::{Outlet, OwnLink};
pub use passage::Passage;
pub use pool::{How, Pool, SeatId};
pub use proof::{Accused, Bell, Errand, Finding, Proof, Standing};
pub use queue::{Broken, Queue, Sink};
pub use reader::Ask;
pub use shelf::{Receiver, Share, Shelf, Submitted, Waiter};
pub use stock::Stock;

#[cfg(test)]
pub(crate) mod tests;
