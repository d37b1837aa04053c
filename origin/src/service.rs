//! Simulates a service with a number of threads: the duration of each request, and the number of requests at
//! a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The threads of one member, shared by all workers. There are no real threads: each place only knows when it
/// will be free, and a request takes the place that is free first, so that work is done in the order of
/// arrival.
#[derive(Default)]
pub(crate) struct Service {
    /// The time that every request takes.
    work: Duration,
    /// The times at which the places will be free; `None` if there is no limit.
    places: Option<Mutex<BinaryHeap<Reverse<Instant>>>>,
    /// The number of requests with a mixture so far.
    mixed: AtomicU64,
}

/// A mixture: `slow` of `of` requests take `millis` milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mixture {
    pub(crate) slow: u32,
    pub(crate) of: u32,
    pub(crate) millis: u64,
}

impl Service {
    /// Makes a service in which every request takes `work`, and `at_once` requests are worked on at a time.
    pub(crate) fn new(work: Duration, at_once: Option<usize>) -> Self {
        let free = |count| (0..count).map(|_| Reverse(Instant::now())).collect();
        Self { work, places: at_once.map(|count| Mutex::new(free(count))), mixed: AtomicU64::new(0) }
    }

    /// Returns the end of work that could begin at `from` and takes `delay` longer than usual; `None` if no
    /// clock can express it. The place is taken until then, whether or not anybody waits for the answer.
    pub(crate) fn ends(&self, from: Instant, delay: Duration) -> Option<Instant> {
        let lasts = self.work.checked_add(delay)?;
        let Some(places) = &self.places else { return from.checked_add(lasts) };
        // No half-done change can be left, so that a panic elsewhere does no harm.
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(mut first) = places.peek_mut() else { return from.checked_add(lasts) };
        let end = first.0.max(from).checked_add(lasts)?;
        first.0 = end;
        Some(end)
    }

    /// Returns the milliseconds that the next request of a mixture takes. Slow requests are spread evenly:
    /// with 1 of 100, each 100th is slow.
    pub(crate) fn lot(&self, mixture: Mixture) -> u64 {
        let before = self.mixed.fetch_add(1, Relaxed);
        let slow =
            |requests: u64| u128::from(requests) * u128::from(mixture.slow) / u128::from(mixture.of.max(1));
        if slow(before + 1) > slow(before) { mixture.millis } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn so_many_are_worked_at_together_and_the_others_wait_their_turn() {
        let service = Service::new(5 * MS, Some(2));
        let now = Instant::now();
        let ends = |after: u32, delay: u32| service.ends(now + after * MS, delay * MS).unwrap() - now;
        let three = [ends(0, 0), ends(0, 0), ends(0, 0)];
        assert_eq!(three, [5 * MS, 5 * MS, 10 * MS], "the third begins when the first has ended");
        assert_eq!(ends(1, 200), 210 * MS, "a slow one holds its place");
        assert_eq!([ends(1, 0), ends(1, 0)], [15 * MS, 20 * MS], "and only its own");
        assert_eq!([ends(300, 0), ends(300, 0)], [305 * MS, 305 * MS], "free places gather no time");
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let (service, now) = (Service::new(MS, None), Instant::now());
        for _ in 0..9 {
            assert_eq!(service.ends(now, 2 * MS), Some(now + 3 * MS));
        }
        assert_eq!(service.ends(now, Duration::MAX), None);
        assert_eq!(Service::default().ends(now, Duration::ZERO), Some(now));
    }

    #[test]
    fn work_past_the_end_of_the_clock_takes_no_place() {
        let (service, now) = (Service::new(MS, Some(1)), Instant::now());
        assert_eq!(service.ends(now, Duration::MAX - MS), None);
        assert_eq!(service.ends(now, Duration::ZERO), Some(now + MS));
    }

    #[test]
    fn the_slow_ones_of_a_mixture_are_spread_evenly() {
        let slow_ones = |slow, of| {
            let service = Service::default();
            let lot = |_: &u32| service.lot(Mixture { slow, of, millis: 7 }) == 7;
            (1..=20).filter(lot).collect::<Vec<_>>()
        };
        assert_eq!(slow_ones(1, 10), [10, 20]);
        assert_eq!(slow_ones(3, 10), [4, 7, 10, 14, 17, 20]);
        assert_eq!(slow_ones(0, 10), [0; 0]);
        assert_eq!(slow_ones(2, 1).len(), 20);
        assert_eq!(slow_ones(0, 0), [0; 0]);
    }
}
