//! Computes means of repeated measurements with their confidence intervals.

/// A mean, and the interval that holds the true mean in 95 of 100 repetitions of the whole measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The quantiles of Student's distribution for a two-sided interval of 95 %, by degrees of freedom from 1.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];
/// The same for more degrees of freedom.
const NORMAL: f64 = 1.96;

impl Interval {
    /// Returns the interval of Student's distribution, which is honest about few values; `None` without a
    /// value. A single value has an interval without bounds.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        if values.len() == 1 {
            return Some(Self { mean, low: f64::NEG_INFINITY, high: f64::INFINITY });
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let error = (squares / (n - 1.0) / n).sqrt();
        let half = error * STUDENT.get(values.len() - 2).copied().unwrap_or(NORMAL);
        Some(Self { mean, low: mean - half, high: mean + half })
    }

    /// Returns whether zero is outside, so that the difference is no chance.
    pub(crate) fn is_significant(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Returns the median; `None` without a value.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-3
    }

    #[test]
    fn the_interval_is_that_of_the_text_book() {
        // Mean 5, standard deviation 2.138, 8 values: half the width is 2.365 * 2.138 / sqrt(8).
        let found = Interval::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert!(close(found.mean, 5.0) && close(found.low, 3.2122) && close(found.high, 6.7878), "{found:?}");
        assert!(found.is_significant());
        assert!(!Interval::of(&[-1.0, 1.0, 2.0]).unwrap().is_significant());
    }

    #[test]
    fn equal_values_have_a_narrow_interval_and_one_value_has_none() {
        assert_eq!(Interval::of(&[3.0; 5]), Some(Interval { mean: 3.0, low: 3.0, high: 3.0 }));
        assert!(Interval::of(&[3.0]).unwrap().high.is_infinite());
        assert_eq!(Interval::of(&[]), None);
    }

    #[test]
    fn the_interval_holds_the_true_mean_in_95_of_100_repetitions() {
        // A small generator of numbers that are nearly normal: the sum of 12 even ones.
        let mut state = 1_u64;
        let mut even = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut normal = || (0..12).map(|_| even()).sum::<f64>() - 6.0;
        let holds = |values: &[f64]| Interval::of(values).is_some_and(|i| i.low <= 0.0 && 0.0 <= i.high);
        let held = (0..10_000).filter(|_| holds(&[(); 6].map(|()| normal()))).count();
        assert!((9_400..9_600).contains(&held), "{held} of 10000");
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
