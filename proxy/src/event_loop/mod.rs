//! The state that one turn of a worker's event loop shares: the clock, the scratch buffers, what is to be flushed at
//! the end of the turn, and when each registrant is to be looked at.

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

pub use buffers::{BufferBudget, CountedBytes, LEAST};
use date_cache::DateCache;
use grace::Grace;
pub use grace::{Late, timeout};
pub use nanos::{Nanos, clock, nanos};
#[cfg(test)]
pub use panics::injected;
pub use panics::{Contained, PanicSite, may_panic};
pub use timers::Timers;
pub use wake_pacer::WakePacer;

/// Something whose output is gathered during a turn and written once, at its end.
pub trait Flush: Contained {
    /// Writes what was gathered.
    fn flush(&self);
}

/// Something that lives on a worker and has deadlines.
pub trait Registered: Contained {
    /// Does what is due at `now`, and says when to look again, if at all.
    fn on_timer(&self, now: Nanos) -> Option<Nanos>;
    /// Lets exchanges end and starts none.
    fn on_drain(&self);
    /// The configuration has changed.
    fn on_reconfigure(&self);
    /// Ends at once.
    fn on_kill(&self);
}

/// One worker's shared state. Everything in it belongs to one thread.
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
    /// What clients and members have sent and not taken yet, as far as it is kept here.
    pub buffers: BufferBudget,
}

/// As much as is read at once.
const INPUT: usize = 64 << 10;
/// Room for output that is kept from one time to the next.
const LARGEST_OUTPUT: usize = 4 * INPUT;
/// Looks are bundled: at most one tick in this time (about 1 ms).
const GRAIN: Nanos = 1 << 20;

impl EventLoop {
    /// A worker's state at its start.
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

    /// When the worker started, which [`Nanos`] are since.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Reads the clock; a task does so once when it is polled.
    pub fn update_now(&self) -> Nanos {
        let now = nanos(clock().saturating_duration_since(self.started));
        self.now.set(now);
        now
    }

    /// The time at the last [`EventLoop::update_now`].
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.now.get()
    }

    /// The time of day at the last [`EventLoop::update_now`], as HTTP writes it.
    #[must_use]
    pub fn date(&self) -> [u8; 29] {
        self.date_cache.borrow_mut().date(self.now())
    }

    /// The buffer that is read into. Nobody keeps it across polls.
    pub fn input(&self) -> RefMut<'_, Box<[u8]>> {
        self.input.borrow_mut()
    }

    /// The buffer that output is put together in, empty.
    pub fn output(&self) -> RefMut<'_, Vec<u8>> {
        let mut output = self.output.borrow_mut();
        output.clear();
        output.shrink_to(LARGEST_OUTPUT); // does nothing most often
        output
    }

    /// `what` is flushed at the end of this turn: after every task that is ready now.
    pub fn flush_later(&self, what: Rc<dyn Flush>) {
        let mut dirty = self.dirty.borrow_mut();
        dirty.push(what);
        if dirty.len() == 1 {
            wake(&self.flusher.borrow());
        }
    }

    /// The task that flushes. It is woken by the first who has something to write, and so runs behind all
    /// tasks that the same turn made ready: what they write leaves together.
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

    /// A request took this long.
    pub fn record_latency(&self, duration: Nanos) {
        self.wake_pacer.borrow_mut().observe(duration);
    }

    /// The thread is about to wait for sockets.
    pub fn before_park(&self) {
        let now = nanos(clock().saturating_duration_since(self.started));
        let pause = self.wake_pacer.borrow().pause(now);
        if let Some(pause) = pause {
            std::thread::sleep(Duration::from_nanos(pause));
        }
        self.wake_pacer.borrow_mut().wake(now + pause.unwrap_or(0));
    }

    /// A registrant, to be looked at when it asks for it, drained and killed with all others.
    pub fn register(&self, who: Rc<dyn Registered>) -> u32 {
        self.timers.borrow_mut().register(who)
    }

    /// As [`EventLoop::register`], for one that keeps its own key.
    pub fn register_new<R: Registered + 'static>(&self, make: impl FnOnce(u32) -> R) -> Rc<R> {
        let mut timers = self.timers.borrow_mut();
        let who = Rc::new(make(timers.next_key()));
        timers.register(who.clone());
        who
    }

    /// It has gone.
    pub fn unregister(&self, key: u32) {
        let gone = self.timers.borrow_mut().unregister(key);
        drop(gone); // outside of the borrow: it may be the last of its kind
    }

    /// Look at `key` no later than `at`.
    pub fn arm(&self, key: u32, at: Nanos) {
        self.timers.borrow_mut().arm(key, at);
        if at < self.next_tick.get() {
            self.next_tick.set(at);
            wake(&self.ticker.borrow());
        }
    }

    /// The task that looks at registrants when their time has come; `late` is told by how much each tick was late. What has come
    /// on sockets by then is read before.
    pub async fn run_ticker(&self, late: impl Fn(Nanos)) {
        loop {
            self.sleep_until_due().await;
            let lateness = self.update_now().saturating_sub(self.next_tick.get());
            late(lateness);
            tokio::task::yield_now().await; // behind those whose sockets are ready
            let now = self.update_now();
            let mut grace = self.grace.get();
            grace.was_late(lateness, now);
            self.grace.set(grace);
            self.run_timers(now);
        }
    }

    /// Until when nobody is held to a deadline, if that is so at `now`, because the process stood still.
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
            if let Some(at) = self.call(&*who, |who| who.on_timer(now)).flatten() {
                self.arm(key, at.max(now + 1));
            }
        }
        let next = self.timers.borrow().next();
        self.next_tick.set(self.next_tick.get().min(next.unwrap_or(Nanos::MAX)));
    }

    /// All registrants drain from now on.
    pub fn drain(&self) {
        self.draining.set(true);
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_drain()));
    }

    /// Whether the worker drains.
    #[must_use]
    pub fn draining(&self) -> bool {
        self.draining.get()
    }

    /// All registrants see whether the present configuration has a place for them.
    pub fn reconfigure(&self) {
        self.everyone().iter().for_each(|who| _ = self.call(&**who, |who| who.on_reconfigure()));
    }

    /// All registrants end now.
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

/// Keeps the waker of the task being polled, cloning it only when it is another than before.
pub fn store_waker(place: &mut Option<Waker>, waker: &Waker) {
    if !place.as_ref().is_some_and(|kept| kept.will_wake(waker)) {
        *place = Some(waker.clone());
    }
}

/// Wakes the task whose waker was kept, if any.
pub fn wake(place: &Option<Waker>) {
    if let Some(waker) = place {
        waker.wake_by_ref();
    }
}
