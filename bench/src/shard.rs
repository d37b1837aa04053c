//! Holds the state that the clients of one thread share: the plan, the read buffer, the counts.

use std::cell::{Cell, RefCell, RefMut};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::report::Report;
use crate::request::Requests;
use crate::timers::Timers;

const SCRATCH: usize = 64 * 1024;

pub(crate) struct Shard {
    pub(crate) plan: Plan,
    pub(crate) requests: Requests,
    /// The read buffer of all connections of the thread, which copy what they must keep.
    pub(crate) scratch: RefCell<Vec<u8>>,
    pub(crate) timers: Timers,
    tally: RefCell<Report>,
    answered: Arc<AtomicU64>,
    stopped: Cell<bool>,
}

impl Shard {
    /// Makes the state of this thread, whose runtime must exist.
    pub(crate) fn new(plan: Plan, answered: Arc<AtomicU64>) -> io::Result<Self> {
        Ok(Self {
            requests: Requests::new(plan.to, plan.protocol, &plan.work),
            plan,
            scratch: RefCell::new(vec![0; SCRATCH]),
            timers: Timers::new()?,
            tally: RefCell::default(),
            answered,
            stopped: Cell::new(false),
        })
    }

    /// Lets the clients start no more exchanges.
    pub(crate) fn stop(&self) {
        self.stopped.set(true);
        self.timers.wake_all();
    }

    /// Returns whether the clients are to start no more exchanges.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Returns a copy of the counts.
    pub(crate) fn report_so_far(&self) -> Report {
        self.tally.borrow().clone()
    }

    /// Borrows the counts, for one statement and never across an await.
    pub(crate) fn tally(&self) -> RefMut<'_, Report> {
        self.tally.borrow_mut()
    }

    /// Takes the counts since the last call.
    pub(crate) fn take_report(&self) -> Report {
        self.tally.take()
    }

    /// Counts another complete answer for watchers.
    pub(crate) fn show_answer(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}
