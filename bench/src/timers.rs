//! Wakes the clients of one thread at exact times.
//!
//! The timer of the runtime counts in milliseconds, which would be in every latency of an open loop. Here a
//! `timerfd`, which the kernel keeps in nanoseconds, wakes the thread through its epoll instance.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use nix::sys::time::{TimeSpec, TimeValLike};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::time::Instant;

/// The timers of the clients of one thread, whose task is [`Timers::run`].
pub(crate) struct Timers {
    clock: AsyncFd<Clock>,
    /// The time for which the clock is set, if it is.
    set_for: Cell<Option<Instant>>,
    /// The clients to wake, by time and number.
    waiting: RefCell<BTreeMap<(Instant, u64), Waker>>,
}

/// A `timerfd` as the runtime wants it.
struct Clock(TimerFd);

impl AsRawFd for Clock {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timers {
    /// Makes the timers of this thread, whose runtime must exist.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let clock = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        #[expect(deprecated, reason = "its replacement is unsafe, and a `TimerFd` owns its descriptor")]
        let clock = AsyncFd::with_interest(Clock(clock), Interest::READABLE)?;
        Ok(Self { clock, set_for: Cell::new(None), waiting: RefCell::default() })
    }

    /// Returns ready when `due` has come, and otherwise has client `number` woken then.
    pub(crate) fn poll_due(&self, due: Instant, number: u64, cx: &Context<'_>) -> Poll<()> {
        if Instant::now() >= due {
            return Poll::Ready(());
        }
        self.waiting.borrow_mut().insert((due, number), cx.waker().clone());
        if self.set_for.get().is_none_or(|time| due < time) {
            self.set(due);
        }
        Poll::Pending
    }

    /// Waits until `due`, or until [`Timers::wake_all`] is called.
    pub(crate) async fn sleep_until(&self, due: Instant, number: u64) {
        let mut polled = false;
        std::future::poll_fn(|cx| match std::mem::replace(&mut polled, true) {
            // Each wake-up is a reason to look again, because the run may have been stopped.
            true => Poll::Ready(()),
            false => self.poll_due(due, number, cx),
        })
        .await;
    }

    /// Wakes every client that waits, whatever its time.
    pub(crate) fn wake_all(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        waiting.into_values().for_each(Waker::wake);
    }

    /// Wakes clients when their times come, for ever.
    pub(crate) async fn run(&self) -> io::Result<()> {
        loop {
            self.clock.readable().await?.clear_ready_matching(Ready::READABLE);
            self.set_for.set(None);
            let now = Instant::now();
            while let Some(waker) = self.take_due(now) {
                waker.wake();
            }
            let next = self.waiting.borrow().first_key_value().map(|((due, _), _)| *due);
            if let Some(due) = next {
                self.set(due);
            }
        }
    }

    fn take_due(&self, now: Instant) -> Option<Waker> {
        let mut waiting = self.waiting.borrow_mut();
        let first = waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Sets the clock. Setting it also clears an expiry that nobody has read.
    fn set(&self, due: Instant) {
        // A time of zero would switch the clock off.
        let left = (due - Instant::now()).max(Duration::from_nanos(1));
        let left = TimeSpec::nanoseconds(i64::try_from(left.as_nanos()).unwrap_or(i64::MAX));
        // The clock cannot refuse a positive time.
        let _ = self.clock.get_ref().0.set(Expiration::OneShot(left), TimerSetTimeFlags::empty());
        self.set_for.set(Some(due));
    }
}
