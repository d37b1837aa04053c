//! Defines the command line.

mod asking;
mod load;
mod overhead;
mod values;

use clap::{Parser, Subcommand};

pub(crate) use load::Load;
pub(crate) use overhead::Overhead;

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
    /// Measure what a proxy costs against going direct, and write a report.
    Overhead(Box<Overhead>),
    /// Compare penstock with other proxies under the same load.
    Peers(crate::peers::Options),
    /// Run published benchmarks again, and print the published figures beside ours.
    Ladder(crate::ladders::Options),
}
