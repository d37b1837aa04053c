//! When a shelf is to be looked at, and what is done when it is.
//! In: `now`. Out: waiters given up, links closed that are idle or whose member is silent.
//! Knows nothing of how requests come to their links.

use crate::cause::Cause;
use crate::metrics::Acquire;
use crate::turn::{Nanos, nanos};

use super::super::queue::Broken;
use super::{LOOK_EVERY, Receiver, Shelf};

impl<T: Receiver> Shelf<T> {
    pub(super) fn arm(&self, now: Nanos) {
        let pool = self.pool.borrow();
        if pool.used() == 0 && pool.waiting() == 0 {
            return;
        }
        let settings = self.settings.borrow();
        let opening = pool.next_opening(now);
        let waiting = pool.oldest_waiting().map(|since| since.saturating_add(nanos(settings.queue.timeout)));
        let idle = pool.oldest_idle().map(|since| since.saturating_add(nanos(settings.links.idle_timeout)));
        let next = [opening, waiting, idle].into_iter().flatten().min().unwrap_or(Nanos::MAX);
        self.turn.arm(self.key.get(), next.clamp(now + 1, now + LOOK_EVERY));
    }

    pub(super) fn give_up_waiting(&self, now: Nanos) {
        let timeout = nanos(self.settings.borrow().queue.timeout);
        let Some(latest) = now.checked_sub(timeout) else { return };
        let late = self.pool.borrow_mut().give_up_waiting(latest);
        for waiter in late.into_iter().filter(|w| !w.to.is_gone()) {
            self.backend_cells.acquires[Acquire::Timeout].inc();
            waiter.to.failed(&waiter.request, Cause::QueueTimeout, false);
        }
    }

    pub(super) fn close_idle(&self, now: Nanos) {
        let timeout = nanos(self.settings.borrow().links.idle_timeout);
        let Some(latest) = now.checked_sub(timeout) else { return };
        let idle = self.pool.borrow().idle_since(latest);
        for link in idle {
            self.pool.borrow_mut().bar(link.seat);
            link.expired.set(true);
            link.condemn(Broken::Finished);
        }
    }

    pub(super) fn end_silent(&self, now: Nanos) {
        let timeout = nanos(self.settings.borrow().response_timeout);
        let links: Vec<_> = self.pool.borrow().links().cloned().collect();
        for link in links {
            let queue = link.queue.borrow();
            let since = queue.head().map(|slot| slot.silent_since(queue.head_since()));
            let paused = queue.head().and_then(|s| s.ticket.as_ref()).is_some_and(Receiver::is_full);
            if since.is_some_and(|since| now.saturating_sub(since) >= timeout) && !paused {
                link.condemn(Broken::Timeout);
            }
        }
    }
}
