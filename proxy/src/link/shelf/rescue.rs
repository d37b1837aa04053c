//! Holds a link whose head is slow, large or not read, and sends the requests behind the head elsewhere.
//!
//! These are P.3, P.4 and P.12 in `docs/http-rules.md`. `Depth` says what is slow for this member, and `Slot` what may be sent twice.

use std::rc::Rc;

use super::{Receiver, Shelf};
use crate::cause::Cause;
use crate::link::driver::Link;
use crate::link::lines::Want;
use crate::metrics::{AttemptCode, Hold, RetryReason, RetryResult};
use crate::turn::Nanos;

/// With so few links at work it is no surprise that none of them is answered for a while.
const FEW: usize = 4;
/// A member that answers nobody is given so many times as long.
const PATIENCE: Nanos = 5;

impl<T: Receiver> Shelf<T> {
    /// The link takes no more until it is empty.
    pub(in crate::link) fn hold(&self, link: &Link<T>, why: Hold) {
        if self.pool.borrow_mut().hold(link.seat) {
            self.backend_cells.held[why].inc();
        }
        self.watch(self.turn.now());
    }

    /// Whether the head of this link is so old that nobody should be put behind it. While the member answers nobody,
    /// no link is better than another.
    pub(super) fn is_slow(&self, link: &Link<T>, now: Nanos) -> bool {
        let pool = self.pool.borrow();
        let until = if pool.busy() > FEW { pool.depth.last_answer() } else { now };
        until.saturating_sub(link.queue.borrow().head_since()) > pool.depth.hold_after()
    }

    /// There may be somebody behind a head: looks after them before long.
    pub(super) fn watch(&self, now: Nanos) {
        if self.rescue_at.get() != Nanos::MAX {
            return;
        }
        let after = self.pool.borrow().depth.rescue_after();
        let Some(after) = after else { return };
        self.rescue_at.set(now + after);
        self.turn.arm(self.key.get(), now + after);
    }

    /// Takes those who have waited too long behind a head off its link.
    pub(super) fn rescue(&self, now: Nanos) {
        if now < self.rescue_at.get() {
            return;
        }
        self.rescue_at.set(Nanos::MAX);
        let after = self.pool.borrow().depth.rescue_after();
        let Some(after) = after else { return };
        if self.is_silent(after, now) {
            return self.watch(now);
        }
        let links: Vec<_> = self.pool.borrow().links().cloned().collect();
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
            self.turn.arm(self.key.get(), at);
        }
    }

    /// The member has answered nobody for a while, so there is nowhere better to be. It is given some time.
    fn is_silent(&self, after: Nanos, now: Nanos) -> bool {
        let pool = self.pool.borrow();
        let silence = now.saturating_sub(pool.depth.last_answer());
        pool.busy() > FEW && silence >= after && silence < PATIENCE * after
    }

    fn rescue_from(&self, link: &Rc<Link<T>>, now: Nanos) {
        self.hold(link, Hold::Slow);
        // Elsewhere is another link. Without one they would only wait until this one has been closed, too.
        if self.pool.borrow().share() < 2 {
            return;
        }
        let most = self.budget.borrow().available();
        let (route, taken, left) = {
            let mut queue = link.queue.borrow_mut();
            let route = queue.head().map_or(0, |head| head.request.route);
            (route, queue.rescue(most, T::same), queue.followers())
        };
        let count = taken.len();
        self.budget.borrow_mut().spend(count);
        self.pool.borrow_mut().depth.rescued(route, u32::try_from(count).unwrap_or(u32::MAX), now);
        if !link.looked_after.replace(true) {
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
            request.want = Want::Alone;
            self.tell(&to, |to| to.again(request, head, Cause::NoMember));
        }
    }
}
