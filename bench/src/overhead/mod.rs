//! Measures what a proxy costs: the same load direct and through the proxy, leg by leg in turn.

mod children;
mod html;
mod json;
mod leg;
mod legs;
mod outcome;
mod plot;
mod scrape;
mod table;
mod units;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use penstock_bench::{Plan, Protocol, Stop};

use self::children::Children;
use self::leg::{Leg, Parties, ROUND, Side, warm_up};
use self::legs::Legs;
use self::outcome::{Capacity, Ceiling, Outcome, UNSENT};
use self::scrape::Metrics;
use crate::cli::Overhead;
use crate::failure::Failure;
use crate::party::Party;
use crate::{interrupt, preflight};

pub(crate) use self::children::Wishes;
pub(crate) use self::plot::escape;

/// The loads to run.
pub(crate) struct Scope {
    /// The numbers of connections of the closed loops, rising.
    pub(crate) connections: Vec<usize>,
    /// The number of connections of the open loop.
    pub(crate) clients: usize,
    /// The rate of the open loop, or `None` for a quarter of what both ways can do.
    pub(crate) rate: Option<f64>,
    /// The number of rounds of the open loop.
    pub(crate) rounds: usize,
    pub(crate) leg: Duration,
}

/// The part of the smaller capacity at which latencies are compared by default. A request of an open loop costs
/// up to twice the CPU of one of a full closed loop, because fewer of them share a wake-up, so that the CPUs are
/// about half busy.
const RATE_SHARE: f64 = 0.25;
/// The number of times that a rate is halved because a way does not hold it.
const HALVINGS: usize = 3;
const BAR: &str = "[{elapsed}] {bar:40} {percent:>3} %  {msg}";

/// Carries out the command.
pub(crate) fn command(options: &Overhead) -> Result<ExitCode, Failure> {
    let page = (!options.no_html).then_some(options.html.as_path());
    let folder = page.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        return Err(Failure::Arguments(format!("--html: there is no folder {}", folder.display())));
    }
    let outcome = measure(options)?;
    let json = json::document(&outcome);
    let text = if options.json { format!("{json:#}\n") } else { table::text(&outcome) };
    // Standard output may be a pipe that nobody reads to its end.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if let Some(path) = page {
        let written = fs::write(path, html::page(&outcome, &json));
        written.map_err(|error| Failure::Machine(format!("{}: {error}", path.display())))?;
        let _ = writeln!(std::io::stderr(), "report with plots: {}", path.display());
    }
    match (outcome.failure, outcome.interrupted) {
        // The figures until then are printed, and main says why there are no more.
        (Some(failure), _) => Err(failure),
        (None, true) => Ok(ExitCode::from(interrupt::STATUS)),
        (None, false) => Ok(ExitCode::from(u8::from(json["verified"]["faults"] != 0))),
    }
}

/// Both ways to the service, and what is known about them.
struct Ways {
    direct: SocketAddr,
    proxied: SocketAddr,
    path: String,
    parties: Parties,
    /// The version of the proxy that was started.
    started: Option<String>,
    /// Keeps the started processes alive.
    _children: Option<Children>,
}

fn measure(options: &Overhead) -> Result<Outcome, Failure> {
    let mut scope = options.scope().map_err(Failure::Arguments)?;
    // The rate of the open loop follows from the capacity at the same number of connections.
    if !scope.connections.contains(&scope.clients) {
        scope.connections.push(scope.clients);
        scope.connections.sort_unstable();
    }
    let most = scope.connections.last().copied().unwrap_or(1);
    // A tunnel takes two descriptors of a proxy that this program starts, under the same limit.
    preflight::check_descriptors(if options.protocol() == Protocol::Echo { 2 * most } else { most })?;
    interrupt::watch().map_err(|error| Failure::Machine(format!("cannot watch for Ctrl-C: {error}")))?;
    let ways = ways(options)?;
    let plan = |to| options.plan(to, &ways.path).map_err(Failure::Arguments);
    let plans = [plan(ways.direct)?, plan(ways.proxied)?];
    for plan in &plans {
        preflight::check_server(plan)?;
    }
    let rounds = scope.rounds.div_ceil(2) * scope.connections.len() + scope.rounds;
    let legs = (rounds * ROUND.len() + scope.connections.len()) as u32;
    let runner = Runner {
        plans,
        parties: ways.parties.clone(),
        bar: bar(legs * (scope.leg + warm_up(scope.leg))),
        began: Instant::now(),
    };
    let mut outcome = Outcome::new(&ways_in_words(&ways, &runner.plans[0]), &scope, &runner.plans[0]);
    outcome.failure = runner.run(&scope, &mut outcome).err();
    runner.bar.finish_and_clear();
    outcome.interrupted = interrupt::has_come();
    match outcome.is_empty() {
        true => Err(outcome.failure.unwrap_or(Failure::Interrupted)),
        false => Ok(outcome),
    }
}

fn ways(options: &Overhead) -> Result<Ways, Failure> {
    let Some(given) = options.given().map_err(Failure::Arguments)? else {
        let say = |words: &str| {
            let _ = writeln!(std::io::stderr(), "{words}");
        };
        let children = Children::start(&options.wishes(), &say)?;
        return Ok(Ways {
            direct: children.origin,
            proxied: children.proxy,
            path: options.path().to_owned(),
            parties: children.parties.clone(),
            started: Some(children.version.clone()),
            _children: Some(children),
        });
    };
    let party = |pids: Vec<u32>, to: SocketAddr| match pids.is_empty() {
        true => Ok(Party::listening_on(to).filter(|_| is_local(to))),
        false => Party::new(pids).map(Some).map_err(Failure::Arguments),
    };
    let metrics = given.metrics.map(|(to, path)| Metrics { to, path });
    if let Some(metrics) = &metrics {
        metrics.scrape().map_err(|why| Failure::Server(format!("{}: {why}", metrics.to)))?;
    }
    Ok(Ways {
        direct: given.direct,
        proxied: given.proxied,
        path: given.path,
        parties: Parties {
            origin: party(given.origin_pids, given.direct)?,
            proxy: party(given.proxy_pids, given.proxied)?,
            metrics,
        },
        started: None,
        _children: None,
    })
}

/// Returns whether an address is this machine's: only then can a socket be bound to it.
fn is_local(to: SocketAddr) -> bool {
    std::net::UdpSocket::bind((to.ip(), 0)).is_ok()
}

/// Returns the two ways as a reader of the report wants to see them, and the program between.
fn ways_in_words(ways: &Ways, plan: &Plan) -> [String; 3] {
    let name = |to: SocketAddr| match plan.protocol {
        Protocol::Http => format!("http://{to}{}", ways.path),
        _ => to.to_string(),
    };
    let found =
        || ways.parties.proxy.as_ref().and_then(Party::name).unwrap_or_else(|| "the proxy".to_owned());
    [name(ways.direct), name(ways.proxied), ways.started.clone().unwrap_or_else(found)]
}

fn bar(length: Duration) -> ProgressBar {
    let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length.as_millis() as u64).with_style(style)
}

/// Runs legs one after the other.
struct Runner {
    /// The plans of both ways.
    plans: [Plan; 2],
    parties: Parties,
    bar: ProgressBar,
    began: Instant,
}

impl Runner {
    /// Runs everything and keeps it in `outcome`, also if an interrupt or a failure ends it early.
    fn run(&self, scope: &Scope, outcome: &mut Outcome) -> Result<(), Failure> {
        for connections in scope.connections.iter().copied() {
            let stop = Stop::Duration(scope.leg / 2);
            let change = |plan: &mut Plan| (plan.clients, plan.stop) = (connections, stop);
            let Some(leg) = self.leg(Side::Direct, "ceiling of the generator", &change)? else {
                return Ok(());
            };
            outcome.ceilings.extend(Ceiling::of(connections, &leg));
        }
        for connections in scope.connections.iter().copied() {
            let change = |plan: &mut Plan| plan.clients = connections;
            let mut legs = Legs::default();
            let done = self.rounds(scope.rounds.div_ceil(2), "capacity", &change, &mut legs);
            outcome.capacity.push(Capacity { connections, legs });
            done?;
        }
        self.latency(scope, outcome)
    }

    /// Runs the open loop, at a lower rate if a way does not hold the first one.
    fn latency(&self, scope: &Scope, outcome: &mut Outcome) -> Result<(), Failure> {
        let capacity = outcome.capacity.iter().find(|capacity| capacity.connections == scope.clients);
        let both = capacity.map(|c| c.legs.rate(Side::Direct).min(c.legs.rate(Side::Proxied)));
        let Some(mut rate) = scope.rate.or_else(|| both.map(|both| (both * RATE_SHARE).floor().max(1.0)))
        else {
            return Ok(());
        };
        for _ in 0..=HALVINGS {
            let change = |plan: &mut Plan| (plan.clients, plan.rate) = (scope.clients, Some(rate));
            (outcome.rate, outcome.latency) = (rate, Legs::default());
            self.rounds(1, "latency", &change, &mut outcome.latency)?;
            let first = &outcome.latency;
            let unsent: u64 = first.0.iter().map(|leg| leg.report.unsent).sum();
            let due: f64 = first.0.iter().map(|leg| leg.report.elapsed.as_secs_f64() * rate).sum();
            // A rate that the user asked for is kept, and the report says that it was not held.
            if unsent as f64 <= UNSENT * due || scope.rate.is_some() {
                return self.rounds(scope.rounds - 1, "latency", &change, &mut outcome.latency);
            }
            outcome.lowered.push(rate);
            rate = (rate / 2.0).floor().max(1.0);
        }
        Ok(())
    }

    /// Runs rounds of legs, and adds each leg to `legs` when it has ended.
    fn rounds(
        &self,
        rounds: usize,
        name: &str,
        change: &dyn Fn(&mut Plan),
        legs: &mut Legs,
    ) -> Result<(), Failure> {
        for side in ROUND.iter().cycle().take(rounds * ROUND.len()) {
            match self.leg(*side, name, change)? {
                Some(leg) => legs.0.push(leg),
                None => break,
            }
        }
        Ok(())
    }

    /// Runs one leg; `None` if an interrupt has come before its end.
    fn leg(&self, side: Side, name: &str, change: &dyn Fn(&mut Plan)) -> Result<Option<Leg>, Failure> {
        let [direct, proxied] = &self.plans;
        let (mut plan, way) = match side {
            Side::Direct => (direct.clone(), "direct"),
            Side::Proxied => (proxied.clone(), "proxied"),
        };
        change(&mut plan);
        self.bar.set_message(format!("{name}: {} connections, {way}", plan.clients));
        let mut tick = || self.bar.set_position(self.began.elapsed().as_millis() as u64);
        let leg = Leg::measure(side, &plan, direct.to, &self.parties, &mut tick)?;
        Ok((!interrupt::has_come()).then_some(leg))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_understood_and_own_addresses_are_known() {
        assert!(ProgressStyle::with_template(BAR).is_ok());
        assert!(is_local("127.0.0.1:80".parse().unwrap()));
        assert!(!is_local("192.0.2.1:80".parse().unwrap()));
    }
}
