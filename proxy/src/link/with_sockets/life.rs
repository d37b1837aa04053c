//! The lives of links: how each link begins, and what becomes of its exchanges when it ends.
//!
//! `Exchange::fate` decides the fate of an exchange, and this file carries it out.

use std::future::poll_fn;
use std::rc::Rc;

use crate::backend::{Failure, HealthChange};
use crate::cause::Cause;
use crate::event_loop::{Nanos, PanicSite, Registered, may_panic};
use crate::link::connect::{self, Connecting, connect, count_failure};
use crate::link::dedicated::passage::Passage;
use crate::link::driver::Link;
use crate::link::pipeline::exchange::{Fate, Request, Slot};
use crate::link::pipeline::queue::Broken;
use crate::link::scheduler::SeatId;
use crate::link::scheduler::lines::Want;
use crate::metrics::{AttemptCode, LinkClose, LinkState, RetryReason, RetryResult};
use crate::stream::Stream;

use super::lending::TunnelPlace;
use super::{Receiver, Shelf, Waiter};

/// How the life of a link ended.
enum End<T: Receiver> {
    /// It could not be connected: why, and since when that was tried.
    NotConnected(Cause, Nanos),
    /// Its descriptor is closed.
    Ended(Rc<Link<T>>, Broken),
    /// It has become a tunnel.
    Switched { link: Rc<Link<T>>, stream: Stream, taker: T },
    /// Nobody knows how far it came.
    Panicked,
}

impl<T: Receiver> Shelf<T> {
    /// The life of one link, from connecting to its end. However it ends, its seat is free then. Tells whether it began.
    pub(super) async fn live(self: Rc<Self>, seat: SeatId, connecting: Connecting) -> bool {
        let life = async {
            match self.attempt(seat, connecting).await {
                Ok(link) => self.serve(&link).await,
                Err((cause, began)) => End::NotConnected(cause, began),
            }
        };
        let end = self.event_loop.contain_task(PanicSite::Link, life).await.unwrap_or(End::Panicked);
        let began = matches!(end, End::Ended(..) | End::Switched { .. });
        self.event_loop.contain(PanicSite::Link, || self.after(seat, end));
        began
    }

    /// Gives back what an ended link had, to whomever it belongs.
    fn after(self: &Rc<Self>, seat: SeatId, end: End<T>) {
        match end {
            End::NotConnected(cause, began) => self.connect_failed(seat, cause, began),
            End::Ended(link, why) => self.ended(&link, why),
            End::Switched { link, stream, taker } => self.switched(&link, stream, &taker),
            End::Panicked => {
                let link = self.pool.borrow().link(seat).cloned();
                let Some(link) = link else {
                    self.pool.borrow_mut().closed(seat);
                    self.give_back();
                    return self.open_more(self.event_loop.now());
                };
                link.hang_up();
                self.ended(&link, Broken::Panicked);
            }
        }
    }

    /// Connects a link for this seat; else tells why it could not, and since when it tried.
    async fn attempt(
        self: &Rc<Self>,
        seat: SeatId,
        connecting: Connecting,
    ) -> Result<Rc<Link<T>>, (Cause, Nanos)> {
        let settings = self.settings.borrow().clone();
        let began = self.event_loop.update_now();
        let connected = connect(&self.address, &settings, &self.local).await;
        let now = self.event_loop.update_now();
        may_panic("link.connecting");
        drop(connecting);
        let stream = connected.map(Stream::Plain).map_err(|cause| (cause, began))?;
        self.backend_cells.connect_duration.observe_nanos(now - began);
        Ok(Link::new(self, seat, stream))
    }

    async fn serve(self: &Rc<Self>, link: &Rc<Link<T>>) -> End<T> {
        self.connected(link, self.event_loop.now());
        let why = poll_fn(|cx| link.poll(cx)).await;
        match link.take_over().filter(|_| why == Broken::Switched) {
            Some((stream, taker)) => End::Switched { link: link.clone(), stream, taker },
            None => {
                link.part().await;
                may_panic("link.parted");
                End::Ended(link.clone(), why)
            }
        }
    }

    fn connected(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        self.cells.opened.inc();
        self.cells.connections[LinkState::Idle].inc();
        connect::show(self.health.connected(), &self.cells);
        self.pool.borrow_mut().connected(link.seat, link.clone(), now);
        may_panic("link.connected");
        self.dispatch(link, now);
        self.use_idle(now);
        if self.is_leaving() {
            self.on_drain();
        }
        self.close_surplus();
    }

    /// Those who wait go to another member. Where none answers, they wait until this one does, or their time is over.
    fn connect_failed(self: &Rc<Self>, seat: SeatId, cause: Cause, began: Nanos) {
        count_failure(&self.cells, cause);
        let now = self.event_loop.now();
        self.pool.borrow_mut().not_connected(seat, now);
        self.give_back();
        if cause != Cause::ConnectNoPort {
            self.proof.away(std::time::Instant::now());
            self.heed_proof();
        }
        let alone = self.pool.borrow().used() == 0;
        let unwanted = self.health.is_retired();
        let after = self.health.failed(Failure { cause, began, alone, unwanted });
        connect::show(after.change, &self.cells);
        if after.change == Some(HealthChange::Down) {
            let shelf = self.clone();
            self.event_loop.spawn_duty(move || shelf.clone().recover());
        }
        if after.send_away {
            self.send_away(cause);
        }
        self.open_more(now);
        self.use_idle(now);
    }

    /// Nobody waits here any more: they go to another member, or fail where that would not help.
    pub(super) fn send_away(&self, cause: Cause) {
        let waiting = self.pool.borrow_mut().remove_waiting(|_| true);
        self.show_waiting();
        for Waiter { to, request, head } in waiting {
            if cause.is_of_member() {
                self.count_retry(RetryReason::Connect, RetryResult::Ok);
                self.tell(&to, |to| to.again(request, head.take(), cause));
            } else {
                self.count_retry(RetryReason::Connect, RetryResult::NotAllowed);
                self.tell(&to, |to| to.failed(&request, cause, false));
            }
        }
    }

    async fn recover(self: Rc<Self>) {
        connect::recover(&self.health, &self.event_loop, async || self.clone().try_again().await).await;
    }

    /// One attempt to connect to a member that is down. That link is the first of its new pool. Tells whether it began.
    async fn try_again(self: Rc<Self>) -> bool {
        may_panic("shelf.recover");
        let seat = self.pool.borrow_mut().claim();
        if let Some(seat) = seat {
            return self.clone().live(seat, Connecting::enter(&self.cells)).await;
        }
        // Another worker has all the links that there may be. That the member answers must be seen all the same, for all.
        let settings = self.settings.borrow().clone();
        match connect(&self.address, &settings, &self.local).await {
            Ok(_) => connect::show(self.health.answered(), &self.cells),
            Err(cause) => count_failure(&self.cells, cause),
        }
        self.event_loop.update_now();
        false
    }

    /// A link has ended, and its descriptor is closed.
    fn ended(self: &Rc<Self>, link: &Rc<Link<T>>, why: Broken) {
        let fates = link.queue.borrow_mut().end(why);
        link.count_held();
        self.event_loop.contain(PanicSite::Link, || self.judge_end(link, why, &fates));
        self.cells.connections[link.shown()].dec();
        self.cells.closed[self.close_reason(link, why, fates.is_empty())].inc();
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.pool.borrow_mut().closed(link.seat);
        self.give_back();
        let again = |(_, fate): &(Slot<T>, Fate)| matches!(fate, Fate::Replay { sent: true, .. });
        if why == Broken::Closed && fates.iter().any(again) {
            self.pool.borrow_mut().lost(self.event_loop.now());
        }
        for (slot, fate) in fates.into_iter().rev() {
            let client = slot.ticket.clone();
            let met = self.event_loop.contain(PanicSite::Client, || self.meet(link, slot, fate));
            client.filter(|_| met.is_none()).iter().for_each(Receiver::panicked);
        }
        // What was counted and never came to its queue, or was lost on the way out of it.
        let lost = link.counted.take();
        self.cells.in_flight.add(-i64::from(lost));
        self.cells.requests[AttemptCode::None].add(lost.into());
        self.open_more(self.event_loop.now());
    }

    fn close_reason(&self, link: &Link<T>, why: Broken, idle: bool) -> LinkClose {
        match why {
            Broken::Closed if idle => LinkClose::Origin,
            Broken::Closed if link.queue.borrow().answered() > 0 => LinkClose::Stale,
            Broken::Closed | Broken::Timeout | Broken::Panicked => LinkClose::Error,
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

    fn meet(&self, link: &Link<T>, slot: Slot<T>, fate: Fate) {
        self.left(link);
        self.cells.requests[AttemptCode::None].inc();
        let Some(client) = slot.ticket else { return };
        link.assert_free();
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

    /// An exchange is on this link no longer.
    pub(super) fn left(&self, link: &Link<T>) {
        self.cells.in_flight.dec();
        link.counted.set(link.counted.get() - 1);
    }

    pub(in crate::link) fn exchange_ended(&self, link: &Link<T>, slot: &Slot<T>, status: u16) {
        self.left(link);
        self.cells.requests[AttemptCode::of(status)].inc();
        let sent = slot.sent_at.max(slot.queued_at);
        self.backend_cells.response_duration.observe_nanos(slot.first_byte.saturating_sub(sent));
    }

    pub(super) fn count_retry(&self, reason: RetryReason, result: RetryResult) {
        self.backend_cells.retries[reason][result].inc();
    }
}

// Links that become tunnels, and members that speak HTTP/1.0.

impl<T: Receiver> Shelf<T> {
    /// Whether the member spoke HTTP/1.0 when it last answered.
    #[must_use]
    pub fn speaks_old(&self) -> bool {
        self.manners.get().is_old(self.event_loop.now())
    }

    /// Others are not to wait behind it; and nothing is put behind anything on a link to a member of HTTP/1.0.
    pub(super) fn goes_alone(&self, request: &Request) -> bool {
        let pool = self.pool.borrow();
        self.manners.get().is_old(self.event_loop.now())
            || pool.depth.goes_alone(request.route)
            || pool.is_of_holders(request.route)
    }

    /// A place for one more link that may become a tunnel, if there is one.
    #[must_use]
    pub fn tunnel_place(&self) -> Option<TunnelPlace> {
        TunnelPlace::take(&self.loans, self.settings.borrow().links.max_tunnels as usize)
    }

    /// A link has become a tunnel. It leaves its pool, and is no longer ours to close.
    pub(super) fn switched(self: &Rc<Self>, link: &Link<T>, stream: Stream, taker: &T) {
        link.show(LinkState::Tunnel);
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.pool.borrow_mut().closed(link.seat);
        self.give_back();
        let passage = Passage::new(stream, &self.cells);
        self.tell(taker, |taker| taker.switched(passage));
        self.open_more(self.event_loop.now());
    }
}
