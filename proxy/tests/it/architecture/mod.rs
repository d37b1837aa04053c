//! Checks that the code is as `ARCHITECTURE.md` says: imports, I/O, the first lines of files, and values of metric labels.
//!
//! `rules` and `labels` have the rules, `paths` reads the sources, `walk` reads the walk along a GET, and `made_up` shows that each rule can fail.

mod cycles;
mod labels;
mod made_up;
mod paths;
mod rules;
mod types;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use paths::Source;

/// Where the workspace is.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A fenced list of the map.
fn list(name: &str) -> Vec<String> {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    rules::list(&map, name).unwrap_or_else(|why| panic!("ARCHITECTURE.md: {why}"))
}

/// Every Rust file below a folder of the workspace, by its path from that folder.
fn sources(folder: &str) -> Vec<Source> {
    let folder = root().join(folder);
    let mut found = Vec::new();
    collect(&folder, &folder, &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty(), "no source in {}", folder.display());
    found
}

fn collect(top: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(top, &path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            found.push(Source { name, text: fs::read_to_string(&path).unwrap() });
        }
    }
}

fn none(problems: &[String]) {
    assert!(problems.is_empty(), "{} problems:\n  {}", problems.len(), problems.join("\n  "));
}

#[test]
fn imports_run_downwards() {
    none(&rules::upward(&list("layers"), &sources("proxy/src")));
}

/// What will be built next stands in a map of its own, in which today's map must be found again.
#[test]
fn imports_that_are_only_drawn_run_downwards_too() {
    let page = root().join("docs/decisions/0031-where-tls-http2-and-a-cache-will-go.md");
    let page = fs::read_to_string(page).unwrap();
    let (map, today) = (rules::list(&page, "layers").unwrap(), list("layers"));
    assert_eq!(
        map.iter().filter(|layer| today.contains(layer)).collect::<Vec<_>>(),
        today.iter().collect::<Vec<_>>()
    );
    let drawn = rules::drawn(&page);
    assert!(!drawn.is_empty(), "nothing is drawn");
    none(&rules::upward(&map, &drawn));
}

#[test]
fn no_file_imports_one_that_imports_it() {
    none(&cycles::circles(&sources("proxy/src")));
}

#[test]
fn every_module_is_on_the_map() {
    none(&rules::unmapped(&list("layers"), &sources("proxy/src")));
}

#[test]
fn a_get_can_be_followed_in_a_few_files() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let steps = walk::steps(&map).unwrap_or_else(|why| panic!("ARCHITECTURE.md: {why}"));
    assert!(steps.len() >= 10, "{} steps are no walk from socket to socket", steps.len());
    none(&walk::problems(&steps, &sources("proxy/src")));
}

#[test]
fn what_decides_does_no_io() {
    none(&rules::io_in(&list("sans-io"), &sources("proxy/src")));
}

#[test]
fn only_the_command_line_knows_the_origin() {
    let may = ["cli.rs", "lifecycle/panic_tests.rs"]; // the latter is a test
    none(&rules::names("penstock_origin", &may, &sources("proxy/src")));
}

#[test]
fn the_first_line_of_every_file_says_what_it_is_for() {
    for folder in ["proxy/src", "proxy/tests", "origin/src", "origin/tests", "bench/src", "bench/tests"] {
        none(&rules::nameless(folder, &sources(folder)));
    }
}

#[test]
fn every_value_of_a_label_is_counted() {
    none(&labels::uncounted(&sources("proxy/src"), &labels::TRANSLATED));
}

#[test]
fn origin_and_bench_share_nothing_with_the_proxy() {
    none(&rules::shared(&metadata(&["--no-deps"])));
}

/// `rust-version` is a promise that each crate we are built from has to keep.
#[test]
fn no_dependency_needs_a_newer_compiler_than_we_promise() {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    none(&rules::too_new(&metadata(&["--locked", "--filter-platform", &platform])));
}

/// What `cargo metadata` says with these arguments more.
fn metadata(more: &[&str]) -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).args(more).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
