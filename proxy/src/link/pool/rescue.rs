//! Holds a link whose head is slow, large or not read, and sends the requests behind the head elsewhere.
//!
//! These are P.3, P.4 and P.12 in `docs/http-rules.md`. `Depth` says what is slow for this member, and `Slot` what may be sent twice.

use std::rc::Rc;
use std::time::Duration;

use crate::cause::Cause;
use crate::event_loop::Nanos;
use crate::link::connection::Link;
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::scheduler::holders::GiveWay;
use crate::link::scheduler::wait_queue::{Sharing, SourceKey};
use crate::metrics::{Acquire, AttemptCode, HoldReason, RetryReason, RetryResult};

use super::{Pool, Recipient};

/// With so few links at work it is no surprise that none of them is answered for a while.
const FEW: usize = 4;
/// A member that answers nobody is given so many times as long.
const PATIENCE: Nanos = 5;

impl<T: Recipient> Pool<T> {
    /// The link takes no more until it is empty.
    pub(in crate::link) fn hold(&self, link: &Link<T>, why: HoldReason) {
        if self.scheduler.borrow_mut().hold(link.id) {
            self.backend_cells.held[why].inc();
        }
        self.watch(self.event_loop.now());
    }

    /// Whether the head of this link is so old that nobody should be put behind it. While the member answers nobody,
    /// no link is better than another.
    pub(super) fn is_slow(&self, link: &Link<T>, now: Nanos) -> bool {
        let scheduler = self.scheduler.borrow();
        let until = if scheduler.busy() > FEW { scheduler.depth.last_answer() } else { now };
        until.saturating_sub(link.queue.borrow().head_since()) > scheduler.depth.hold_after()
    }

    /// There may be somebody behind a head: looks after them before long.
    pub(super) fn watch(&self, now: Nanos) {
        if self.rescue_at.get() != Nanos::MAX {
            return;
        }
        let after = self.scheduler.borrow().depth.rescue_after();
        let Some(after) = after else { return };
        self.rescue_at.set(now + after);
        self.event_loop.arm(self.key.get(), now + after);
    }

    /// Takes those who have waited too long behind a head off its link.
    pub(super) fn rescue(&self, now: Nanos) {
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

    /// The member has answered nobody for a while, so there is nowhere better to be. It is given some time.
    fn is_silent(&self, after: Nanos, now: Nanos) -> bool {
        let scheduler = self.scheduler.borrow();
        let silence = now.saturating_sub(scheduler.depth.last_answer());
        scheduler.busy() > FEW && silence >= after && silence < PATIENCE * after
    }

    fn rescue_from(&self, link: &Rc<Link<T>>, now: Nanos) {
        self.hold(link, HoldReason::Slow);
        // Elsewhere is another link. Without one they would only wait until this one has been closed, too.
        if self.scheduler.borrow().share() < 2 {
            return;
        }
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
            request.sharing = Sharing::Alone;
            self.notify(&to, |to| to.again(request, head, Cause::NoMember));
        }
    }
}

// Links for those who wait: who holds one without using it gives way, and who has left no longer waits. `holders` and the pool
// decide who that is; here the links are asked, and those who give way are told.

/// While somebody waits, links are looked at this often,
const OFTEN: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// else this often: what a client has moved so far must be known when somebody comes to wait.
const SELDOM: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
/// What may hold links is kept short for this long after others had to wait for it.
const PRESSED: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    /// When links are looked at next, now that somebody waits.
    pub(super) fn relief_by(&self, now: Nanos) -> Nanos {
        self.relief_at.set(self.relief_at.get().min(now + OFTEN));
        self.relief_at.get()
    }

    /// Nobody awaits the answer at the head of a link any more: that is looked at before long.
    pub(in crate::link) fn was_left(&self) {
        let now = self.event_loop.now();
        let at = if self.scheduler.borrow().waiting() > 0 { self.relief_by(now) } else { now + 2 * SELDOM };
        self.event_loop.arm(self.key.get(), at);
    }

    /// Takes links back from those who hold them without need, as far as others wait.
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

    /// Those behind it on the link are sent elsewhere, as they may be; if one may not, they all wait.
    fn take_back(&self, link: &Rc<Link<T>>, why: GiveWay) {
        if !link.queue.borrow().followers_may_move() {
            return;
        }
        let cause = match why {
            GiveWay::Slow => Cause::SlowHolder,
            GiveWay::Endless => Cause::MadeWay,
            GiveWay::Left => Cause::ClientAbort,
        };
        if let Some(holder) = link.holder() {
            self.notify(&holder, |holder| holder.give_way(cause));
        }
        link.condemn(LinkEnd::Abandoned);
    }

    /// One of those who wait has left.
    pub fn left_the_queue(&self) {
        self.left.set(self.left.get() + 1);
        // Each is looked at so seldom that leaving costs no more than coming did.
        if self.left.get() > self.scheduler.borrow().waiting() / 2 {
            self.forget_left();
        }
    }

    fn forget_left(&self) {
        self.left.set(0);
        let gone = self.scheduler.borrow_mut().remove_waiting(|waiter| waiter.to.is_gone());
        drop(gone); // outside of the borrow: it may be the last of its client
        self.show_waiting();
    }

    /// Where no more may wait, those who have left go first, and then one of the source with the most of those who wait.
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
