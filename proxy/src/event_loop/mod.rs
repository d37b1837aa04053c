//! Holds the state of a worker's event loop: the clock, the scratch buffers, the objects to flush at the end
//! of the turn, and timers.

mod buffers;
mod date_cache;
mod grace;
mod nanos;
mod panics;
mod timers;
mod wake_pacer;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

pub(crate) use buffers::{BufferBudget, CountedBytes, LEAST};
use date_cache::DateCache;
use grace::Grace;
pub(crate) use grace::timeout;
pub(crate) use nanos::{Nanos, clock, nanos};
#[cfg(test)]
pub(crate) use panics::injected;
pub(crate) use panics::{Contained, PanicSite, may_panic};
pub(crate) use timers::Timers;
pub(crate) use wake_pacer::WakePacer;

/// An object whose output is collected during a turn and written once, at its end.
pub trait Flush: Contained {
    /// Writes the collected output.
    fn flush(&self);
}

/// An object on a worker that has deadlines.
pub trait Registered: Contained {
    /// Does what is due at `now`, and returns when to be called again, if at all.
    fn on_timer(&self, now: Nanos) -> Option<Nanos>;
    /// Lets exchanges end and starts none.
    fn on_drain(&self);
    /// Adapts to a changed configuration.
    fn on_reconfigure(&self);
    /// Looks at a member that has been taken for down.
    fn on_member_down(&self) {}
    /// Ends at once.
    fn on_kill(&self);
}

/// The shared state of one worker, used by one thread only.
pub struct EventLoop {
    started: Instant,
    now: Cell<Nanos>,
    date_cache: RefCell<DateCache>,
    wake_pacer: RefCell<WakePacer>,
    input: RefCell<Box<[u8]>>,
    output: RefCell<Vec<u8>>,
    dirty: RefCell<Vec<Rc<dyn Flush>>>,
    flusher: RefCell<Option<Waker>>,
    timers: RefCell<Timers<Rc<dyn Registered>>>,
    ticker: RefCell<Option<Waker>>,
    next_tick: Cell<Nanos>,
    draining: Cell<bool>,
    panics: RefCell<Option<panics::PanicCounter>>,
    grace: Cell<Grace>,
    /// The budget for bytes that clients or members have sent and the other side has not taken yet.
    pub buffers: BufferBudget,
}

/// The number of bytes that one read may return. With more, one busy connection delays the others for longer.
const INPUT: usize = 64 << 10;
/// The capacity in bytes of the output buffer that is kept between uses.
const LARGEST_OUTPUT: usize = 4 * INPUT;
/// The resolution of timers in nanoseconds: at most one tick in about 1 ms, so that deadlines are handled
/// together.
const GRAIN: Nanos = 1 << 20;

impl EventLoop {
    /// Makes the state of a worker that starts now.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            started: clock(),
            now: Cell::new(0),
            date_cache: RefCell::default(),
            wake_pacer: RefCell::default(),
            input: RefCell::new(vec![0; INPUT].into()),
            output: RefCell::new(Vec::with_capacity(INPUT)),
            dirty: RefCell::new(Vec::new()),
            flusher: RefCell::new(None),
            timers: RefCell::new(Timers::default()),
            ticker: RefCell::new(None),
            next_tick: Cell::new(Nanos::MAX),
            draining: Cell::new(false),
            panics: RefCell::default(),
            grace: Cell::default(),
            buffers: BufferBudget::default(),
        })
    }

    /// Returns the start of the worker, which [`Nanos`] are counted from.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Reads the clock. A task calls this once when it is polled.
    pub fn update_now(&self) -> Nanos {
        let now = nanos(clock().saturating_duration_since(self.started));
        self.now.set(now);
        now
    }

    /// Returns the time of the last [`EventLoop::update_now`].
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now.get()
    }

    /// Returns the time of day at the last [`EventLoop::update_now`], in the format of HTTP.
    #[must_use]
    pub fn date(&self) -> [u8; 29] {
        self.date_cache.borrow_mut().date(self.now())
    }

    /// Returns the buffer for reading. It must not be kept across polls.
    pub fn input(&self) -> RefMut<'_, Box<[u8]>> {
        self.input.borrow_mut()
    }

    /// Returns the buffer for collecting output, empty.
    pub fn output(&self) -> RefMut<'_, Vec<u8>> {
        let mut output = self.output.borrow_mut();
        output.clear();
        output.shrink_to(LARGEST_OUTPUT); // usually does nothing
        output
    }

    /// Flushes `what` at the end of this turn, after every task that is ready now.
    pub fn flush_later(&self, what: Rc<dyn Flush>) {
        let mut dirty = self.dirty.borrow_mut();
        dirty.push(what);
        // The first object wakes the flusher, which thus runs after all tasks that are ready.
        if dirty.len() == 1 {
            wake(&self.flusher.borrow());
        }
    }

    /// Runs the task that flushes. The first object with output wakes it, so that it runs after all tasks
    /// that are ready in the same turn, and their output leaves together.
    pub async fn run_flusher(&self) {
        let mut batch = Vec::new();
        poll_fn(|cx| {
            store_waker(&mut self.flusher.borrow_mut(), cx.waker());
            self.update_now();
            std::mem::swap(&mut batch, &mut *self.dirty.borrow_mut());
            batch.drain(..).for_each(|what| _ = self.call(&*what, |what| what.flush()));
            Poll::<()>::Pending
        })
        .await;
    }

    /// Records the duration of a request, by which wake-ups are paced.
    pub fn record_latency(&self, duration: Nanos) {
        self.wake_pacer.borrow_mut().observe(duration);
    }

    /// Prepares the thread for waiting on sockets: a busy worker sleeps a moment first.
    pub fn before_park(&self) {
        let now = nanos(clock().saturating_duration_since(self.started));
        let pause = self.wake_pacer.borrow().pause(now);
        if let Some(pause) = pause {
            std::thread::sleep(Duration::from_nanos(pause));
        }
        self.wake_pacer.borrow_mut().wake(now + pause.unwrap_or(0));
    }

    /// Registers an object for timers, drain and kill, and returns its key.
    pub fn register(&self, who: Rc<dyn Registered>) -> u32 {
        self.timers.borrow_mut().register(who)
    }

    /// Registers an object that is made with its own key.
    pub fn register_new<R: Registered + 'static>(&self, make: impl FnOnce(u32) -> R) -> Rc<R> {
        let mut timers = self.timers.borrow_mut();
        let who = Rc::new(make(timers.next_key()));
        timers.register(who.clone());
        who
    }

    /// Removes a registered object.
    pub fn unregister(&self, key: u32) {
        let gone = self.timers.borrow_mut().unregister(key);
        drop(gone); // dropped outside of the borrow, because its drop may use the timers
    }

    /// Makes sure that the object of `key` is called no later than `at`.
    pub fn arm(&self, key: u32, at: Nanos) {
        self.timers.borrow_mut().arm(key, at);
        // A later deadline needs no wake-up.
        if at < self.next_tick.get() {
            self.next_tick.set(at);
            wake(&self.ticker.borrow());
        }
    }

    /// Runs the task that calls objects whose time has come. `late` is called with the lateness of each tick.
    /// Sockets that are readable by then are read first.
    pub async fn run_ticker(&self, late: impl Fn(Nanos)) {
        loop {
            self.sleep_until_due().await;
            let lateness = self.update_now().saturating_sub(self.next_tick.get());
            late(lateness);
            tokio::task::yield_now().await; // after the tasks whose sockets are ready
            let now = self.update_now();
            let mut grace = self.grace.get();
            grace.was_late(lateness, now);
            self.grace.set(grace);
            self.run_timers(now);
        }
    }

    /// Returns the time until which no deadline applies, if the process has just stood still.
    #[must_use]
    pub fn lenient_until(&self, now: Nanos) -> Option<Nanos> {
        self.grace.get().at(now)
    }

    async fn sleep_until_due(&self) {
        loop {
            let at = self.next_tick.get();
            let changed = poll_fn(|cx| {
                store_waker(&mut self.ticker.borrow_mut(), cx.waker());
                if self.next_tick.get() == at { Poll::Pending } else { Poll::Ready(()) }
            });
            let due = Duration::from_nanos(at.saturating_add(GRAIN) / GRAIN * GRAIN);
            let Some(due) = (at != Nanos::MAX).then(|| self.started + due) else {
                changed.await;
                continue;
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.into()) => return,
                () = changed => {}
            }
        }
    }

    fn run_timers(&self, now: Nanos) {
        self.next_tick.set(Nanos::MAX);
        loop {
            let due = self.timers.borrow_mut().due(now);
            let Some((key, who)) = due else { break };
            // At least one nanosecond later, or this loop would not end.
            if let Some(at) = self.call(&*who, |who| who.on_timer(now)).flatten() {
                self.arm(key, at.max(now + 1));
            }
        }
        let next = self.timers.borrow().next();
        self.next_tick.set(self.next_tick.get().min(next.unwrap_or(Nanos::MAX)));
    }

    /// Starts a drain of all registered objects.
    pub fn drain(&self) {
        self.draining.set(true);
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_drain()));
    }

    /// Returns whether the worker drains.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Lets all registered objects adapt to the present configuration.
    pub fn reconfigure(&self) {
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_reconfigure()));
    }

    /// Lets all registered objects look at a member that has been taken for down.
    pub fn member_is_down(&self) {
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_member_down()));
    }

    /// Ends all registered objects.
    pub fn kill(&self) {
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_kill()));
    }

    fn everyone(&self) -> Vec<Rc<dyn Registered>> {
        let timers: Ref<'_, _> = self.timers.borrow();
        timers.registrants().cloned().collect()
    }
}

impl std::fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLoop").field("now", &self.now).finish_non_exhaustive()
    }
}

/// Stores the waker of the task being polled, and clones it only if it is another one than before.
pub(crate) fn store_waker(place: &mut Option<Waker>, waker: &Waker) {
    if !place.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
        *place = Some(waker.clone());
    }
}

/// Wakes the task whose waker was stored, if there is one.
pub(crate) fn wake(place: &Option<Waker>) {
    if let Some(waker) = place {
        waker.wake_by_ref();
    }
}
