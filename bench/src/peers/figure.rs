//! Sums up figures of several rounds: medians, ranges, ratios, and how they are written.

use std::fmt;

use crate::interval::median;

/// The median and the range of some figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Figure {
    /// Sums up figures, one of each round; `None` without any.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let median = median(&sorted)?;
        Some(Self { median, least, most })
    }

    /// Sums up the ratios of the rounds: each round has both, measured one after the other, so what changes slowly on
    /// the machine cancels.
    pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Self> {
        let pairs = ours.iter().zip(theirs).filter(|(_, theirs)| **theirs > 0.0);
        Self::of(pairs.map(|(ours, theirs)| ours / theirs))
    }
}

impl fmt::Display for Figure {
    /// Writes the median, and the range if the rounds differ.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [median, least, most] = [self.median, self.least, self.most].map(number);
        if least == most { f.write_str(&median) } else { write!(f, "{median} ({least}–{most})") }
    }
}

/// Writes a number with three digits, or with all of its whole digits in groups of three.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs();
    if magnitude < 100.0 {
        let decimals = match magnitude {
            10.0.. => 1,
            1.0..10.0 => 2,
            _ => 3,
        };
        let written = format!("{value:.decimals$}");
        let short = written.trim_end_matches('0').trim_end_matches('.');
        return if short.is_empty() || short == "-" { "0".to_owned() } else { short.to_owned() };
    }
    let digits = format!("{magnitude:.0}");
    let mut grouped = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_readable() {
        let written =
            [0.0, 0.0123, 0.5, 1.234, 12.34, 99.96, 123.4, 65_432.1, 1_234_567.0, -1500.0].map(number);
        assert_eq!(
            written,
            ["0", "0.012", "0.5", "1.23", "12.3", "100", "123", "65,432", "1,234,567", "-1,500"]
        );
    }

    #[test]
    fn a_figure_is_the_median_and_the_range() {
        assert_eq!(Figure::of([3.0, 1.0, 2.0]).unwrap().to_string(), "2 (1–3)");
        assert_eq!(Figure::of([2.0, 2.0]).unwrap().to_string(), "2");
        assert_eq!(Figure::of([]), None);
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        // Both doubled from one round to the next: the ratio did not change.
        let ratio = Figure::ratio(&[10.0, 20.0], &[20.0, 40.0]).unwrap();
        assert_eq!(ratio, Figure { median: 0.5, least: 0.5, most: 0.5 });
        assert_eq!(Figure::ratio(&[1.0], &[0.0]), None);
    }
}
