//! What the generator promises, over real sockets, against a tiny server of the tests' own.
//! In: plans. Out: reports compared by equality with what the server counted.
//! Knows nothing of the proxy.

mod exact;
mod held;
mod liars;
mod program;
mod server;
