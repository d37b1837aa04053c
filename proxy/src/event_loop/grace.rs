//! Grants clients more time after the process stood still (SIGSTOP, a paused machine, no CPU), and provides a
//! timeout that does so, too.
//!
//! A process that continues finds its timers due and its sockets readable, and the kernel reports the timers
//! first (epoll_wait(2) ends with EINTR at SIGCONT). Therefore sockets are always read before deadlines are
//! checked. A client that has sent nothing gets as much additional time as the timer was late, up to
//! [`LONGEST_GRACE`]: the client may have waited for the proxy, or its bytes were lost meanwhile, and its TCP
//! sends them again (RFC 6298) about that late.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::nanos::{Nanos, clock, nanos};

/// The lateness of a timer that shows that the process stood still.
const STOOD_STILL: Duration = Duration::from_millis(100);
/// The longest grace.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
/// The factor on a grace for which no other one follows, so that a process that is always late still has
/// deadlines.
const PAUSE: u32 = 4;

/// The time until which no deadline applies, and the time from which another grace may begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grace {
    until: Nanos,
    next: Nanos,
}

impl Grace {
    /// Records at `now` that a timer was late by `late` nanoseconds.
    pub(super) fn was_late(&mut self, late: Nanos, now: Nanos) {
        if late < nanos(STOOD_STILL) || now < self.next {
            return;
        }
        let grace = late.min(nanos(LONGEST_GRACE));
        self.until = now.saturating_add(grace);
        self.next = self.until.saturating_add(grace * Nanos::from(PAUSE));
    }

    /// Returns the time until which no deadline applies, if there is a grace at `now`.
    pub(super) fn at(&self, now: Nanos) -> Option<Nanos> {
        (now < self.until).then_some(self.until)
    }
}

/// The error of a future that did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Late;

/// Waits for `what` up to `limit`, or longer if the process stood still when the limit was over.
///
/// # Errors
/// Returns [`Late`] if `what` did not end in time.
pub(crate) async fn timeout<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, Late> {
    let mut what = pin!(what);
    let mut due = clock().checked_add(limit);
    let mut excused = false;
    loop {
        let over = async {
            match due {
                Some(due) => tokio::time::sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            done = &mut what => return Ok(done),
            () = over => {}
        }
        let late = due.map_or(Duration::ZERO, |due| clock().saturating_duration_since(due));
        // One extension is enough; a second standstill ends the wait.
        if excused || late < STOOD_STILL {
            break;
        }
        excused = true;
        due = clock().checked_add(late.min(LONGEST_GRACE));
    }
    // Bytes may have arrived together with the timer, and are read first.
    tokio::select! {
        biased;
        done = &mut what => Ok(done),
        () = tokio::task::yield_now() => Err(Late),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    #[test]
    fn who_was_late_is_lenient_for_as_long() {
        let mut grace = Grace::default();
        grace.was_late(99 * MILLI, 1_000 * MILLI);
        assert_eq!(grace.at(1_000 * MILLI), None, "that is no standing still");
        grace.was_late(3_000 * MILLI, 5_000 * MILLI);
        assert_eq!(grace.at(5_000 * MILLI), Some(8_000 * MILLI));
        assert_eq!(grace.at(8_000 * MILLI), None);
    }

    #[test]
    fn a_long_stop_is_not_made_good_in_full() {
        let mut grace = Grace::default();
        grace.was_late(3_600_000 * MILLI, 4_000_000 * MILLI);
        assert_eq!(grace.at(4_000_000 * MILLI), Some(4_010_000 * MILLI));
    }

    #[test]
    fn who_is_late_all_the_time_holds_others_to_deadlines_all_the_same() {
        let mut grace = Grace::default();
        let lenient = (0..1_000).map(|i| 1_000 * MILLI + i * 150 * MILLI).filter(|now| {
            grace.was_late(150 * MILLI, *now);
            grace.at(*now).is_some()
        });
        assert!((100..=300).contains(&lenient.count()));
    }

    #[tokio::test]
    async fn a_timeout_ends_what_does_not_end() {
        assert_eq!(timeout(Duration::from_millis(1), std::future::pending::<()>()).await, Err(Late));
        assert_eq!(timeout(Duration::MAX, async { 7 }).await, Ok(7));
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7), "what has ended is in time");
    }

    /// A future that ends soon after the thread continues is in time, although its limit was over while the
    /// thread stood still.
    #[tokio::test]
    async fn what_ends_when_the_thread_goes_on_is_in_time() {
        let (tell, told) = tokio::sync::oneshot::channel();
        let limited = timeout(Duration::from_millis(50), told);
        let stop = async {
            tokio::task::yield_now().await;
            std::thread::sleep(Duration::from_millis(400));
            tokio::time::sleep(Duration::from_millis(10)).await;
            tell.send(7).unwrap();
        };
        let (ended, ()) = tokio::join!(limited, stop);
        assert_eq!(ended, Ok(Ok(7)));
    }
}
