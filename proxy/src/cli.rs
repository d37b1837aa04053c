//! Implements the command line: arguments, help texts and exit codes.
//!
//! The commands run a proxy, check a configuration, probe a server, or print the schema or the description of
//! the metrics. `affinity` says who moves under another configuration, and `control` has the commands to a running proxy.

mod affinity;
mod control;

mod manual;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use clap_complete::Shell;
use penstock_origin::{Options as OriginOptions, Origin, Speaks};

use crate::config::{self, Address, Backend, FrameKind, Loaded, Prefix, Protocol, Settings};
use crate::lifecycle::{self, ConfigSource, ConfigWatch, Running, say};
use crate::{metrics, notice, probe};

/// A reverse proxy that carries thousands of keep-alive clients over a few pooled links.
#[derive(Parser, Debug)]
#[command(
    name = "penstock",
    version,
    after_help = "Try it:\n  penstock run --with-origin      a proxy and an origin to try it on\n  \
                  curl -i http://127.0.0.1:8080/json\n  curl -s http://127.0.0.1:9900/metrics | less"
)]
struct Cli {
    #[command(subcommand)]
    command: CliCommand,
}

#[derive(Subcommand, Debug)]
enum CliCommand {
    /// Run the proxy. SIGHUP reloads the configuration, SIGUSR1 reopens the access logs, SIGTERM and SIGINT drain it.
    Run {
        /// The configuration file [default: `config.yaml` if it is there, else a built-in copy of it].
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Also run the included origin on the addresses of all members.
        #[arg(long)]
        with_origin: bool,
        /// Reload the configuration whenever the content of its file changes, within about a second.
        #[arg(long)]
        watch: bool,
    },
    /// Have a running proxy load its configuration again, and say how many sources move.
    Reload(control::ReloadArguments),
    /// Check a configuration and report all mistakes, with file, line and field.
    Check {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE", default_value = "config.yaml")]
        config: PathBuf,
    },
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Test whether a server keeps the order of pipelined requests, and say what to configure.
    Probe(probe::ProbeArguments),
    /// Show which sources meet which member.
    Affinity {
        #[command(subcommand)]
        command: affinity::AffinityCommand,
    },
    /// Describe the metrics.
    Metrics {
        #[command(subcommand)]
        command: MetricsCommand,
    },
    /// Print completions of the command line for a shell.
    #[command(
        after_help = "For one user:\n  penstock completions bash > ~/.local/share/bash-completion/completions/penstock\n  \
                      penstock completions fish > ~/.config/fish/completions/penstock.fish\n  \
                      penstock completions zsh > ~/.zfunc/_penstock      (with ~/.zfunc in $fpath)"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page, or write those of all commands into a directory.
    #[command(
        after_help = "Read it:     penstock man | man -l -\nInstall all: penstock man /usr/local/share/man/man1"
    )]
    Man {
        /// The directory, which must be there.
        #[arg(value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
    },
}

#[derive(Subcommand, Debug)]
enum MetricsCommand {
    /// List every metric: name, type, labels and help text.
    Describe {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command that the arguments of this process name.
#[must_use]
pub fn main() -> ExitCode {
    let code = run_command(Cli::parse().command);
    notice::finish();
    code
}

fn run_command(command: CliCommand) -> ExitCode {
    match command {
        CliCommand::Run { config, with_origin, watch } => run(config.as_deref(), with_origin, watch),
        CliCommand::Reload(arguments) => control::reload(&arguments),
        CliCommand::Check { config } => check(&config),
        CliCommand::Schema => print(&(config::schema() + "\n")),
        CliCommand::Probe(arguments) => probe::command(&arguments),
        CliCommand::Affinity { command } => affinity::run(&command),
        CliCommand::Metrics { command: MetricsCommand::Describe { json } } => print(described_metrics(json)),
        CliCommand::Completions { shell } => print(manual::completions(shell)),
        CliCommand::Man { directory } => man(directory.as_deref()),
    }
}

fn man(directory: Option<&Path>) -> ExitCode {
    let (written, place) = match directory {
        None => (manual::page().map(print), "the page".to_owned()),
        Some(directory) => {
            let written = manual::write_pages(directory).map(|()| ExitCode::SUCCESS);
            (written, format!("the pages into {}", directory.display()))
        }
    };
    written.unwrap_or_else(|error| {
        print_error(&format!("penstock: cannot write {place}: {error}"));
        ExitCode::FAILURE
    })
}

fn check(path: &Path) -> ExitCode {
    let Some(loaded) = loaded(&ConfigSource::File(path.to_owned()), print_error) else {
        return ExitCode::FAILURE;
    };
    let Settings { listeners, backends, .. } = &loaded.settings;
    let members: usize = backends.iter().map(|b| b.members.len()).sum();
    print(format!(
        "{}: good: {} listeners, {} backends, {members} members\n",
        path.display(),
        listeners.len(),
        backends.len()
    ))
}

/// Runs the proxy. From here on no output may block or fail, so all of it goes through `notice`.
fn run(path: Option<&Path>, with_origin: bool, watch: bool) -> ExitCode {
    lifecycle::report_panics();
    let source = ConfigSource::named_or_usual(path);
    // A change while the file is being read must not go unnoticed, so that watching begins before.
    let watch = match watch.then(|| start_watch(&source)).transpose() {
        Ok(watch) => watch,
        Err(why) => {
            notice::err(&why);
            return ExitCode::FAILURE;
        }
    };
    let Some(loaded) = loaded(&source, notice::err) else { return ExitCode::FAILURE };
    match serve(loaded, source, with_origin, watch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            notice::err(&why);
            ExitCode::FAILURE
        }
    }
}

/// Loads the configuration, and passes warnings or mistakes to `say`.
fn loaded(source: &ConfigSource, say: fn(&str)) -> Option<Loaded> {
    match source.load() {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(|warning| say(&warning.to_string()));
            Some(loaded)
        }
        Err(mistakes) => {
            say(&mistakes.to_string());
            None
        }
    }
}

fn start_watch(source: &ConfigSource) -> Result<ConfigWatch, String> {
    let ConfigSource::File(path) = source else {
        return Err("penstock: --watch needs a file; name one with --config".to_owned());
    };
    ConfigWatch::start(path).map_err(|e| format!("penstock: cannot watch {source}: {e}"))
}

fn serve(
    loaded: Loaded,
    source: ConfigSource,
    with_origin: bool,
    watch: Option<ConfigWatch>,
) -> Result<(), String> {
    crate::net::raise_descriptor_limit();
    let settings = loaded.settings.clone();
    let _origins = with_origin.then(|| start_origins(&settings)).transpose()?;
    let running = Running::start(loaded, source)?.with_watch(watch);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| format!("penstock: cannot start the runtime: {e}"))?;
    let summary = |running: &Running| print_summary(&settings, running, with_origin);
    runtime
        .block_on(running.until_signal(summary))
        .map_err(|e| format!("penstock: cannot wait for signals: {e}"))
}

/// Starts the included origin on the addresses of all members: one for each backend, with the protocol of its
/// clients.
fn start_origins(settings: &Settings) -> Result<Vec<Origin>, String> {
    let started = settings.backends.iter().filter_map(|backend| origin_of(backend).map(Origin::start));
    let started: io::Result<_> = started.collect();
    started.map_err(|e| format!("penstock: the included origin cannot start: {e}"))
}

/// Returns the origin's options for a backend. The origin does not speak RESP; that needs a Redis.
fn origin_of(backend: &Backend) -> Option<OriginOptions> {
    let speaks = match backend.framing.as_ref().map(|framing| framing.kind) {
        None => Speaks::Http,
        Some(FrameKind::Lines { crlf }) => Speaks::Lines { crlf },
        Some(FrameKind::LengthPrefixed(prefix)) => Speaks::LengthPrefixed(counted(prefix)),
        Some(FrameKind::Resp) => return None,
    };
    let proxy_protocol = backend.proxy_protocol.is_some();
    let mut options = OriginOptions { speaks, proxy_protocol, ..OriginOptions::default() };
    for member in &backend.members {
        let name = member.name.to_string();
        match &member.address {
            Address::Ip(address) => options.listen.push((name, *address)),
            Address::Unix(path) => options.unix.push((name, path.to_path_buf())),
        }
    }
    Some(options)
}

fn counted(prefix: Prefix) -> penstock_origin::Prefix {
    penstock_origin::Prefix {
        width: prefix.width,
        little: prefix.little_endian,
        counts_header: prefix.counts_header,
        offset: prefix.offset,
    }
}

fn print_summary(settings: &Settings, running: &Running, with_origin: bool) {
    let say = |text: &str| say(settings, text);
    for listener in &settings.listeners {
        let backend = &settings.backends[listener.backend];
        let members: Vec<_> = backend.members.iter().map(|m| format!("{}={}", m.name, m.address)).collect();
        let scheme = listener.protocol.word();
        let bound = running
            .address(&listener.name)
            .map_or_else(|| listener.bind.to_string(), |address| format!("{scheme}://{address}"));
        say(&format!("{:8} {bound}  ->  {} ({})", listener.name, backend.name, members.join(" ")));
        let mut others: Vec<_> =
            listener.routes.iter().map(|r| &*settings.backends[r.backend].name).collect();
        others.dedup();
        if !others.is_empty() {
            say(&format!("         {} routes  ->  {}", listener.routes.len(), others.join(", ")));
        }
    }
    if with_origin {
        let not = settings.backends.iter().filter(|b| b.protocol == Protocol::Resp).map(|b| &*b.name);
        let not: Vec<_> = not.collect();
        let but =
            if not.is_empty() { String::new() } else { format!(", except of {} (no Redis)", not.join(", ")) };
        say(&format!("origin   included, on the addresses of all members{but}"));
    }
    if let Some(control) = &settings.control {
        say(&format!("control  unix:{}", control.display()));
    }
    if let Some(admin) = running.admin_address() {
        say(&format!("metrics  http://{admin}/metrics"));
    }
    let http = settings.listeners.iter().filter(|l| l.protocol == Protocol::Http);
    if let Some(address) = http.filter_map(|l| running.address(&l.name)).next() {
        say(&format!("try      curl -i http://{address}/json"));
    }
}

fn described_metrics(json: bool) -> String {
    if json {
        return metrics::describe_json() + "\n";
    }
    let lines = metrics::describe().into_iter().map(|metric| {
        let labels: Vec<_> = metric.labels.iter().map(|label| label.name).collect();
        format!("{} ({}) {{{}}}\n    {}\n", metric.name, metric.kind, labels.join(", "), metric.help)
    });
    lines.collect()
}

/// Prints a text. A reader that closes the pipe early (`| head`) is no error.
fn print(text: impl AsRef<[u8]>) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            print_error(&format!("penstock: cannot print: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Prints an error on the standard error. If that fails, the exit code must do.
fn print_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
