//! Defines the command line.

mod asking;
mod load;
mod values;

use clap::{Parser, Subcommand};

pub(crate) use load::Load;

/// Loads servers of HTTP/1.1, frames, Redis or plain bytes, checks every answer, and measures what a proxy costs.
#[derive(Parser, Debug)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Load an address, check the answers and report the result.
    Load(Box<Load>),
}
