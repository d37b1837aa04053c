//! Tests that the probe and `penstock probe` find out whether a server keeps the order of pipelined requests.

mod command;
mod members;
mod quick;
mod table;
