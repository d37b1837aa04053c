//! Tests what the protocols promise, on raw bytes: a room for each.

mod framing;
mod http1;
mod proxy;
