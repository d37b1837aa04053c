//! The checks that every input must pass, from a fuzzer here or from a file in `cargo test --test it regressions::`.
//!
//! A check panics and says which promise was broken. It says anew what is right, and does not ask penstock.

pub mod chunked;
pub mod config;
pub mod framed;
pub mod link_machine;
pub mod proxy_preface;
pub mod request_head;
pub mod response_head;
pub mod xff;

mod head;
mod input;

/// The name of a target and the check that its inputs go through.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 8] = [
    ("chunked", chunked::check),
    ("config", config::check),
    ("framed", framed::check),
    ("link_machine", link_machine::check),
    ("proxy_preface", proxy_preface::check),
    ("request_head", request_head::check),
    ("response_head", response_head::check),
    ("xff", xff::check),
];
