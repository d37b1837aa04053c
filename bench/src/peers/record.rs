//! Measures one window of a load on one address.

use std::time::Duration;

use penstock_bench::{Clients, Plan, Progress, Report, Stop};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::party::{Cpu, MachineCpu, own_cpu_seconds};
use crate::places::{self, Places};
use crate::program::Program;
use crate::{interrupt, sockets};

/// The time for which a load runs before its window. Proxies learn, and caches fill.
const WARM_UP: Duration = Duration::from_secs(1);

/// The part of its CPUs from which on a side is called busy.
const BUSY: f64 = 0.9;

/// The CPUs of other programs from which on they disturb.
const DISTURBED: f64 = 0.25;

/// An open loop kept its rate if at most one exchange in this number was not started in time.
const TOLERATED: u64 = 1000;

/// Who takes part.
pub(crate) struct Parties<'a> {
    pub(crate) proxy: Option<&'a Program>,
    pub(crate) origin: &'a Program,
    pub(crate) places: &'a Places,
    /// The ports of the members, at which connections are counted.
    pub(crate) ports: Vec<u16>,
}

/// The figures of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) answered: u64,
    pub(crate) seconds: f64,
    /// CPU seconds of each party.
    pub(crate) proxy_cpu: f64,
    pub(crate) origin_cpu: f64,
    pub(crate) generator_cpu: f64,
    /// CPU seconds of all other programs.
    pub(crate) other_cpu: f64,
    /// The parts of their CPUs that the proxy, and origin and generator, used.
    pub(crate) proxy_busy: f64,
    pub(crate) load_busy: f64,
    /// Seconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Connections to the members at the end of the window.
    pub(crate) connections: usize,
    pub(crate) memory_bytes: u64,
    /// Bytes that the clients sent and received.
    pub(crate) bytes: u64,
    /// Exchanges that failed, and answers other than 2xx.
    pub(crate) failed: u64,
    /// Answers that were wrong or another client's.
    pub(crate) wrong: u64,
    /// Exchanges of an open loop that were due and not started.
    pub(crate) unsent: u64,
    pub(crate) first_error: Option<String>,
}

impl Record {
    /// Connects, warms up and measures. The latencies are those of `class`, if it is given.
    pub(crate) fn measure(plan: &Plan, class: Option<&str>, parties: &Parties<'_>) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::Machine(error.to_string());
        let own = places::allowed()?;
        // The threads of the generator inherit the CPUs of the one that starts them.
        places::pin(&parties.places.load)?;
        let clients = Clients::connect(plan);
        places::pin(&own)?;
        let mut clients = clients.map_err(failed)?;
        let mut watch = |_: &Progress<'_>| !interrupt::has_come();
        clients.work_until(Stop::Duration(WARM_UP), &mut watch).map_err(failed)?;
        let before = Snapshot::take(parties);
        let report = clients.work_watched(&mut watch).map_err(failed)?;
        let spent = Snapshot::take(parties).since(&before);
        let connections = sockets::established(&parties.ports);
        let memory_bytes = parties.proxy.map_or(0, Program::memory_bytes);
        clients.close().map_err(failed)?;
        let mut record = Self { connections, memory_bytes, ..Self::of(&report, class) };
        record.spend(&spent, parties.places);
        Ok(record)
    }

    /// Returns what a report says by itself.
    fn of(report: &Report, class: Option<&str>) -> Self {
        let latency = class.and_then(|class| report.classes.get(class)).unwrap_or(&report.latency);
        let at = |share| latency.value_at_quantile(share) as f64 / 1e9;
        let [_, good, ..] = report.by_class;
        Self {
            answered: report.answered,
            seconds: report.elapsed.as_secs_f64(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            bytes: report.bytes_sent + report.bytes_received,
            failed: report.errors.total() + report.answered - good,
            wrong: report.wrong(),
            unsent: report.unsent,
            first_error: report.first_errors.first().cloned(),
            ..Self::default()
        }
    }

    fn spend(&mut self, spent: &Spent, places: &Places) {
        (self.proxy_cpu, self.origin_cpu, self.generator_cpu) = (spent.proxy, spent.origin, spent.generator);
        self.other_cpu = (spent.machine - spent.proxy - spent.origin - spent.generator).max(0.0);
        let share = |cpu: f64, cpus: usize| cpu / (self.seconds * cpus.max(1) as f64).max(1e-9);
        self.proxy_busy = share(spent.proxy, places.proxy.len());
        self.load_busy = share(spent.origin + spent.generator, places.load.len());
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.answered as f64 / self.seconds.max(1e-9)
    }

    /// Returns the proxy's CPU for each answer, in microseconds.
    pub(crate) fn cpu_micros(&self) -> f64 {
        self.proxy_cpu * 1e6 / self.answered.max(1) as f64
    }

    pub(crate) fn origin_micros(&self) -> f64 {
        self.origin_cpu * 1e6 / self.answered.max(1) as f64
    }

    /// Says what kept the load from being more.
    pub(crate) fn limit(&self, is_open_loop: bool) -> &'static str {
        match (self.proxy_busy >= BUSY, self.load_busy >= BUSY) {
            (true, true) => "CPU of the proxy, and of generator and origin",
            (true, false) => "CPU of the proxy",
            (false, true) => "CPU of generator and origin",
            (false, false) if is_open_loop && self.unsent * TOLERATED <= self.answered => {
                "the intended rate, which was kept"
            }
            (false, false) if self.other_cpu > self.seconds * DISTURBED => "other programs, which took CPU",
            (false, false) => "no CPU: the clients wait for answers",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "answered": self.answered, "seconds": self.seconds, "per_second": self.per_second(),
            "proxy_cpu_seconds": self.proxy_cpu, "origin_cpu_seconds": self.origin_cpu,
            "generator_cpu_seconds": self.generator_cpu, "other_cpu_seconds": self.other_cpu,
            "proxy_busy": self.proxy_busy, "load_busy": self.load_busy,
            "proxy_cpu_micros_per_request": self.cpu_micros(),
            "latency_seconds": { "p50": self.p50, "p99": self.p99, "p99.9": self.p999 },
            "backend_connections": self.connections, "memory_bytes": self.memory_bytes, "bytes": self.bytes,
            "failed": self.failed, "wrong": self.wrong, "unsent": self.unsent, "first_error": self.first_error,
        })
    }
}

/// The CPU seconds of all in a window.
struct Spent {
    proxy: f64,
    origin: f64,
    generator: f64,
    machine: f64,
}

/// What all had used at one moment.
struct Snapshot {
    proxy: Option<Cpu>,
    origin: Cpu,
    generator: f64,
    machine: MachineCpu,
}

impl Snapshot {
    fn take(parties: &Parties<'_>) -> Self {
        Self {
            proxy: parties.proxy.map(Program::cpu),
            origin: parties.origin.cpu(),
            generator: own_cpu_seconds(),
            machine: MachineCpu::now(),
        }
    }

    fn since(&self, before: &Self) -> Spent {
        let proxy = self.proxy.as_ref().zip(before.proxy.as_ref());
        Spent {
            proxy: proxy.map_or(0.0, |(now, before)| now.since(before)),
            origin: self.origin.since(&before.origin),
            generator: self.generator - before.generator,
            machine: self.machine.since(before.machine).busy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_side_that_is_busy() {
        let record = |proxy_busy, load_busy| Record { proxy_busy, load_busy, ..Record::default() };
        assert_eq!(record(0.95, 0.5).limit(false), "CPU of the proxy");
        assert_eq!(record(0.5, 0.95).limit(false), "CPU of generator and origin");
        assert!(record(0.95, 0.95).limit(false).contains("proxy, and of generator"));
        assert!(record(0.1, 0.1).limit(true).contains("rate"));
        assert!(Record { unsent: 1, ..record(0.1, 0.1) }.limit(true).contains("wait"));
        assert!(
            Record { other_cpu: 1.0, seconds: 1.0, ..record(0.1, 0.1) }
                .limit(false)
                .contains("other programs")
        );
    }

    #[test]
    fn cpu_is_shared_out_to_answers_and_cpus() {
        let mut record = Record { answered: 1000, seconds: 2.0, ..Record::default() };
        let spent = Spent { proxy: 1.0, origin: 0.5, generator: 1.5, machine: 4.0 };
        record.spend(&spent, &Places { proxy: vec![0], load: vec![1, 2] });
        assert_eq!((record.proxy_busy, record.load_busy, record.other_cpu), (0.5, 0.5, 1.0));
        assert_eq!((record.cpu_micros(), record.per_second()), (1000.0, 500.0));
    }
}
