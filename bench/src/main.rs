//! Runs the load generator as the program `penstock-bench`.

#![deny(clippy::print_stdout, clippy::print_stderr)] // a print that fails panics

mod cli;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use penstock_bench::{Plan, Report, Stop, raise_descriptor_limit, run_watched};

use cli::{Cli, Command};

fn main() -> ExitCode {
    let Command::Load(load) = Cli::parse().command;
    let report = load.plan().and_then(|plan| carry_out(&plan));
    match report {
        Ok(report) => {
            show(&report, load.json);
            ExitCode::from(u8::from(!load.is_content(&report)))
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "penstock-bench: {why}"); // the exit code tells, too
            ExitCode::from(2)
        }
    }
}

/// The number of descriptors that the process needs besides its clients' sockets.
const OTHER_DESCRIPTORS: u64 = 64;
const BAR: &str = "[{elapsed}] {bar:40} {percent:>3} %  {msg}";

fn carry_out(plan: &Plan) -> Result<Report, String> {
    let limit = raise_descriptor_limit().map_err(|error| format!("limit on open files: {error}"))?;
    if plan.clients as u64 + OTHER_DESCRIPTORS > limit {
        return Err(format!("{} clients need more open files than the hard limit of {limit}", plan.clients));
    }
    let bar = progress_bar(plan.stop, plan.clients as u64);
    let report = run_watched(plan, &mut |elapsed, answers| advance(&bar, plan.stop, elapsed, answers));
    bar.finish_and_clear();
    report.map_err(|error| error.to_string())
}

/// Makes a progress bar, which is hidden if standard error is no terminal.
fn progress_bar(stop: Stop, clients: u64) -> ProgressBar {
    let length = match stop {
        Stop::Requests(each) => clients.saturating_mul(each),
        Stop::Duration(duration) => duration.as_millis() as u64,
    };
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style)
}

fn advance(bar: &ProgressBar, stop: Stop, elapsed: Duration, answers: u64) {
    bar.set_position(match stop {
        Stop::Requests(_) => answers,
        Stop::Duration(_) => elapsed.as_millis() as u64,
    });
    bar.set_message(format!("{answers} answers, {:.0}/s", answers as f64 / elapsed.as_secs_f64().max(0.001)));
}

fn show(report: &Report, json: bool) {
    let text = if json { format!("{}\n", report.to_json()) } else { report.to_string() };
    // Standard output may be a pipe that nobody reads to its end.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_understood() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
    }
}
