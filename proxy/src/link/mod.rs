//! Links: connections to members, and the exchanges that they carry. This module knows nothing of clients but [`Recipient`].
//!
//! `scheduler` decides which link carries a request, and `pipeline` what happens to the request there: both decide from bytes
//! and time alone. `pool` adds the sockets: a link knows its pool, and a pool its links. `dedicated` gives one client a link of
//! its own.
//!
//! # What may be borrowed when a client is called
//!
//! A client that is told something ([`Recipient::deliver`], `placed`, `ended`, `failed`, `again`, `writable`, `give_way`,
//! `switched`) may ask its link or its pool for anything at once. So the call is made while nothing of the link, its queue or
//! its pool is borrowed: the inner part (`Queue`, `Scheduler`) returns what is to be done, and the outer part (`Link`, `Pool`)
//! does it when the borrow has ended (`queue::receive` takes the queue for one look after the other). The last reference to a
//! client may be dropped in the same places only. The turn's scratch buffers, which hold the bytes for the client, and the
//! socket that is being read stay borrowed meanwhile.
//!
//! Two kinds of calls are made inside of borrows, and reach nothing of a link: questions that a client answers from its own
//! state (`is_full`, `is_gone`, `has_ended`, `same`, `moved`), and calls that append to a buffer: a response as its client gets
//! it (`head`, `data`, `end`), and a request as its member does ([`RequestSource`]). `Link::assert_free` and
//! `Pool::assert_free` check the rule in builds for debugging, and `tests::callbacks` does so in each call.

mod connect;
mod dedicated;
mod pipeline;
mod pool;
mod scheduler;

pub(crate) use connect::show as show_health;
pub use dedicated::dedicated_pool::{DedicatedLink, DedicatedPool};
pub use dedicated::shared_cap::SharedCap;
pub use dedicated::upgraded_link::UpgradedLink;
pub use pipeline::answer::AnswerEnd;
pub use pipeline::answer::AnswerKind;
pub use pipeline::exchange::{Exchange, Fate, RequestSource, Slot, Upload};
pub use pipeline::link_end::LinkEnd;
pub use pipeline::queue::Queue;
pub use pipeline::sink::{Data, Sink};
pub use pool::lending::{Loans, TunnelPermit};
pub use pool::link::Link;
pub use pool::proof::{Finding, ProbeTask, ProberSender, Proof, ProofState, ProofSubject};
pub use pool::{Pool, Recipient, Share, Submitted, Waiter};
pub use scheduler::depth::Consent;
pub use scheduler::holders::{GiveWay, HeldBy};
pub use scheduler::wait_queue::{Demand, Sharing, SourceKey};
pub use scheduler::{Acquired, LinkId, Scheduler};

#[cfg(test)]
pub(crate) mod tests;
