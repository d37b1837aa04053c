//! Checks that the table of contents is true: every rule has a test, and every test belongs to a rule.
//!
//! A test stands in the file of its part, and `docs/http-rules.md` has the same rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::rules::CONTENTS;

/// The parts of the rules, as the names of files begin.
const PARTS: [&str; 11] = ["d1", "d2", "d3", "d4", "d5", "d6", "d7", "d8", "dr", "dp", "p"];

/// One rule: its number, its part, what it says, the tests that hold it.
struct Line {
    number: &'static str,
    part: &'static str,
    says: &'static str,
    held_by: Vec<&'static str>,
}

fn contents() -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for text in CONTENTS.lines().filter(|text| !text.is_empty()) {
        match text.split_once("  ").unwrap() {
            ("", test) => lines.last_mut().unwrap().held_by.push(test.trim()),
            (number, says) => {
                let part = number.split('.').next().unwrap().to_ascii_lowercase();
                let part = PARTS.into_iter().find(|known| *known == part).unwrap();
                lines.push(Line { number, part, says, held_by: Vec::new() });
            }
        }
    }
    lines
}

/// Every test of the rules, and the part that its file is of.
fn tests() -> BTreeMap<String, &'static str> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rules");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_rules = files.filter_map(|path| Some((part(path.file_stem()?.to_str()?)?, path)));
    of_rules
        .flat_map(|(part, path)| {
            names(&std::fs::read_to_string(path).unwrap()).map(move |name| (name, part)).collect::<Vec<_>>()
        })
        .collect()
}

fn part(file: &str) -> Option<&'static str> {
    let first = file.split('_').next()?;
    PARTS.into_iter().find(|part| *part == first || (*part == "p" && first == "pipelining"))
}

fn names(source: &str) -> impl Iterator<Item = String> {
    let bodies = source.split("#[test]\nfn ").skip(1);
    bodies.filter_map(|body| body.split('(').next()).map(str::to_owned)
}

#[test]
fn every_line_of_the_list_has_a_test_where_it_says() {
    let tests = tests();
    for Line { part, says, held_by, .. } in contents() {
        assert!(!held_by.is_empty(), "{part}: {says}");
        for test in held_by {
            assert_eq!(tests.get(test), Some(&part), "{says}: {test}");
        }
    }
}

#[test]
fn every_test_is_of_one_line_of_the_list() {
    let mut listed = BTreeSet::new();
    for test in contents().into_iter().flat_map(|line| line.held_by) {
        assert!(listed.insert(test.to_string()), "{test} stands twice");
    }
    let tests: BTreeSet<_> = tests().into_keys().collect();
    assert_eq!(listed.symmetric_difference(&tests).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_part_of_the_list_is_there_in_its_order() {
    let mut parts: Vec<_> = contents().into_iter().map(|line| line.part).collect();
    parts.dedup();
    assert_eq!(parts, PARTS);
}

/// Rows of the tables on the page begin with `| D1.1 |`.
#[test]
fn the_page_of_the_rules_has_the_same_numbers() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/http-rules.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next());
    let there: Vec<_> = rows.filter(|first| first.contains('.')).collect();
    let here: Vec<_> = contents().into_iter().map(|line| line.number).collect();
    assert_eq!(there, here, "docs/http-rules.md has one row for each rule, in this order");
}

#[test]
fn the_name_of_a_test_begins_with_its_section() {
    for (name, part) in tests() {
        let number = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        let section =
            name.strip_prefix("rfc").or_else(|| name.strip_prefix(['s', 'm', 'p'])).is_some_and(number);
        assert!(section || name.starts_with(&format!("{part}_")), "{name}");
    }
}
