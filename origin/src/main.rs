//! The command `penstock-origin`: starts the origin and says where it listens.
//! In go arguments; out come a few lines on stdout, and exit code 0 on SIGINT or SIGTERM.
//! It knows nothing of how the origin works.

mod cli;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use penstock_origin::{Options, Origin};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Arguments;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("penstock-origin: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    raise_descriptor_limit();
    let legacy = arguments.legacy;
    // Made before the origin listens, so that no early signal meets the default action.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stopped = runtime.block_on(async { stop_signal() })?;
    let origin = Origin::start(Options::from(arguments))?;
    announce(&origin, legacy);
    runtime.block_on(stopped);
    origin.stop();
    Ok(())
}

/// A connection costs a descriptor, and the usual soft limit is 1024. Failing leaves the limit as it is.
fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
}

fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn announce(origin: &Origin, legacy: Option<usize>) {
    for (member, address) in origin.addresses() {
        println!("member {member} listens on {address}");
    }
    if let Some(limit) = legacy {
        println!("legacy: a blocking thread for each connection, at most {limit} on each listener");
    }
    if let Some((_, address)) = origin.addresses().first() {
        println!("try: curl -i http://{address}/json");
    }
}
