//! Holds a link whose first exchange is slow, large or not being read, and moves the requests behind it to
//! other links.
//!
//! These are P.3, P.4 and P.12 in `docs/http-rules.md`. `Depth` decides what is slow for this member, and
//! `Slot` what may be sent twice.

use std::rc::Rc;
use std::time::Duration;

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::pool::link::Link;
use crate::link::scheduler::holders::GiveWay;
use crate::link::scheduler::wait_queue::{Sharing, SourceKey};
use crate::metrics::{Acquire, AttemptCode, HoldReason, RetryReason, RetryResult};

use super::{Pool, Recipient};

/// The number of busy links up to which it is normal that none is answered for a while.
const FEW: usize = 4;
/// The factor on the rescue time for which a member that answers no link at all is given time.
const PATIENCE: Nanos = 5;

impl<T: Recipient> Pool<T> {
    /// Keeps a link from taking more requests until it is empty.
    pub(in crate::link) fn hold(&self, link: &Link<T>, why: HoldReason) {
        if self.scheduler.borrow_mut().hold(link.id) {
            self.backend_cells.held[why].inc();
        }
        self.watch(self.event_loop.now());
    }

    /// Keeps a link from taking any more requests, because its member has said that the present answer is the last
    /// one there (RFC 9112 section 9.6). Requests that waited for a place on it may get another link.
    pub(super) fn bar(self: &Rc<Self>, link: &Link<T>, now: Nanos) {
        self.scheduler.borrow_mut().close_to_new(link.id);
        if self.scheduler.borrow().waiting() > 0 {
            self.open_more(now);
        }
    }

    /// Returns whether the first exchange of this link is so old that no request should be put behind it.
    /// While the member answers no link, none is better than another.
    pub(super) fn is_slow(&self, link: &Link<T>, now: Nanos) -> bool {
        let scheduler = self.scheduler.borrow();
        // Time in which a busy member answered on no link does not count against this one.
        let until = if scheduler.busy() > FEW { scheduler.depth.last_answer() } else { now };
        until.saturating_sub(link.queue.borrow().head_since()) > scheduler.depth.hold_after()
    }

    /// Arms the timer for a rescue, because a request may be waiting behind a slow exchange.
    pub(super) fn watch(&self, now: Nanos) {
        if self.rescue_at.get() != Nanos::MAX {
            return;
        }
        let after = self.scheduler.borrow().depth.rescue_after();
        let Some(after) = after else { return };
        self.rescue_at.set(now + after);
        self.event_loop.arm(self.key.get(), now + after);
    }

    /// Moves requests that have waited too long behind a slow exchange.
    pub(super) fn rescue(&self, now: Nanos) {
        // The timer serves several deadlines, and this one has not come.
        if now < self.rescue_at.get() {
            return;
        }
        self.rescue_at.set(Nanos::MAX);
        let after = self.scheduler.borrow().depth.rescue_after();
        let Some(after) = after else { return };
        if self.is_silent(after, now) {
            return self.watch(now);
        }
        let links: Vec<_> = self.scheduler.borrow().links().cloned().collect();
        let due = |link: &Rc<Link<T>>| {
            let due = link.queue.borrow().head_since().saturating_add(after);
            if due <= now {
                self.rescue_from(link, now);
            }
            (due > now).then_some(due)
        };
        let shared = links.iter().filter(|link| link.queue.borrow().followers() > 0);
        let next = shared.filter_map(due).min();
        if let Some(at) = next {
            self.rescue_at.set(at);
            self.event_loop.arm(self.key.get(), at);
        }
    }

    /// Returns whether the member has answered no link for a while, so that moving requests would not help
    /// yet.
    fn is_silent(&self, after: Nanos, now: Nanos) -> bool {
        let scheduler = self.scheduler.borrow();
        let silence = now.saturating_sub(scheduler.depth.last_answer());
        scheduler.busy() > FEW && silence >= after && silence < PATIENCE * after
    }

    fn rescue_from(&self, link: &Rc<Link<T>>, now: Nanos) {
        // No further request may follow the slow one.
        self.hold(link, HoldReason::Slow);
        // With one link there is nowhere to move; the requests would wait until this link has been closed,
        // too.
        if self.scheduler.borrow().share() < 2 {
            return;
        }
        // Requests that were sent already may be sent twice only within the budget.
        let most = self.retry_budget.borrow().available();
        let (class, taken, left) = {
            let mut queue = link.queue.borrow_mut();
            let class = queue.head().map_or(0, |head| head.request.class);
            (class, queue.rescue(most, T::same), queue.followers())
        };
        let count = taken.len();
        self.retry_budget.borrow_mut().spend(count);
        self.scheduler.borrow_mut().depth.rescued(class, u32::try_from(count).unwrap_or(u32::MAX), now);
        if !link.leftover_counted.replace(true) {
            let why = if count == most { RetryResult::Budget } else { RetryResult::NotAllowed };
            self.backend_cells.retries[RetryReason::Rescue][why].add(left as u64);
        }
        for (to, mut request, head, sent) in taken.into_iter().rev() {
            self.count_retry(RetryReason::Rescue, RetryResult::Ok);
            if !sent {
                self.left(link);
                self.cells.requests[AttemptCode::None].inc();
            }
            request.replayed |= sent;
            // A second delay would be worse, so that the request gets a link to itself.
            request.sharing = Sharing::Alone;
            self.notify(&to, |to| to.again(request, head, Cause::NoMember));
        }
    }
}

// Takes links from clients that hold them without use, and removes clients that have left from the queue.
// `holders` and the scheduler choose the links; this part asks the links and informs the clients.

/// The interval in nanoseconds in which links are examined while a request waits.
const OFTEN: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// The interval in nanoseconds in which links are examined otherwise, so that the speed of their clients is
/// known when a request has to wait.
const SELDOM: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
/// The time in nanoseconds for which classes that hold links are limited after others had to wait.
const PRESSED: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    /// Returns when links are examined next, now that a request waits.
    pub(super) fn relief_by(&self, now: Nanos) -> Nanos {
        self.relief_at.set(self.relief_at.get().min(now + OFTEN));
        self.relief_at.get()
    }

    /// Arms the timer to examine links, because nobody waits for the answer of one any more.
    pub(in crate::link) fn was_left(&self) {
        let now = self.event_loop.now();
        let at = if self.scheduler.borrow().waiting() > 0 { self.relief_by(now) } else { now + 2 * SELDOM };
        self.event_loop.arm(self.key.get(), at);
    }

    /// Takes links from clients that hold them without use, as far as other requests wait.
    pub(super) fn relieve(&self, now: Nanos) {
        if now < self.relief_at.get() {
            return;
        }
        let waiting = self.scheduler.borrow().waiting() > 0;
        self.relief_at.set(now + if waiting { OFTEN } else { SELDOM });
        let links: Vec<_> = self.scheduler.borrow().links().cloned().collect();
        for link in &links {
            let (exchange, held) = link.held(waiting, now);
            self.scheduler.borrow_mut().look(link.id, exchange, held, now);
        }
        // After the process stood still, no client had a chance to move anything.
        if self.event_loop.lenient_until(now).is_some() {
            return self.scheduler.borrow_mut().restart_tracking(now);
        }
        let give_way = {
            let mut scheduler = self.scheduler.borrow_mut();
            let give_way = scheduler.give_way(|link| link.class(), now);
            if scheduler.is_pressed_now() {
                self.pressed_until.set(now + PRESSED);
            } else if now >= self.pressed_until.get() {
                scheduler.relax();
            }
            give_way
        };
        give_way.iter().for_each(|(link, why)| self.take_back(link, *why));
    }

    /// Takes a link from its holder and moves the requests behind it. If one of those may not be sent twice,
    /// all stay.
    fn take_back(&self, link: &Rc<Link<T>>, why: GiveWay) {
        if !link.queue.borrow().followers_may_move() {
            return;
        }
        let cause = match why {
            GiveWay::Slow => Cause::SlowHolder,
            GiveWay::Endless => Cause::MadeWay,
            GiveWay::Left => Cause::ClientAbort,
        };
        // The client learns the cause before its link ends.
        if let Some(holder) = link.holder() {
            self.notify(&holder, |holder| holder.give_way(cause));
        }
        link.condemn(LinkEnd::Abandoned);
    }

    /// Records that a waiting client has left.
    pub fn left_the_queue(&self) {
        self.left.set(self.left.get() + 1);
        // The queue is searched after half of its clients have left, so that leaving costs on average no more
        // than coming did.
        if self.left.get() > self.scheduler.borrow().waiting() / 2 {
            self.forget_left();
        }
    }

    fn forget_left(&self) {
        self.left.set(0);
        let gone = self.scheduler.borrow_mut().remove_waiting(|waiter| waiter.to.is_gone());
        drop(gone); // dropped outside of the borrow, because this may be the last reference to a client
        self.show_waiting();
    }

    /// Makes room in a full queue: clients that have left go first, then one request of the source with the
    /// most waiting requests.
    pub(super) fn make_room(&self, source: SourceKey) {
        if !self.scheduler.borrow().is_full() {
            return;
        }
        if self.left.get() > 0 {
            self.forget_left();
        }
        let displaced = if self.scheduler.borrow().is_full() {
            self.scheduler.borrow_mut().displace(source)
        } else {
            None
        };
        if let Some(waiter) = displaced {
            self.backend_cells.acquires[Acquire::Rejected].inc();
            self.notify(&waiter.to, |to| to.failed(&waiter.request, Cause::QueueFull, false));
        }
    }
}
