//! Grants clients grace after the process stood still (SIGSTOP, a paused machine, no CPU), and has a timeout that grants it too.
//!
//! A process that goes on finds its timers due and its sockets full, and the kernel tells it of the timers first
//! (epoll_wait(2) ends with EINTR at SIGCONT). So what has come is always read before a deadline is looked at. A client that has
//! said nothing gets as much time again as the timer was late, up to [`LONGEST_GRACE`]: perhaps it had to wait for the proxy, or
//! what it said was lost meanwhile, and its TCP sends it again (RFC 6298) about that late.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::nanos::{Nanos, clock, nanos};

/// A timer that is so late shows that the process stood still.
const STOOD_STILL: Duration = Duration::from_millis(100);
/// No grace is longer.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
/// After a grace, there is none for so many times as long: a process that is late all the time has deadlines all the same.
const PAUSE: u32 = 4;

/// The time in which nobody is held to a deadline, and when there may be one again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Grace {
    until: Nanos,
    next: Nanos,
}

impl Grace {
    /// At `now`, a timer was so late.
    pub(super) fn was_late(&mut self, late: Nanos, now: Nanos) {
        if late < nanos(STOOD_STILL) || now < self.next {
            return;
        }
        let grace = late.min(nanos(LONGEST_GRACE));
        self.until = now.saturating_add(grace);
        self.next = self.until.saturating_add(grace * Nanos::from(PAUSE));
    }

    /// Until when nobody is held to a deadline, if that is so at `now`.
    pub(super) fn at(&self, now: Nanos) -> Option<Nanos> {
        (now < self.until).then_some(self.until)
    }
}

/// It did not end in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Late;

/// What `what` gives, if that is within `limit`; or somewhat later, where the process stood still when the limit was over.
///
/// # Errors
/// It did not end in time.
pub async fn timeout<T>(limit: Duration, what: impl Future<Output = T>) -> Result<T, Late> {
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
        if excused || late < STOOD_STILL {
            break;
        }
        excused = true;
        due = clock().checked_add(late.min(LONGEST_GRACE));
    }
    // What has come by now is read first.
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

    /// What ends soon after the thread goes on is in time, though the limit was over while it stood still.
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
