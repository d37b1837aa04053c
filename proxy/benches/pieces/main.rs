//! Times the pieces of the request path that do no I/O: `cargo bench -p penstock --features bench`.
//!
//! `pieces --count NAME ROUNDS` runs one piece so many times and measures nothing, for `gate/run`, which counts its
//! instructions under callgrind. `pieces --names` lists the pieces.

#![allow(missing_docs, reason = "a benchmark has no users but its reader")]

mod heads;
mod link;
mod numbers;

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Instant;

use criterion::Criterion;

/// A part of the request path.
struct Piece {
    /// The name in `gate/baseline.json` and in criterion's report.
    name: &'static str,
    /// Does the work so many times.
    run: fn(rounds: u64),
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["--count", name, rounds, ..] => count(name, rounds),
        ["--names", ..] => {
            let names: String = pieces().map(|piece| format!("{}\n", piece.name)).collect();
            // A reader that is gone has read enough.
            let _ = io::stdout().write_all(names.as_bytes());
            ExitCode::SUCCESS
        }
        _ => {
            time();
            ExitCode::SUCCESS
        }
    }
}

fn pieces() -> impl Iterator<Item = Piece> {
    heads::PIECES.into_iter().chain(link::PIECES).chain(numbers::PIECES)
}

/// Runs one piece.
fn count(name: &str, rounds: &str) -> ExitCode {
    match (pieces().find(|piece| piece.name == name), rounds.parse()) {
        (Some(piece), Ok(rounds)) => {
            (piece.run)(rounds);
            ExitCode::SUCCESS
        }
        (None, _) => fail(&format!("there is no piece {name}; `--names` lists them")),
        (_, Err(_)) => fail(&format!("{rounds} is not a number of rounds")),
    }
}

fn fail(why: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "pieces: {why}"); // the exit code tells, too
    ExitCode::from(2)
}

/// Times all pieces that the arguments select, with criterion.
fn time() {
    let mut criterion = Criterion::default().configure_from_args();
    for piece in pieces() {
        criterion.bench_function(piece.name, |bencher| {
            // Preparations are made once for all rounds, so they do not count.
            bencher.iter_custom(|rounds| {
                let began = Instant::now();
                (piece.run)(rounds);
                began.elapsed()
            });
        });
    }
    criterion.final_summary();
}
