//! Runs `penstock-bench ladder`: published runs that users cite, made again, with the published figures beside ours.

mod delay;
mod published;
mod rung;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::peers::figure::Figure;
use crate::peers::origin::Origin;
use crate::peers::peer::{Found, Peer};
use crate::peers::record::Record;
use crate::peers::running::Running;
use crate::peers::section::{self, Bars, Section};
use crate::peers::setup::Setup;
use crate::peers::{print, progress, write};
use crate::places::{self, Places};
use crate::program::Folder;
use crate::{interrupt, machine, preflight, sockets};

use published::Published;
use rung::{Ladder, Rung};

const MORE: &str = "\
Ladders:
  hello          a small GET over 8, 16, 32, 128 and 512 connections
  pipeline       100 small GETs in flight on each of 1,000, 2,000 and 5,000 connections; says whose limit was found
  rest           POST to add, sub, mul and div on 1 and 200 connections, one and four members
  keepalive10k   10,000 connections, one request on each every 5 seconds
  small-window   socket buffers of 1,024 bytes against the default, with a delay
  ipc            a member over loopback TCP and over a Unix socket
  workstations   5,000 clients, an address each, 5 messages a second each, in an open loop
  all            all of them

Each rung runs direct and through penstock with one worker, in interleaved rounds; origin and proxy are started anew for each.
hello and pipeline also run through penstock-pipelined, which is told that members keep order (`pipeline: 32`).
The programs are taken from PENSTOCK_BIN and PENSTOCK_ORIGIN_BIN, else from beside penstock-bench and from PATH.

Exit status: 0 if all was measured and no answer was wrong, 1 if not, 2 for bad arguments, 3 if a server does not answer, 4 if
this machine lacks something, 130 after Ctrl-C, which keeps what was measured.";

/// The version of the JSON form. It grows when a field changes its meaning or goes, not when one is added.
const JSON_VERSION: u32 = 1;
/// A rate that grew less than this by a larger rung has met a limit.
const GROWTH: f64 = 1.05;

/// Options of `penstock-bench ladder`.
#[derive(Args, Debug)]
#[command(after_help = MORE)]
pub(crate) struct Options {
    /// The ladders, or `all`
    #[arg(required = true)]
    names: Vec<String>,
    /// The number of rounds
    #[arg(short, long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// The length of each window in seconds; some ladders need longer ones
    #[arg(short, long, default_value_t = 3.0, value_parser = crate::peers::seconds)]
    seconds: f64,
    /// The number of workers of penstock
    #[arg(short, long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: u16,
    /// The port that penstock listens on; 0 for any free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Also write the report as a page of HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write all records as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What was measured of one rung.
struct Step {
    rung: Rung,
    records: Vec<Record>,
    failures: Vec<String>,
}

/// Runs the ladders, and prints the report.
pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let ladders = rung::select(&options.names).map_err(Failure::Arguments)?;
    let found = Peer::Penstock
        .find()
        .map_err(|why| Failure::Machine(format!("{why}; `cargo build --release -p penstock` builds it")))?;
    let rungs = || ladders.iter().flat_map(|ladder| (ladder.rungs)());
    preflight::check_descriptors(rungs().map(|rung| rung.clients).max().unwrap_or(0))?;
    sockets::free_ports([options.port])?;
    let alone = ladders.len() == 1 && ladders[0].name == "small-window";
    let delayed = if alone && !delay::is_inside() { Some(delay::enter()?) } else { None };
    crate::watch_for_interrupts()?;
    let stage = Stage { options, found, cpus: places::allowed()? };
    if let Some(first) = rungs().find(|rung| rung.is_proxied()) {
        stage.check(&first)?;
    }
    let bar = progress((rungs().count() * usize::from(options.rounds)) as u64);
    let mut climbed: Vec<(Ladder, Vec<Step>)> = Vec::new();
    for ladder in ladders {
        let steps = stage.climb(&ladder, &|words| {
            bar.set_message(words);
            bar.inc(1);
        });
        climbed.push((ladder, steps));
    }
    bar.finish_and_clear();
    stage.report(&climbed, delayed.as_deref())
}

/// Where the rungs are measured.
struct Stage<'a> {
    options: &'a Options,
    found: Found,
    cpus: Vec<usize>,
}

impl Stage<'_> {
    fn start(&self, rung: &Rung) -> Result<Running, Failure> {
        let folder = Folder::new()?;
        let places = Places::divide(&self.cpus, self.options.workers.into());
        let path = folder.path().join("origin.sock");
        let origin = match rung.unix {
            true => Origin::unix(&path, &places.load, &folder)?,
            false => Origin::http(rung.members, rung.origin, &places.load, &folder)?,
        };
        if !rung.is_proxied() {
            return Ok(Running::direct(origin, places, folder));
        }
        let [listen] = sockets::free_ports([self.options.port])?;
        let members = match rung.unix {
            true => vec![format!("unix:{}", path.display())],
            false => origin.members.iter().map(SocketAddr::to_string).collect(),
        };
        let setup = Setup {
            mode: rung.mode,
            listen,
            members,
            workers: self.options.workers.into(),
            links: None,
            extra: rung.extra,
        };
        let found = Found { peer: rung.way, ..self.found.clone() };
        Running::behind(&found, &setup, origin, places, folder)
    }

    /// Makes one exchange, so that mistakes show before any load.
    fn check(&self, rung: &Rung) -> Result<(), Failure> {
        let running = self.start(rung)?;
        let plan = rung.plan(running.address, Duration::from_secs(1), 1).map_err(Failure::Arguments)?;
        preflight::check_server(&plan)
    }

    /// Measures all rungs of a ladder, round by round.
    fn climb(&self, ladder: &Ladder, say: &dyn Fn(String)) -> Vec<Step> {
        let empty = |rung| Step { rung, records: Vec::new(), failures: Vec::new() };
        let mut steps: Vec<Step> = (ladder.rungs)().into_iter().map(empty).collect();
        let seconds = Duration::from_secs_f64(self.options.seconds.max(ladder.least_seconds));
        for round in 0..self.options.rounds {
            for step in &mut steps {
                if interrupt::has_come() {
                    return steps;
                }
                say(format!(
                    "{} {} {}, round {}",
                    ladder.name,
                    step.rung.label,
                    step.rung.way.name(),
                    round + 1
                ));
                match self.window(&step.rung, seconds) {
                    // A window that Ctrl-C cut short is not comparable.
                    Ok(_) if interrupt::has_come() => return steps,
                    Ok(record) => step.records.push(record),
                    Err(failure) => step.failures.push(failure.to_string()),
                }
            }
        }
        steps
    }

    fn window(&self, rung: &Rung, duration: Duration) -> Result<Record, Failure> {
        let mut running = self.start(rung)?;
        let threads = running.places.load.len();
        let plan = rung.plan(running.address, duration, threads).map_err(Failure::Arguments)?;
        running.measure(&plan, None)
    }

    fn report(&self, climbed: &[(Ladder, Vec<Step>)], delayed: Option<&str>) -> Result<ExitCode, Failure> {
        let mut sections = Vec::new();
        for (ladder, steps) in climbed {
            sections.push(self.ours(ladder, steps, delayed));
            sections.extend(ladder.published.iter().map(|published| theirs(ladder, published)));
        }
        let title = "Ladders: published runs, made again with penstock";
        print(&section::markdown(title, &sections));
        if let Some(path) = &self.options.html {
            write(path, &section::html(title, &sections))?;
        }
        if let Some(path) = &self.options.json {
            let ladders: Vec<Value> = climbed
                .iter()
                .map(|(ladder, steps)| {
                    json!({
                        "ladder": ladder.name, "rungs": steps.iter().map(Step::to_json).collect::<Vec<_>>(),
                    })
                })
                .collect();
            let json = json!({
                "format": "penstock-bench ladder", "version": JSON_VERSION, "interrupted": interrupt::has_come(),
                "machine": machine::describe(self.cpus.len()), "penstock": self.found.version, "ladders": ladders,
            });
            write(path, &format!("{json:#}\n"))?;
        }
        let bad =
            |step: &Step| !step.failures.is_empty() || step.records.iter().any(|record| record.wrong > 0);
        let bad = climbed.iter().any(|(_, steps)| steps.iter().any(bad));
        Ok(match interrupt::has_come() {
            true => ExitCode::from(interrupt::STATUS),
            false => ExitCode::from(u8::from(bad)),
        })
    }

    /// Writes our table of a ladder.
    fn ours(&self, ladder: &Ladder, steps: &[Step], delayed: Option<&str>) -> Section {
        let columns = [
            "",
            "way",
            "requests/s",
            "proxy: CPU µs/request",
            "p50 ms",
            "p99 ms",
            "p99.9 ms",
            "MB/s up and down",
            "connections to members",
            "proxy: memory MiB",
            "failed",
            "not started in time",
            "the limit",
        ];
        let (rounds, seconds) = (self.options.rounds, self.options.seconds.max(ladder.least_seconds));
        let mut before = vec![
            format!("Ours: {}; {}.", machine::describe(self.cpus.len()), self.found.version),
            format!(
                "{rounds} rounds of {seconds} s; medians, and ranges in brackets. penstock has {} of its own; origin and generator share {}.",
                cpus(Places::divide(&self.cpus, self.options.workers.into()).proxy.len()),
                cpus(self.cpus.len() - self.cpus.len() / 2),
            ),
        ];
        if ladder.name == "small-window" {
            before.push(match (delay::is_inside(), delayed) {
                (true, _) => "Each packet is delayed by 0.5 ms in a network namespace, which makes a round trip of 1 ms.".to_owned(),
                (false, why) => format!(
                    "This kernel delays no packets ({}), so the origin answers 1 ms late. That is no round trip: a small window \
                     costs segments and system calls here, and not the waiting that it costs on a long path.",
                    why.unwrap_or("it is tried only where this ladder runs by itself")
                ),
            });
        }
        if interrupt::has_come() {
            before.push("The run was interrupted: some rounds are missing.".to_owned());
        }
        let mut after: Vec<String> = ladder.notes.iter().map(|note| (*note).to_owned()).collect();
        after.extend(compared(steps));
        if ladder.climbs {
            after.extend(limits(steps));
        }
        if ladder.published.is_empty() {
            after.push("No published run of this kind with its figures and its hardware was found, so none stands beside ours.".to_owned());
        }
        for Step { rung, records, failures } in steps {
            let (label, way) = (rung.label, rung.way.name());
            after.extend(failures.iter().map(|why| format!("{label}, {way}: failed: {why}")));
            let first = records.iter().find_map(|record| record.first_error.as_deref());
            after.extend(first.map(|first| format!("{label}, {way}: the first error was: {first}")));
        }
        Section {
            title: format!("{}: {}", ladder.name, ladder.title),
            before,
            columns: columns.map(str::to_owned).to_vec(),
            rows: steps.iter().filter(|step| !step.records.is_empty()).map(Step::row).collect(),
            after,
            bars: Some(bars(steps)),
        }
    }
}

fn cpus(count: usize) -> String {
    if count == 1 { "1 CPU".to_owned() } else { format!("{count} CPUs") }
}

impl Step {
    fn figure(&self, what: impl Fn(&Record) -> f64) -> Option<Figure> {
        Figure::of(self.records.iter().map(what))
    }

    fn median(&self, what: impl Fn(&Record) -> f64) -> f64 {
        self.figure(what).map_or(f64::NAN, |figure| figure.median)
    }

    fn row(&self) -> Vec<String> {
        let cell = |what: fn(&Record) -> f64| {
            self.figure(what).map_or_else(String::new, |figure| figure.to_string())
        };
        let of_proxy = |what| if self.rung.is_proxied() { cell(what) } else { "-".to_owned() };
        let sum = |what: fn(&Record) -> u64| self.records.iter().map(what).sum::<u64>().to_string();
        vec![
            self.rung.label.to_owned(),
            self.rung.way.name().to_owned(),
            cell(Record::per_second),
            of_proxy(Record::cpu_micros),
            cell(|r| r.p50 * 1e3),
            cell(|r| r.p99 * 1e3),
            cell(|r| r.p999 * 1e3),
            cell(|r| r.bytes as f64 / r.seconds.max(1e-9) / 1e6),
            if self.rung.unix { "-".to_owned() } else { cell(|r| r.connections as f64) },
            of_proxy(|r| r.memory_bytes as f64 / f64::from(1 << 20)),
            sum(|r| r.failed),
            if self.rung.rate.is_some() { sum(|r| r.unsent) } else { "-".to_owned() },
            self.limit().to_owned(),
        ]
    }

    /// Says what kept most windows from being more.
    fn limit(&self) -> &'static str {
        let mut limits: Vec<&str> = self.records.iter().map(|r| r.limit(self.rung.rate.is_some())).collect();
        limits.sort_unstable();
        limits.get(limits.len() / 2).copied().unwrap_or("")
    }

    fn to_json(&self) -> Value {
        json!({
            "rung": self.rung.label, "way": self.rung.way.name(), "clients": self.rung.clients, "depth": self.rung.depth,
            "rate": self.rung.rate, "limit": self.limit(), "failures": self.failures,
            "rounds": self.records.iter().map(Record::to_json).collect::<Vec<_>>(),
        })
    }
}

/// Draws the rates of a closed loop, or the latencies where the rate is given.
fn bars(steps: &[Step]) -> Bars {
    let is_given = steps.iter().any(|step| step.rung.rate.is_some());
    let (unit, what): (_, fn(&Record) -> f64) =
        if is_given { ("p99, ms", |r| r.p99 * 1e3) } else { ("requests per second", Record::per_second) };
    let bar =
        |step: &Step| Some((format!("{}, {}", step.rung.label, step.rung.way.name()), step.figure(what)?));
    Bars { unit, bars: steps.iter().filter_map(bar).collect() }
}

/// Compares what goes through the proxy with the direct rung before it.
fn compared(steps: &[Step]) -> Vec<String> {
    let mut notes = Vec::new();
    let mut direct: Option<&Step> = None;
    for step in steps.iter().filter(|step| !step.records.is_empty()) {
        match (step.rung.is_proxied(), direct) {
            (false, _) => direct = Some(step),
            (true, Some(direct)) => {
                let added = (step.median(|r| r.p50) - direct.median(|r| r.p50)) * 1e6;
                let rate = step.median(Record::per_second) / direct.median(Record::per_second);
                let by_client = step.median(|r| r.memory_bytes as f64) / step.rung.clients as f64;
                let memory = if step.rung.clients >= 5000 {
                    format!(", {by_client:.0} bytes of memory by client")
                } else {
                    String::new()
                };
                notes.push(format!(
                    "{}, {}: {rate:.2} of the direct rate, {added:+.0} µs at the median{memory}",
                    step.rung.label,
                    step.rung.way.name()
                ));
            }
            (true, None) => {}
        }
    }
    notes
}

/// Says where a rate stopped growing, and whose limit that is.
fn limits(steps: &[Step]) -> Vec<String> {
    let mut notes = Vec::new();
    for peer in Peer::ALL {
        let way: Vec<&Step> =
            steps.iter().filter(|step| step.rung.way == peer && !step.records.is_empty()).collect();
        let failed = |step: &&Step| step.records.iter().any(|record| record.failed > 0);
        let stopped = way.windows(2).find(|pair| {
            failed(&pair[1])
                || pair[1].median(Record::per_second) < pair[0].median(Record::per_second) * GROWTH
        });
        let Some(last) = way.last() else { continue };
        let name = last.rung.way.name();
        notes.push(match stopped {
            Some([before, at]) if failed(at) => format!(
                "{name}: requests fail from {} on ({}); the limit before that was: {}",
                at.rung.label,
                at.records.iter().map(|record| record.failed).sum::<u64>(),
                before.limit()
            ),
            Some([before, at]) => format!(
                "{name}: the rate does not grow from {} to {}, so the limit is found: {}",
                before.rung.label,
                at.rung.label,
                before.limit()
            ),
            _ => format!(
                "{name}: the rate grows up to {}; what limits it there: {}",
                last.rung.label,
                last.limit()
            ),
        });
    }
    notes
}

/// Writes a published table.
fn theirs(ladder: &Ladder, published: &Published) -> Section {
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    Section {
        title: format!("{}, published: {}", ladder.name, published.what),
        before: vec![
            format!("Source: {}.", published.source),
            format!("Hardware: {}.", published.hardware),
            format!("What differs from ours: {}.", published.differs),
        ],
        columns: text(published.columns),
        rows: published.rows.iter().map(|row| text(row)).collect(),
        ..Section::default()
    }
}

#[cfg(test)]
mod tests {
    use super::rung::LADDERS;
    use super::*;

    fn step(label: &'static str, way: Peer, rate: u64, busy: f64, failed: u64) -> Step {
        let rung = Rung { label, way, ..(LADDERS[1].rungs)()[0] };
        let record = Record { answered: rate, seconds: 1.0, proxy_busy: busy, failed, ..Record::default() };
        Step { rung, records: vec![record], failures: Vec::new() }
    }

    #[test]
    fn the_limit_is_where_the_rate_stops_growing() {
        let steps = [
            step("a", Peer::Direct, 100, 0.0, 0),
            step("a", Peer::Penstock, 80, 0.95, 0),
            step("b", Peer::Direct, 150, 0.0, 0),
            step("b", Peer::Penstock, 82, 0.97, 0),
        ];
        let notes = limits(&steps);
        assert!(notes[0].starts_with("direct: the rate grows up to b"), "{notes:?}");
        assert_eq!(
            notes[1],
            "penstock: the rate does not grow from a to b, so the limit is found: CPU of the proxy"
        );
        assert!(compared(&steps)[0].starts_with("a, penstock: 0.80 of the direct rate"));
    }

    #[test]
    fn requests_that_fail_are_a_limit_too() {
        let notes = limits(&[step("a", Peer::Penstock, 80, 0.5, 0), step("b", Peer::Penstock, 200, 0.5, 3)]);
        assert!(notes[0].starts_with("penstock: requests fail from b on (3)"), "{notes:?}");
    }

    #[test]
    fn a_published_table_names_source_and_hardware() {
        for ladder in LADDERS {
            for published in ladder.published {
                let section = theirs(&ladder, published);
                assert!(section.before[0].len() > 20 && section.before[1].len() > 20);
                assert_eq!(section.rows.len(), published.rows.len());
            }
        }
    }
}
