//! Defines histograms that one thread writes, with the four sets of bounds that penstock uses.
//!
//! Each bucket counts its own values only. The sums for a scrape are made cumulative.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::set::{Cell, MetricKind, Reading, Visit};

/// The upper bounds of a histogram's buckets, inclusive (`le`) and rising.
pub trait Bounds<const N: usize>: 'static {
    /// The bounds: nanoseconds for times, plain numbers for counts.
    const BOUNDS: [u64; N];
}

const MICRO: u64 = 1_000;
const MILLI: u64 = 1_000 * MICRO;
const SECOND: u64 = 1_000 * MILLI;

/// The bounds of a latency: 50 µs, less than which a proxied request rarely takes, to 10 s.
#[derive(Debug)]
pub struct LatencyBounds;
impl Bounds<17> for LatencyBounds {
    const BOUNDS: [u64; 17] = [
        50 * MICRO,
        100 * MICRO,
        250 * MICRO,
        500 * MICRO,
        MILLI,
        2_500 * MICRO,
        5 * MILLI,
        10 * MILLI,
        25 * MILLI,
        50 * MILLI,
        100 * MILLI,
        250 * MILLI,
        500 * MILLI,
        SECOND,
        2_500 * MILLI,
        5 * SECOND,
        10 * SECOND,
    ];
}

/// The bounds of the age of a connection: 100 ms to a day.
#[derive(Debug)]
pub struct AgeBounds;
impl Bounds<8> for AgeBounds {
    const BOUNDS: [u64; 8] = [
        100 * MILLI,
        SECOND,
        10 * SECOND,
        60 * SECOND,
        300 * SECOND,
        1_800 * SECOND,
        7_200 * SECOND,
        86_400 * SECOND,
    ];
}

/// The bounds of the number of requests on a connection.
#[derive(Debug)]
pub struct RequestsBounds;
impl Bounds<11> for RequestsBounds {
    const BOUNDS: [u64; 11] = [1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 100_000];
}

/// The bounds of the number of exchanges in flight on a link.
#[derive(Debug)]
pub struct DepthBounds;
impl Bounds<9> for DepthBounds {
    const BOUNDS: [u64; 9] = [1, 2, 3, 4, 6, 8, 12, 16, 32];
}

/// A histogram of latencies, recorded in nanoseconds and exported in seconds.
pub type Histogram = Buckets<LatencyBounds, 17>;
/// A histogram of the ages of connections, recorded in nanoseconds and exported in seconds.
pub type AgeHistogram = Buckets<AgeBounds, 8>;
/// A histogram of the numbers of requests on connections.
pub type CountHistogram = Buckets<RequestsBounds, 11>;
/// A histogram of the numbers of exchanges in flight on links.
pub type DepthHistogram = Buckets<DepthBounds, 9>;

/// A histogram with fixed bounds that one thread writes.
#[derive(Debug)]
pub struct Buckets<B, const N: usize> {
    counts: [AtomicU64; N],
    over: AtomicU64,
    sum: AtomicU64,
    bounds: PhantomData<fn() -> B>,
}

impl<B: Bounds<N>, const N: usize> Buckets<B, N> {
    #[inline]
    fn record(&self, value: u64) {
        let bucket = B::BOUNDS.iter().position(|&bound| value <= bound);
        bump(bucket.map_or(&self.over, |i| &self.counts[i]), 1);
        bump(&self.sum, value);
    }
}

impl Histogram {
    /// Records a latency.
    #[inline]
    pub fn observe_nanos(&self, nanos: u64) {
        self.record(nanos);
    }
}

impl AgeHistogram {
    /// Records an age.
    #[inline]
    pub fn observe_nanos(&self, nanos: u64) {
        self.record(nanos);
    }
}

impl CountHistogram {
    /// Records a connection that carried `count` requests.
    #[inline]
    pub fn observe(&self, count: u64) {
        self.record(count);
    }
}

impl DepthHistogram {
    /// Records an exchange that made its link `depth` deep.
    #[inline]
    pub fn observe(&self, depth: u64) {
        self.record(depth);
    }
}

/// Adds to a cell. The caller is its only writer, so that no increment is lost.
#[inline]
fn bump(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

impl<B, const N: usize> Default for Buckets<B, N> {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            over: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            bounds: PhantomData,
        }
    }
}

impl<B: Bounds<N>, const N: usize> Cell for Buckets<B, N> {
    const KIND: MetricKind = MetricKind::Histogram;
    // The words are the finite buckets, the one above them, and the sum.
    const WORDS: usize = N + 2;
    const SERIES: usize = N + 3;

    fn merge(&self, sums: &mut [u64]) {
        let words = self.counts.iter().chain([&self.over, &self.sum]);
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum = sum.wrapping_add(word.load(Relaxed));
        }
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        let counts = &sums[..=N];
        visit(path, Reading::Spread { bounds: &B::BOUNDS, counts, sum: sums[N + 1] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<C: Cell>(cell: &C) -> Vec<u64> {
        let mut sums = vec![0; C::WORDS];
        cell.merge(&mut sums);
        sums
    }

    #[test]
    fn a_bound_belongs_to_the_bucket_below_it() {
        let depth = DepthHistogram::default();
        for value in [0, 1, 5, 6, 32, 33] {
            depth.observe(value);
        }
        assert_eq!(words(&depth), [2, 0, 0, 0, 2, 0, 0, 0, 1, 1, 77]);
    }

    #[test]
    fn every_value_lands_in_exactly_one_bucket() {
        let latency = Histogram::default();
        for shift in 0..40 {
            latency.observe_nanos((1 << shift) - 1);
        }
        assert_eq!(words(&latency)[..18].iter().sum::<u64>(), 40);
    }

    #[test]
    fn bounds_rise() {
        assert!(LatencyBounds::BOUNDS.is_sorted_by(|a, b| a < b));
        assert!(AgeBounds::BOUNDS.is_sorted_by(|a, b| a < b));
        assert!(RequestsBounds::BOUNDS.is_sorted_by(|a, b| a < b));
        assert!(DepthBounds::BOUNDS.is_sorted_by(|a, b| a < b));
    }
}
