//! Reads the walk of `ARCHITECTURE.md` along one GET, and finds what it names that is not in the code.

use std::collections::BTreeSet;

use super::paths::Source;

/// The heading of the walk.
const HEADING: &str = "## One GET, from socket to socket\n";

/// The number of files that the walk may pass. A reader who must open more of them loses the thread.
pub(super) const MOST_FILES: usize = 15;

/// One step of the walk: a file, and the functions to read in it, each with its sentence.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) file: String,
    pub(super) functions: Vec<(String, String)>,
}

/// Returns the steps of the walk, in order. A step is a line ``1. `file` ``, followed by lines ``- `function` sentence``.
pub(super) fn steps(map: &str) -> Result<Vec<Step>, String> {
    let (_, section) = map.split_once(HEADING).ok_or("there is no walk along a GET")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut steps: Vec<Step> = Vec::new();
    for line in section.lines() {
        let numbered = line.split_once(". `").filter(|(number, _)| number.parse::<usize>().is_ok());
        if let Some((number, rest)) = numbered {
            if number != (steps.len() + 1).to_string() {
                return Err(format!("step {} has the number {number}", steps.len() + 1));
            }
            let file = rest.strip_suffix('`').ok_or_else(|| format!("more than a file: {line}"))?;
            steps.push(Step { file: file.to_owned(), functions: Vec::new() });
        } else if let Some(rest) = line.trim_start().strip_prefix("- `") {
            let (function, sentence) = rest.split_once('`').ok_or_else(|| format!("no function: {line}"))?;
            let step = steps.last_mut().ok_or_else(|| format!("no file before: {line}"))?;
            step.functions.push((function.to_owned(), sentence.trim().to_owned()));
        } else if let Some((_, sentence)) = steps.last_mut().and_then(|step| step.functions.last_mut())
            && line.starts_with("     ")
        {
            *sentence = format!("{sentence} {}", line.trim());
        }
    }
    Ok(steps)
}

/// Returns what is wrong with the walk: files and functions that are not there, functions without a sentence, too many files.
pub(super) fn problems(steps: &[Step], sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for Step { file, functions } in steps {
        let Some(source) = sources.iter().find(|source| source.name == *file) else {
            found.push(format!("there is no {file}"));
            continue;
        };
        if functions.is_empty() {
            found.push(format!("{file}: no function to read"));
        }
        for (function, sentence) in functions {
            let is_defined = |open| source.text.contains(&format!("fn {function}{open}"));
            if !is_defined('(') && !is_defined('<') {
                found.push(format!("{file}: there is no function `{function}`"));
            }
            if sentence.matches(". ").count() > 0 || !sentence.ends_with('.') {
                found.push(format!("{file}: `{function}` does not have one sentence: {sentence}"));
            }
        }
    }
    let files: BTreeSet<_> = steps.iter().map(|step| &step.file).collect();
    if files.len() > MOST_FILES {
        found.push(format!("{} files, and not {MOST_FILES} at most", files.len()));
    }
    found
}
