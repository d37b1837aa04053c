//! Sums all cells for a scrape, and passes them to the prometheus crate.

use std::collections::HashMap;
use std::sync::Arc;

use prometheus::core::{Collector, Desc};
use prometheus::proto;

use super::cell_map::{CellMap, CellRow};
use super::set::{CellSet, Metric, MetricKind, Reading, Unit};
use super::table::{
    BackendCells, BackendCheckCells, BackendLimitCells, BuildCells, ConfigCells, KernelCells, ListenerCells,
    ListenerLimitCells, MemberCells, MemberCheckCells, MemberEjectionCells, MemberLimitCells, ProcessCells,
    RouteCells, ScrapeCells, WorkerCells,
};

/// Declares the cell maps once: their struct, the metrics in them, and the walk over them.
macro_rules! cell_maps {
    ($( $field:ident: $set:ty, )+) => {
        /// All cells there are.
        pub(super) struct CellMaps { $( pub(super) $field: CellMap<$set>, )+ }

        /// Every metric that is made of cells.
        pub(super) const TABLE: &[&[Metric]] = &[$( <$set>::METRICS, )+];

        impl CellMaps {
            fn families(&self) -> Vec<proto::MetricFamily> {
                let mut families = Vec::new();
                $( families.extend(families_of(&self.$field)); )+
                families
            }
        }
    };
}

cell_maps! {
    listeners: ListenerCells,
    routes: RouteCells,
    backends: BackendCells,
    members: MemberCells,
    workers: WorkerCells,
    process: ProcessCells,
    build: BuildCells,
    config: ConfigCells,
    listener_limits: ListenerLimitCells,
    backend_limits: BackendLimitCells,
    member_limits: MemberLimitCells,
    backend_checks: BackendCheckCells,
    member_checks: MemberCheckCells,
    member_ejections: MemberEjectionCells,
    scrape: ScrapeCells,
    kernel: KernelCells,
}

/// The collector of all cells.
pub(super) struct CellCollector {
    cell_maps: Arc<CellMaps>,
    descs: Vec<Desc>,
}

impl CellCollector {
    pub(super) fn new(cell_maps: Arc<CellMaps>) -> prometheus::Result<Self> {
        let descs = TABLE.iter().copied().flatten().map(desc).collect::<Result<_, _>>()?;
        Ok(Self { cell_maps, descs })
    }
}

impl Collector for CellCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        self.cell_maps.families()
    }
}

fn desc(metric: &Metric) -> prometheus::Result<Desc> {
    let closed = (metric.labels)();
    let labels = metric.owner.iter().copied().chain(closed.iter().map(|l| l.name));
    Desc::new(metric.name.into(), metric.help.into(), labels.map(Into::into).collect(), HashMap::new())
}

fn families_of<C: CellSet>(cell_map: &CellMap<C>) -> Vec<proto::MetricFamily> {
    let rows = cell_map.rows();
    let mut at = 0;
    let mut families = Vec::with_capacity(C::METRICS.len());
    for metric in C::METRICS {
        families.push(family(metric, &rows, at));
        at += metric.words;
    }
    families
}

/// Returns one metric of all owners. Its words begin at `at` in each row.
fn family(metric: &Metric, rows: &[CellRow], at: usize) -> proto::MetricFamily {
    let mut samples = Vec::with_capacity(rows.len() * metric.series);
    let words = rows.iter().map(|row| (row.key.as_slice(), &row.sums[at..at + metric.words]));
    // Metrics over all owners have one sample, which is the sum.
    if metric.owner.is_empty() {
        let mut sums = vec![0; metric.words];
        words.for_each(|(_, words)| add(&mut sums, words));
        push_samples(metric, &[], &sums, &mut samples);
    } else {
        words.for_each(|(key, words)| push_samples(metric, key, words, &mut samples));
    }
    let mut family = proto::MetricFamily::default();
    family.set_name(metric.name.into());
    family.set_help(metric.help.into());
    family.set_field_type(match metric.kind {
        MetricKind::Counter => proto::MetricType::COUNTER,
        MetricKind::Gauge => proto::MetricType::GAUGE,
        MetricKind::Histogram => proto::MetricType::HISTOGRAM,
    });
    family.set_metric(samples);
    family
}

fn add(sums: &mut [u64], words: &[u64]) {
    for (sum, word) in sums.iter_mut().zip(words) {
        *sum = sum.wrapping_add(*word);
    }
}

fn push_samples(metric: &Metric, key: &[String], words: &[u64], samples: &mut Vec<proto::Metric>) {
    let closed = (metric.labels)();
    let names: Vec<&str> = metric.owner.iter().copied().chain(closed.iter().map(|l| l.name)).collect();
    (metric.visit)(words, &mut Vec::new(), &mut |path, reading| {
        let values = key.iter().map(String::as_str).chain(path.iter().copied());
        let labels = names.iter().zip(values).map(|(name, value)| label(name, value)).collect();
        samples.push(sample(metric, labels, reading));
    });
}

fn sample(metric: &Metric, labels: Vec<proto::LabelPair>, reading: Reading<'_>) -> proto::Metric {
    let mut sample = proto::Metric::from_label(labels);
    match (reading, metric.kind) {
        (Reading::Spread { bounds, counts, sum }, _) => {
            sample.set_histogram(histogram(metric.unit, bounds, counts, sum));
        }
        (Reading::Count(count), MetricKind::Counter) => {
            let mut counter = proto::Counter::default();
            counter.set_value(shown(metric.unit, count as f64));
            sample.set_counter(counter);
        }
        (Reading::Count(count), _) => sample.set_gauge(gauge(metric.unit, count as f64)),
        (Reading::Level(level), _) => sample.set_gauge(gauge(metric.unit, level as f64)),
    }
    sample
}

fn gauge(unit: Unit, value: f64) -> proto::Gauge {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(shown(unit, value));
    gauge
}

/// Converts buckets to the form of Prometheus, in which each contains all lower ones. `counts` has one
/// element more than `bounds`, for values above the last bound.
fn histogram(unit: Unit, bounds: &[u64], counts: &[u64], sum: u64) -> proto::Histogram {
    let mut total = 0;
    let mut buckets = Vec::with_capacity(bounds.len());
    for (&bound, &count) in bounds.iter().zip(counts) {
        total += count;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(shown(unit, bound as f64));
        bucket.set_cumulative_count(total);
        buckets.push(bucket);
    }
    let mut histogram = proto::Histogram::default();
    histogram.set_bucket(buckets);
    histogram.set_sample_count(total + counts[bounds.len()]);
    histogram.set_sample_sum(shown(unit, sum as f64));
    histogram
}

/// Converts nanoseconds, which cells hold, to the seconds of Prometheus.
fn shown(unit: Unit, value: f64) -> f64 {
    match unit {
        Unit::Seconds => value / 1e9,
        Unit::None | Unit::Bytes => value,
    }
}

fn label(name: &str, value: &str) -> proto::LabelPair {
    let mut label = proto::LabelPair::default();
    label.set_name(name.into());
    label.set_value(value.into());
    label
}
