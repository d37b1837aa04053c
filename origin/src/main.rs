//! Implements the command `penstock-origin`, which starts the origin and prints its addresses.

#![deny(clippy::print_stdout, clippy::print_stderr)] // a print that fails panics

mod cli;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use penstock_origin::{Address, Options, Origin, Prefix, Speaks};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Arguments;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "penstock-origin: {error}"); // the exit code tells, too
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<()> {
    raise_descriptor_limit();
    // The runtime exists before the origin listens, so that no early signal has its default effect.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let stopped = runtime.block_on(async { stop_signal() })?;
    let options = Options::from(arguments);
    let origin = Origin::start(options.clone())?;
    announce(&origin, &options);
    runtime.block_on(stopped);
    origin.stop();
    Ok(())
}

/// Raises the limit on descriptors, because each connection needs one and the usual soft limit is 1024. A
/// failure leaves the limit unchanged.
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

fn announce(origin: &Origin, options: &Options) {
    let members = origin.stats().listeners;
    let mut lines = Vec::new();
    for member in &members {
        lines.push(format!("member {} listens on {}", member.member, member.address));
    }
    if let Some(limit) = options.legacy {
        lines
            .push(format!("legacy: a blocking thread for each connection, at most {limit} on each listener"));
    }
    if let Some(places) = options.at_once {
        let work = options.work;
        lines.push(format!("at once: {places} requests on each member, each takes {work:?} at least"));
    }
    if let Some(address) = origin.stats_address() {
        lines.push(format!("stats: http://{address}/stats"));
    }
    if let Some(first) = members.first() {
        lines.push(format!("try: {}", trial(&first.address, options)));
    }
    // The origin serves whether or not anybody reads this.
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
}

/// Returns a command that shows that the origin answers.
fn trial(address: &Address, options: &Options) -> String {
    if options.speaks == Speaks::Http {
        let header = if options.proxy_protocol { "--haproxy-protocol " } else { "" };
        return match address {
            Address::Ip(address) => format!("curl -i {header}http://{address}/json"),
            Address::Unix(path) => {
                format!("curl -i {header}--unix-socket {} http://localhost/json", path.display())
            }
        };
    }
    let header = if options.proxy_protocol { r"PROXY UNKNOWN\r\n" } else { "" };
    let said = match header.to_owned() + &request(options.speaks) {
        said if said.is_empty() => said,
        said => format!("printf '{said}' | "),
    };
    match address {
        Address::Ip(address) => format!("{said}nc -N {} {}", address.ip(), address.port()),
        Address::Unix(path) => format!("{said}nc -N -U {}", path.display()),
    }
}

/// Returns a request for a sum, in the syntax of printf, if the protocol has sums.
fn request(speaks: Speaks) -> String {
    const SUM: &str = "add 2 3";
    match speaks {
        Speaks::Lines { crlf } => format!("{SUM}{}", if crlf { r"\r\n" } else { r"\n" }),
        Speaks::LengthPrefixed(prefix) => counted(prefix, SUM),
        _ => String::new(),
    }
}

fn counted(prefix: Prefix, text: &str) -> String {
    let (width, offset) = (usize::from(prefix.width), usize::from(prefix.offset));
    let header = if prefix.counts_header { width + offset } else { 0 };
    let count = (text.len() + header) as u64;
    let mut count = count.to_be_bytes()[8 - width..].to_vec();
    if prefix.little {
        count.reverse();
    }
    let octal = |byte: &u8| format!(r"\{byte:03o}");
    let count: String = count.iter().map(octal).collect();
    "x".repeat(offset) + &count + text
}
