//! What becomes of a link that has ended, and of the exchanges that were in flight on it.
//! In: the link and why it ended. Out: each exchange told its fate, once and in order; both counted.
//! Knows nothing of what comes next; `open_more` sees to those who wait.

use std::rc::Rc;

use crate::cause::Cause;
use crate::metrics::{AttemptCode, LinkClose, RetryReason, RetryResult};

use super::super::driver::Link;
use super::super::exchange::{Fate, Slot};
use super::super::lines::Want;
use super::super::queue::Broken;
use super::{Receiver, Shelf};

impl<T: Receiver> Shelf<T> {
    /// A link has ended, and its descriptor is closed.
    pub(super) fn ended(self: &Rc<Self>, link: &Rc<Link<T>>, why: Broken) {
        let fates = link.queue.borrow_mut().end(why);
        self.cells.connections[link.shown()].dec();
        self.cells.closed[self.close_reason(link, why, fates.is_empty())].inc();
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.pool.borrow_mut().closed(link.seat);
        for (slot, fate) in fates {
            self.meet(slot, fate);
        }
        self.open_more(self.turn.now());
    }

    fn close_reason(&self, link: &Link<T>, why: Broken, idle: bool) -> LinkClose {
        match why {
            Broken::Closed if idle => LinkClose::Origin,
            Broken::Closed if link.queue.borrow().answered() > 0 => LinkClose::Stale,
            Broken::Closed | Broken::Timeout => LinkClose::Error,
            Broken::Desync(_) => LinkClose::Desync,
            Broken::Abandoned => LinkClose::ClientAbort,
            Broken::Finished if link.expired.get() => LinkClose::Idle,
            Broken::Finished if self.is_leaving() => LinkClose::Drain,
            Broken::Finished if self.settings.borrow().links.max_requests.is_some() => LinkClose::MaxRequests,
            Broken::Finished if self.settings.borrow().links.max_age.is_some() => LinkClose::MaxAge,
            Broken::Finished => LinkClose::Origin,
        }
    }

    fn meet(&self, slot: Slot<T>, fate: Fate) {
        self.cells.in_flight.dec();
        self.cells.requests[AttemptCode::None].inc();
        let Some(client) = slot.ticket else { return };
        let mut request = slot.request;
        match fate {
            Fate::Nobody => {}
            Fate::Cut(cause) => client.failed(&request, cause, true),
            Fate::Fail(cause) => {
                if matches!(cause, Cause::StaleNonidempotent) {
                    self.count_retry(RetryReason::Stale, RetryResult::NotAllowed);
                }
                client.failed(&request, cause, false);
            }
            Fate::Replay { head, sent } => {
                self.count_retry(RetryReason::Stale, RetryResult::Ok);
                request.replayed |= sent;
                request.want = Want::Fresh;
                client.again(request, head, Cause::BackendReset);
            }
        }
    }
}
