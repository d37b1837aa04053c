//! Links: connections to members, and the exchanges they carry. Knows nothing of clients but what [`Recipient`] asks of them.
//!
//! `scheduler` says which link carries a request, and `pipeline` what becomes of it there: both decide from bytes and time alone.
//! `pool` puts sockets to them: a link knows its pool and a pool its links. `dedicated` gives one client a link of its own.
//!
//! # What may be borrowed when a client is called
//!
//! A client that is told something ([`Recipient::deliver`], `placed`, `ended`, `failed`, `again`, `writable`, `give_way`, `switched`)
//! may ask its link or its pool for anything at once. So it is told with nothing of the queue, the pool or the pool borrowed:
//! the inner part (`Queue`, `Scheduler`) returns what is to be done, and the outer part (`Link`, `Pool`) does it when the borrow has
//! ended (`queue::receive` has the queue for one look after the other). The last of a client may be dropped in the same places only.
//! The turn's scratch buffers, which hold what the client is told, and the socket that is being read stay borrowed meanwhile.
//!
//! Two kinds of calls are made inside of borrows, and reach nothing of a link: questions that a client answers from its own state
//! (`is_full`, `is_gone`, `has_ended`, `same`, `moved`), and those that append something to the buffer they are given: a response as
//! its client gets it (`head`, `data`, `end`), and a request as its member does ([`RequestSource`]). `Link::assert_free` and
//! `Pool::assert_free` hold all this against the rule in builds for debugging, and `tests::callbacks` does so in each call.

mod connect;
mod dedicated;
mod pipeline;
mod pool;
mod scheduler;

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
pub use scheduler::depth::{Consent, DepthLimit};
pub use scheduler::holders::{GiveWay, HeldBy};
pub use scheduler::wait_queue::{Demand, Sharing, SourceKey};
pub use scheduler::{Acquired, LinkId, Scheduler};

#[cfg(test)]
pub(crate) mod tests;
