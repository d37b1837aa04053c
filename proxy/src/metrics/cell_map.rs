//! Keeps cells by name, so that the same names and the same writer get the same cells again, also after a
//! reload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::set::CellSet;

/// The values of the open labels of one owner.
type OwnerNames = Vec<String>;

/// The names of one owner, and its cells summed over the writers.
pub(super) struct CellRow {
    pub(super) key: OwnerNames,
    pub(super) sums: Vec<u64>,
}

/// One set of cells for each owner and writer.
///
/// An owner is exported while one of its handles is held. An owner without handles is kept, so that its
/// counters continue where they stopped if its name comes back, and never fall.
pub(super) struct CellMap<C> {
    writers: usize,
    rows: Mutex<BTreeMap<OwnerNames, Box<[Arc<C>]>>>,
}

impl<C: CellSet> CellMap<C> {
    pub(super) fn new(writers: usize) -> Self {
        Self { writers, rows: Mutex::default() }
    }

    /// Returns the cells that `writer` (below the number of writers) may write for this owner.
    pub(super) fn cells(&self, writer: usize, key: &[&str]) -> Arc<C> {
        self.cells_or(writer, key, |_| {})
    }

    /// Works like [`CellMap::cells`]. If the owner is new, `prime` sees the first writer's cells before
    /// anybody else.
    pub(super) fn cells_or(&self, writer: usize, key: &[&str], prime: impl FnOnce(&C)) -> Arc<C> {
        debug_assert_eq!(key.len(), C::OWNER.len());
        let key: OwnerNames = key.iter().map(ToString::to_string).collect();
        let mut rows = self.lock();
        let row = rows.entry(key).or_insert_with(|| {
            let row: Box<[Arc<C>]> = (0..self.writers).map(|_| Arc::default()).collect();
            prime(&row[0]);
            row
        });
        row[writer].clone()
    }

    /// Returns the sums of every owner with a handle.
    pub(super) fn rows(&self) -> Vec<CellRow> {
        let rows = self.lock();
        // The map holds one reference itself.
        let held = rows.iter().filter(|(_, cells)| cells.iter().any(|c| Arc::strong_count(c) > 1));
        held.map(|(key, cells)| CellRow { key: key.clone(), sums: sum(cells) }).collect()
    }

    // A panic cannot leave the map in a state that matters here.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<OwnerNames, Box<[Arc<C>]>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sum<C: CellSet>(cells: &[Arc<C>]) -> Vec<u64> {
    let mut sums = vec![0; C::WORDS];
    cells.iter().for_each(|cells| cells.merge(&mut sums));
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::table::BackendLimitCells;

    #[test]
    fn the_same_name_is_the_same_cells_and_other_writers_have_their_own() {
        let cell_map: CellMap<BackendLimitCells> = CellMap::new(2);
        let (a, again, b) = (cell_map.cells(0, &["x"]), cell_map.cells(0, &["x"]), cell_map.cells(1, &["x"]));
        assert!(Arc::ptr_eq(&a, &again) && !Arc::ptr_eq(&a, &b));
        a.waiting.set(1);
        b.waiting.set(2);
        assert_eq!(cell_map.rows()[0].sums, [3]);
    }

    #[test]
    fn an_owner_is_hidden_without_handles_and_goes_on_where_it_stopped() {
        let cell_map: CellMap<BackendLimitCells> = CellMap::new(2);
        let (first, second) = (cell_map.cells(0, &["x"]), cell_map.cells(1, &["x"]));
        first.waiting.set(7);
        drop(first);
        assert_eq!(cell_map.rows().len(), 1, "the other writer still holds it");
        drop(second);
        assert_eq!(cell_map.rows().len(), 0);
        let _back = cell_map.cells(1, &["x"]);
        assert_eq!(cell_map.rows()[0].sums, [7]);
    }
}
