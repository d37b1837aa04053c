//! Holds the records of all rounds, and says what they show.

use serde_json::{Value, json};

use super::figure::Figure;
use super::peer::Peer;
use super::record::Record;
use super::scenario::Scenario;
use super::section::{Bars, Section};

/// The part of its CPUs from which on generator and origin may be the limit.
const LOAD_IS_BUSY: f64 = 0.85;
/// The part of its CPUs from which on the proxy is the limit, or one of two.
const PROXY_IS_BUSY: f64 = 0.9;

/// A proxy with so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Variant {
    pub(crate) peer: Peer,
    pub(crate) workers: usize,
    /// Whether its CPUs are also those of generator and origin.
    pub(crate) overlaps: bool,
}

/// All records of one proxy under one load.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) variant: Variant,
    /// One for each round that succeeded, with the number of the round.
    pub(crate) records: Vec<(usize, Record)>,
    pub(crate) failures: Vec<String>,
}

/// All that was measured under one load.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) scenario: Scenario,
    pub(crate) series: Vec<Series>,
}

impl Series {
    pub(crate) fn new(variant: Variant) -> Self {
        Self { variant, records: Vec::new(), failures: Vec::new() }
    }

    fn figure(&self, what: impl Fn(&Record) -> f64) -> Option<Figure> {
        Figure::of(self.records.iter().map(|(_, record)| what(record)))
    }

    fn cell(&self, what: impl Fn(&Record) -> f64) -> String {
        self.figure(what).map_or_else(none, |figure| figure.to_string())
    }

    fn median(&self, what: impl Fn(&Record) -> f64) -> f64 {
        self.figure(what).map_or(f64::NAN, |figure| figure.median)
    }

    /// Returns whether generator and origin had hardly any CPU left, and the proxy had.
    fn is_limited_by_load(&self) -> bool {
        self.median(|r| r.load_busy) >= LOAD_IS_BUSY && self.median(|r| r.proxy_busy) < PROXY_IS_BUSY
    }

    fn is_faultless(&self) -> bool {
        !self.records.is_empty()
            && self.failures.is_empty()
            && self.records.iter().all(|(_, record)| record.failed == 0 && record.wrong == 0)
    }

    /// Returns the ratio to another series, from the rounds that both have.
    fn ratio(&self, other: &Self, what: impl Fn(&Record) -> f64) -> Option<Figure> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for (round, record) in &self.records {
            if let Some((_, same)) = other.records.iter().find(|(number, _)| number == round) {
                ours.push(what(record));
                theirs.push(what(same));
            }
        }
        Figure::ratio(&ours, &theirs)
    }
}

impl Measured {
    fn name(&self, series: &Series) -> String {
        let several = self.series.iter().any(|other| other.variant.workers != series.variant.workers);
        let Variant { peer, workers, .. } = series.variant;
        match (several && peer != Peer::Direct, workers) {
            (false, _) => peer.name().to_owned(),
            (true, 1) => format!("{}, 1 worker", peer.name()),
            (true, n) => format!("{}, {n} workers", peer.name()),
        }
    }

    /// Returns the series of a proxy with the fewest workers.
    fn of(&self, peer: Peer) -> Option<&Series> {
        self.series.iter().find(|series| series.variant.peer == peer && !series.records.is_empty())
    }

    /// Returns the proxy other than penstock that needs least CPU and makes no mistake.
    fn cheapest_other(&self) -> Option<&Series> {
        let workers = self.of(Peer::Penstock)?.variant.workers;
        let others = self.series.iter().filter(|series| {
            let Variant { peer, workers: its, .. } = series.variant;
            peer != Peer::Direct && !peer.is_penstock() && its == workers && series.is_faultless()
        });
        others.min_by(|a, b| a.median(Record::cpu_micros).total_cmp(&b.median(Record::cpu_micros)))
    }

    /// Writes the table of this load.
    pub(crate) fn section(&self) -> Section {
        let Scenario { name, title, .. } = self.scenario;
        let columns = [
            "",
            "requests/s",
            "proxy: CPU µs/request",
            "proxy: CPU %",
            "origin: CPU µs/request",
            "p50 ms",
            "p99 ms",
            "connections to members",
            "memory MiB",
            "failed",
            "wrong",
        ];
        let row = |series: &Series| {
            let sum =
                |what: fn(&Record) -> u64| series.records.iter().map(|(_, record)| what(record)).sum::<u64>();
            let of_proxy = |what: fn(&Record) -> f64| match series.variant.peer {
                Peer::Direct => none(),
                _ => series.cell(what),
            };
            vec![
                self.name(series),
                series.cell(Record::per_second),
                of_proxy(Record::cpu_micros),
                of_proxy(|r| r.proxy_busy * 100.0),
                series.cell(Record::origin_micros),
                series.cell(|r| r.p50 * 1e3),
                series.cell(|r| r.p99 * 1e3),
                series.cell(|r| r.connections as f64),
                of_proxy(|r| r.memory_bytes as f64 / f64::from(1 << 20)),
                sum(|r| r.failed).to_string(),
                sum(|r| r.wrong).to_string(),
            ]
        };
        let bars = self.series.iter().filter(|series| series.variant.peer != Peer::Direct);
        let bars = bars.filter_map(|series| Some((self.name(series), series.figure(Record::cpu_micros)?)));
        Section {
            title: format!("{name}: {title}"),
            before: self
                .scenario
                .fast_class()
                .map(|_| "Latencies are those of the quick requests.".to_owned())
                .into_iter()
                .collect(),
            columns: columns.map(str::to_owned).to_vec(),
            rows: self.series.iter().filter(|series| !series.records.is_empty()).map(row).collect(),
            after: self.notes(),
            bars: Some(Bars { unit: "CPU of the proxy for each request, µs", bars: bars.collect() }),
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(own) = self.of(Peer::Penstock) {
            let others = self.series.iter().filter(|other| {
                !matches!(other.variant.peer, Peer::Direct | Peer::Penstock)
                    && other.variant.workers == own.variant.workers
            });
            for other in others {
                let ratio = |what: fn(&Record) -> f64| own.ratio(other, what);
                if let (Some(cpu), Some(rate)) = (ratio(Record::cpu_micros), ratio(Record::per_second)) {
                    let name = self.name(other);
                    notes.push(format!(
                        "penstock's CPU per request is **{cpu}** of {name}'s, its rate {rate}"
                    ));
                }
            }
        }
        for series in &self.series {
            let name = self.name(series);
            notes.extend(series.failures.iter().map(|why| format!("{name} failed: {why}")));
            let first = series.records.iter().find_map(|(_, record)| record.first_error.as_deref());
            notes.extend(first.map(|first| format!("{name}: the first error was: {first}")));
        }
        let busy: Vec<String> = self
            .series
            .iter()
            .filter(|series| series.is_limited_by_load())
            .map(|series| self.name(series))
            .collect();
        if !busy.is_empty() {
            notes.push(format!(
                "generator and origin were busy for more than {:.0} % of their CPU with {}: there, requests per second are \
                 theirs and not the proxy's; compare the CPU per request",
                LOAD_IS_BUSY * 100.0,
                busy.join(", ")
            ));
        }
        let others = self.series.iter().flat_map(|series| &series.records);
        if let Some(others) =
            Figure::of(others.map(|(_, record)| record.other_cpu / record.seconds.max(1e-9) * 100.0))
        {
            notes.push(format!("other programs used {others} % of a CPU meanwhile"));
        }
        notes
    }

    /// Returns the row of this load in the table of all loads.
    pub(crate) fn summary(&self) -> Option<Vec<String>> {
        let (own, other) = (self.of(Peer::Penstock)?, self.cheapest_other()?);
        let ratio =
            |what: fn(&Record) -> f64| own.ratio(other, what).map_or_else(none, |ratio| ratio.to_string());
        let connections = |series: &Series| series.cell(|r| r.connections as f64);
        let pipelined = self.of(Peer::Pipelined);
        let pipelined_ratio = pipelined.and_then(|pipelined| pipelined.ratio(other, Record::cpu_micros));
        Some(vec![
            self.scenario.title.to_owned(),
            own.cell(Record::cpu_micros),
            format!("{}: {}", self.name(other), other.cell(Record::cpu_micros)),
            ratio(Record::cpu_micros),
            pipelined.map_or_else(none, |pipelined| pipelined.cell(Record::cpu_micros)),
            pipelined_ratio.map_or_else(none, |ratio| ratio.to_string()),
            ratio(Record::per_second),
            own.cell(Record::per_second),
            own.cell(|r| r.p99 * 1e3),
            format!("{} / {}", connections(own), connections(other)),
        ])
    }

    /// Writes what more workers brought, if there were several numbers of them.
    pub(crate) fn scaling(&self) -> Option<Section> {
        let mut rows = Vec::new();
        for peer in Peer::ALL {
            let series: Vec<&Series> = self
                .series
                .iter()
                .filter(|series| {
                    series.variant.peer == peer && !series.records.is_empty() && peer != Peer::Direct
                })
                .collect();
            let (Some(first), true) = (series.first(), series.len() > 1) else { continue };
            rows.extend(series.iter().map(|series| {
                let speedup = series.ratio(first, Record::per_second);
                vec![
                    self.name(series),
                    series.cell(Record::per_second),
                    speedup.map_or_else(none, |speedup| speedup.to_string()),
                    series.cell(Record::cpu_micros),
                    series.cell(|r| r.proxy_busy * 100.0),
                    series.cell(|r| r.load_busy * 100.0),
                    conclusion(series, first, speedup),
                ]
            }));
        }
        let columns = [
            "",
            "requests/s",
            "of the first",
            "proxy: CPU µs/request",
            "proxy: CPU %",
            "generator and origin: CPU %",
            "this shows",
        ];
        (!rows.is_empty()).then(|| Section {
            title: format!("Core scaling: {}", self.scenario.title),
            before: vec!["Generator and origin have the same CPUs in each row. Each worker has a CPU of its own as long as there are enough.".to_owned()],
            columns: columns.map(str::to_owned).to_vec(),
            rows,
            ..Section::default()
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let series = |series: &Series| {
            let Variant { peer, workers, overlaps } = series.variant;
            let records: Vec<Value> = series
                .records
                .iter()
                .map(|(round, record)| {
                    let mut record = record.to_json();
                    record["round"] = json!(round + 1);
                    record
                })
                .collect();
            json!({ "peer": peer.name(), "workers": workers, "shares_cpus_with_load": overlaps, "rounds": records,
                "failures": series.failures })
        };
        json!({
            "scenario": self.scenario.name, "title": self.scenario.title, "clients": self.scenario.clients,
            "series": self.series.iter().map(series).collect::<Vec<_>>(),
        })
    }
}

/// Stands where nothing was measured.
fn none() -> String {
    "-".to_owned()
}

/// Says what a number of workers shows of the proxy, and what it does not.
fn conclusion(series: &Series, first: &Series, speedup: Option<Figure>) -> String {
    if series.variant.overlaps {
        return "nothing of throughput: proxy, generator and origin share CPUs here, so each slows the others; the CPU per \
                request still shows whether workers get in each other's way"
            .to_owned();
    }
    if series.is_limited_by_load() {
        return "a lower bound: generator and origin are the limit".to_owned();
    }
    let workers = series.variant.workers as f64 / first.variant.workers as f64;
    match speedup {
        Some(speedup) if series.variant != first.variant => {
            format!("{:.0} % of what {workers} times the CPU could bring", speedup.median / workers * 100.0)
        }
        _ => "the base".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::scenario::SCENARIOS;
    use super::*;

    fn series(peer: Peer, workers: usize, cpu: &[f64], failed: u64) -> Series {
        let record = |cpu: &f64| Record {
            answered: 1_000_000,
            seconds: 10.0,
            proxy_cpu: *cpu,
            failed,
            ..Record::default()
        };
        let records = cpu.iter().map(record).enumerate().collect();
        Series { variant: Variant { peer, workers, overlaps: workers > 1 }, records, failures: Vec::new() }
    }

    fn measured(series: Vec<Series>) -> Measured {
        Measured { scenario: SCENARIOS[1], series }
    }

    #[test]
    fn penstock_is_compared_with_the_cheapest_other_that_makes_no_mistake() {
        let all = measured(vec![
            series(Peer::Direct, 1, &[0.0, 0.0], 0),
            series(Peer::Penstock, 1, &[10.0, 12.0], 0),
            series(Peer::Nginx, 1, &[20.0, 20.0], 0),
            series(Peer::Haproxy, 1, &[15.0, 15.0], 7),
        ]);
        let row = all.summary().unwrap();
        assert_eq!(row[1], "11 (10–12)");
        assert_eq!(row[2], "nginx: 20");
        assert_eq!(row[3], "0.55 (0.5–0.6)");
        let section = all.section();
        assert_eq!((section.rows.len(), section.rows[3][9].as_str()), (4, "14"));
        assert!(section.after.iter().any(|note| note.contains("**0.55 (0.5–0.6)** of nginx's")));
        assert!(all.scaling().is_none());
    }

    #[test]
    fn workers_that_share_cpus_with_the_load_conclude_nothing() {
        let all =
            measured(vec![series(Peer::Penstock, 1, &[10.0], 0), series(Peer::Penstock, 2, &[10.0], 0)]);
        let scaling = all.scaling().unwrap();
        assert_eq!(scaling.rows[0][0], "penstock, 1 worker");
        assert!(scaling.rows[0][6].contains("base") && scaling.rows[1][6].contains("nothing of throughput"));
    }

    #[test]
    fn ratios_are_of_rounds_that_both_have() {
        let mut ours = series(Peer::Penstock, 1, &[10.0, 30.0], 0);
        ours.records[1].0 = 5;
        let theirs = series(Peer::Nginx, 1, &[20.0, 20.0], 0);
        assert_eq!(ours.ratio(&theirs, Record::cpu_micros).unwrap().median, 0.5);
    }
}
