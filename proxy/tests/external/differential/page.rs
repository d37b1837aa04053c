//! Writes the tables of `docs/http.md` from what was measured, or compares them with it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::differential::rows::{Area, areas};
use crate::differential::survey::{Survey, Surveys};

const END: &str = "<!-- end -->";
const UNKNOWN: &str = "not asked";

/// Where the page is.
pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/http.md")
}

pub(crate) fn written() -> String {
    fs::read_to_string(path()).unwrap_or_default()
}

/// Columns that were not measured in this run stay as they are.
pub(crate) fn page(written: &str, surveys: &Surveys) -> String {
    let mut page = written.to_owned();
    for (number, area) in areas().iter().enumerate() {
        let old = section(written, area.name);
        page = replaced(&page, area.name, &table(area, number, surveys, &old_rows(old)));
    }
    replaced(&page, "versions", &versions(surveys, section(written, "versions")))
}

/// The examples of the page as whole configurations: each is lines of a listener, or the section of backends.
pub(crate) fn examples(written: &str) -> impl Iterator<Item = String> {
    const LISTENER: &str = "listeners:\n  web:\n    bind: 127.0.0.1:8080\n    backend: app\n";
    const BACKENDS: &str =
        "backends:\n  app: { members: { a: 127.0.0.1:9001 } }\n  api: { members: { a: 127.0.0.1:9002 } }\n";
    let blocks = written.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| {
        let backends = if block.starts_with("backends:") { "" } else { BACKENDS };
        format!("{LISTENER}{block}{backends}")
    })
}

/// The versions that the page speaks of, by program.
pub(crate) fn versions_of(written: &str) -> Vec<String> {
    let row = section(written, "versions").lines().find(|line| line.starts_with("Asked: "));
    let names = row.and_then(|row| row.strip_prefix("Asked: ")).unwrap_or_default();
    names.trim_end_matches('.').split(", ").map(str::to_owned).collect()
}

fn versions(surveys: &Surveys, old: &str) -> String {
    let old = versions_of(&format!("{}{old}{END}", mark("versions")));
    let version = |survey: Option<&Survey>, name: &str| {
        let kept = old.iter().find(|version| version.starts_with(name)).cloned();
        survey.map(|survey| survey.version.clone()).or(kept).unwrap_or_else(|| format!("{name} {UNKNOWN}"))
    };
    let nginx = version(surveys.nginx.as_ref(), "nginx");
    let haproxy = version(surveys.haproxy.as_ref(), "HAProxy");
    format!("Asked: {nginx}, {haproxy}, {}.\n", version(surveys.envoy.as_ref(), "Envoy"))
}

fn mark(name: &str) -> String {
    format!("<!-- measured: {name} -->\n")
}

/// What is between the marks of this name.
#[track_caller]
fn section<'p>(page: &'p str, name: &str) -> &'p str {
    let inside = page.split_once(&mark(name)).and_then(|(_, rest)| rest.split_once(END));
    inside.unwrap_or_else(|| panic!("docs/http.md has no table {name}: {:?}", mark(name))).0
}

fn replaced(page: &str, name: &str, table: &str) -> String {
    let old = section(page, name);
    page.replace(&format!("{}{old}{END}", mark(name)), &format!("{}{table}{END}", mark(name)))
}

/// The cells of nginx, HAProxy and Envoy, by what stands before them.
type Rows = HashMap<String, [String; 3]>;

fn old_rows(table: &str) -> Rows {
    table.lines().filter_map(old_row).collect()
}

fn old_row(line: &str) -> Option<(String, [String; 3])> {
    let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let [section, rule, _ours, nginx, haproxy, envoy] = cells.try_into().ok()?;
    Some((section + &rule, [nginx, haproxy, envoy]))
}

fn table(area: &Area, number: usize, surveys: &Surveys, old: &Rows) -> String {
    let mut text =
        "| § | what is sent | penstock | nginx | HAProxy | Envoy |\n|---|---|---|---|---|---|\n".to_owned();
    for (at, row) in area.rows.iter().enumerate() {
        let kept = old.get(&format!("{}{}", row.section, row.rule));
        let cell = |survey: Option<&Survey>, column: usize| {
            let measured = survey.map(|survey| survey.cells[number][at].1.clone());
            measured.or_else(|| kept.map(|row| row[column].clone())).unwrap_or_else(|| UNKNOWN.to_owned())
        };
        let nginx = cell(surveys.nginx.as_ref(), 0);
        let haproxy = cell(surveys.haproxy.as_ref(), 1);
        let envoy = cell(surveys.envoy.as_ref(), 2);
        let ours = row.ours.replace('|', "\\|");
        text += &format!("| {} | {} | {ours} | {nginx} | {haproxy} | {envoy} |\n", row.section, row.rule);
    }
    text + &notes(area)
}

/// Where penstock is alone with what it does, the rows say why; rows with one reason stand together.
fn notes(area: &Area) -> String {
    let mut notes: Vec<(&str, Vec<String>)> = Vec::new();
    for row in &area.rows {
        let Some(because) = row.because else { continue };
        let rule = format!("*{}*", row.rule);
        match notes.iter_mut().find(|(reason, _)| *reason == because) {
            Some((_, rules)) => rules.push(rule),
            None => notes.push((because, vec![rule])),
        }
    }
    let lines: String =
        notes.iter().map(|(why, rules)| format!("- {}: {why}.\n", rules.join("; "))).collect();
    if lines.is_empty() { lines } else { format!("\nWhere penstock is alone:\n\n{lines}") }
}
