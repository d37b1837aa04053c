//! Tests the metrics as a whole, on rendered scrapes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::cause::Cause;

/// All handles that a configuration makes its workers hold.
#[derive(Default)]
struct Handles {
    listeners: Vec<Arc<ListenerCells>>,
    routes: Vec<Arc<RouteCells>>,
    backends: Vec<Arc<BackendCells>>,
    members: Vec<Arc<MemberCells>>,
    backend_checks: Vec<Arc<BackendCheckCells>>,
    member_checks: Vec<Arc<MemberCheckCells>>,
    member_ejections: Vec<Arc<MemberEjectionCells>>,
}

/// Returns listeners `l0..`, each with routes to its number of backends `b0..`, over which members `m0..` are
/// distributed.
fn configured(shape: &Dimensions) -> (Registry, Handles) {
    let registry = Registry::new(shape.workers);
    let mut held = Handles::default();
    for worker in 0..shape.workers {
        for i in 0..shape.listeners {
            held.listeners.push(registry.listener(worker, &format!("l{i}")));
        }
        for i in 0..shape.routes {
            let (listener, backend) = (i % shape.listeners, i / shape.listeners);
            held.routes.push(registry.route(worker, &format!("l{listener}"), &format!("b{backend}")));
        }
        for i in 0..shape.backends {
            held.backends.push(registry.backend(worker, &format!("b{i}")));
        }
        for i in 0..shape.members {
            let (backend, member) = (format!("b{}", i % shape.backends), format!("m{i}"));
            held.members.push(registry.member(worker, &backend, &member));
        }
    }
    for i in 0..shape.members {
        let (backend, member) = (format!("b{}", i % shape.backends), format!("m{i}"));
        held.member_checks.push(registry.member_checks(&backend, &member));
        held.member_ejections.push(registry.member_ejections(&backend, &member));
    }
    held.backend_checks = (0..shape.backends).map(|i| registry.backend_checks(&format!("b{i}"))).collect();
    set_limits(&registry, shape);
    (registry, held)
}

fn set_limits(registry: &Registry, shape: &Dimensions) {
    let names: Vec<String> = (0..shape.backends.max(shape.members)).map(|i| i.to_string()).collect();
    let names_of: Vec<String> = (0..shape.backends).map(|i| format!("b{i}")).collect();
    let members: Vec<String> = names.iter().map(|i| format!("m{i}")).collect();
    let listeners: Vec<String> = (0..shape.listeners).map(|i| format!("l{i}")).collect();
    let backends = (0..shape.backends)
        .map(|b| BackendLimits {
            name: &names_of[b],
            waiting: 1_000,
            members: (b..shape.members)
                .step_by(shape.backends)
                .map(|m| MemberLimits { name: &members[m], links: Some(64), weight: 1 })
                .collect(),
        })
        .collect();
    let clients = listeners.iter().map(|name| (name.as_str(), None)).collect();
    let limits = Limits { clients, backends };
    registry.set_config("abc", UNIX_EPOCH + Duration::from_secs(5), &limits);
}

const SMALL: Dimensions = Dimensions { listeners: 1, routes: 1, backends: 1, members: 1, workers: 2 };

/// Returns the series and their values.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn value(registry: &Registry, series: &str) -> f64 {
    let samples = samples(&registry.render());
    *samples.get(series).unwrap_or_else(|| panic!("{series} is not in the scrape"))
}

#[test]
fn what_workers_count_is_summed() {
    let (registry, held) = configured(&SMALL);
    held.routes[0].requests[CodeClass::C2xx].add(40);
    held.routes[1].requests[CodeClass::C2xx].add(2);
    held.routes[1].errors[Cause::QueueFull].inc();
    held.members[0].depth_limit.set(4);
    held.members[1].depth_limit.set(9);
    let text = samples(&registry.render());
    assert_eq!(text[r#"penstock_requests_total{listener="l0",backend="b0",code="2xx"}"#], 42.0);
    assert_eq!(text[r#"penstock_requests_total{listener="l0",backend="b0",code="5xx"}"#], 0.0);
    assert_eq!(text[r#"penstock_request_errors_total{listener="l0",backend="b0",cause="queue_full"}"#], 1.0);
    assert_eq!(text[r#"penstock_backend_pipeline_depth_limit{backend="b0",member="m0"}"#], 9.0);
}

#[test]
fn nanoseconds_are_shown_as_seconds_in_cumulative_buckets() {
    let (registry, held) = configured(&SMALL);
    held.backends[0].pool_wait.observe_nanos(50_000);
    held.backends[1].pool_wait.observe_nanos(2_000_000);
    held.backends[1].pool_wait.observe_nanos(20_000_000_000);
    registry.worker(1).busy_nanos.add(1_500_000_000);
    let text = samples(&registry.render());
    let bucket = |le: &str| text[&format!(r#"penstock_pool_wait_seconds_bucket{{backend="b0",le="{le}"}}"#)];
    assert_eq!([bucket("0.00005"), bucket("0.001"), bucket("0.0025"), bucket("10")], [1.0, 1.0, 2.0, 2.0]);
    assert_eq!(bucket("+Inf"), 3.0);
    assert_eq!(text[r#"penstock_pool_wait_seconds_count{backend="b0"}"#], 3.0);
    assert_eq!(text[r#"penstock_pool_wait_seconds_sum{backend="b0"}"#], 20.00205);
    assert_eq!(text[r#"penstock_worker_busy_seconds_total{worker="1"}"#], 1.5);
    assert_eq!(text[r#"penstock_worker_busy_seconds_total{worker="0"}"#], 0.0);
}

#[test]
fn the_delay_of_the_event_loops_is_one_histogram() {
    let (registry, _held) = configured(&SMALL);
    registry.worker(0).scheduler_delay.observe_nanos(1);
    registry.worker(1).scheduler_delay.observe_nanos(1);
    assert_eq!(value(&registry, "penstock_scheduler_delay_seconds_count"), 2.0);
}

#[test]
fn a_new_member_is_up_and_any_worker_may_turn_it() {
    let (registry, held) = configured(&SMALL);
    let state =
        |s| value(&registry, &format!(r#"penstock_member_state{{backend="b0",member="m0",state="{s}"}}"#));
    assert_eq!([state("up"), state("down")], [1.0, 0.0]);
    held.members[1].state.shift(MemberState::Up, MemberState::Down);
    assert_eq!([state("up"), state("down")], [0.0, 1.0]);
    held.members[0].state.shift(MemberState::Down, MemberState::Up);
    assert_eq!([state("up"), state("down")], [1.0, 0.0]);
}

#[test]
fn counters_never_fall_over_a_reload() {
    let (registry, mut held) = configured(&SMALL);
    held.members[0].opened.add(5);
    let opened = r#"penstock_backend_connections_opened_total{backend="b0",member="m0"}"#;
    let old = std::mem::take(&mut held.members);
    held.members.push(registry.member(0, "b0", "m0"));
    drop(old);
    held.members[0].opened.inc();
    assert_eq!(value(&registry, opened), 6.0);
}

#[test]
fn a_member_that_left_is_shown_until_its_last_handle_is_dropped() {
    let (registry, mut held) = configured(&SMALL);
    registry.set_config("next", UNIX_EPOCH, &Limits::default());
    let last = held.members.pop().expect("two workers");
    held.members.clear();
    held.member_checks.clear();
    held.member_ejections.clear();
    last.opened.inc();
    assert!(registry.render().contains(r#"member="m0""#));
    drop(last);
    let text = registry.render();
    assert!(!text.contains(r#"member="m0""#));
    assert!(text.contains(r#"penstock_config_info{hash="next"} 1"#) && !text.contains(r#"hash="abc""#));
}

#[test]
fn the_time_of_the_configuration_is_in_seconds() {
    let (registry, _held) = configured(&SMALL);
    assert_eq!(value(&registry, "penstock_config_last_success_timestamp_seconds"), 5.0);
    registry.set_config("x", SystemTime::UNIX_EPOCH, &Limits::default());
    assert_eq!(value(&registry, "penstock_config_last_success_timestamp_seconds"), 0.0);
}

#[test]
fn a_scrape_counts_itself_and_times_the_ones_before() {
    let (registry, _held) = configured(&SMALL);
    assert_eq!(value(&registry, "penstock_scrapes_total"), 1.0);
    let second = samples(&registry.render());
    assert_eq!(second["penstock_scrapes_total"], 2.0);
    assert_eq!(second["penstock_scrape_duration_seconds_count"], 1.0);
}

/// Returns name, type and help text of each metric in the scrape.
fn families(text: &str) -> BTreeSet<(String, String, String)> {
    let mut help = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some((name, words)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            help.insert(name.to_owned(), words.to_owned());
        }
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            seen.insert((name.to_owned(), kind.to_owned(), help.remove(name).unwrap_or_default()));
        }
    }
    seen
}

/// Returns the labels of each metric in the scrape, without `le`.
fn labels_seen(text: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut seen: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for series in samples(text).keys() {
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|l| !l.is_empty());
        let entry = seen.entry(name.to_owned()).or_default();
        for (name, value) in labels.filter_map(|l| l.split_once('=')).filter(|(name, _)| *name != "le") {
            entry.entry(name.to_owned()).or_default().insert(value.trim_matches('"').to_owned());
        }
    }
    seen
}

#[test]
fn the_description_and_the_scrape_agree() {
    let (registry, _held) = configured(&SMALL);
    let text = registry.render();
    let told: BTreeSet<_> =
        describe().into_iter().map(|d| (d.name.to_owned(), d.kind.to_owned(), d.help.to_owned())).collect();
    assert_eq!(told, families(&text));

    let seen = labels_seen(&text);
    for metric in describe() {
        let suffix = if metric.kind == "histogram" { "_count" } else { "" };
        let seen = &seen[&format!("{}{suffix}", metric.name)];
        assert_eq!(seen.len(), metric.labels.len(), "{}", metric.name);
        for label in metric.labels {
            let values = &seen[label.name];
            let closed = label.values.map(|values| values.iter().map(ToString::to_string).collect());
            assert_eq!(closed.as_ref().unwrap_or(values), values, "{} {}", metric.name, label.name);
        }
    }
}

#[test]
fn units_stand_in_the_names() {
    for metric in describe() {
        let stem = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        for unit in ["seconds", "bytes"] {
            assert_eq!(stem.ends_with(&format!("_{unit}")), metric.unit == unit, "{}", metric.name);
        }
        assert_eq!(metric.kind == "counter", metric.name.ends_with("_total"), "{}", metric.name);
    }
}

#[test]
fn the_description_is_json() {
    let json: serde_json::Value = serde_json::from_str(&describe_json()).expect("JSON");
    let all = json.as_array().expect("an array");
    assert_eq!(all.len(), describe().len());
    assert!(all.iter().all(|metric| metric["type"].is_string() && metric["labels"].is_array()));
}

#[test]
fn there_are_as_many_series_as_computed_and_as_budgeted() {
    let shapes = [
        SMALL,
        Dimensions { listeners: 2, routes: 2, backends: 2, members: 8, workers: 2 },
        Dimensions { listeners: 3, routes: 12, backends: 4, members: 40, workers: 7 },
        Dimensions { listeners: 16, routes: 32, backends: 32, members: 256, workers: 4 },
    ];
    for shape in shapes {
        let (registry, _held) = configured(&shape);
        let count = samples(&registry.render()).len();
        assert_eq!(count, series(&shape), "{shape:?}");
        // This is what Prometheus must store for each configured object. A new metric or label value raises
        // the number.
        let Dimensions { listeners, routes, backends, members, workers } = shape;
        let budget = 86 + 58 * listeners + 69 * routes + 151 * backends + 58 * members + 2 * workers;
        println!("{shape:?}: {count} series of {budget}");
        assert!(count <= budget, "{shape:?}: {count} series, {budget} budgeted");
    }
}

#[test]
fn promtool_finds_nothing_to_say() {
    let (registry, held) = configured(&SMALL);
    held.routes[0].duration.observe_nanos(7);
    let check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut check) = check else {
        eprintln!("SKIPPED: promtool is missing (Debian package prometheus)");
        return;
    };
    let mut stdin = check.stdin.take().expect("piped");
    stdin.write_all(registry.render().as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = check.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "promtool says: {said}");
}
