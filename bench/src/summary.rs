//! Writes a report as text for people and as JSON for programs.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::report::Report;

const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)];

/// The version of the JSON form. It grows when a field changes its meaning or goes, not when one is added.
const JSON_VERSION: u32 = 1;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, ok, moved, client, server] = self.by_class;
        writeln!(f, "requests   {} over {} connections", self.requests, self.connections)?;
        writeln!(f, "answered   {} (2xx {ok}, 3xx {moved}, 4xx {client}, 5xx {server})", self.answered)?;
        writeln!(f, "rate       {:.0} answers/s over {:.2?}", self.per_second(), self.elapsed)?;
        writeln!(f, "bytes      {} sent, {} received", self.bytes_sent, self.bytes_received)?;
        writeln!(f, "latency    {}", in_words(&self.latency))?;
        writeln!(f, "connect    {}", in_words(&self.connect_time))?;
        if !self.lateness.is_empty() {
            writeln!(f, "lateness   {} (of the generator itself)", in_words(&self.lateness))?;
        }
        for (class, latency) in &self.classes {
            writeln!(f, "  {class}: {} answers, {}", latency.len(), in_words(latency))?;
        }
        self.write_members(f)?;
        self.write_errors(f)
    }
}

impl Report {
    fn write_members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.members.is_empty() {
            return Ok(());
        }
        let spread: Vec<String> =
            self.sources_by_member().iter().map(|(member, sources)| format!("{member} {sources}")).collect();
        writeln!(
            f,
            "members    {} sources, at most {} members each; sources per member: {}",
            self.members.len(),
            self.most_members_per_source(),
            spread.join(", ")
        )
    }

    fn write_errors(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.aborted > 0 {
            writeln!(f, "aborted    {} (on purpose)", self.aborted)?;
        }
        if self.unsent > 0 {
            writeln!(f, "unsent     {} (due before the end, never started)", self.unsent)?;
        }
        writeln!(f, "mix-ups    {}", self.mix_ups)?;
        let kinds = self.errors.by_name().into_iter().filter(|(_, count)| *count > 0);
        let kinds: Vec<String> = kinds.map(|(name, count)| format!("{name} {count}")).collect();
        let detail = if kinds.is_empty() { String::new() } else { format!(" ({})", kinds.join(", ")) };
        writeln!(f, "errors     {}{detail}", self.errors.total())?;
        self.first_errors.iter().try_for_each(|words| writeln!(f, "           {words}"))
    }

    /// Returns all numbers as JSON, with latencies and the elapsed time in seconds.
    pub fn to_json(&self) -> Value {
        let classes: serde_json::Map<String, Value> =
            self.classes.iter().map(|(name, latency)| (name.clone(), class(latency))).collect();
        let errors: serde_json::Map<String, Value> =
            self.errors.by_name().iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
        json!({
            "format": "penstock-bench load",
            "version": JSON_VERSION,
            "requests": self.requests,
            "answered": self.answered,
            "by_class": self.by_class,
            "errors": errors,
            "aborted": self.aborted,
            "unsent": self.unsent,
            "mix_ups": self.mix_ups,
            "wrong": self.wrong(),
            "connections": self.connections,
            "bytes_sent": self.bytes_sent,
            "bytes_received": self.bytes_received,
            "sources": self.members.len(),
            "most_members_per_source": self.most_members_per_source(),
            "sources_by_member": self.sources_by_member(),
            "latency_seconds": seconds(&self.latency),
            "connect_seconds": seconds(&self.connect_time),
            "lateness_seconds": seconds(&self.lateness),
            "classes": classes,
            "elapsed_seconds": self.elapsed.as_secs_f64(),
            "answers_per_second": self.per_second(),
            "first_errors": self.first_errors,
        })
    }
}

fn class(latency: &Histogram<u64>) -> Value {
    json!({ "answered": latency.len(), "latency_seconds": seconds(latency) })
}

fn seconds(latency: &Histogram<u64>) -> Value {
    QUANTILES
        .iter()
        .map(|(name, share)| ((*name).to_owned(), json!(at(latency, *share).as_secs_f64())))
        .collect()
}

fn in_words(latency: &Histogram<u64>) -> String {
    QUANTILES.map(|(name, share)| format!("{name} {}", short(at(latency, share)))).join("  ")
}

fn at(latency: &Histogram<u64>, share: f64) -> Duration {
    Duration::from_nanos(latency.value_at_quantile(share))
}

/// Formats a time with three digits, which is the precision of the histogram.
fn short(time: Duration) -> String {
    match time.as_nanos() {
        0..1_000_000 => format!("{:.0} µs", time.as_secs_f64() * 1e6),
        1_000_000..1_000_000_000 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}
