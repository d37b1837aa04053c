//! Runs `penstock-bench peers`: the same load through penstock and through other proxies, in interleaved rounds.
//!
//! `scenario` lists the loads and `peer` the proxies; `setup` writes their configurations, `origin` and `running` start
//! them, `check` tries them, `record` measures one window, and `results` says what all windows show. The ladders use
//! the same parts.

mod check;
pub(crate) mod figure;
mod options;
pub(crate) mod origin;
pub(crate) mod peer;
pub(crate) mod record;
mod results;
pub(crate) mod running;
pub(crate) mod scenario;
pub(crate) mod section;
pub(crate) mod setup;

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::failure::Failure;
use crate::places::{self, Places};
use crate::program::Folder;
use crate::{interrupt, machine, preflight, sockets};

use origin::Origin;
use peer::{Found, PIPELINE, Peer};
use record::Record;
use results::{Measured, Series, Variant};
use running::Running;
use scenario::{Mode, Scenario};
use section::Section;
use setup::Setup;

pub(crate) use options::{Options, seconds};

/// The version of the JSON form. It grows when a field changes its meaning or goes, not when one is added.
const JSON_VERSION: u32 = 1;
const TITLE: &str = "penstock and other proxies under the same load";

/// Compares the proxies, and prints the report.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let scenarios = scenario::select(&options.scenarios).map_err(Failure::Arguments)?;
    if options.list {
        return Ok(list());
    }
    let (found, mut notes) = find(options)?;
    let most = scenarios.iter().map(|scenario| scenario.clients).max().unwrap_or(0);
    preflight::check_descriptors(most)?;
    sockets::free_ports([options.port])?;
    crate::watch_for_interrupts()?;
    let cpus = places::allowed()?;
    let mut comparison = Comparison { options, found, cpus, scenarios, left_out: Vec::new() };
    notes.extend(comparison.check()?);
    let measured = comparison.measure();
    comparison.report(&measured, notes)
}

fn list() -> ExitCode {
    let mut text = String::from("Loads:\n");
    for scenario in scenario::SCENARIOS {
        text += &format!("  {:22} {}\n", scenario.name, scenario.title);
    }
    text += "Proxies:\n";
    for peer in Peer::ALL {
        let found = peer
            .find()
            .map_or_else(|why| why, |found| format!("{} {}", found.program.display(), found.version));
        text += &format!("  {:22} {}\n", peer.name(), if peer == Peer::Direct { "no proxy" } else { &found });
    }
    print(&text);
    ExitCode::SUCCESS
}

/// Finds the programs. One that is missing is a mistake if the user or every run needs it, and otherwise a note.
fn find(options: &Options) -> Result<(Vec<Found>, Vec<String>), Failure> {
    let (mut found, mut notes) = (Vec::new(), Vec::new());
    for peer in Peer::ALL {
        let is_named = options.peers.contains(&peer);
        if !is_named && !options.peers.is_empty() {
            continue;
        }
        match peer.find() {
            Ok(program) => found.push(program),
            Err(_) if peer == Peer::Direct => {
                found.push(Found { peer, program: "direct".into(), version: String::new() });
            }
            Err(why) if is_named || peer == Peer::Penstock => {
                return Err(Failure::Machine(format!("{} cannot be measured: {why}", peer.name())));
            }
            // Few have one.
            Err(_) if peer == Peer::Before => {}
            Err(why) => notes.push(format!("{} was skipped: {why}", peer.name())),
        }
    }
    Ok((found, notes))
}

/// What is compared, and how.
struct Comparison<'a> {
    options: &'a Options,
    found: Vec<Found>,
    cpus: Vec<usize>,
    scenarios: Vec<Scenario>,
    /// What failed its check.
    left_out: Vec<(Peer, Mode)>,
}

impl Comparison<'_> {
    /// Starts a proxy and its origin.
    fn start(&self, found: &Found, scenario: &Scenario, workers: usize) -> Result<Running, Failure> {
        let folder = Folder::new()?;
        let places = Places::divide(&self.cpus, workers);
        let origin = Origin::start(scenario.mode, &places.load, &folder)?;
        if found.peer == Peer::Direct {
            return Ok(Running::direct(origin, places, folder));
        }
        let [listen] = sockets::free_ports([self.options.port])?;
        let setup = Setup {
            mode: scenario.mode,
            listen,
            members: origin.members.iter().map(SocketAddr::to_string).collect(),
            workers,
            links: scenario.links,
            extra: [""; 2],
        };
        Running::behind(found, &setup, origin, places, folder)
    }

    /// Checks each proxy once for each kind of load. One that fails is left out, unless it was asked for.
    fn check(&mut self) -> Result<Vec<String>, Failure> {
        let mut notes = Vec::new();
        let mut kinds: Vec<Scenario> = Vec::new();
        for scenario in &self.scenarios {
            if kinds.iter().all(|kind| kind.mode != scenario.mode) {
                kinds.push(*scenario);
            }
        }
        let bar = progress((kinds.len() * self.found.len()) as u64);
        for scenario in &kinds {
            for found in self.found.iter().filter(|found| found.peer.can(scenario.mode)) {
                let peer = found.peer;
                bar.set_message(format!("{} is checked for {:?}", peer.name(), scenario.mode));
                bar.inc(1);
                if interrupt::has_come() {
                    return Ok(notes);
                }
                let checked = self
                    .start(found, scenario, 1)
                    .and_then(|running| check::check(peer, scenario, running.address, &running.origin));
                match checked {
                    Ok(Some(opened)) => notes.push(format!(
                        "{} was checked: 240 clients of 24 sources took {opened} connections to members",
                        peer.name()
                    )),
                    Ok(None) => {}
                    Err(failure)
                        if matches!(peer, Peer::Penstock | Peer::Direct)
                            || self.options.peers.contains(&peer) =>
                    {
                        bar.finish_and_clear();
                        return Err(failure);
                    }
                    Err(failure) => {
                        let mode = scenario.mode;
                        notes.push(format!("{} was left out of {mode:?}: {failure}", peer.name()));
                        self.left_out.push((peer, mode));
                    }
                }
            }
        }
        bar.finish_and_clear();
        Ok(notes)
    }

    /// Lets each round measure every proxy once under each load, in an order that turns.
    fn measure(&self) -> Vec<Measured> {
        let mut all: Vec<Measured> = self.scenarios.iter().map(|scenario| self.empty(*scenario)).collect();
        let steps = all.iter().map(|measured| measured.series.len()).sum::<usize>()
            * usize::from(self.options.rounds);
        let bar = progress(steps as u64);
        'rounds: for round in 0..usize::from(self.options.rounds) {
            for measured in &mut all {
                let scenario = measured.scenario;
                let count = measured.series.len();
                for turn in 0..count {
                    let series = &mut measured.series[(turn + round) % count];
                    if interrupt::has_come() {
                        break 'rounds;
                    }
                    bar.set_message(format!(
                        "{} {}, round {}",
                        scenario.name,
                        series.variant.peer.name(),
                        round + 1
                    ));
                    let record = self.window(&scenario, series.variant);
                    bar.inc(1);
                    match record {
                        // A window that Ctrl-C cut short is not comparable.
                        Ok(_) if interrupt::has_come() => break 'rounds,
                        Ok(record) => series.records.push((round, record)),
                        Err(failure) => series.failures.push(failure.to_string()),
                    }
                }
            }
        }
        bar.finish_and_clear();
        all
    }

    /// Lists the proxies that can carry a load, each with all numbers of workers.
    fn empty(&self, scenario: Scenario) -> Measured {
        let takes_part =
            |peer: &Peer| peer.can(scenario.mode) && !self.left_out.contains(&(*peer, scenario.mode));
        let peers = self.found.iter().map(|found| found.peer).filter(takes_part);
        let variants = peers.flat_map(|peer| {
            let workers = self.options.workers.iter().map(|workers| usize::from(*workers));
            let workers: Vec<usize> = if peer == Peer::Direct { vec![1] } else { workers.collect() };
            workers.into_iter().map(move |workers| (peer, workers))
        });
        let series = variants.map(|(peer, workers)| {
            let overlaps = Places::divide(&self.cpus, workers).overlap();
            Series::new(Variant { peer, workers, overlaps })
        });
        Measured { scenario, series: series.collect() }
    }

    /// Measures one window of one proxy, which is started for it.
    fn window(&self, scenario: &Scenario, variant: Variant) -> Result<Record, Failure> {
        let found = self.found.iter().find(|found| found.peer == variant.peer);
        let found = found.ok_or_else(|| Failure::Machine(format!("{} is gone", variant.peer.name())))?;
        let mut running = self.start(found, scenario, variant.workers)?;
        let duration = Duration::from_secs_f64(self.options.seconds);
        let plan = scenario.plan(running.address, variant.peer, duration, running.places.load.len());
        running.measure(&plan, scenario.fast_class())
    }

    /// Prints and writes the report, and returns the exit status.
    fn report(&self, measured: &[Measured], notes: Vec<String>) -> Result<ExitCode, Failure> {
        let mut sections = vec![self.summary(measured, notes)];
        sections.extend(measured.iter().filter_map(Measured::scaling));
        // What failed in all rounds has no row, and notes that say why.
        let tables = measured.iter().map(Measured::section);
        sections.extend(tables.filter(|section| !section.rows.is_empty() || !section.after.is_empty()));
        print(&section::markdown(TITLE, &sections));
        if let Some(path) = &self.options.html {
            write(path, &section::html(TITLE, &sections))?;
        }
        if let Some(path) = &self.options.json {
            let json = json!({
                "format": "penstock-bench peers", "version": JSON_VERSION, "interrupted": interrupt::has_come(),
                "machine": machine::describe(self.cpus.len()), "seconds": self.options.seconds,
                "rounds": self.options.rounds, "versions": self.versions(),
                "measured": measured.iter().map(Measured::to_json).collect::<Vec<_>>(),
            });
            write(path, &format!("{json:#}\n"))?;
        }
        let series = || measured.iter().flat_map(|measured| &measured.series);
        let wrong = series().any(|series| series.records.iter().any(|(_, record)| record.wrong > 0));
        let failed = series().any(|series| !series.failures.is_empty());
        Ok(match interrupt::has_come() {
            true => ExitCode::from(interrupt::STATUS),
            false => ExitCode::from(u8::from(wrong || failed)),
        })
    }

    fn versions(&self) -> Vec<String> {
        let versions =
            self.found.iter().filter(|found| !found.version.is_empty() && !found.peer.is_a_setup());
        versions.map(|found| found.version.clone()).collect()
    }

    fn summary(&self, measured: &[Measured], notes: Vec<String>) -> Section {
        let columns = [
            "load",
            "penstock: CPU µs/request",
            "cheapest other proxy",
            "CPU, ratio",
            "penstock-pipelined: CPU µs/request",
            "CPU, ratio",
            "requests/s, ratio",
            "penstock: requests/s",
            "p99 ms",
            "connections to members, penstock / other",
        ];
        let (rounds, seconds) = (self.options.rounds, self.options.seconds);
        let mut before = vec![
            format!("{}.", machine::describe(self.cpus.len())),
            format!("{}.", self.versions().join("; ")),
            format!(
                "{rounds} interleaved rounds of {seconds} s; medians, and ranges in brackets. A ratio below 1 in CPU, or above 1 \
                 in requests per second, is in penstock's favour; it is the median of the rounds' ratios. The cheapest other \
                 proxy is the one with the least CPU per request among those that made no mistake."
            ),
        ];
        if self.found.iter().any(|found| found.peer == Peer::Pipelined) {
            before.push(format!(
                "penstock has its defaults: one request at a time on a link to members that it knows nothing of. \
                 penstock-pipelined is told that they keep the order of answers (`pipeline: {PIPELINE}`)."
            ));
        }
        if interrupt::has_come() {
            before.push("The run was interrupted: some rounds are missing.".to_owned());
        }
        Section {
            title: "In short".to_owned(),
            before,
            columns: columns.map(str::to_owned).to_vec(),
            rows: measured.iter().filter_map(Measured::summary).collect(),
            after: notes,
            bars: None,
        }
    }
}

/// Returns a bar with room for a message, which is hidden if standard error is no terminal.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("[{elapsed}] {bar:40} {pos}/{len}  {msg}");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::Machine(format!("{}: {error}", path.display())))
}

pub(crate) fn print(text: &str) {
    // Standard output may be a pipe that nobody reads to its end.
    let _ = std::io::stdout().write_all(text.as_bytes());
}
