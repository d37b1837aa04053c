//! Defines closed labels: an enum whose variants are all values of a label, and cells indexed by the enum,
//! which all exist from the start.
//!
//! `values` declares the labels; a test in `proxy/tests/architecture/labels.rs` asks that code counts each
//! value.

use std::ops::Index;

use super::set::{Cell, ClosedLabel, MetricKind, Visit};

/// An enum of all values of a label.
pub trait Label: Copy + 'static {
    /// An array with one cell for each value.
    type Row<C>: AsRef<[C]>;
    /// The name of the label.
    const LABEL: &'static str;
    /// The values of the label, in the order of the discriminants.
    const VALUES: &'static [&'static str];
    /// Returns the index of this value in [`Label::VALUES`].
    fn index(self) -> usize;
    /// Makes a row of new cells.
    fn row<C: Default>() -> Self::Row<C>;
}

/// One cell for each value of a closed label.
#[derive(Debug)]
pub struct ByLabel<E: Label, C> {
    row: E::Row<C>,
}

impl<E: Label, C: Default> Default for ByLabel<E, C> {
    fn default() -> Self {
        Self { row: E::row() }
    }
}

impl<E: Label, C> Index<E> for ByLabel<E, C> {
    type Output = C;

    #[inline]
    fn index(&self, label: E) -> &C {
        &self.row.as_ref()[label.index()]
    }
}

impl<E: Label> ByLabel<E, super::Gauge> {
    /// Moves one from a state to another, so that the sum over all states stays the same.
    #[inline]
    pub fn shift(&self, from: E, to: E) {
        self[from].dec();
        self[to].inc();
    }
}

impl<E: Label, C: Cell> Cell for ByLabel<E, C> {
    const KIND: MetricKind = C::KIND;
    const WORDS: usize = E::VALUES.len() * C::WORDS;
    const SERIES: usize = E::VALUES.len() * C::SERIES;

    fn labels() -> Vec<ClosedLabel> {
        let mut labels = vec![ClosedLabel { name: E::LABEL, values: E::VALUES }];
        labels.extend(C::labels());
        labels
    }

    fn merge(&self, sums: &mut [u64]) {
        for (cell, sums) in self.row.as_ref().iter().zip(sums.chunks_mut(C::WORDS)) {
            cell.merge(sums);
        }
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        for (value, sums) in E::VALUES.iter().zip(sums.chunks(C::WORDS)) {
            path.push(value);
            C::visit(sums, path, visit);
            path.pop();
        }
    }
}

/// Declares enums that are closed labels: the name of the label once, and the text of each value beside its
/// variant.
macro_rules! labels {
    ($(
        $(#[$doc:meta])*
        $label:ident = $name:literal { $( $(#[$value_doc:meta])* $variant:ident = $value:literal, )+ }
    )+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        #[repr(u8)]
        pub enum $label { $( $(#[$value_doc])* $variant, )+ }

        impl $label {
            /// All values, in the order of the discriminants.
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// Returns the text of the value.
            #[must_use]
            pub const fn name(self) -> &'static str {
                <Self as $crate::metrics::Label>::VALUES[self as usize]
            }
        }

        impl $crate::metrics::Label for $label {
            type Row<C> = [C; [$( $value, )+].len()];
            const LABEL: &'static str = $name;
            const VALUES: &'static [&'static str] = &[$( $value, )+];

            #[inline]
            fn index(self) -> usize {
                self as usize
            }

            fn row<C: Default>() -> Self::Row<C> {
                std::array::from_fn(|_| C::default())
            }
        }
    )+ };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Counter, Gauge, Label, LinkState, RetryReason, RetryResult};

    #[test]
    fn each_label_has_its_own_cell() {
        let states: ByLabel<LinkState, Gauge> = ByLabel::default();
        states[LinkState::Busy].add(3);
        states.shift(LinkState::Busy, LinkState::Idle);
        let values: Vec<i64> = LinkState::ALL.iter().map(|&s| states[s].get()).collect();
        assert_eq!(values, [1, 2, 0, 0]);
        assert_eq!(LinkState::LABEL, "state");
    }

    #[test]
    fn two_labels_nest() {
        type Retries = ByLabel<RetryReason, ByLabel<RetryResult, Counter>>;
        let retries = Retries::default();
        retries[RetryReason::Stale][RetryResult::Budget].inc();
        let mut sums = vec![0; Retries::WORDS];
        retries.merge(&mut sums);
        let mut seen = Vec::new();
        Retries::visit(&sums, &mut Vec::new(), &mut |path, reading| {
            if matches!(reading, super::super::set::Reading::Count(1)) {
                seen.push(path.join(","));
            }
        });
        assert_eq!(seen, ["stale,budget"]);
    }
}
