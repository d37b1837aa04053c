//! Provides the macro `cell_sets!`, which declares a struct of cells together with the metrics that the
//! struct stands for.

/// The type of a metric in Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// A counter, which only grows.
    Counter,
    /// A gauge, which rises and falls.
    Gauge,
    /// A histogram with a count for each bucket.
    Histogram,
}

/// The unit of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A plain number.
    None,
    /// Bytes.
    Bytes,
    /// Seconds. The cells hold nanoseconds.
    Seconds,
}

/// A closed label and all its values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedLabel {
    /// The name.
    pub name: &'static str,
    /// The values.
    pub values: &'static [&'static str],
}

/// A value read from the sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading<'a> {
    /// A number that cannot be negative.
    Count(u64),
    /// A number that may be negative.
    Level(i64),
    /// The counts of the buckets, including the one above the last bound, and the sum of the observed values.
    Spread { bounds: &'static [u64], counts: &'a [u64], sum: u64 },
}

/// A function that gets the values of the closed labels, outermost first, and the value there.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[&'static str], Reading<'_>);

/// A cell or a group of cells that one thread writes and whose sums can be added.
pub(crate) trait Cell: Default {
    /// The type in Prometheus.
    const KIND: MetricKind;
    /// The number of words of its sum.
    const WORDS: usize;
    /// The number of its time series.
    const SERIES: usize = 1;

    /// Returns its closed labels, outermost first.
    fn labels() -> Vec<ClosedLabel> {
        Vec::new()
    }

    /// Adds this cell to `sums`, which has the length [`Cell::WORDS`] and was zero at first.
    fn merge(&self, sums: &mut [u64]);

    /// Passes the values in `sums` to `visit`.
    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>);
}

/// The static properties of one metric.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    /// The name.
    pub name: &'static str,
    /// The HELP text.
    pub help: &'static str,
    /// The type in Prometheus.
    pub kind: MetricKind,
    /// The unit.
    pub unit: Unit,
    /// The open labels, which identify the owner of the cells.
    pub owner: &'static [&'static str],
    /// The closed labels.
    pub labels: fn() -> Vec<ClosedLabel>,
    /// The number of words of its sum.
    pub words: usize,
    /// The number of series for each owner.
    pub series: usize,
    /// Passes the values in its words to a visitor.
    pub visit: fn(&[u64], &mut Vec<&'static str>, Visit<'_>),
}

/// The cells of one owner that one thread writes.
pub(crate) trait CellSet: Default + Send + Sync + 'static {
    /// The open labels that identify the owner.
    const OWNER: &'static [&'static str];
    /// The metrics, in the order of the fields.
    const METRICS: &'static [Metric];
    /// The number of words of all sums.
    const WORDS: usize;

    /// Adds all cells to `sums`, which has the length [`CellSet::WORDS`] and was zero at first.
    fn merge(&self, sums: &mut [u64]);
}

/// Declares sets of cells. The doc comment of a field is also its HELP text. `whole` after the name removes
/// the labels of the owner, so that the metric is summed over all owners.
macro_rules! cell_sets {
    ($(
        $(#[$doc:meta])*
        $vis:vis $set:ident by $owner:tt {
            $( $(#[doc = $help:literal])+ $field:ident: $cell:ty => $unit:ident $name:literal $($whole:ident)?; )+
        }
    )+) => { $(
        $(#[$doc])*
        // Each set has its own cache lines, so that writes of one worker do not slow down another.
        #[repr(align(128))]
        #[derive(Default)]
        $vis struct $set {
            $( $(#[doc = $help])+ pub $field: $cell, )+
        }

        impl $crate::metrics::set::CellSet for $set {
            const OWNER: &'static [&'static str] = &$owner;
            const METRICS: &'static [$crate::metrics::set::Metric] = &[$(
                $crate::metrics::set::Metric {
                    name: $name,
                    help: concat!($($help),+).trim_ascii(),
                    kind: <$cell as $crate::metrics::set::Cell>::KIND,
                    unit: $crate::metrics::set::Unit::$unit,
                    owner: cell_sets!(@owner $owner $($whole)?),
                    labels: <$cell as $crate::metrics::set::Cell>::labels,
                    words: <$cell as $crate::metrics::set::Cell>::WORDS,
                    series: <$cell as $crate::metrics::set::Cell>::SERIES,
                    visit: <$cell as $crate::metrics::set::Cell>::visit,
                },
            )+];
            const WORDS: usize = 0 $( + <$cell as $crate::metrics::set::Cell>::WORDS )+;

            fn merge(&self, sums: &mut [u64]) {
                let rest = sums;
                $(
                    let (mine, rest) = rest.split_at_mut(<$cell as $crate::metrics::set::Cell>::WORDS);
                    $crate::metrics::set::Cell::merge(&self.$field, mine);
                )+
                debug_assert!(rest.is_empty());
            }
        }
    )+ };
    (@owner $owner:tt) => { &$owner };
    (@owner $owner:tt whole) => { &[] };
}
