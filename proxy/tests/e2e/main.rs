//! What penstock promises to its users, held end to end: real sockets, the included origin, the load generator.
//! One file for each promise; `stand`, `wire`, `scrape`, `script` and `binary` are what they stand on.
//! Ports are the kernel's, nothing waits for time to pass, and seeds are fixed and told.

mod affinity;
mod exactness;
mod faults;
mod invariants;
mod links;
mod scrape;
mod script;
mod stand;
mod wire;
