//! Each rule of HTTP/1.1 that penstock keeps (D1 to D8, D-R, D-P, pipelining), held on real sockets.
//! S in a name is RFC 9110, M is RFC 9112; one file for each part of the list, and CONTENTS says which test holds what.
//! `ground` is what they stand on, besides what they share with `tests/e2e`. Run: `cargo test -p penstock --test rules`.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod d1_start_line_and_fields;
mod d2_target_and_host;
mod d3_addresses;
mod d3_forwarding_fields;
mod d4_answers;
mod d4_requests;
mod d4_trailers;
mod d5_interim_and_expect;
mod d5_tunnels;
mod d6_order;
mod d6_persistence;
mod d7_affinity;
mod d8_error_answers;
mod dp_reuse;
mod dr_retries;
mod ground;
#[path = "../e2e/held.rs"]
mod held;
mod pipelining;
#[path = "../e2e/scrape.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod scrape;
#[path = "../e2e/script.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod script;
#[path = "../e2e/stand.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod stand;
#[path = "../e2e/wire.rs"]
#[allow(dead_code, reason = "the other target uses the rest")]
mod wire;
