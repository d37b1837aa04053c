//! Runs links from connecting to their end, and handles the exchanges that an ended link leaves.
//!
//! `InFlight::fate` decides the fate of an exchange, and this file carries it out.

use std::future::poll_fn;
use std::rc::Rc;

use crate::backend::Failure;
use crate::cause::Cause;
use crate::event_loop::{Nanos, PanicSite, Registered, may_panic};
use crate::link::connect::{self, Connecting, connect, count_failure};
use crate::link::dedicated::upgraded_link::UpgradedLink;
use crate::link::pipeline::exchange::{Exchange, Fate, Slot, Upload};
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::pool::link::Link;
use crate::link::scheduler::LinkId;
use crate::link::scheduler::wait_queue::Sharing;
use crate::metrics::{AttemptCode, LinkClose, LinkState, RequestFailure, RetryReason, RetryResult};
use crate::stream::Stream;

use super::lending::TunnelPermit;
use super::{Pool, Recipient, Waiter};

/// The way in which the life of a link ended.
enum LifeEnd<T: Recipient> {
    /// The link could not be connected: the cause, and the time at which the attempt began.
    NotConnected(Cause, Nanos),
    /// The link's descriptor is closed.
    Ended(Rc<Link<T>>, LinkEnd),
    /// The link has become a tunnel.
    Switched { link: Rc<Link<T>>, stream: Stream, taker: T },
    /// The task panicked, perhaps before the link was in the pool.
    Panicked,
}

impl<T: Recipient> Pool<T> {
    /// Runs one link from connecting to its end, and returns whether it was connected. However it ends, its
    /// entry is free afterwards.
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

    /// Returns everything that an ended link had.
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
                link.close_socket();
                self.ended(&link, LinkEnd::Panicked);
            }
        }
    }

    /// Connects a link for this entry, or returns the cause of the failure and the time at which the attempt
    /// began.
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
        // The drain began while the link was connecting.
        if self.is_leaving() {
            self.on_drain();
        }
        self.close_surplus();
    }

    /// Handles a failed attempt. Waiting requests go to another member, or wait on until this one answers or
    /// their time is over if no member answers.
    fn connect_failed(self: &Rc<Self>, id: LinkId, cause: Cause, began: Nanos) {
        count_failure(&self.cells, cause);
        let now = self.event_loop.now();
        self.scheduler.borrow_mut().not_connected(id, now);
        self.give_back();
        // A missing local port says nothing about the member.
        if cause != Cause::ConnectNoPort {
            self.proof.away(crate::event_loop::clock());
            self.apply_proof();
        }
        let alone = self.scheduler.borrow().used() == 0;
        let unwanted = self.health.is_retired();
        let after = self.health.failed(Failure { cause, began, alone, unwanted });
        connect::show(after.change, &self.cells);
        if after.recovers {
            let pool = self.clone();
            self.event_loop.spawn_duty(move || pool.clone().recover());
        }
        if after.send_away {
            self.send_away(cause);
        }
        self.open_more(now);
        self.use_idle(now);
    }

    /// Moves all waiting requests to another member, or fails them if that would not help.
    pub(super) fn send_away(&self, cause: Cause) {
        for Waiter { to, request, head } in self.take_waiting() {
            // Another member may be reachable; a local fault would meet it, too.
            if cause.is_of_member() {
                self.count_retry(RetryReason::Connect, RetryResult::Ok);
                self.notify(&to, |to| to.again(request, head.take(), cause));
            } else {
                self.count_retry(RetryReason::Connect, RetryResult::NotAllowed);
                self.notify(&to, |to| to.failed(&request, cause, false));
            }
        }
    }

    async fn recover(self: Rc<Self>) {
        connect::recover(&self.health, &self.event_loop, async || self.clone().try_again().await).await;
    }

    /// Makes one attempt to connect to a member that is down, and returns whether it succeeded. The link is
    /// the first of the pool again.
    async fn try_again(self: Rc<Self>) -> bool {
        may_panic("pool.recover");
        let id = self.scheduler.borrow_mut().claim();
        if let Some(id) = id {
            return self.clone().live(id, Connecting::enter(&self.cells)).await;
        }
        // Links of this worker, or attempts to open them, show by themselves whether the member answers.
        if self.scheduler.borrow().used() > 0 {
            return false;
        }
        // Other workers have all the links that there may be. The attempt must be made nevertheless, so that
        // all workers see when the member answers.
        let settings = self.settings.borrow().clone();
        match connect(&self.address, &settings, &self.local).await {
            Ok(_) => connect::show(self.health.answered(), &self.cells),
            Err(cause) => count_failure(&self.cells, cause),
        }
        self.event_loop.update_now();
        false
    }

    /// Handles a link that has ended and whose descriptor is closed.
    fn ended(self: &Rc<Self>, link: &Rc<Link<T>>, why: LinkEnd) {
        let fates = link.queue.borrow_mut().end(why);
        link.count_held();
        self.event_loop.contain(PanicSite::Link, || self.check_end(link, why, &fates));
        self.count_failures(why, &fates);
        self.cells.connections[link.shown()].dec();
        self.cells.closed[self.close_reason(link, why, fates.is_empty())].inc();
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.scheduler.borrow_mut().closed(link.id);
        self.give_back();
        let again = |(_, fate): &(Slot<T>, Fate)| matches!(fate, Fate::Replay { sent: true, .. });
        // A member that closes used links is probably about to close others.
        if why == LinkEnd::Closed && fates.iter().any(again) {
            self.scheduler.borrow_mut().lost(self.event_loop.now());
        }
        // The last request is handed back first, because each goes to the front of its client.
        for (slot, fate) in fates.into_iter().rev() {
            let client = slot.recipient.clone();
            let met = self.event_loop.contain(PanicSite::Client, || self.apply_fate(link, slot, fate));
            client.filter(|_| met.is_none()).iter().for_each(Recipient::panicked);
        }
        // Exchanges that were counted but never reached their client, or were lost on the way, leave the
        // gauges here.
        let lost = link.counted.take();
        self.cells.in_flight.add(-i64::from(lost));
        self.cells.requests[AttemptCode::None].add(lost.into());
        self.open_more(self.event_loop.now());
    }

    /// Counts the exchanges that the member failed. A late answer speaks against the member also if its client has left. The
    /// replay of an exchange does not: members may close links that were used before.
    fn count_failures(&self, why: LinkEnd, fates: &[(Slot<T>, Fate)]) {
        let is_of_member = matches!(why, LinkEnd::Closed | LinkEnd::Timeout | LinkEnd::Desync(_));
        for (position, (_, fate)) in fates.iter().enumerate().filter(|_| is_of_member) {
            let failure = match fate {
                _ if why == LinkEnd::Timeout && position == 0 => Some(RequestFailure::Timeout),
                Fate::Fail(cause) | Fate::Cut(cause) => failure(*cause),
                Fate::Replay { .. } | Fate::Nobody => None,
            };
            failure.into_iter().for_each(|failure| self.cells.failures[failure].inc());
        }
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
                if slot.talked {
                    request.upload = Upload::Conversation;
                }
                client.failed(&request, cause, false);
            }
            Fate::Replay { head, sent } => {
                self.count_retry(RetryReason::Stale, RetryResult::Ok);
                request.replayed |= sent;
                // An old link may be dying as well, so that the request prefers a new one.
                request.sharing = Sharing::Fresh;
                client.again(request, head, Cause::BackendReset);
            }
        }
    }

    /// Counts an exchange that is no longer on this link.
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

/// Returns the failure of the member that is the cause, if it is one.
const fn failure(cause: Cause) -> Option<RequestFailure> {
    match cause {
        Cause::BackendReset | Cause::StaleNonidempotent | Cause::Truncated => Some(RequestFailure::Reset),
        Cause::BackendTimeout => Some(RequestFailure::Timeout),
        Cause::BadResponse | Cause::ResponseTooLarge => Some(RequestFailure::Invalid),
        _ => None,
    }
}

// Handles links that become tunnels, and members that speak HTTP/1.0.

impl<T: Recipient> Pool<T> {
    /// Returns whether the member spoke HTTP/1.0 when it last answered.
    #[must_use]
    pub fn is_http10(&self) -> bool {
        self.member_traits.get().is_old(self.event_loop.now())
    }

    /// Returns whether a request needs a link to itself, because it would delay others or because the member
    /// speaks HTTP/1.0.
    pub(super) fn goes_alone(&self, request: &Exchange) -> bool {
        let scheduler = self.scheduler.borrow();
        self.member_traits.get().is_old(self.event_loop.now())
            || scheduler.depth.goes_alone(request.class)
            || scheduler.is_of_holders(request.class)
    }

    /// Returns a permit for one more link that may become a tunnel, if one is free.
    #[must_use]
    pub fn tunnel_permit(&self) -> Option<TunnelPermit> {
        TunnelPermit::take(&self.loans, self.settings.borrow().links.max_tunnels as usize)
    }

    /// Handles a link that has become a tunnel. It leaves the pool, which no longer closes it.
    pub(super) fn switched(self: &Rc<Self>, link: &Link<T>, stream: Stream, taker: &T) {
        link.show(LinkState::Tunnel);
        self.backend_cells.connection_requests.observe(link.queue.borrow().answered());
        self.scheduler.borrow_mut().closed(link.id);
        self.give_back();
        let upgraded = UpgradedLink::new(stream, &self.cells);
        self.notify(taker, |taker| taker.switched(upgraded));
        self.open_more(self.event_loop.now());
    }
}
