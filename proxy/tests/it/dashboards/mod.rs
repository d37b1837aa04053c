//! Checks the dashboards: each is well formed, and asks only for metrics that exist.
//!
//! No file is imported into a Grafana server here.

mod contract;
mod promql;
mod structure;

use std::path::PathBuf;

use serde_json::{Value, json};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboards");

fn files() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(FOLDER).expect("the folder is there");
    let paths = folder.map(|entry| entry.expect("it can be read").path());
    paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect()
}

fn load(path: &PathBuf) -> Value {
    let text = std::fs::read_to_string(path).expect("it can be read");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn named(name: &str) -> Value {
    load(&PathBuf::from(FOLDER).join(format!("penstock-{name}.json")))
}

fn overview() -> Value {
    named("overview")
}

fn problems(dashboard: &Value) -> Vec<String> {
    let mut problems = structure::problems(dashboard);
    problems.extend(contract::problems(dashboard));
    problems
}

/// The list at a JSON pointer; nothing there is an empty list.
fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The text at a JSON pointer; nothing there is an empty text.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn every_dashboard_is_sound() {
    let files = files();
    assert!(!files.is_empty(), "no dashboard in {FOLDER}");
    for path in files {
        assert_eq!(problems(&load(&path)), Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn prometheus_parses_every_expression() {
    if !promql::parser_is_here() {
        return;
    }
    for path in files() {
        promql::check(&load(&path)).unwrap_or_else(|said| panic!("{}: {said}", path.display()));
    }
    let mut broken = overview();
    broken["panels"][0]["targets"][0]["expr"] = json!("sum(rate(penstock_requests_total[1m])");
    assert!(promql::check(&broken).is_err(), "a missing bracket was not found");
}

#[track_caller]
fn is_on(dashboard: &Value, metrics: &[&str]) {
    let expressions: String = contract::expressions(dashboard).into_iter().map(|(_, e)| e + "\n").collect();
    for metric in metrics {
        assert!(expressions.contains(metric), "{metric}");
    }
}

#[test]
fn every_metric_of_sharing_links_is_on_its_dashboard() {
    let metrics = [
        "penstock_backend_pipeline_depth_limit",
        "penstock_backend_pipeline_depth_reason",
        "penstock_backend_pipeline_depth_bucket",
        "penstock_backend_service_time_seconds",
        "penstock_backend_connections_held_total",
        "penstock_backend_connections_closed_total",
        "penstock_retries_total",
        "penstock_pool_acquires_total",
        "penstock_pool_wait_seconds_bucket",
        "penstock_pool_waiting{",
    ];
    is_on(&named("multiplexing"), &metrics);
}

#[test]
fn every_metric_the_overview_needs_is_on_it() {
    let metrics = [
        "penstock_requests_total",
        "penstock_backend_requests_total",
        "penstock_client_received_bytes_total",
        "penstock_client_sent_bytes_total",
        "penstock_backend_sent_bytes_total",
        "penstock_backend_received_bytes_total",
        "penstock_client_connections{",
        "penstock_backend_connections{",
        "penstock_request_duration_seconds_bucket",
        "penstock_request_overhead_seconds_bucket",
        "penstock_request_errors_total",
        "penstock_member_state{",
        "penstock_health_checks_total{",
        "penstock_health_check_duration_seconds_bucket",
        "penstock_backend_request_failures_total{",
        "penstock_member_ejections_total{",
    ];
    is_on(&overview(), &metrics);
}

/// Each line breaks one thing, and names the words of the problem it must cause.
#[test]
fn broken_dashboards_are_found_out() {
    let expr = "/panels/0/targets/0/expr";
    let fixtures = [
        ("/uid", json!("overview"), "uid"),
        ("/schemaVersion", json!(16), "schemaVersion"),
        ("/panels/1/id", json!(1), "id 1 twice"),
        ("/panels/1/gridPos/x", json!(2), "overlaps"),
        ("/panels/1/gridPos/w", json!(25), "24 columns"),
        ("/panels/0/datasource/uid", json!("P1809F7CD0C75ACF3"), "datasource"),
        ("/panels/0/targets/0/datasource/uid", json!("prom"), "datasource"),
        ("/annotations/list/0/datasource/uid", json!("prom"), "datasource"),
        ("/templating/list/2/datasource/uid", json!("prom"), "datasource"),
        ("/templating/list/2/name", json!("node"), "variable instance"),
        ("/panels/0/description", json!(""), "description"),
        ("/panels/0/fieldConfig/defaults/unit", json!(""), "unit"),
        ("/panels/0/fieldConfig/defaults/noValue", Value::Null, "noValue"),
        ("/panels/0/fieldConfig/defaults/min", Value::Null, "min"),
        ("/panels/0/fieldConfig/defaults/decimals", Value::Null, "decimals"),
        ("/panels/9/options/legend/showLegend", json!(false), "legend"),
        ("/panels/0/targets", json!([]), "no target"),
        (expr, json!("rate(penstock_requests_total{job=\"$job\"}[5m])"), "$__rate_interval"),
        (expr, json!("sum(penstock_request_count)"), "no metric penstock_request_count"),
        (expr, json!("penstock_workers_bucket"), "no metric penstock_workers_bucket"),
        (expr, json!("penstock_client_connections{client=\"x\"}"), "no label client"),
        (expr, json!("penstock_client_connections{state=\"ideal\"}"), "never ideal"),
        (expr, json!("penstock_client_connections{state=~\"idle|buzy\"}"), "never buzy"),
        (expr, json!("sum by (member) (penstock_client_connections)"), "no label member"),
        (expr, json!("rate(penstock_pool_waiting[$__rate_interval])"), "is a gauge"),
        (expr, json!("sum(penstock_requests_total)"), "is a counter"),
        (expr, json!("sum(penstock_request_duration_seconds)"), "is a histogram"),
        ("/panels/4/fieldConfig/defaults/unit", json!("ms"), "not in ms"),
        ("/panels/10/fieldConfig/defaults/unit", json!("short"), "not in short"),
        ("/templating/list/1/query/query", json!("label_values(penstock_build, job)"), "no metric"),
        ("/templating/list/3/query/query", json!("label_values(penstock_workers, listener)"), "no label"),
        ("/annotations/list/0/expr", json!("changes(penstock_config_hash[1m])"), "no metric"),
    ];
    for (pointer, value, words) in fixtures {
        let mut dashboard = overview();
        let place = dashboard.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
        *place = value.clone();
        let found = problems(&dashboard);
        assert!(found.iter().any(|p| p.contains(words)), "{pointer} = {value}: {words:?} not in {found:?}");
    }
}
