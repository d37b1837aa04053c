//! Whether a server keeps the order of pipelined requests: the probe and `penstock probe`, against servers that do
//! and servers that do not.

#![allow(clippy::unwrap_used)] // these are tests, helpers included: what cannot be unwrapped fails them

mod members;
mod quick;
