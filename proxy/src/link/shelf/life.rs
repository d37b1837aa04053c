//! The lives of links: how each begins, and what becomes of its exchanges when it ends.
//! In: sockets that connected or did not, and links that ended. Out: fates met, seats freed, members up or down.
//! Decides little: `Exchange::fate` says what becomes of an exchange.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use super::{Receiver, Shelf, Waiter};
use crate::cause::Cause;
use crate::link::connect::{connect, count_failure};
use crate::link::driver::Link;
use crate::link::exchange::{Fate, Slot};
use crate::link::lines::Want;
use crate::link::pool::SeatId;
use crate::link::queue::Broken;
use crate::metrics::{AttemptCode, LinkClose, LinkState, RetryReason, RetryResult};
use crate::turn::{Nanos, Resident};

impl<T: Receiver> Shelf<T> {
    /// The life of one link, from connecting to its end.
    pub(super) async fn live(self: Rc<Self>, seat: SeatId) {
        if let Some(link) = self.attempt(seat).await {
            self.serve(&link).await;
        }
    }

    /// Connects a link for this seat, which it gives back where that fails.
    async fn attempt(self: &Rc<Self>, seat: SeatId) -> Option<Rc<Link<T>>> {
        let settings = self.settings.borrow().clone();
        let began = self.turn.tick();
        let connected = connect(&self.address, &settings, &self.local).await;
        let now = self.turn.tick();
        self.cells.connections[LinkState::Connecting].dec();
        match connected {
            Ok(socket) => {
                self.backend_cells.connect_duration.observe_nanos(now - began);
                Some(Link::new(self, seat, socket))
            }
            Err(cause) => {
                self.connect_failed(seat, cause);
                None
            }
        }
    }

    async fn serve(self: &Rc<Self>, link: &Rc<Link<T>>) {
        self.connected(link, self.turn.now());
        let why = poll_fn(|cx| link.poll(cx)).await;
        match link.take_over().filter(|_| why == Broken::Switched) {
            Some((socket, taker)) => self.switched(link, socket, &taker),
            None => {
                link.part().await;
                self.ended(link, why);
            }
        }
    }

    fn connected(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        self.cells.opened.inc();
        self.cells.connections[LinkState::Idle].inc();
        self.health.answered(&self.cells);
        self.pool.borrow_mut().connected(link.seat, link.clone(), now);
        self.dispatch(link, now);
        self.use_idle(now);
        if self.is_leaving() {
            self.drain();
        }
        self.close_surplus();
    }

    fn connect_failed(self: &Rc<Self>, seat: SeatId, cause: Cause) {
        count_failure(&self.cells, cause);
        let now = self.turn.now();
        let mut pool = self.pool.borrow_mut();
        pool.not_connected(seat, now);
        drop(pool);
        self.give_back();
        let mut pool = self.pool.borrow_mut();
        let alone = pool.used() == 0;
        let moved = if alone { pool.remove_waiting(|_| true) } else { Vec::new() };
        drop(pool);
        self.show_waiting();
        if cause != Cause::ConnectNoPort {
            self.proof.away(std::time::Instant::now());
            self.heed_proof();
        }
        // What we lack ourselves is not the member's fault, and would be lacking for the next one, too.
        let ours = cause == Cause::ConnectNoPort;
        if alone && !ours && !self.retired.get() && self.health.failed(&self.cells) {
            tokio::task::spawn_local(self.clone().recover());
        }
        for Waiter { to, request, head } in moved {
            if ours {
                self.count_retry(RetryReason::Connect, RetryResult::NotAllowed);
                to.failed(&request, cause, false);
            } else {
                self.count_retry(RetryReason::Connect, RetryResult::Ok);
                to.again(request, head, cause);
            }
        }
        self.open_more(now);
        self.use_idle(now);
    }

    /// Connects again and again, ever less often, until the member answers. That link is the first of its new pool.
    async fn recover(self: Rc<Self>) {
        let mut pause = Duration::from_millis(100);
        while !self.health.is_up() && !self.is_leaving() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
            let seat = self.pool.borrow_mut().claim();
            let Some(seat) = seat else {
                // Another worker has all the links that there may be. That the member answers must be seen all the same.
                self.knock().await;
                continue;
            };
            self.cells.connections[LinkState::Connecting].inc();
            if let Some(link) = self.attempt(seat).await {
                return self.serve(&link).await;
            }
        }
    }

    /// Connects only to see whether the member answers, for all workers.
    async fn knock(&self) {
        let settings = self.settings.borrow().clone();
        match connect(&self.address, &settings, &self.local).await {
            Ok(_) => self.health.answered(&self.cells),
            Err(cause) => count_failure(&self.cells, cause),
        }
        self.turn.tick();
    }

    /// A link has ended, and its descriptor is closed.
    fn ended(self: &Rc<Self>, link: &Rc<Link<T>>, why: Broken) {
        let fates = link.queue.borrow_mut().end(why);
        self.judge_end(link, why, &fates);
        self.cells.connections[link.shown()].dec();
        self.cells.closed[self.close_reason(link, why, fates.is_empty())].inc();
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.pool.borrow_mut().closed(link.seat);
        self.give_back();
        for (slot, fate) in fates.into_iter().rev() {
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
            Broken::Abandoned | Broken::Switched => LinkClose::ClientAbort,
            Broken::Finished if link.queue.borrow().is_leaving() => LinkClose::Rescue,
            Broken::Finished if link.kept.get() => LinkClose::Pinned,
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
                // Of a conversation more may have been asked than one error can answer.
                request.body |= slot.body_begun && !request.streams;
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

    pub(in crate::link) fn exchange_ended(&self, slot: &Slot<T>, status: u16) {
        self.cells.in_flight.dec();
        self.cells.requests[AttemptCode::of(status)].inc();
        let sent = slot.sent_at.max(slot.queued_at);
        self.backend_cells.response_duration.observe_nanos(slot.first_byte.saturating_sub(sent));
    }

    pub(super) fn count_retry(&self, reason: RetryReason, result: RetryResult) {
        self.backend_cells.retries[reason][result].inc();
    }
}
