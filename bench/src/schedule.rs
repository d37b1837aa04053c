//! Spreads the exchanges of an open loop evenly over time and over the clients.

use std::time::Duration;

use tokio::time::Instant;

/// The times at which one client intends to start its exchanges, whatever becomes of earlier ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    begin: Instant,
    first: f64,
    step: f64,
    taken: u64,
}

impl Schedule {
    /// Makes the schedule of client `number` of `clients`, which together start `rate` exchanges per second.
    pub(crate) fn new(begin: Instant, rate: f64, number: u64, clients: usize) -> Self {
        Self { begin, first: number as f64 / rate, step: clients as f64 / rate, taken: 0 }
    }

    /// Returns the intended time of the next exchange.
    pub(crate) fn due(&self) -> Instant {
        let seconds = (self.taken as f64).mul_add(self.step, self.first);
        self.begin + Duration::from_secs_f64(seconds.min(1e9))
    }

    /// Goes on to the next exchange.
    pub(crate) fn take(&mut self) {
        self.taken += 1;
    }

    /// Returns the number of exchanges that were intended before `end` and were not taken.
    pub(crate) fn missed(&self, end: Instant) -> u64 {
        let span = (end - self.begin).as_secs_f64() - self.first;
        ((span / self.step).ceil().max(0.0) as u64).saturating_sub(self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_take_turns_and_keep_their_times() {
        let begin = Instant::now();
        let mut second = Schedule::new(begin, 100.0, 1, 4);
        let end = begin + Duration::from_millis(95);
        assert_eq!((second.due() - begin).as_micros(), 10_000);
        assert_eq!(second.missed(end), 3);
        second.take();
        assert_eq!((second.due() - begin).as_micros(), 50_000);
        assert_eq!(second.missed(end), 2);
        assert_eq!(Schedule::new(begin, 1.0, 3, 4).missed(end), 0);
    }
}
