//! Writes an outcome as JSON. `docs/measuring.md` describes the form.

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};

use super::leg::{Leg, Side};
use super::legs::{Legs, Role};
use super::outcome::{Capacity, Outcome};
use super::table::QUANTILES;
use crate::interval::Interval;

/// The version of the form. It grows when a field changes its meaning or goes, not when one is added.
const VERSION: u32 = 1;

/// The shares of the distribution, as numbers of nines and parts of them: dense where the tail is.
pub(crate) fn shares() -> impl Iterator<Item = f64> {
    (0..=40).map(|step| 1.0 - 10_f64.powf(-f64::from(step) / 10.0))
}

pub(crate) fn document(outcome: &Outcome) -> Value {
    let began = outcome.began.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let ceilings: Vec<Value> = outcome
        .ceilings
        .iter()
        .map(|ceiling| {
            json!({
                "connections": ceiling.connections,
                "requests_per_second": ceiling.per_second,
                "cpu_seconds_per_1000": ceiling.cpu_per_1000,
            })
        })
        .collect();
    let counted = outcome.counted();
    json!({
        "format": "penstock-bench overhead",
        "version": VERSION,
        "began_unix_seconds": began,
        "interrupted": outcome.interrupted,
        "proxy": outcome.proxy,
        "protocol": outcome.protocol,
        "direct": outcome.direct,
        "proxied": outcome.proxied,
        "machine": {
            "cpus": outcome.machine.cpus, "model": outcome.machine.model, "kernel": outcome.machine.kernel,
        },
        "leg_seconds": outcome.leg.as_secs_f64(),
        "generator": { "threads": outcome.threads, "depth": outcome.depth, "ceilings": ceilings },
        "capacity": outcome.capacity.iter().map(|c| capacity(outcome, c)).collect::<Vec<_>>(),
        "latency": latency(outcome),
        "verified": {
            "answers": outcome.answered(),
            "faults": outcome.faults(),
            "requests_by_proxy": counted.map(|both| both.0),
            "requests_by_generator": counted.map(|both| both.1),
        },
        "warnings": outcome.warnings(),
        "notes": outcome.notes(),
    })
}

fn capacity(outcome: &Outcome, capacity: &Capacity) -> Value {
    let legs = &capacity.legs;
    json!({
        "connections": capacity.connections,
        "ratio": interval(legs.ratio()),
        "limit": {
            "direct": outcome.limit(capacity, Side::Direct).word(),
            "proxied": outcome.limit(capacity, Side::Proxied).word(),
        },
        "direct": side(legs, Side::Direct),
        "proxied": side(legs, Side::Proxied),
    })
}

fn latency(outcome: &Outcome) -> Value {
    let legs = &outcome.latency;
    if legs.0.is_empty() {
        return Value::Null;
    }
    let added: Map<String, Value> =
        QUANTILES.iter().map(|(name, share)| ((*name).to_owned(), interval(legs.added(*share)))).collect();
    json!({
        "connections": outcome.clients,
        "rate": outcome.rate,
        "added_seconds": added,
        "lateness_seconds": { "p50": legs.lateness(0.5), "p99": legs.lateness(0.99) },
        "unsent": legs.0.iter().map(|leg| leg.report.unsent).sum::<u64>(),
        "direct": side(legs, Side::Direct),
        "proxied": side(legs, Side::Proxied),
    })
}

fn interval(interval: Option<Interval>) -> Value {
    // Bounds that are not known are infinite, which JSON has as null.
    interval.map_or(Value::Null, |i| json!({ "mean": i.mean, "low": i.low, "high": i.high }))
}

fn side(legs: &Legs, side: Side) -> Value {
    let latency = legs.latency(side);
    let seconds = |share: f64| latency.value_at_quantile(share) as f64 / 1e9;
    let quantiles: Map<String, Value> = QUANTILES
        .iter()
        .chain(&[("max", 1.0)])
        .map(|(name, at)| ((*name).to_owned(), json!(seconds(*at))))
        .collect();
    let distribution: Vec<Value> = shares().map(|share| json!([share, seconds(share)])).collect();
    let (sent, received) = legs.client_bytes(side);
    let member = legs.member_bytes().filter(|_| side == Side::Proxied);
    let connections = legs.connections().filter(|_| side == Side::Proxied);
    json!({
        "answers": legs.answered(side),
        "requests_per_second": legs.rate(side),
        "latency_seconds": quantiles,
        "distribution": distribution,
        "cpu_seconds_per_1000": {
            "proxy": legs.cpu_per_1000(side, Role::Proxy),
            "origin": legs.cpu_per_1000(side, Role::Origin),
            "generator": legs.cpu_per_1000(side, Role::Generator),
        },
        "memory_bytes": { "proxy": legs.memory(side, Role::Proxy), "origin": legs.memory(side, Role::Origin) },
        "bytes_per_second": {
            "clients_send": sent,
            "clients_receive": received,
            "proxy_sends": member.map(|both| both.0),
            "proxy_receives": member.map(|both| both.1),
        },
        "connections": { "in": connections.map(|both| both.0), "out": connections.map(|both| both.1) },
        "legs": legs.of(side).map(leg).collect::<Vec<_>>(),
    })
}

fn leg(leg: &Leg) -> Value {
    json!({
        "answers": leg.report.answered,
        "requests_per_second": leg.report.per_second(),
        "p50_seconds": leg.report.quantile(0.5).as_secs_f64(),
        "p99_seconds": leg.report.quantile(0.99).as_secs_f64(),
        "generator_busy_share": leg.generator_share(),
        "machine_idle_share": leg.machine.idle_share(),
        "other_cpu_seconds": leg.other_cpu(),
        "errors": leg.report.errors.total(),
        "mix_ups": leg.report.mix_ups,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overhead::outcome::tests::outcome;

    #[test]
    fn the_document_has_each_figure_with_its_unit() {
        let document = document(&outcome());
        assert_eq!(
            (&document["format"], &document["version"]),
            (&json!("penstock-bench overhead"), &json!(1))
        );
        assert_eq!(document["capacity"][1]["connections"], 64);
        assert_eq!(document["capacity"][1]["proxied"]["requests_per_second"], 700.0);
        let added = document["latency"]["added_seconds"]["p50"]["mean"].as_f64().unwrap();
        assert!((added - 55e-6).abs() < 1e-6, "{added}");
        assert_eq!(document["latency"]["proxied"]["connections"], json!({ "in": 8.0, "out": 2.0 }));
        assert_eq!(document["latency"]["direct"]["cpu_seconds_per_1000"]["proxy"], Value::Null);
        assert_eq!(document["verified"]["answers"], 10_200);
        let distribution = document["latency"]["direct"]["distribution"].as_array().unwrap();
        assert_eq!((distribution.len(), &distribution[0][0]), (41, &json!(0.0)));
    }

    #[test]
    fn shares_run_from_all_to_four_nines() {
        let shares: Vec<f64> = shares().collect();
        assert!((shares[10] - 0.9).abs() < 1e-9 && (shares[40] - 0.9999).abs() < 1e-9);
        assert!(shares.is_sorted());
    }
}
