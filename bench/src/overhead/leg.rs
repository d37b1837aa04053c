//! Measures one leg: a load on one of the two ways, with the CPU, the memory and the connections of all parties.

use std::time::Duration;

use penstock_bench::{Clients, Plan, Report, Stop};

use super::scrape::{Counters, Metrics};
use crate::failure::Failure;
use crate::party::{Cpu, MachineCpu, Party, own_cpu_seconds};
use crate::{interrupt, sockets};

/// Returns the time for which a leg of this duration runs before it is measured: an eighth of it, during which a
/// proxy learns and caches fill.
pub(crate) fn warm_up(leg: Duration) -> Duration {
    leg / 8
}

/// The way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Direct,
    Proxied,
}

/// The order of the legs of a round. It cancels a steady drift of the machine.
pub(crate) const ROUND: [Side; 4] = [Side::Direct, Side::Proxied, Side::Proxied, Side::Direct];

/// The parties besides the generator, as far as they are on this machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parties {
    pub(crate) origin: Option<Party>,
    pub(crate) proxy: Option<Party>,
    pub(crate) metrics: Option<Metrics>,
}

/// The measurement of one leg.
#[derive(Clone, Debug)]
pub(crate) struct Leg {
    pub(crate) side: Side,
    pub(crate) threads: usize,
    pub(crate) report: Report,
    /// CPU seconds.
    pub(crate) generator_cpu: f64,
    pub(crate) origin_cpu: Option<f64>,
    pub(crate) proxy_cpu: Option<f64>,
    pub(crate) machine: MachineCpu,
    /// Resident bytes at the end, while the connections stand.
    pub(crate) origin_bytes: Option<u64>,
    pub(crate) proxy_bytes: Option<u64>,
    /// The connections of the proxy, in and out, at the end.
    pub(crate) connections: Option<(usize, usize)>,
    pub(crate) counters: Option<Counters>,
}

impl Leg {
    /// Runs one leg: connects, warms up and measures. `tick` is called about ten times a second.
    pub(crate) fn measure(
        side: Side,
        plan: &Plan,
        behind: std::net::SocketAddr,
        parties: &Parties,
        tick: &mut dyn FnMut(),
    ) -> Result<Self, Failure> {
        let mut watch = |_: &penstock_bench::Progress<'_>| {
            tick();
            !interrupt::has_come()
        };
        let failed = |error: std::io::Error| Failure::Machine(error.to_string());
        let mut clients = Clients::connect(plan).map_err(failed)?;
        let before = Stop::Duration(warm_up(match plan.stop {
            Stop::Duration(leg) => leg,
            Stop::Requests(_) => Duration::ZERO,
        }));
        let warm = clients.work_until(before, &mut watch).map_err(failed)?;
        if warm.answered == 0 && warm.errors.total() > 0 {
            let first = warm.first_errors.first().map_or("", String::as_str);
            return Err(Failure::Server(format!("{}: no answer under load: {first}", plan.to)));
        }
        let metrics = parties.metrics.as_ref().filter(|_| side == Side::Proxied);
        let scraped = metrics.and_then(|metrics| metrics.scrape().ok());
        let before = Snapshot::take(parties);
        let report = clients.work_watched(&mut watch).map_err(failed)?;
        let after = Snapshot::take(parties);
        let counters = metrics.and_then(|metrics| metrics.scrape().ok());
        let counters = counters.zip(scraped).map(|(now, before)| now.since(&before));
        let connections = match side {
            Side::Direct => None,
            Side::Proxied => sockets::connections(plan.to, behind).or_else(|| {
                counters.map(|c| (c.client_connections as usize, c.backend_connections as usize))
            }),
        };
        let resident = |party: &Option<Party>| party.as_ref().map(Party::resident_bytes);
        let leg = Self {
            side,
            threads: plan.threads.max(1),
            report,
            generator_cpu: after.generator - before.generator,
            origin_cpu: grown(after.origin.as_ref(), before.origin.as_ref()),
            proxy_cpu: grown(after.proxy.as_ref(), before.proxy.as_ref()),
            machine: after.machine.since(before.machine),
            origin_bytes: resident(&parties.origin),
            proxy_bytes: resident(&parties.proxy),
            connections,
            counters,
        };
        clients.close().map_err(failed)?;
        Ok(leg)
    }

    /// Returns the part of its time in which the generator worked; at 1 it is the limit.
    pub(crate) fn generator_share(&self) -> f64 {
        self.generator_cpu / (self.report.elapsed.as_secs_f64() * self.threads as f64).max(1e-9)
    }

    /// Returns the CPU seconds of programs that take no part.
    pub(crate) fn other_cpu(&self) -> f64 {
        let parties = self.generator_cpu + self.origin_cpu.unwrap_or(0.0) + self.proxy_cpu.unwrap_or(0.0);
        (self.machine.busy - parties).max(0.0)
    }
}

/// The CPU times of all at one moment.
struct Snapshot {
    generator: f64,
    origin: Option<Cpu>,
    proxy: Option<Cpu>,
    machine: MachineCpu,
}

impl Snapshot {
    fn take(parties: &Parties) -> Self {
        Self {
            generator: own_cpu_seconds(),
            origin: parties.origin.as_ref().map(Party::cpu),
            proxy: parties.proxy.as_ref().map(Party::cpu),
            machine: MachineCpu::now(),
        }
    }
}

/// Returns the seconds that a party used between two moments.
fn grown(now: Option<&Cpu>, before: Option<&Cpu>) -> Option<f64> {
    Some(now?.since(before?))
}
