//! Checks that the pages are true: `docs/metrics.md`, links, the README's configuration, and what the map names.
//!
//! Whether the prose is right, it cannot know.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use penstock::config::{REFERENCE, parse};
use penstock::metrics::{Description, LabelDescription, describe};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

const HEAD: &str = "\
# Metrics

This page lists all metrics of `/metrics`, as `penstock metrics describe` does. The program writes it; after a
change of `proxy/src/metrics/table.rs`, run:

```sh
PENSTOCK_WRITE_DOCS=1 cargo test -p penstock --test it docs::
```

Every value of a closed label is exported from the start, at 0. A histogram has the series `_bucket`, `_sum` and
`_count`. `penstock_requests_total` and `penstock_client_*` count on the side of the clients, `penstock_backend_*` on
the side of the members, and `penstock_request_overhead_seconds` is the time that the proxy added.

| metric | type | labels | unit | meaning |
|---|---|---|---|---|
";

fn page() -> String {
    HEAD.to_owned() + &describe().iter().map(row).collect::<String>()
}

fn row(metric: &Description) -> String {
    let labels: Vec<_> = metric.labels.iter().map(label).collect();
    let Description { name, kind, unit, help, .. } = metric;
    format!("| `{name}` | {kind} | {} | {unit} | {help} |\n", labels.join("; "))
}

fn label(label: &LabelDescription) -> String {
    match label.values {
        Some(values) => format!("`{}`: {}", label.name, values.join(", ")),
        None => format!("`{}`", label.name),
    }
}

#[test]
fn the_page_of_metrics_is_what_the_program_says() {
    let path = root().join("docs/metrics.md");
    if std::env::var_os("PENSTOCK_WRITE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let page = page();
    let stale = page.lines().zip(written.lines().chain(std::iter::repeat(""))).find(|(a, b)| a != b);
    assert_eq!(stale, None, "docs/metrics.md is stale; its head says how to write it");
    assert_eq!(written, page);
}

/// Markdown files of the repository, but for those that tools leave behind.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            pages(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "md") {
            found.push(path);
        }
    }
}

/// Targets of `[text](target)` that are files of ours and are not there.
fn dead_links(page: &Path, text: &str) -> Vec<String> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files = targets.map(|t| t.split('#').next().unwrap_or_default());
    let ours = files.filter(|t| !t.is_empty() && !t.contains("://") && !t.starts_with("mailto:"));
    let dead = ours.filter(|t| !page.parent().unwrap().join(t).exists());
    dead.map(|t| format!("{}: {t}", page.display())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut found = Vec::new();
    pages(&root(), &mut found);
    assert!(found.iter().any(|page| page.ends_with("README.md")), "{found:?}");
    let dead: Vec<_> =
        found.iter().flat_map(|page| dead_links(page, &fs::read_to_string(page).unwrap())).collect();
    assert!(dead.is_empty(), "links that lead nowhere:\n  {}", dead.join("\n  "));
}

#[test]
fn a_dead_link_is_found() {
    let text = "[a](b.md#c), [x](README.md), [y](https://z/), [here](#there)";
    let dead = dead_links(&root().join("page.md"), text);
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].ends_with("page.md: b.md"));
}

#[test]
fn the_configuration_of_the_readme_can_be_run() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (text, _) = rest.split_once("```").unwrap();
    let loaded = parse("README.md", text, &|_| None).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    let reference = parse("config.yaml", REFERENCE, &|_| None).unwrap().settings;
    assert_eq!(loaded.settings, reference, "what it leaves out is the default");
}

/// Names in backticks with `::` in them, by their last part.
fn named(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2).filter(|span| span.contains("::"));
    let plain = spans.filter(|span| span.chars().all(|c| c.is_alphanumeric() || "_:".contains(c)));
    plain.filter_map(|span| span.rsplit("::").next()).collect()
}

fn words(folder: &Path, found: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            words(&path, found);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            found.extend(words.map(str::to_owned));
        }
    }
}

#[test]
fn what_the_map_names_is_in_the_code() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let prose: String = map.split("```").step_by(2).collect();
    let mut code = HashSet::new();
    words(&root().join("proxy/src"), &mut code);
    let names = named(&prose);
    assert!(names.len() > 40, "{names:?}");
    let gone: Vec<_> = names.into_iter().filter(|name| !code.contains(*name)).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names what is not there: {gone:?}");
    assert_eq!(named("`a::b` and `c`, `d::e()`, `f::G::h`"), ["b", "h"]);
}
