//! Provides wake-ups with a precision of some 50 microseconds, for work shorter than the millisecond of the
//! runtime's timers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe::Receiver;

/// A time, and a number that distinguishes equal times.
type Key = (Instant, u64);

/// All wake-ups of one worker, on one timer of the kernel.
pub(super) struct Timers {
    /// The kernel's timer. The runtime can watch an arbitrary descriptor only with `unsafe`, except a pipe,
    /// of which it knows only how to wait and to read.
    clock: Receiver,
    waiting: RefCell<BTreeMap<Key, Waker>>,
    last: Cell<u64>,
}

impl Timers {
    /// Makes the timers; must be called within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let clock = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let clock = Receiver::from_owned_fd_unchecked(clock)?;
        Ok(Self { clock, waiting: RefCell::default(), last: Cell::new(0) })
    }

    /// Wakes tasks that are due, as long as the runtime runs.
    pub(super) async fn run(&self) {
        while self.clock.readable().await.is_ok() {
            self.wake();
            // Setting the timer again clears its expiration. Finding nothing to read makes the runtime wait
            // for the next one. If there is something to read, the timer has expired meanwhile, or is not
            // set.
            let _ = self.clock.try_read(&mut [0; 8]);
        }
    }

    fn wake(&self) {
        let now = Instant::now();
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.first_entry() {
            let (until, _) = *first.key();
            if until > now {
                return self.set(until - now);
            }
            first.remove().wake();
        }
    }

    fn add(&self, until: Instant, now: Instant, waker: &Waker) -> Key {
        let key = (until, self.last.get() + 1);
        self.last.set(key.1);
        let mut waiting = self.waiting.borrow_mut();
        waiting.insert(key, waker.clone());
        if waiting.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.set(until - now);
        }
        key
    }

    /// Sets the kernel's timer to expire once, after this time.
    fn set(&self, after: Duration) {
        // Zero would stop the timer.
        let after = after.max(Duration::from_nanos(1));
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        };
        let spec = Itimerspec { it_interval: never, it_value: once };
        // Fails only for invalid descriptors and times, and these are valid.
        let _ = timerfd_settime(&self.clock, TimerfdTimerFlags::empty(), &spec);
    }
}

/// A wake-up that is awaited. None comes after it is dropped.
pub(super) struct Timer {
    timers: Rc<Timers>,
    key: Option<Key>,
}

impl Timer {
    pub(super) fn new(timers: &Rc<Timers>) -> Self {
        Self { timers: Rc::clone(timers), key: None }
    }

    /// Is ready from that time on. Only one task may call this.
    pub(super) fn poll_until(&mut self, until: Instant, cx: &Context<'_>) -> Poll<()> {
        let now = Instant::now();
        if until <= now {
            self.forget();
            return Poll::Ready(());
        }
        if self.key.is_none_or(|(set, _)| set != until) {
            self.forget();
            self.key = Some(self.timers.add(until, now, cx.waker()));
        }
        Poll::Pending
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.timers.waiting.borrow_mut().remove(&key);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.forget();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::task::spawn_local;

    use super::*;
    use crate::worker::build_runtime;

    fn run(test: impl AsyncFnOnce(Rc<Timers>)) {
        let (runtime, timers) = build_runtime().unwrap();
        runtime.block_on(async {
            let timers = Rc::new(timers);
            let ringing = Rc::clone(&timers);
            spawn_local(async move { ringing.run().await });
            test(timers).await;
        });
    }

    async fn wait(timers: &Rc<Timers>, until: Instant) {
        let mut timer = Timer::new(timers);
        poll_fn(|cx| timer.poll_until(until, cx)).await;
        assert!(Instant::now() >= until);
    }

    #[test]
    fn everybody_is_woken_and_nobody_before_time() {
        run(async |timers| {
            let start = Instant::now();
            let until = move |at: u32| start + Duration::from_micros(u64::from(at * 7919 % 20_000));
            let mut all = tokio::task::JoinSet::new();
            for at in 0..500 {
                let timers = Rc::clone(&timers);
                all.spawn_local(async move { wait(&timers, until(at)).await });
            }
            all.join_all().await;
            assert!(timers.waiting.borrow().is_empty());
            wait(&timers, Instant::now() + Duration::from_millis(1)).await;
        });
    }

    #[test]
    fn who_waits_for_another_time_or_no_more_is_forgotten() {
        run(async |timers| {
            let mut timer = Timer::new(&timers);
            let far = Instant::now() + Duration::from_secs(1_000_000);
            let early = Instant::now() + Duration::from_millis(1);
            let mut poll = async |until| poll_fn(|cx| Poll::Ready(timer.poll_until(until, cx))).await;
            assert!(poll(far).await.is_pending() && poll(far).await.is_pending());
            assert_eq!(timers.waiting.borrow().len(), 1);
            assert!(poll(early).await.is_pending());
            assert_eq!(timers.waiting.borrow().keys().map(|key| key.0).collect::<Vec<_>>(), [early]);
            assert!(poll(far).await.is_pending());
            drop(timer);
            assert!(timers.waiting.borrow().is_empty());
        });
    }
}
