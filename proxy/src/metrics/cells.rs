//! Defines counters and gauges that one thread writes and the scraper reads.
//!
//! A cell has one writer, so that a plain load and store suffice and the request path needs no locked
//! instruction. A second writer would lose counts: each thread gets its own cell set.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::set::{Cell, MetricKind, Reading, Visit};

/// A number that only grows. If its unit is seconds, it counts nanoseconds.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    /// Returns the count of this cell alone.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Adopts a count that is kept elsewhere (by the kernel), unless that is lower.
    pub(super) fn follow(&self, count: u64) {
        self.0.store(self.get().max(count), Relaxed);
    }
}

impl Cell for Counter {
    const KIND: MetricKind = MetricKind::Counter;
    const WORDS: usize = 1;

    fn merge(&self, sums: &mut [u64]) {
        sums[0] = sums[0].wrapping_add(self.get());
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        visit(path, Reading::Count(sums[0]));
    }
}

/// A number that rises and falls. The parts of all workers are added up, so that a part may be negative. If
/// its unit is seconds, it holds nanoseconds.
#[derive(Default, Debug)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.add(-1);
    }

    /// Adds `n`, which may be negative.
    #[inline]
    pub fn add(&self, n: i64) {
        self.0.store(self.0.load(Relaxed).wrapping_add_signed(n), Relaxed);
    }

    /// Replaces the value.
    #[inline]
    pub fn set(&self, value: i64) {
        self.0.store(value.cast_unsigned(), Relaxed);
    }

    /// Returns the value of this cell alone.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed).cast_signed()
    }
}

impl Cell for Gauge {
    const KIND: MetricKind = MetricKind::Gauge;
    const WORDS: usize = 1;

    // In two's complement, adding the words adds the signed values.
    fn merge(&self, sums: &mut [u64]) {
        sums[0] = sums[0].wrapping_add(self.0.load(Relaxed));
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        visit(path, Reading::Level(sums[0].cast_signed()));
    }
}

/// A gauge of which each worker has its own value. The greatest is exported, because a sum would mean
/// nothing.
#[derive(Default, Debug)]
pub struct Most(AtomicU64);

impl Most {
    /// Replaces this worker's value.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

impl Cell for Most {
    const KIND: MetricKind = MetricKind::Gauge;
    const WORDS: usize = 1;

    fn merge(&self, sums: &mut [u64]) {
        sums[0] = sums[0].max(self.0.load(Relaxed));
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        visit(path, Reading::Count(sums[0]));
    }
}

/// A gauge of which each worker has its own value. The least is exported, and 0 stands for "no value".
#[derive(Default, Debug)]
pub struct Least(AtomicU64);

impl Least {
    /// Replaces this worker's value (nanoseconds if the unit is seconds); 0 withdraws it.
    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }
}

impl Cell for Least {
    const KIND: MetricKind = MetricKind::Gauge;
    const WORDS: usize = 1;

    fn merge(&self, sums: &mut [u64]) {
        let mine = self.0.load(Relaxed);
        // Subtracting 1 turns 0, which stands for "no value", into the greatest number.
        sums[0] = sums[0].wrapping_sub(1).min(mine.wrapping_sub(1)).wrapping_add(1);
    }

    fn visit(sums: &[u64], path: &mut Vec<&'static str>, visit: Visit<'_>) {
        visit(path, Reading::Count(sums[0]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged<C: Cell>(cells: &[C]) -> u64 {
        let mut sums = [0];
        cells.iter().for_each(|cell| cell.merge(&mut sums));
        sums[0]
    }

    #[test]
    fn counters_add_up() {
        let cells = [Counter::default(), Counter::default()];
        cells[0].inc();
        cells[1].add(41);
        assert_eq!(merged(&cells), 42);
    }

    #[test]
    fn a_followed_count_never_falls() {
        let cell = Counter::default();
        cell.follow(7);
        cell.follow(3);
        assert_eq!(cell.get(), 7);
    }

    #[test]
    fn gauges_add_up_though_one_part_is_negative() {
        let cells = [Gauge::default(), Gauge::default()];
        cells[0].set(5);
        cells[1].dec();
        assert_eq!(cells[1].get(), -1);
        assert_eq!(merged(&cells).cast_signed(), 4);
    }

    #[test]
    fn least_ignores_those_without_an_opinion() {
        let cells = [Least::default(), Least::default(), Least::default()];
        assert_eq!(merged(&cells), 0);
        cells[1].set(9);
        cells[2].set(4);
        assert_eq!(merged(&cells), 4);
    }

    #[test]
    fn most_takes_the_greatest() {
        let cells = [Most::default(), Most::default()];
        cells[0].set(8);
        cells[1].set(3);
        assert_eq!(merged(&cells), 8);
    }
}
