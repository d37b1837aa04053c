//! Checks that a dashboard is well formed, and as readable as we want ours.

use serde_json::Value;

use crate::dashboards::contract::expressions;
use crate::dashboards::{list, text};

const DATASOURCE: &str = "${datasource}";
const VARIABLES: [&str; 5] = ["datasource", "job", "instance", "listener", "backend"];
const COLUMNS: u64 = 24;

pub(crate) fn problems(dashboard: &Value) -> Vec<String> {
    let mut found = of_dashboard(dashboard);
    let panels = list(dashboard, "/panels");
    found.extend(panels.iter().flat_map(|panel| {
        of_panel(panel).into_iter().map(move |p| format!("panel {:?}: {p}", text(panel, "/title")))
    }));
    found.extend(of_grid(panels));
    found.extend(of_ids(panels));
    found.extend(of_rates(dashboard));
    found
}

fn when(wrong: bool, problem: impl Into<String>) -> Option<String> {
    wrong.then(|| problem.into())
}

fn of_dashboard(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(when(!text(dashboard, "/uid").starts_with("penstock-"), "the uid is not penstock-..."));
    found.extend(when(dashboard["schemaVersion"] != 39, "schemaVersion is not 39"));
    found.extend(when(dashboard["refresh"] != "10s", "refresh is not 10s"));
    found.extend(when(dashboard["graphTooltip"] != 1, "the crosshair is not shared"));
    found.extend(when(text(dashboard, "/description").is_empty(), "no description"));
    found.extend(when(list(dashboard, "/panels").is_empty(), "no panel"));
    let variables = list(dashboard, "/templating/list");
    for name in VARIABLES {
        found.extend(when(!variables.iter().any(|v| v["name"] == name), format!("no variable {name}")));
    }
    let queries = variables.iter().filter(|v| v["type"] == "query");
    for asker in queries.chain(list(dashboard, "/annotations/list")) {
        let problem = format!("the datasource of {} is not {DATASOURCE}", asker["name"]);
        found.extend(when(text(asker, "/datasource/uid") != DATASOURCE, problem));
    }
    found
}

fn of_panel(panel: &Value) -> Vec<String> {
    let defaults = &panel["fieldConfig"]["defaults"];
    let targets = list(panel, "/targets");
    let mirrored = panel["fieldConfig"]["overrides"].to_string().contains("negative-Y");
    let mut found = Vec::new();
    found.extend(when(text(panel, "/title").is_empty(), "no title"));
    found.extend(when(text(panel, "/description").is_empty(), "no description"));
    found.extend(when(text(defaults, "/unit").is_empty(), "no unit"));
    found.extend(when(text(defaults, "/noValue").is_empty(), "no noValue"));
    found.extend(when(defaults["decimals"].is_null(), "no decimals"));
    found.extend(when(defaults["min"].is_null() != mirrored, "min must be 0, but absent where mirrored"));
    found.extend(when(targets.is_empty(), "no target"));
    for asker in std::iter::once(panel).chain(targets) {
        let wrong = text(asker, "/datasource/uid") != DATASOURCE;
        found.extend(when(wrong, format!("a datasource is not {DATASOURCE}")));
    }
    let series = targets.len() > 1 || targets.iter().any(|t| text(t, "/legendFormat").contains("{{"));
    let legend = panel["options"]["legend"]["showLegend"] == true;
    found.extend(when(panel["type"] == "timeseries" && series && !legend, "several series and no legend"));
    found.extend(when(targets.iter().any(|t| text(t, "/legendFormat").is_empty()), "a series has no name"));
    found
}

/// Columns and rows a panel covers: x, y, and where it ends.
fn area(panel: &Value) -> [u64; 4] {
    let at = |side: &str| panel["gridPos"][side].as_u64().unwrap_or(0);
    [at("x"), at("y"), at("x") + at("w"), at("y") + at("h")]
}

fn of_grid(panels: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, panel) in panels.iter().enumerate() {
        let (title, [left, top, right, bottom]) = (&panel["title"], area(panel));
        found.extend(when(right > COLUMNS, format!("{title} is not within {COLUMNS} columns")));
        found.extend(when(right == left || bottom == top, format!("{title} has no size")));
        for other in &panels[..i] {
            let [l, t, r, b] = area(other);
            let apart = right <= l || r <= left || bottom <= t || b <= top;
            found.extend(when(!apart, format!("{title} overlaps {}", other["title"])));
        }
    }
    found
}

fn of_ids(panels: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, panel) in panels.iter().enumerate() {
        let id = &panel["id"];
        found.extend(when(panels[..i].iter().any(|p| p["id"] == *id), format!("id {id} twice")));
    }
    found
}

/// A fixed interval in a panel is too short at one zoom and too long at another.
fn of_rates(dashboard: &Value) -> Vec<String> {
    let panels = expressions(dashboard).into_iter().filter(|(place, _)| place.starts_with("panel"));
    let fixed = panels.filter(|(_, expr)| expr.replace("[$__rate_interval]", "").contains('['));
    fixed.map(|(place, expr)| format!("{place}: a range that is not $__rate_interval: {expr}")).collect()
}
