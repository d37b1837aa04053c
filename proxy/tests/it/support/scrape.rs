//! Reads the text exposition, as far as the tests need it: sums over the series of a name that carry certain labels.

/// One scrape.
pub(crate) struct Scrape(Vec<Series>);

struct Series {
    name: String,
    labels: String,
    value: f64,
}

impl Scrape {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(series).collect())
    }

    /// The sum over all series of this name whose labels contain each of `labels` (`code="2xx"`).
    #[track_caller]
    pub(crate) fn sum_of(&self, name: &str, labels: &[&str]) -> i64 {
        let named: Vec<_> = self.0.iter().filter(|series| series.name == name).collect();
        assert!(!named.is_empty(), "no metric is called {name}");
        let wanted = named.iter().filter(|series| labels.iter().all(|l| series.labels.contains(l)));
        wanted.map(|series| series.value).sum::<f64>() as i64
    }

    /// The sum over all series of this name.
    #[track_caller]
    pub(crate) fn sum(&self, name: &str) -> i64 {
        self.sum_of(name, &[])
    }

    /// Every counter's name, labels and value: they may only rise.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (String, f64)> {
        let rises = |s: &&Series| ["_total", "_count", "_bucket", "_sum"].iter().any(|e| s.name.ends_with(e));
        self.0.iter().filter(rises).map(|s| (format!("{}{{{}}}", s.name, s.labels), s.value))
    }
}

fn series(line: &str) -> Option<Series> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Series {
        name: name.to_owned(),
        labels: labels.trim_end_matches('}').to_owned(),
        value: value.parse().ok()?,
    })
}
