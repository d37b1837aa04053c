//! Describes all metrics without a scrape, and computes the number of series of a configuration.

use serde::Serialize;

use super::collect::TABLE;
use super::set::{Metric, MetricKind, Unit};

/// The static properties of a metric.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Description {
    /// The name.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The labels, in the order in which they are written.
    pub labels: Vec<LabelDescription>,
    /// `seconds`, `bytes`, or empty for numbers.
    pub unit: &'static str,
    /// The HELP text.
    pub help: &'static str,
}

/// A label of a metric.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LabelDescription {
    /// The name.
    pub name: &'static str,
    /// All values, or `None` if the configuration or the build determines them.
    pub values: Option<&'static [&'static str]>,
}

/// The numbers of configured objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dimensions {
    /// The number of listeners.
    pub listeners: usize,
    /// The number of pairs of a listener and a backend for its requests.
    pub routes: usize,
    /// The number of backends.
    pub backends: usize,
    /// The number of members of all backends.
    pub members: usize,
    /// The number of workers.
    pub workers: usize,
}

/// The names and help texts of the `process` feature of the prometheus crate; a test compares them.
const PROCESS: [(&str, &str, &str, &str); 7] = [
    ("process_cpu_seconds_total", "counter", "seconds", "Total user and system CPU time spent in seconds."),
    ("process_max_fds", "gauge", "", "Maximum number of open file descriptors."),
    ("process_open_fds", "gauge", "", "Number of open file descriptors."),
    ("process_resident_memory_bytes", "gauge", "bytes", "Resident memory size in bytes."),
    (
        "process_start_time_seconds",
        "gauge",
        "seconds",
        "Start time of the process since unix epoch in seconds.",
    ),
    ("process_threads", "gauge", "", "Number of OS threads in the process."),
    ("process_virtual_memory_bytes", "gauge", "bytes", "Virtual memory size in bytes."),
];

/// Returns descriptions of all metrics, sorted by name.
#[must_use]
pub fn describe() -> Vec<Description> {
    let process = PROCESS.iter().map(|&(name, kind, unit, help)| Description {
        name,
        kind,
        labels: Vec::new(),
        unit,
        help,
    });
    let mut all: Vec<Description> = metrics().map(description).chain(process).collect();
    all.sort_by_key(|d| d.name);
    all
}

/// Returns [`describe`] as a JSON array.
#[must_use]
pub fn describe_json() -> String {
    serde_json::to_string_pretty(&describe()).expect("strings and lists of strings are always valid JSON")
}

/// Returns the number of series in a scrape of a configuration with these dimensions.
#[must_use]
pub fn series(shape: &Dimensions) -> usize {
    let own: usize = metrics().map(|metric| owners(metric, shape) * metric.series).sum();
    own + PROCESS.len()
}

fn metrics() -> impl Iterator<Item = &'static Metric> {
    TABLE.iter().copied().flatten()
}

fn owners(metric: &Metric, shape: &Dimensions) -> usize {
    match metric.owner {
        ["listener"] => shape.listeners,
        ["listener", "backend"] => shape.routes,
        ["backend"] => shape.backends,
        ["backend", "member"] => shape.members,
        ["worker"] => shape.workers,
        _ => 1,
    }
}

fn description(metric: &Metric) -> Description {
    let open = metric.owner.iter().map(|&name| LabelDescription { name, values: None });
    let closed = (metric.labels)().into_iter();
    let closed = closed.map(|label| LabelDescription { name: label.name, values: Some(label.values) });
    Description {
        name: metric.name,
        kind: match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        },
        labels: open.chain(closed).collect(),
        unit: match metric.unit {
            Unit::None => "",
            Unit::Bytes => "bytes",
            Unit::Seconds => "seconds",
        },
        help: metric.help,
    }
}
