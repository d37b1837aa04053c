//! Checks the deadlines of a pool: requests give up waiting, and links close that are idle for too long or
//! silent.

use std::time::Duration;

use crate::cause::Cause;
use crate::event_loop::{Contained, Nanos, PanicSite, Registered, may_panic, nanos};
use crate::link::pipeline::link_end::LinkEnd;
use crate::metrics::Acquire;

use super::{Pool, Recipient};

/// The longest interval in nanoseconds between two checks of a pool that has links.
const LOOK_EVERY: Nanos = Duration::from_millis(500).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    pub(super) fn arm(&self, now: Nanos) {
        let scheduler = self.scheduler.borrow();
        // An empty pool needs no timer.
        if scheduler.used() == 0 && scheduler.waiting() == 0 {
            return;
        }
        let opening = scheduler.next_opening(now);
        let waiting = scheduler.oldest_waiting().map(|since| self.waits_until(since));
        let idle = scheduler.oldest_idle().map(|since| since.saturating_add(self.longest_idle()));
        let rescue = Some(self.rescue_at.get());
        let relief = (scheduler.waiting() > 0).then(|| self.relief_by(now));
        let asks = self.next_request_at();
        let next =
            [opening, waiting, idle, rescue, relief, asks].into_iter().flatten().min().unwrap_or(Nanos::MAX);
        self.event_loop.arm(self.key.get(), next.clamp(now + 1, now + LOOK_EVERY));
    }

    fn give_up_waiting(&self, now: Nanos) {
        let settings = self.settings.borrow().clone();
        let since = |timeout: Duration| now.checked_sub(nanos(timeout));
        let mut latest = since(settings.queue.timeout);
        let mut cause = Cause::QueueTimeout;
        // While the member is unreachable, clients wait for the connect timeout at most.
        if let Some(outage) = self.health.outage() {
            cause = outage.cause;
            latest = latest.max(outage.gives_up(now, nanos(settings.links.connect_timeout)));
        }
        let Some(latest) = latest else { return };
        let late = self.scheduler.borrow_mut().give_up_waiting(latest);
        for waiter in late.into_iter().filter(|w| !w.to.is_gone()) {
            self.backend_cells.acquires[Acquire::Timeout].inc();
            self.notify(&waiter.to, |to| to.failed(&waiter.request, cause, false));
        }
        self.show_waiting();
    }

    /// Returns the time until which a request waits for a link that came at `since`.
    fn waits_until(&self, since: Nanos) -> Nanos {
        let settings = self.settings.borrow();
        let until = since.saturating_add(nanos(settings.queue.timeout));
        let connect_timeout = nanos(settings.links.connect_timeout);
        self.health.outage().map_or(until, |outage| until.min(outage.waits_until(since, connect_timeout)))
    }

    fn close_idle(&self, now: Nanos) {
        let Some(latest) = now.checked_sub(self.longest_idle()) else { return };
        let idle = self.scheduler.borrow().idle_since(latest);
        idle.iter().for_each(|link| self.expire(link));
    }

    /// Returns how long a link may be unused, in nanoseconds: the configured time, or less if the member says
    /// that it closes links earlier.
    fn longest_idle(&self) -> Nanos {
        nanos(self.settings.borrow().links.idle_timeout).min(self.member_traits.get().longest_idle)
    }

    fn end_silent(&self, now: Nanos) {
        let timeout = nanos(self.settings.borrow().response_timeout);
        let links: Vec<_> = self.scheduler.borrow().links().cloned().collect();
        for link in links {
            let since = link.queue.borrow().silent_since();
            let late = since.is_some_and(|since| now.saturating_sub(since) >= timeout);
            // A client that does not read is not the member's fault.
            if late && !link.is_head_full() {
                link.condemn(LinkEnd::Timeout);
            }
        }
    }
}

impl<T: Recipient> Contained for Pool<T> {
    fn site(&self) -> PanicSite {
        PanicSite::Member
    }

    /// Retries the duties after a panic at the next check.
    fn panicked(&self) {
        self.event_loop.arm(self.key.get(), self.event_loop.now() + LOOK_EVERY);
    }
}

impl<T: Recipient> Registered for Pool<T> {
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        may_panic("pool.look");
        if let Some(cause) = self.health.sends_away() {
            self.send_away(cause);
        }
        self.leave_to_another();
        self.close_idle(now);
        // While the process catches up after a standstill, answers may be waiting to be read.
        if self.event_loop.lenient_until(now).is_none() {
            self.give_up_waiting(now);
            self.end_silent(now);
            self.check_silence(now);
        }
        self.rescue(now);
        self.relieve(now);
        let me = self.me.upgrade()?;
        while let Some(link) = self.next_rested(now) {
            me.end_rest(&link, now);
        }
        let is_empty = self.scheduler.borrow().used() == 0 && self.scheduler.borrow().waiting() == 0;
        // Nothing is left to do for a member that was removed.
        if self.health.is_retired() && is_empty {
            self.leave();
        } else {
            me.give_back();
            me.open_more(now);
            me.use_idle(now);
            me.lend(now);
        }
        None
    }

    fn on_drain(&self) {
        may_panic("pool.drain");
        let idle = self.scheduler.borrow().idle_since(Nanos::MAX);
        for link in idle {
            self.scheduler.borrow_mut().close_to_new(link.id);
            link.condemn(LinkEnd::Finished);
        }
    }

    fn on_reconfigure(&self) {}

    fn on_kill(&self) {
        may_panic("pool.kill");
        let links: Vec<_> = self.scheduler.borrow().links().cloned().collect();
        links.iter().for_each(|link| link.condemn(LinkEnd::Abandoned));
    }
}
