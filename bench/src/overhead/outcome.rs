//! Holds everything that was measured, and the remarks that a reader needs.

use std::time::{Duration, SystemTime};

use penstock_bench::{Plan, Protocol};

use super::Scope;
use super::leg::{Leg, Side};
use super::legs::{Legs, Limit, NEAR, Role};
use super::units::{time, whole};
use crate::failure::Failure;
use crate::machine::Machine;

pub(crate) struct Outcome {
    pub(crate) machine: Machine,
    pub(crate) direct: String,
    pub(crate) proxied: String,
    /// The name of the program between, and its version if that is known.
    pub(crate) proxy: String,
    pub(crate) protocol: &'static str,
    pub(crate) began: SystemTime,
    pub(crate) depth: usize,
    pub(crate) threads: usize,
    pub(crate) clients: usize,
    pub(crate) leg: Duration,
    pub(crate) ceilings: Vec<Ceiling>,
    pub(crate) capacity: Vec<Capacity>,
    /// The rate of the open loop in requests per second, and its legs.
    pub(crate) rate: f64,
    pub(crate) latency: Legs,
    /// The rates that a way did not hold.
    pub(crate) lowered: Vec<f64>,
    pub(crate) interrupted: bool,
    /// The reason why there are no more legs.
    pub(crate) failure: Option<Failure>,
}

/// The closed loops with one number of connections.
pub(crate) struct Capacity {
    pub(crate) connections: usize,
    pub(crate) legs: Legs,
}

/// The rate at which the generator itself would have no CPU left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ceiling {
    pub(crate) connections: usize,
    pub(crate) per_second: f64,
    pub(crate) cpu_per_1000: f64,
}

/// The part of busy CPU time from which other programs are mentioned.
const OTHERS: f64 = 0.05;
/// The lateness of the generator in seconds from which its latencies are doubted.
const LATE: f64 = 200e-6;
/// The part of an open loop's exchanges that may stay unsent if a way holds the rate.
pub(crate) const UNSENT: f64 = 0.01;
/// The difference between two counts of the same requests that is mentioned.
const DISAGREEMENT: f64 = 0.02;

impl Ceiling {
    /// Returns the ceiling that follows from a direct leg: each thread has one CPU second in a second.
    pub(crate) fn of(connections: usize, leg: &Leg) -> Option<Self> {
        let each = leg.generator_cpu / leg.report.answered as f64;
        (each.is_finite() && each > 0.0).then(|| Self {
            connections,
            per_second: leg.threads as f64 / each,
            cpu_per_1000: each * 1000.0,
        })
    }
}

impl Outcome {
    /// Makes an outcome without figures. `ways` are the direct way, the proxied way and the program between.
    pub(crate) fn new(ways: &[String; 3], scope: &Scope, plan: &Plan) -> Self {
        let [direct, proxied, proxy] = ways.clone();
        Self {
            machine: Machine::here(),
            direct,
            proxied,
            proxy,
            protocol: match plan.protocol {
                Protocol::Http => "http",
                Protocol::Lines { .. } => "lines",
                Protocol::LengthPrefixed(_) => "length-prefixed",
                Protocol::Resp => "resp",
                Protocol::Echo => "echo",
            },
            began: SystemTime::now(),
            depth: plan.depth,
            threads: plan.threads,
            clients: scope.clients,
            leg: scope.leg,
            ceilings: Vec::new(),
            capacity: Vec::new(),
            rate: 0.0,
            latency: Legs::default(),
            lowered: Vec::new(),
            interrupted: false,
            failure: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all().next().is_none()
    }

    fn all(&self) -> impl Iterator<Item = &Leg> {
        self.capacity.iter().map(|capacity| &capacity.legs).chain([&self.latency]).flat_map(|legs| &legs.0)
    }

    /// Returns the number of answers, all of which were checked.
    pub(crate) fn answered(&self) -> u64 {
        self.all().map(|leg| leg.report.answered).sum()
    }

    /// Returns the number of answers that were wrong, refused, lost or another client's.
    pub(crate) fn faults(&self) -> u64 {
        let faults = |leg: &Leg| {
            let report = &leg.report;
            let refused = report.answered - report.by_class[1].min(report.answered);
            report.errors.total() + report.mix_ups + refused
        };
        self.all().map(faults).sum()
    }

    pub(crate) fn ceiling(&self, connections: usize) -> Option<&Ceiling> {
        self.ceilings.iter().find(|ceiling| ceiling.connections == connections)
    }

    pub(crate) fn limit(&self, capacity: &Capacity, side: Side) -> Limit {
        let ceiling = self.ceiling(capacity.connections).map(|ceiling| ceiling.per_second);
        capacity.legs.limit(side, ceiling)
    }

    /// Returns the closed loops with as many connections as the open loop has.
    pub(crate) fn main_capacity(&self) -> Option<&Capacity> {
        self.capacity.iter().find(|capacity| capacity.connections == self.clients)
    }

    /// Returns the requests that the proxy and the generator counted in all proxied legs.
    pub(crate) fn counted(&self) -> Option<(f64, f64)> {
        let each = self.capacity.iter().map(|capacity| &capacity.legs).chain([&self.latency]);
        each.filter(|legs| !legs.0.is_empty()).filter_map(Legs::counted).reduce(|a, b| (a.0 + b.0, a.1 + b.1))
    }

    /// Returns what spoils the figures, as sentences.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.interrupted {
            warnings.push(
                "The run was interrupted. The figures are those of the legs that had ended.".to_owned(),
            );
        }
        if let Some(failure) = &self.failure {
            warnings.push(format!("The run ended early. {failure}."));
        }
        if self.faults() > 0 {
            let first = self.all().find_map(|leg| leg.report.first_errors.first());
            let first = first.map(|words| format!(" The first one: {words}.")).unwrap_or_default();
            let (faults, all) = (whole(self.faults() as f64), whole(self.answered() as f64));
            warnings.push(format!("{faults} of {all} exchanges failed.{first}"));
        }
        if let Some(share) = self.others_share().filter(|share| *share > OTHERS) {
            warnings.push(format!(
                "Other programs used {:.0} % of the busy CPU time. Repeat the measurement on a quiet machine.",
                share * 100.0
            ));
        }
        if let Some(late) = self.latency.lateness(0.99).filter(|late| *late > LATE) {
            warnings.push(format!(
                "One in a hundred requests of the open loop started {} or more too late, because the generator did not \
                 get a CPU in time. Both ways suffer from this alike, but high percentiles are partly its own.",
                time(late)
            ));
        }
        let unsent: u64 = self.latency.0.iter().map(|leg| leg.report.unsent).sum();
        if unsent as f64 > UNSENT * self.rate * self.latency.0.len() as f64 * self.leg.as_secs_f64() {
            warnings.push(format!(
                "{} requests of the open loop were due and never sent, so a way did not hold the rate.",
                whole(unsent as f64)
            ));
        }
        if let Some((proxy, generator)) = self.counted()
            && (proxy / generator - 1.0).abs() > DISAGREEMENT
        {
            warnings.push(format!(
                "The proxy counted {} requests and the generator {}. Other clients may use the proxy.",
                whole(proxy),
                whole(generator)
            ));
        }
        warnings
    }

    /// Returns what a reader has to know to read the figures rightly, as sentences.
    pub(crate) fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "Generator, origin and proxy share {} CPUs, if all of them run here. Requests per second are those of this \
             arrangement; CPU per request and added latency say more about the proxy alone.",
            self.machine.cpus
        )];
        let is_near = |capacity: &&Capacity| {
            [Side::Direct, Side::Proxied]
                .into_iter()
                .any(|side| self.limit(capacity, side) == Limit::Generator)
        };
        let near: Vec<String> =
            self.capacity.iter().filter(is_near).map(|capacity| capacity.connections.to_string()).collect();
        if !near.is_empty() {
            notes.push(format!(
                "Figures marked with * are within {:.0} % of what the generator can do, so the servers may be faster \
                 ({} connections). More --threads help if there are CPUs for them.",
                (1.0 - NEAR) * 100.0,
                near.join(", ")
            ));
        }
        for rate in &self.lowered {
            notes.push(format!("A way did not hold {} requests/s, so the rate was halved.", whole(*rate)));
        }
        notes
    }

    /// Returns the part of busy CPU time that other programs used, if the CPU of all parties is known.
    fn others_share(&self) -> Option<f64> {
        let all = Legs(self.all().cloned().collect());
        let known = all.cpu_per_1000(Side::Proxied, Role::Proxy).is_some()
            && all.cpu_per_1000(Side::Direct, Role::Origin).is_some();
        known.then(|| all.others_share())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::overhead::legs::tests::{leg, round};

    /// Makes an outcome of two numbers of connections and an open loop.
    pub(crate) fn outcome() -> Outcome {
        let scope = Scope {
            connections: vec![1, 64],
            clients: 64,
            rate: None,
            rounds: 1,
            leg: Duration::from_secs(1),
        };
        let ways = ["http://a/x", "http://b/x", "a <proxy> & 1.0"].map(str::to_owned);
        let mut outcome = Outcome::new(&ways, &scope, &Plan::new("127.0.0.1:80".parse().unwrap()));
        for connections in [1, 64] {
            outcome.ceilings.extend(Ceiling::of(connections, &leg(Side::Direct, 500, 100)));
            outcome.capacity.push(Capacity { connections, legs: round() });
        }
        (outcome.rate, outcome.latency) = (300.0, round());
        for leg in outcome.latency.0.iter_mut().chain(outcome.capacity.iter_mut().flat_map(|c| &mut c.legs.0))
        {
            leg.report.by_class[1] = leg.report.answered;
        }
        outcome.latency.0[0].report.lateness.record_n(30_000, 100).unwrap();
        outcome
    }

    #[test]
    fn the_ceiling_is_one_cpu_for_each_thread() {
        let ceiling = Ceiling::of(8, &leg(Side::Direct, 500, 100)).unwrap();
        assert_eq!((ceiling.per_second, ceiling.cpu_per_1000), (2000.0, 0.5));
        assert_eq!(Ceiling::of(8, &leg(Side::Direct, 0, 1)), None);
    }

    #[test]
    fn remarks_name_what_is_odd_and_nothing_else() {
        let words = |outcome: &Outcome| [outcome.warnings(), outcome.notes()].concat().join("\n");
        let mut outcome = outcome();
        assert_eq!((outcome.answered(), outcome.faults()), (3 * 3400, 0));
        assert!(
            !words(&outcome).contains("failed") && !words(&outcome).contains("too late"),
            "{}",
            words(&outcome)
        );
        assert!(words(&outcome).contains("Other programs used"), "{}", words(&outcome));
        outcome.latency.0[1].report.mix_ups = 2;
        outcome.latency.0[2].report.unsent = 30;
        outcome.latency.0[0].report.lateness.record_n(900_000, 100).unwrap();
        outcome.lowered.push(600.0);
        outcome.interrupted = true;
        let all = words(&outcome);
        for word in
            ["interrupted", "2 of 10,200", "30 requests", "900 µs or more too late", "did not hold 600"]
        {
            assert!(all.contains(word), "{word} in {all}");
        }
        let counted = outcome.counted().unwrap();
        assert_eq!(counted.0, counted.1);
        outcome.latency.0[1].counters.as_mut().unwrap().requests *= 2.0;
        assert!(words(&outcome).contains("The proxy counted 5,000 requests and the generator 4,200"));
    }
}
