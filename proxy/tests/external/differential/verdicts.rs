//! Finds what is wrong with a survey: rows that came out otherwise, and rows where penstock is alone.

use std::cmp::{max, min};

use crate::differential::cell::Level;
use crate::differential::row::Row;
use crate::differential::rows::areas;
use crate::differential::survey::Survey;

/// Rows in which penstock does not do what they say.
pub(crate) fn other_than_said(penstock: &Survey) -> Vec<String> {
    pick(|row, at| {
        let cell = &of(penstock, at).1;
        (cell != &row.ours.replace('|', "\\|")).then(|| format!("says {}, does {cell}", row.ours))
    })
}

/// Rows in which penstock passes on more than both, and does not say why.
pub(crate) fn too_lenient(penstock: &Survey, nginx: &Survey, haproxy: &Survey) -> Vec<String> {
    pick(|row, at| {
        let cells = [penstock, nginx, haproxy].map(|survey| of(survey, at));
        let levels = cells.map(|cell| cell.0);
        (row.because.is_none() && is_lenient(levels)).then(|| {
            let [ours, nginx, haproxy] = cells.map(|cell| &cell.1);
            format!("penstock: {ours}; nginx: {nginx}; HAProxy: {haproxy}")
        })
    })
}

/// Rows in which penstock refuses or cleans more than both, and does not say why: no fault, but the page might tell.
pub(crate) fn strict_without_words(penstock: &Survey, nginx: &Survey, haproxy: &Survey) -> Vec<String> {
    pick(|row, at| {
        let cells = [penstock, nginx, haproxy].map(|survey| of(survey, at));
        let silent = row.because.is_none() && is_strict(cells.map(|cell| cell.0));
        silent.then(|| format!("penstock: {}; nginx: {}; HAProxy: {}", cells[0].1, cells[1].1, cells[2].1))
    })
}

/// Rows that give a reason where none is needed: penstock is neither more lenient nor stricter than both.
pub(crate) fn idle_reasons(penstock: &Survey, nginx: &Survey, haproxy: &Survey) -> Vec<String> {
    pick(|row, at| {
        let levels = [penstock, nginx, haproxy].map(|survey| of(survey, at).0);
        let alone = is_lenient(levels) || is_strict(levels);
        (row.because.is_some() && !alone).then(|| "has a reason, and needs none".to_owned())
    })
}

fn is_lenient([ours, nginx, haproxy]: [Level; 3]) -> bool {
    ours > max(nginx, haproxy)
}

fn is_strict([ours, nginx, haproxy]: [Level; 3]) -> bool {
    ours < min(nginx, haproxy)
}

fn of(survey: &Survey, (area, row): (usize, usize)) -> &(Level, String) {
    &survey.cells[area][row]
}

fn pick(judge: impl Fn(&Row, (usize, usize)) -> Option<String>) -> Vec<String> {
    let mut picked = Vec::new();
    for (number, area) in areas().iter().enumerate() {
        for (at, row) in area.rows.iter().enumerate() {
            let said = judge(row, (number, at));
            picked.extend(said.map(|said| format!("  {} {} {}: {said}", area.name, row.section, row.rule)));
        }
    }
    picked
}

#[test]
fn only_who_passes_more_than_both_is_too_lenient() {
    use Level::{Cleaned, Refused, Unchanged};
    assert!(is_lenient([Cleaned, Refused, Refused]));
    assert!(is_lenient([Unchanged, Cleaned, Refused]));
    assert!(!is_lenient([Unchanged, Unchanged, Refused]));
    assert!(!is_lenient([Refused, Refused, Refused]));
    assert!(is_strict([Refused, Cleaned, Unchanged]));
    assert!(!is_strict([Refused, Refused, Unchanged]));
}
