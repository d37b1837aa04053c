//! Holds the retry budget: the number of requests that may be sent a second time because the first is
//! delayed.

/// A part of the requests, saved up to [`BURST`], so that a slow member gets a little more work but never
/// twice as much.
#[derive(Debug)]
pub(super) struct RetryBudget {
    percent: u32,
    /// The savings in hundredths of a request.
    saved: u32,
}

/// The largest number of requests that can be saved: all that a few links carry when they become slow
/// together.
const BURST: u32 = 1024;
const WHOLE: u32 = 100;

impl RetryBudget {
    /// Makes a budget of `percent` in a hundred requests.
    #[must_use]
    pub(super) fn new(percent: u8) -> Self {
        Self { percent: percent.into(), saved: if percent == 0 { 0 } else { BURST * WHOLE } }
    }

    /// Sets another percentage. Savings stay, unless the percentage is 0.
    pub(super) fn configure(&mut self, percent: u8) {
        self.percent = percent.into();
        self.saved = if percent == 0 { 0 } else { self.saved };
    }

    /// Counts a request that was sent.
    pub(super) fn earn(&mut self) {
        self.saved = (self.saved + self.percent).min(BURST * WHOLE);
    }

    /// Returns the number of requests that may be sent again now.
    #[must_use]
    pub(super) fn available(&self) -> usize {
        (self.saved / WHOLE) as usize
    }

    /// Counts requests that were sent again.
    pub(super) fn spend(&mut self, count: usize) {
        self.saved -= (u32::try_from(count).unwrap_or(u32::MAX).saturating_mul(WHOLE)).min(self.saved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_at_first_and_then_a_part_of_the_requests() {
        let mut retry_budget = RetryBudget::new(10);
        assert_eq!(retry_budget.available(), BURST as usize);
        retry_budget.spend(BURST as usize);
        assert_eq!(retry_budget.available(), 0);
        (0..50).for_each(|_| retry_budget.earn());
        assert_eq!(retry_budget.available(), 5);
        (0..100_000).for_each(|_| retry_budget.earn());
        assert_eq!(retry_budget.available(), BURST as usize, "no more is saved than that");
    }

    #[test]
    fn nothing_of_nothing() {
        let mut retry_budget = RetryBudget::new(0);
        retry_budget.earn();
        assert_eq!(retry_budget.available(), 0);
        retry_budget.configure(50);
        retry_budget.earn();
        retry_budget.earn();
        assert_eq!(retry_budget.available(), 1);
        retry_budget.configure(0);
        assert_eq!(retry_budget.available(), 0);
    }
}
