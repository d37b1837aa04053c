//! Derives figures from legs that alternate between the two ways.

use hdrhistogram::Histogram;

use super::leg::{Leg, Side};
use crate::interval::{Interval, median};

/// The legs of one load, in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub(crate) struct Legs(pub(crate) Vec<Leg>);

/// The party that a figure of CPU or memory is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Proxy,
    Origin,
    Generator,
}

/// The part of the generator's ceiling from which a figure is marked.
pub(crate) const NEAR: f64 = 0.8;
/// The part of idle time below which the CPUs of the machine are the limit.
const NO_IDLE: f64 = 0.05;

/// The reason why a closed loop was not faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// The figure is within 20 % of what the generator can do.
    Generator,
    /// All CPUs of the machine were busy.
    Machine,
    /// Something else: the servers, or the latency of so few connections.
    Other,
}

impl Limit {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Machine => "CPUs",
            Self::Other => "",
        }
    }
}

impl Legs {
    pub(crate) fn of(&self, side: Side) -> impl Iterator<Item = &Leg> {
        self.0.iter().filter(move |leg| leg.side == side)
    }

    /// Returns pairs of neighbouring legs, the direct one first.
    fn pairs(&self) -> impl Iterator<Item = (&Leg, &Leg)> {
        self.of(Side::Direct).zip(self.of(Side::Proxied))
    }

    pub(crate) fn answered(&self, side: Side) -> u64 {
        self.of(side).map(|leg| leg.report.answered).sum()
    }

    fn seconds(&self, side: Side) -> f64 {
        self.of(side).map(|leg| leg.report.elapsed.as_secs_f64()).sum()
    }

    /// Returns the answers per second.
    pub(crate) fn rate(&self, side: Side) -> f64 {
        self.answered(side) as f64 / self.seconds(side).max(1e-9)
    }

    /// Returns the rate through the proxy divided by the direct rate: the geometric mean of the pairs, in which
    /// a half and a double balance.
    pub(crate) fn ratio(&self) -> Option<Interval> {
        let ratio = |(direct, proxied): (&Leg, &Leg)| {
            (proxied.report.per_second().max(1e-9) / direct.report.per_second().max(1e-9)).ln()
        };
        let logarithms = Interval::of(&self.pairs().map(ratio).collect::<Vec<_>>())?;
        let Interval { mean, low, high } = logarithms;
        Some(Interval { mean: mean.exp(), low: low.exp(), high: high.exp() })
    }

    /// Returns the latencies of all legs of a side together.
    pub(crate) fn latency(&self, side: Side) -> Histogram<u64> {
        let mut sum = penstock_bench::Report::default().latency;
        for leg in self.of(side) {
            // All histograms have the same bounds.
            let _ = sum.add(&leg.report.latency);
        }
        sum
    }

    /// Returns the seconds that this share of the answers did not exceed.
    pub(crate) fn quantile(&self, side: Side, share: f64) -> f64 {
        self.latency(side).value_at_quantile(share) as f64 / 1e9
    }

    /// Returns the seconds by which the proxy raises a quantile.
    pub(crate) fn added(&self, share: f64) -> Option<Interval> {
        let added = |(direct, proxied): (&Leg, &Leg)| {
            proxied.report.quantile(share).as_secs_f64() - direct.report.quantile(share).as_secs_f64()
        };
        Interval::of(&self.pairs().map(added).collect::<Vec<_>>())
    }

    /// Returns the CPU seconds that a party spent on 1,000 requests; `None` if its processes are not known.
    pub(crate) fn cpu_per_1000(&self, side: Side, role: Role) -> Option<f64> {
        let answered = self.answered(side);
        if answered == 0 || (side, role) == (Side::Direct, Role::Proxy) {
            return None;
        }
        let seconds = |leg: &Leg| match role {
            Role::Proxy => leg.proxy_cpu,
            Role::Origin => leg.origin_cpu,
            Role::Generator => Some(leg.generator_cpu),
        };
        let sum: Option<f64> = self.of(side).map(seconds).sum();
        sum.map(|sum| sum / answered as f64 * 1000.0)
    }

    /// Returns the largest resident memory of a party in bytes.
    pub(crate) fn memory(&self, side: Side, role: Role) -> Option<u64> {
        self.of(side)
            .filter_map(|leg| match role {
                Role::Proxy => leg.proxy_bytes,
                Role::Origin => leg.origin_bytes,
                Role::Generator => None,
            })
            .max()
    }

    /// Returns the median numbers of the proxy's connections, in and out.
    pub(crate) fn connections(&self) -> Option<(f64, f64)> {
        let both: Vec<(usize, usize)> = self.of(Side::Proxied).filter_map(|leg| leg.connections).collect();
        let middle = |of: fn(&(usize, usize)) -> usize| {
            median(&both.iter().map(|pair| of(pair) as f64).collect::<Vec<_>>())
        };
        middle(|pair| pair.0).zip(middle(|pair| pair.1))
    }

    /// Returns the bytes per second that clients sent and received.
    pub(crate) fn client_bytes(&self, side: Side) -> (f64, f64) {
        let sum = |of: fn(&Leg) -> u64| self.of(side).map(of).sum::<u64>() as f64;
        let seconds = self.seconds(side).max(1e-9);
        (sum(|leg| leg.report.bytes_sent) / seconds, sum(|leg| leg.report.bytes_received) / seconds)
    }

    /// Returns the bytes per second that the proxy sent to members and received from them, as it says itself.
    pub(crate) fn member_bytes(&self) -> Option<(f64, f64)> {
        let counters: Option<Vec<_>> = self.of(Side::Proxied).map(|leg| leg.counters).collect();
        let counters = counters.filter(|counters| !counters.is_empty())?;
        let seconds = self.seconds(Side::Proxied).max(1e-9);
        let sent: f64 = counters.iter().map(|c| c.backend_sent_bytes).sum();
        let received: f64 = counters.iter().map(|c| c.backend_received_bytes).sum();
        Some((sent / seconds, received / seconds))
    }

    /// Returns the requests that the proxy counted and those that the generator counted.
    pub(crate) fn counted(&self) -> Option<(f64, f64)> {
        let with = |leg: &Leg| leg.counters.map(|c| (c.requests, leg.report.answered as f64));
        let both: Option<Vec<(f64, f64)>> = self.of(Side::Proxied).map(with).collect();
        let sum = both?.into_iter().reduce(|a, b| (a.0 + b.0, a.1 + b.1))?;
        (sum.0 > 0.0).then_some(sum)
    }

    /// Returns what limited the rate of a side; `ceiling` is the generator's, in requests per second.
    pub(crate) fn limit(&self, side: Side, ceiling: Option<f64>) -> Limit {
        let near = ceiling.is_some_and(|ceiling| self.rate(side) >= NEAR * ceiling);
        let mean = |of: &dyn Fn(&Leg) -> f64| {
            Interval::of(&self.of(side).map(of).collect::<Vec<_>>()).map(|interval| interval.mean)
        };
        if near || mean(&Leg::generator_share).is_some_and(|share| share >= NEAR) {
            return Limit::Generator;
        }
        match mean(&|leg| leg.machine.idle_share()) {
            Some(idle) if idle < NO_IDLE => Limit::Machine,
            _ => Limit::Other,
        }
    }

    /// Returns the lateness of the generator itself at a quantile, in seconds, if the loop was open.
    pub(crate) fn lateness(&self, share: f64) -> Option<f64> {
        let mut sum = penstock_bench::Report::default().lateness;
        for leg in &self.0 {
            let _ = sum.add(&leg.report.lateness);
        }
        (!sum.is_empty()).then(|| sum.value_at_quantile(share) as f64 / 1e9)
    }

    /// Returns the part of the machine's busy time that belonged to programs that take no part.
    pub(crate) fn others_share(&self) -> f64 {
        let busy: f64 = self.0.iter().map(|leg| leg.machine.busy).sum();
        let others: f64 = self.0.iter().map(Leg::other_cpu).sum();
        if busy > 0.0 { others / busy } else { 0.0 }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::overhead::scrape::Counters;
    use crate::party::MachineCpu;
    use penstock_bench::Report;
    use std::time::Duration;

    /// Makes a leg of one second with so many answers, all of the same latency in microseconds.
    pub(crate) fn leg(side: Side, answered: u64, micros: u64) -> Leg {
        let mut report = Report { answered, requests: answered, ..Report::default() };
        report.elapsed = Duration::from_secs(1);
        report.latency.record_n(micros * 1000, answered).unwrap();
        report.bytes_sent = answered * 10;
        report.bytes_received = answered * 20;
        let proxied = side == Side::Proxied;
        Leg {
            side,
            threads: 1,
            report,
            generator_cpu: 0.25,
            origin_cpu: Some(0.5),
            proxy_cpu: proxied.then_some(0.4),
            machine: MachineCpu { busy: 1.5, idle: 0.5 },
            origin_bytes: Some(1000),
            proxy_bytes: proxied.then_some(2000),
            connections: proxied.then_some((8, 2)),
            counters: proxied.then_some(Counters { requests: answered as f64, ..Counters::default() }),
        }
    }

    pub(crate) fn round() -> Legs {
        Legs(vec![
            leg(Side::Direct, 1000, 100),
            leg(Side::Proxied, 800, 150),
            leg(Side::Proxied, 600, 170),
            leg(Side::Direct, 1000, 110),
        ])
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.01 * b.abs()
    }

    #[test]
    fn neighbours_are_compared() {
        let legs = round();
        assert!(close(legs.rate(Side::Direct), 1000.0) && close(legs.rate(Side::Proxied), 700.0));
        let ratio = legs.ratio().unwrap();
        assert!(
            close(ratio.mean, 0.693) && ratio.low > 0.0 && ratio.low < 0.7 && ratio.high > 0.7,
            "{ratio:?}"
        );
        let added = legs.added(0.5).unwrap();
        assert!(close(added.mean, 55e-6), "{added:?}");
        assert!(close(legs.quantile(Side::Direct, 0.99), 110e-6));
    }

    #[test]
    fn cpu_is_per_thousand_requests_of_each_party() {
        let legs = round();
        assert!(close(legs.cpu_per_1000(Side::Proxied, Role::Proxy).unwrap(), 0.8 / 1.4));
        assert!(close(legs.cpu_per_1000(Side::Direct, Role::Origin).unwrap(), 0.5));
        assert_eq!(legs.cpu_per_1000(Side::Direct, Role::Proxy), None);
        assert!(close(legs.others_share(), (6.0 - 4.0 * 0.75 - 0.8) / 6.0));
        let mut unknown = round();
        unknown.0[1].proxy_cpu = None;
        assert_eq!(unknown.cpu_per_1000(Side::Proxied, Role::Proxy), None);
    }

    #[test]
    fn the_limit_is_told() {
        let legs = round();
        assert_eq!(legs.limit(Side::Direct, Some(2000.0)), Limit::Other);
        assert_eq!(legs.limit(Side::Direct, Some(1200.0)), Limit::Generator);
        let mut busy = round();
        busy.0.iter_mut().for_each(|leg| leg.machine.idle = 0.01);
        assert_eq!(busy.limit(Side::Proxied, Some(2000.0)), Limit::Machine);
        busy.0.iter_mut().for_each(|leg| leg.generator_cpu = 0.9);
        assert_eq!(busy.limit(Side::Proxied, None), Limit::Generator);
    }

    #[test]
    fn bytes_connections_and_counts_are_those_of_the_proxied_legs() {
        let legs = round();
        assert_eq!(legs.client_bytes(Side::Proxied), (7000.0, 14000.0));
        assert_eq!((legs.connections(), legs.counted()), (Some((8.0, 2.0)), Some((1400.0, 1400.0))));
        assert_eq!(
            (legs.memory(Side::Proxied, Role::Proxy), legs.memory(Side::Direct, Role::Proxy)),
            (Some(2000), None)
        );
        assert_eq!(Legs::default().counted(), None);
        assert_eq!(legs.lateness(0.5), None);
    }
}
