//! The lives of links: how each link begins, and what becomes of its exchanges when it ends.
//!
//! `InFlight::fate` decides the fate of an exchange, and this file carries it out.

use std::future::poll_fn;
use std::rc::Rc;

use crate::backend::{Failure, HealthChange};
use crate::cause::Cause;
use crate::event_loop::{Nanos, PanicSite, Registered, may_panic};
use crate::link::connect::{self, Connecting, connect, count_failure};
use crate::link::connection::Link;
use crate::link::dedicated::upgraded_link::UpgradedLink;
use crate::link::pipeline::exchange::{Exchange, Fate, Slot};
use crate::link::pipeline::queue::LinkEnd;
use crate::link::scheduler::LinkId;
use crate::link::scheduler::wait_queue::Sharing;
use crate::metrics::{AttemptCode, LinkClose, LinkState, RetryReason, RetryResult};
use crate::stream::Stream;

use super::lending::TunnelPermit;
use super::{Pool, Recipient, Waiter};

/// How the life of a link ended.
enum LifeEnd<T: Recipient> {
    /// It could not be connected: why, and since when that was tried.
    NotConnected(Cause, Nanos),
    /// Its descriptor is closed.
    Ended(Rc<Link<T>>, LinkEnd),
    /// It has become a tunnel.
    Switched { link: Rc<Link<T>>, stream: Stream, taker: T },
    /// Nobody knows how far it came.
    Panicked,
}

impl<T: Recipient> Pool<T> {
    /// The life of one link, from connecting to its end. However it ends, its entry is free then. Tells whether it began.
    pub(super) async fn live(self: Rc<Self>, id: LinkId, connecting: Connecting) -> bool {
        let life = async {
            match self.attempt(id, connecting).await {
                Ok(link) => self.serve(&link).await,
                Err((cause, began)) => LifeEnd::NotConnected(cause, began),
            }
        };
        let end = self.event_loop.contain_task(PanicSite::Link, life).await.unwrap_or(LifeEnd::Panicked);
        let began = matches!(end, LifeEnd::Ended(..) | LifeEnd::Switched { .. });
        self.event_loop.contain(PanicSite::Link, || self.after(id, end));
        began
    }

    /// Gives back what an ended link had, to whomever it belongs.
    fn after(self: &Rc<Self>, id: LinkId, end: LifeEnd<T>) {
        match end {
            LifeEnd::NotConnected(cause, began) => self.connect_failed(id, cause, began),
            LifeEnd::Ended(link, why) => self.ended(&link, why),
            LifeEnd::Switched { link, stream, taker } => self.switched(&link, stream, &taker),
            LifeEnd::Panicked => {
                let link = self.scheduler.borrow().link(id).cloned();
                let Some(link) = link else {
                    self.scheduler.borrow_mut().closed(id);
                    self.give_back();
                    return self.open_more(self.event_loop.now());
                };
                link.hang_up();
                self.ended(&link, LinkEnd::Panicked);
            }
        }
    }

    /// Connects a link for this entry; else tells why it could not, and since when it tried.
    async fn attempt(
        self: &Rc<Self>,
        id: LinkId,
        connecting: Connecting,
    ) -> Result<Rc<Link<T>>, (Cause, Nanos)> {
        let settings = self.settings.borrow().clone();
        let began = self.event_loop.update_now();
        let connected = connect(&self.address, &settings, &self.local).await;
        let now = self.event_loop.update_now();
        may_panic("link.connecting");
        drop(connecting);
        let stream = connected.map_err(|cause| (cause, began))?;
        self.backend_cells.connect_duration.observe_nanos(now - began);
        Ok(Link::new(self, id, stream))
    }

    async fn serve(self: &Rc<Self>, link: &Rc<Link<T>>) -> LifeEnd<T> {
        self.connected(link, self.event_loop.now());
        let why = poll_fn(|cx| link.poll(cx)).await;
        match link.take_over().filter(|_| why == LinkEnd::Switched) {
            Some((stream, taker)) => LifeEnd::Switched { link: link.clone(), stream, taker },
            None => {
                link.part().await;
                may_panic("link.parted");
                LifeEnd::Ended(link.clone(), why)
            }
        }
    }

    fn connected(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        self.cells.opened.inc();
        self.cells.connections[LinkState::Idle].inc();
        connect::show(self.health.connected(), &self.cells);
        self.scheduler.borrow_mut().connected(link.id, link.clone(), now);
        may_panic("link.connected");
        self.dispatch(link, now);
        self.use_idle(now);
        if self.is_leaving() {
            self.on_drain();
        }
        self.close_surplus();
    }

    /// Those who wait go to another member. Where none answers, they wait until this one does, or their time is over.
    fn connect_failed(self: &Rc<Self>, id: LinkId, cause: Cause, began: Nanos) {
        count_failure(&self.cells, cause);
        let now = self.event_loop.now();
        self.scheduler.borrow_mut().not_connected(id, now);
        self.give_back();
        if cause != Cause::ConnectNoPort {
            self.proof.away(crate::event_loop::clock());
            self.heed_proof();
        }
        let alone = self.scheduler.borrow().used() == 0;
        let unwanted = self.health.is_retired();
        let after = self.health.failed(Failure { cause, began, alone, unwanted });
        connect::show(after.change, &self.cells);
        if after.change == Some(HealthChange::Down) {
            let pool = self.clone();
            self.event_loop.spawn_duty(move || pool.clone().recover());
        }
        if after.send_away {
            self.send_away(cause);
        }
        self.open_more(now);
        self.use_idle(now);
    }

    /// Nobody waits here any more: they go to another member, or fail where that would not help.
    pub(super) fn send_away(&self, cause: Cause) {
        let waiting = self.scheduler.borrow_mut().remove_waiting(|_| true);
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
        may_panic("pool.recover");
        let id = self.scheduler.borrow_mut().claim();
        if let Some(id) = id {
            return self.clone().live(id, Connecting::enter(&self.cells)).await;
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
    fn ended(self: &Rc<Self>, link: &Rc<Link<T>>, why: LinkEnd) {
        let fates = link.queue.borrow_mut().end(why);
        link.count_held();
        self.event_loop.contain(PanicSite::Link, || self.judge_end(link, why, &fates));
        self.cells.connections[link.shown()].dec();
        self.cells.closed[self.close_reason(link, why, fates.is_empty())].inc();
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.scheduler.borrow_mut().closed(link.id);
        self.give_back();
        let again = |(_, fate): &(Slot<T>, Fate)| matches!(fate, Fate::Replay { sent: true, .. });
        if why == LinkEnd::Closed && fates.iter().any(again) {
            self.scheduler.borrow_mut().lost(self.event_loop.now());
        }
        for (slot, fate) in fates.into_iter().rev() {
            let client = slot.recipient.clone();
            let met = self.event_loop.contain(PanicSite::Client, || self.apply_fate(link, slot, fate));
            client.filter(|_| met.is_none()).iter().for_each(Recipient::panicked);
        }
        // What was counted and never came to its queue, or was lost on the way out of it.
        let lost = link.counted.take();
        self.cells.in_flight.add(-i64::from(lost));
        self.cells.requests[AttemptCode::None].add(lost.into());
        self.open_more(self.event_loop.now());
    }

    fn close_reason(&self, link: &Link<T>, why: LinkEnd, idle: bool) -> LinkClose {
        match why {
            LinkEnd::Closed if idle => LinkClose::Origin,
            LinkEnd::Closed if link.queue.borrow().answered() > 0 => LinkClose::Stale,
            LinkEnd::Closed | LinkEnd::Timeout | LinkEnd::Panicked => LinkClose::Error,
            LinkEnd::Desync(_) => LinkClose::Desync,
            LinkEnd::Abandoned | LinkEnd::Switched => LinkClose::ClientAbort,
            LinkEnd::Finished if link.queue.borrow().is_leaving() => LinkClose::Rescue,
            LinkEnd::Finished if link.kept.get() => LinkClose::Pinned,
            LinkEnd::Finished if link.expired.get() => LinkClose::Idle,
            LinkEnd::Finished if self.is_leaving() => LinkClose::Drain,
            LinkEnd::Finished if self.settings.borrow().links.max_requests.is_some() => {
                LinkClose::MaxRequests
            }
            LinkEnd::Finished if self.settings.borrow().links.max_age.is_some() => LinkClose::MaxAge,
            LinkEnd::Finished => LinkClose::Origin,
        }
    }

    fn apply_fate(&self, link: &Link<T>, slot: Slot<T>, fate: Fate) {
        self.left(link);
        self.cells.requests[AttemptCode::None].inc();
        let Some(client) = slot.recipient else { return };
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
                request.sharing = Sharing::Fresh;
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

impl<T: Recipient> Pool<T> {
    /// Whether the member spoke HTTP/1.0 when it last answered.
    #[must_use]
    pub fn is_http10(&self) -> bool {
        self.member_traits.get().is_old(self.event_loop.now())
    }

    /// Others are not to wait behind it; and nothing is put behind anything on a link to a member of HTTP/1.0.
    pub(super) fn goes_alone(&self, request: &Exchange) -> bool {
        let scheduler = self.scheduler.borrow();
        self.member_traits.get().is_old(self.event_loop.now())
            || scheduler.depth.goes_alone(request.class)
            || scheduler.is_of_holders(request.class)
    }

    /// A place for one more link that may become a tunnel, if there is one.
    #[must_use]
    pub fn tunnel_permit(&self) -> Option<TunnelPermit> {
        TunnelPermit::take(&self.loans, self.settings.borrow().links.max_tunnels as usize)
    }

    /// A link has become a tunnel. It leaves its pool, and is no longer ours to close.
    pub(super) fn switched(self: &Rc<Self>, link: &Link<T>, stream: Stream, taker: &T) {
        link.show(LinkState::Tunnel);
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.scheduler.borrow_mut().closed(link.id);
        self.give_back();
        let upgraded = UpgradedLink::new(stream, &self.cells);
        self.tell(taker, |taker| taker.switched(upgraded));
        self.open_more(self.event_loop.now());
    }
}
