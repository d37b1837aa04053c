//! All rows, by the areas of `docs/http.md` and in the order of the page.

mod bodies;
mod chunks;
mod fields;
mod forwarding;
mod limits;
mod persistence;
mod start_line;
mod target;
mod upgrades;

mod answers;

use std::sync::OnceLock;

use crate::differential::row::Row;

/// A table of the page.
#[derive(Debug)]
pub(crate) struct Area {
    /// The name by which the page marks where it stands.
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// All tables, in order.
pub(crate) fn areas() -> &'static [Area] {
    static AREAS: OnceLock<Vec<Area>> = OnceLock::new();
    AREAS.get_or_init(|| {
        let area = |name, rows| Area { name, rows };
        vec![
            area("start line", start_line::rows()),
            area("fields", fields::rows()),
            area("limits", limits::rows()),
            area("target and Host", target::rows()),
            area("forwarding", forwarding::rows()),
            area("body framing", bodies::rows()),
            area("chunks", chunks::rows()),
            area("answers", answers::rows()),
            area("expectations and upgrades", upgrades::rows()),
            area("persistence", persistence::rows()),
        ]
    })
}

#[test]
fn no_two_rows_of_a_table_are_called_the_same() {
    for area in areas() {
        let mut names: Vec<_> = area.rows.iter().map(|row| (row.section, row.rule)).collect();
        names.sort_unstable();
        let double = names.windows(2).find(|pair| pair[0] == pair[1]);
        assert_eq!(double, None, "{}", area.name);
    }
}

#[test]
fn there_are_enough_rows() {
    assert!(areas().iter().map(|area| area.rows.len()).sum::<usize>() >= 120);
}
