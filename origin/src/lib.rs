//! The origin that comes with penstock: answers, delays, echoes, counts and misbehaves on demand.
//! In go member names and addresses; out come listening sockets and exact counts of what happened on them.
//! It knows nothing of the proxy and shares no code with it, so that it cannot share its mistakes.

mod answer;
mod arithmetic;
mod body;
mod client;
mod clock;
mod echo;
mod head;
mod legacy;
mod origin;
mod pattern;
mod routes;
mod sending;
mod sockets;
mod stats;
mod turn;
mod work;
mod worker;

pub use origin::{Options, Origin};
pub use pattern::byte_at;
pub use stats::{ListenerStats, Stats};
