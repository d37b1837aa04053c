//! Runs the load generator as the program `penstock-bench`.

#![deny(clippy::print_stdout, clippy::print_stderr)] // a print that fails panics

mod cli;
mod failure;
mod interrupt;
mod interval;
mod ladders;
mod live;
mod machine;
mod overhead;
mod party;
mod peers;
mod places;
mod preflight;
mod program;
mod sockets;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use penstock_bench::run_watched;

use cli::{Cli, Command, Load};
use failure::Failure;
use live::Live;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Load(options) => load(&options),
        Command::Overhead(options) => overhead::command(&options),
        Command::Ladder(options) => ladders::run(&options),
        Command::Peers(options) => peers::run(&options),
    };
    done.unwrap_or_else(|failure| {
        let _ = writeln!(std::io::stderr(), "penstock-bench: {failure}"); // the exit code tells, too
        ExitCode::from(failure.status())
    })
}

fn load(options: &Load) -> Result<ExitCode, Failure> {
    let plan = options.plan().map_err(Failure::Arguments)?;
    preflight::check_descriptors(plan.clients)?;
    if options.is_checked() {
        preflight::check_server(&plan)?;
    }
    watch_for_interrupts()?;
    let mut live = Live::new(&plan);
    let report = run_watched(&plan, &mut |progress| {
        live.show(progress);
        !interrupt::has_come()
    });
    live.finish();
    let report = report.map_err(|error| Failure::Arguments(error.to_string()))?;
    let mut json = report.to_json();
    json["interrupted"] = interrupt::has_come().into();
    print(&if options.json { format!("{json}\n") } else { report.to_string() });
    Ok(match interrupt::has_come() {
        true => ExitCode::from(interrupt::STATUS),
        false => ExitCode::from(u8::from(!options.is_content(&report))),
    })
}

fn watch_for_interrupts() -> Result<(), Failure> {
    interrupt::watch().map_err(|error| Failure::Machine(format!("cannot watch for Ctrl-C: {error}")))
}

fn print(text: &str) {
    // Standard output may be a pipe that nobody reads to its end.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
