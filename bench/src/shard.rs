//! Holds the state that the clients of one thread share: the plan, the read buffer, the counts.

use std::cell::{RefCell, RefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::plan::Plan;
use crate::report::Report;
use crate::request::Requests;

const SCRATCH: usize = 64 * 1024;

pub(crate) struct Shard {
    pub(crate) plan: Plan,
    pub(crate) requests: Requests,
    /// The read buffer of all connections of the thread, which copy what they must keep.
    pub(crate) scratch: RefCell<Vec<u8>>,
    tally: RefCell<Report>,
    answered: Arc<AtomicU64>,
}

impl Shard {
    pub(crate) fn new(plan: Plan, answered: Arc<AtomicU64>) -> Self {
        Self {
            requests: Requests::new(plan.to, plan.protocol, &plan.work),
            plan,
            scratch: RefCell::new(vec![0; SCRATCH]),
            tally: RefCell::default(),
            answered,
        }
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
