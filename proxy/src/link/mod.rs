//! Links: connections to members, and the exchanges they carry. Knows nothing of clients but what [`Receiver`] asks of them.
//!
//! `scheduler` says which link carries a request, and `pipeline` what becomes of it there: both decide from bytes and time alone.
//! `with_sockets` (the shelf) and `driver` (one link) put sockets to them; `dedicated` gives one client a link of its own.
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

mod connect;
mod dedicated;
mod driver;
mod pipeline;
mod scheduler;
mod with_sockets;

pub use dedicated::outlet::{Outlet, OwnLink};
pub use dedicated::passage::Passage;
pub use dedicated::stock::Stock;
pub use driver::Link;
pub use pipeline::answer::End;
pub use pipeline::exchange::{Fate, Request, Slot};
pub use pipeline::queue::{Broken, Queue, Sink};
pub use pipeline::reader::Ask;
pub use scheduler::depth::{Consent, Reason};
pub use scheduler::holders::{GiveWay, Held};
pub use scheduler::lines::{Demand, SourceKey, Want};
pub use scheduler::{How, Pool, SeatId};
pub use with_sockets::lending::{Loans, TunnelPlace};
pub use with_sockets::proof::{Accused, Bell, Errand, Finding, Proof, Standing};
pub use with_sockets::{Receiver, Share, Shelf, Submitted, Waiter};

#[cfg(test)]
pub(crate) mod tests;
