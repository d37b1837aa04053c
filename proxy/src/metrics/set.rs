//! The macro `cell_sets!`, which declares a struct of cells and, beside it, the metrics that the struct stands for.

/// What a metric is to Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Counts per bucket.
    Histogram,
}

/// What a metric is measured in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Things that are counted.
    None,
    /// Bytes.
    Bytes,
    /// Seconds; the cells hold nanoseconds.
    Seconds,
}

/// A label and all the values it can have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClosedLabel {
    /// The label's name.
    pub name: &'static str,
    /// Its values.
    pub values: &'static [&'static str],
}

/// A value read from the sums.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading<'a> {
    /// It cannot be negative.
    Count(u64),
    /// It may be.
    Level(i64),
    /// Counts between the bounds, one more above the last, and the sum of what was observed.
    Spread { bounds: &'static [u64], counts: &'a [u64], sum: u64 },
}

/// Called with the values of the closed labels, outermost first, and what is there.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[&'static str], Reading<'_>);

/// Something that is written by one thread, and can be added up with its likes.
pub(crate) trait Cell: Default {
    /// What it is to Prometheus.
    const KIND: MetricKind;
    /// How many words it adds up to.
    const WORDS: usize;
    /// How many time series it is to Prometheus.
    const SERIES: usize = 1;

    /// Its closed labels, outermost first.
    fn labels() -> Vec<ClosedLabel> {
        Vec::new()
    }

    /// Adds this cell to `sums`, which is [`Cell::WORDS`] long and started as zeros.
    fn merge(&self, sums: &mut [u64]);

    /// Shows what is in `sums`.
    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>);
}

/// One metric: everything that is known of it before a worker runs.
#[derive(Clone, Copy)]
pub(crate) struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its HELP text.
    pub help: &'static str,
    /// What it is to Prometheus.
    pub kind: MetricKind,
    /// What it is measured in.
    pub unit: Unit,
    /// The open labels, which name the owner of the cells.
    pub owner: &'static [&'static str],
    /// The closed labels.
    pub labels: fn() -> Vec<ClosedLabel>,
    /// How many words of the sums are its own.
    pub words: usize,
    /// How many series it is for each owner.
    pub series: usize,
    /// Shows its words.
    pub visit: fn(&[u64], &mut Vec<&'static str>, Visit<'_>),
}

/// The cells of one owner that one thread writes.
pub(crate) trait CellSet: Default + Send + Sync + 'static {
    /// The open labels that name the owner.
    const OWNER: &'static [&'static str];
    /// Its metrics, in the order of the fields.
    const METRICS: &'static [Metric];
    /// How many words all of it adds up to.
    const WORDS: usize;

    /// Adds all cells to `sums`, which is [`CellSet::WORDS`] long and started as zeros.
    fn merge(&self, sums: &mut [u64]);
}

/// Declares sets of cells. A field's doc comment is also its HELP text. `whole` after the name takes the
/// owner's labels away: the metric is summed over all owners.
macro_rules! cell_sets {
    ($(
        $(#[$doc:meta])*
        $vis:vis $set:ident by $owner:tt {
            $( $(#[doc = $help:literal])+ $field:ident: $cell:ty => $unit:ident $name:literal $($whole:ident)?; )+
        }
    )+) => { $(
        $(#[$doc])*
        // Its own cache lines: what another worker writes must not slow this one down.
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
