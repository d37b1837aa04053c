//! Counts and exports the metrics. Each is declared once, and its cells, each written by one thread, are
//! summed for a scrape.
//!
//! `table` declares the metrics; `cells` and `histogram` define what threads write; `label` indexes cells by
//! a closed label; `cell_map` keeps cells by name; `collect` sums them; `registry` is the entry for other
//! modules.

#[macro_use]
mod label;
#[macro_use]
mod set;
mod cell_map;
mod cells;
mod collect;
mod describe;
mod histogram;
mod kernel;
mod registry;
mod table;
#[cfg(test)]
mod tests;
mod values;

pub use cells::{Counter, Gauge, Least, Most};
pub use describe::{Description, Dimensions, LabelDescription, describe, describe_json, series};
pub use histogram::{AgeHistogram, CountHistogram, DepthHistogram, Histogram};
pub use label::{ByLabel, Label};
pub use registry::{BackendLimits, Limits, MemberLimits, Registry};
pub use set::{MetricKind, Unit};
pub use table::{
    BackendCells, BackendCheckCells, ListenerCells, MemberCells, MemberCheckCells, MemberEjectionCells,
    ProcessCells, RouteCells, WorkerCells,
};
pub use values::{
    AcceptError, Acquire, AttemptCode, CheckResult, ClientClose, ClientReject, ClientState, CodeClass,
    ConnectError, DepthReason, HoldReason, LinkClose, LinkState, LogFault, LogLine, Lookup, MemberState,
    Move, PipelineFault, ReloadResult, RequestFailure, RetryReason, RetryResult,
};
