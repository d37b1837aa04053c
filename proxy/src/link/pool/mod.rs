//! The pooled links of one worker to one member, with their sockets.
//!
//! A pool decides little: `Scheduler` chooses the link of a request, and `Queue` decides the fate of an exchange.

mod deadlines;
pub(super) mod lending;
mod life;
pub(super) mod link;
pub(super) mod proof;
mod rescue;
mod retry_budget;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Health, MemberHealth, MemberPool};
use crate::cause::Cause;
use crate::config::{Address, Backend, QueueLimits};
use crate::event_loop::{Contained, CountedBytes, EventLoop, Nanos, PanicSite, Registered, may_panic, nanos};
use crate::link::connect::{self, Connecting, LocalAddresses};
use crate::link::dedicated::upgraded_link::UpgradedLink;
use crate::link::pipeline::answer::AnswerEnd;
use crate::link::pipeline::exchange::{Exchange, RequestSource};
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::pipeline::member_traits::MemberTraits;
use crate::link::pipeline::sink::Data;
use crate::link::pool::link::{CondemnOnPanic, Link};
use crate::link::scheduler::depth::{Depth, DepthLimit};
use crate::link::scheduler::rights::RightRequest;
use crate::link::scheduler::wait_queue::Sharing;
use crate::link::scheduler::{Acquired, LinkId, Scheduler};
use crate::metrics::{Acquire, BackendCells, DepthReason, HoldReason, LinkState, MemberCells};
use crate::proto::framing::Dialect;
use crate::proto::http::ResponseHead;

use lending::{Account, Loans, Right};
use proof::{Proof, ProofState, Resting};
use retry_budget::RetryBudget;

/// The client of an exchange, as its link and its pool see it.
pub trait Recipient: Clone + 'static {
    /// Appends a head of the answer, also an interim one, as the client gets it. `early` says that the answer ends before all
    /// of the request's content has come, so that the client's connection ends with it.
    ///
    /// # Errors
    /// Fails when the client does not take such an answer; the link ends then.
    fn head(&self, head: &ResponseHead<'_, '_>, early: bool, out: &mut Vec<u8>) -> Result<(), Cause>;
    /// Appends a run of content as the client gets it, or says that it goes out unchanged.
    fn data(&self, bytes: &[u8], out: &mut Vec<u8>) -> Data;
    /// Appends the end of a complete answer of HTTP, with these lines of its trailer section.
    fn end(&self, trailers: &[u8], out: &mut Vec<u8>);
    /// Gives the client everything that `head`, `data` and `end` appended, and then `raw`.
    fn deliver(&self, out: &[u8], raw: &[u8]);
    /// Returns whether the client reads so slowly that no more should be read for it.
    fn is_full(&self) -> bool;
    /// Returns whether the client went away.
    fn is_gone(&self) -> bool;
    /// Returns whether the client has said that it will send no more.
    fn has_ended(&self) -> bool;
    /// Returns whether both belong to the same client.
    fn same(&self, other: &Self) -> bool;
    /// Reports that the request left the wait queue for this link.
    fn placed(&self, link: &Rc<Link<Self>>);
    /// Reports that the answer has ended; `service` is the time that the member took.
    fn ended(&self, request: &Exchange, end: AnswerEnd, service: Nanos);
    /// Reports that the exchange ended badly. `shown` says that the client has seen the start of an answer.
    fn failed(&self, request: &Exchange, cause: Cause, shown: bool);
    /// Asks the client to send the request again, or elsewhere; `cause` is the error of its answer if that cannot be done.
    fn again(&self, request: Exchange, head: Vec<u8>, cause: Cause);
    /// Reports that the link has room for more of the request's body.
    fn writable(&self);
    /// Returns a count that grows with each byte that the client lately sent or got, where the client is slow.
    fn moved(&self) -> u64;
    /// Ends what the client does on the link that it holds, because others wait for the link.
    fn give_way(&self, cause: Cause);
    /// Gives the client the link, because the answer ended HTTP there. The call comes after [`Recipient::ended`].
    fn switched(&self, upgraded: UpgradedLink);
    /// Ends the client, because a call of it has panicked. This must not panic, and must not borrow anything that may be lent
    /// already.
    fn panicked(&self);
}

/// A request that waits for a link.
pub struct Waiter<T> {
    /// The recipient of the answer.
    pub to: T,
    /// The request.
    pub request: Exchange,
    /// The head of the request, as it goes to the member.
    pub head: CountedBytes,
}

/// The part of a member's limits that one worker may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// The number of links of this worker.
    pub links: usize,
    /// The number of links of all workers.
    pub of_all: usize,
    /// The number of requests that may wait on this worker.
    pub waiting: usize,
}

impl Share {
    fn of(self, queue: QueueLimits) -> QueueLimits {
        QueueLimits { max: self.waiting, ..queue }
    }
}

/// The outcome of submitting a request.
pub enum Submitted<T: Recipient> {
    /// The request is on this link.
    On(Rc<Link<T>>),
    /// The request waits; [`Recipient::placed`] reports when it is on a link.
    Waits,
    /// The request is refused, because too many wait.
    Refused,
}

/// The pooled links of one worker to one member.
pub struct Pool<T: Recipient> {
    pub(super) event_loop: Rc<EventLoop>,
    pub(super) address: Address,
    pub(super) cells: Arc<MemberCells>,
    pub(super) backend_cells: Arc<BackendCells>,
    pub(super) settings: RefCell<Arc<Backend>>,
    pub(super) health: MemberHealth,
    pub(super) local: LocalAddresses,
    pub(super) scheduler: RefCell<Scheduler<Rc<Link<T>>, Waiter<T>>>,
    me: Weak<Self>,
    key: Cell<u32>,
    /// The number of waiting requests that the gauge shows.
    waiting: Cell<usize>,
    /// The bytes of the waiting requests.
    waiting_bytes: Rc<Cell<usize>>,
    retry_budget: RefCell<RetryBudget>,
    /// The reason for the depth that the gauge shows.
    depth_reason: Cell<DepthReason>,
    /// The time at which exchanges behind late heads are considered for a rescue.
    rescue_at: Cell<Nanos>,
    /// The time at which the pool next looks for clients that hold links.
    relief_at: Cell<Nanos>,
    /// The time until which classes that hold links are kept short.
    pressed_until: Cell<Nanos>,
    /// The number of waiting clients that have left.
    left: Cell<usize>,
    /// Scratch in which a link notes the classes of the exchanges that end in one read; empty in between.
    pub(super) classes: Cell<Vec<u32>>,
    /// The rights to links that all workers share.
    loans: Arc<Loans>,
    /// The account of this worker with them, by which it gets grants and hears requests.
    account: Arc<Account>,
    /// The number of links that all workers may have.
    cap: Cell<usize>,
    /// The number of those that this worker is entitled to.
    entitled: Cell<usize>,
    /// The number of rights to links that this worker has. The pool may use as many or fewer.
    links: Cell<usize>,
    /// The number of rights that it has to links which their clients keep.
    own: Cell<usize>,
    /// The time of the last grant.
    granted_at: Cell<Nanos>,
    /// The request for a right to a link that this worker has made of others, if it has.
    asks: Cell<Option<RightRequest>>,
    /// A request for a right to a link that its client keeps is pending.
    asks_own: Cell<bool>,
    /// A link of this worker is closing so that another worker gets the right to it.
    lending: Cell<bool>,
    /// The traits of the member, as its last answer showed them.
    pub(super) member_traits: Cell<MemberTraits>,
    /// The verdict, for all workers, whether the member may be pipelined to.
    proof: Arc<Proof>,
    /// The verdict as this worker last applied it.
    standing: Cell<ProofState>,
    /// The `Server` field of the last answer, once there was one.
    server: RefCell<Option<Option<Vec<u8>>>>,
    /// The links that rest after an answer, oldest first.
    resting: RefCell<VecDeque<Resting<T>>>,
    /// A client has spoken another dialect than all do at first.
    bilingual: Cell<bool>,
}

/// The key of a pool that has left the event loop.
const GONE: u32 = u32::MAX;
/// The time, in nanoseconds, of disuse after which an idle link is checked before it is used again: 10 ms. The check costs a
/// system call; without it a request may meet the member's FIN.
const LOOK_AFTER: Nanos = Duration::from_millis(10).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    /// Makes an empty pool for this worker's share of the links to `address`.
    #[must_use]
    pub fn new(
        event_loop: &Rc<EventLoop>,
        settings: &Arc<Backend>,
        address: Address,
        share: Share,
        (health, proof, loans): (Arc<Health>, Arc<Proof>, Arc<Loans>),
        cells: (Arc<BackendCells>, Arc<MemberCells>),
    ) -> Rc<Self> {
        let now = event_loop.update_now();
        let pool = Rc::new_cyclic(|me| Self {
            event_loop: event_loop.clone(),
            address,
            backend_cells: cells.0,
            cells: cells.1,
            scheduler: RefCell::new(Scheduler::new(
                &settings.links,
                &share.of(settings.queue),
                share.links,
                now,
            )),
            settings: RefCell::new(settings.clone()),
            health: MemberHealth::new(health),
            local: LocalAddresses::default(),
            me: me.clone(),
            key: Cell::new(0),
            waiting: Cell::new(0),
            waiting_bytes: Rc::default(),
            retry_budget: RefCell::new(RetryBudget::new(settings.links.rescue_budget)),
            depth_reason: Cell::new(DepthReason::Start),
            rescue_at: Cell::new(Nanos::MAX),
            relief_at: Cell::new(0),
            pressed_until: Cell::new(0),
            left: Cell::new(0),
            classes: Cell::default(),
            account: loans.join(),
            loans,
            cap: Cell::new(0),
            entitled: Cell::new(0),
            links: Cell::new(0),
            own: Cell::new(0),
            granted_at: Cell::new(0),
            asks: Cell::new(None),
            asks_own: Cell::new(false),
            lending: Cell::new(false),
            member_traits: Cell::default(),
            proof,
            standing: Cell::new(ProofState::Unseen),
            server: RefCell::default(),
            resting: RefCell::default(),
            bilingual: Cell::new(false),
        });
        pool.cells.depth_reason[DepthReason::Start].inc();
        pool.key.set(event_loop.register(pool.clone()));
        pool.take_share(share);
        pool.begin_dealing();
        pool.reapply_proof();
        pool
    }

    /// Applies new settings; links that stand stay. Verdicts do not: a configuration that is read again clears them.
    pub fn configure(&self, settings: &Arc<Backend>, share: Share) {
        {
            let mut scheduler = self.scheduler.borrow_mut();
            let (before, owners) = (scheduler.share(), scheduler.owners());
            scheduler.configure(&settings.links, &share.of(settings.queue), share.links);
            scheduler.set_share(before);
            scheduler.set_owners(owners);
            scheduler.forget_learned(self.event_loop.now());
        }
        self.member_traits.set(MemberTraits::default());
        self.bilingual.set(false);
        self.take_share(share);
        self.close_surplus();
        self.retry_budget.borrow_mut().configure(settings.links.rescue_budget);
        *self.settings.borrow_mut() = settings.clone();
        self.reapply_proof();
    }

    /// Closes links above the share: idle ones now, and busy ones when they have carried their exchanges, even if others wait.
    pub(super) fn close_surplus(&self) {
        let surplus = self.scheduler.borrow().surplus();
        surplus.iter().for_each(|link| self.expire(link));
    }

    /// Ends a link that nobody uses, and lets it take no more requests until then.
    fn expire(&self, link: &Link<T>) {
        self.scheduler.borrow_mut().close_to_new(link.id);
        link.expired.set(true);
        link.condemn(LinkEnd::Finished);
    }

    /// Retires the pool of a member that is no longer in the configuration: exchanges end, then the pool leaves. Waiting
    /// requests go to the member that their clients have now, or fail where `changed` says that the backend speaks another
    /// protocol from now on.
    pub fn retire(&self, changed: bool) {
        connect::show(self.health.retire(), &self.cells);
        self.on_drain();
        self.left.set(0);
        if changed {
            for Waiter { to, request, .. } in self.take_waiting() {
                self.notify(&to, |to| to.failed(&request, Cause::NoMember, false));
            }
        } else {
            self.hand_on();
        }
        self.give_up_share();
        self.event_loop.arm(self.key.get(), self.event_loop.now());
    }

    /// Handles a change that a check of the member or its ejection has brought. Nobody uses idle links of a member that is down,
    /// so they close, and those who wait go to a member that is up.
    pub fn health_changed(&self) {
        if !self.health.is_up() {
            let idle = self.scheduler.borrow().idle_since(Nanos::MAX);
            idle.iter().for_each(|link| self.expire(link));
        }
        self.leave_to_another();
    }

    /// Sends those who wait for a link to another member, if that one is up and this one fails its checks or is ejected.
    fn leave_to_another(&self) {
        if self.health.had_better_be_left() {
            self.hand_on();
        }
    }

    /// Has the clients of all who wait choose a member again.
    fn hand_on(&self) {
        for Waiter { to, request, head } in self.take_waiting() {
            self.notify(&to, |to| to.again(request, head.take(), Cause::NoMember));
        }
    }

    fn take_waiting(&self) -> Vec<Waiter<T>> {
        let waiting = self.scheduler.borrow_mut().remove_waiting(|_| true);
        self.show_waiting();
        waiting
    }

    /// Leaves the event loop, since nothing of the pool is left. Should a client of a listener that has gone as well still ask
    /// for something, the pool comes back.
    pub(super) fn leave(&self) {
        self.cells.depth_reason[self.depth_reason.get()].dec();
        self.give_up_share();
        self.loans.leave(&self.account);
        self.event_loop.unregister(self.key.replace(GONE));
        self.account.news.notify_one();
    }

    fn come_back(self: &Rc<Self>) {
        self.cells.depth_reason[self.depth_reason.get()].inc();
        self.key.set(self.event_loop.register(self.clone()));
        self.loans.rejoin(&self.account);
        self.begin_dealing();
    }

    /// Sends a request on a link, or lets it wait for one.
    pub fn submit(
        self: &Rc<Self>,
        to: T,
        mut request: Exchange,
        source: &(impl RequestSource + ?Sized),
    ) -> Submitted<T> {
        if self.key.get() == GONE {
            self.come_back();
        }
        self.apply_proof();
        if request.sharing == Sharing::Shared && self.goes_alone(&request) {
            request.sharing = Sharing::Alone;
        }
        if request.sharing == Sharing::Own && !self.scheduler.borrow().may_keep() {
            self.take_one(Right::Own);
        }
        if let Some((link, how)) = self.place(&request) {
            let half_done = CondemnOnPanic(&link);
            self.count_acquired(&link, how, 0);
            link.submit(to, request, source);
            std::mem::forget(half_done);
            return Submitted::On(link);
        }
        let mut head = Vec::new();
        source.write_http1(&mut head);
        let now = self.event_loop.now();
        may_panic("pool.wait");
        if self.scheduler.borrow().is_full() {
            self.take_one(Right::Link);
        }
        self.make_room(request.source);
        let waiter =
            Waiter { to, request, head: CountedBytes::new(head, &self.event_loop, &self.waiting_bytes) };
        if self.scheduler.borrow_mut().wait(request.demand(), waiter, now).is_err() {
            self.backend_cells.acquires[Acquire::Rejected].inc();
            return Submitted::Refused;
        }
        self.open_more(now);
        Submitted::Waits
    }

    /// Returns whether requests with so many bytes wait for the member that its clients should not send more.
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.waiting_bytes.get() >= self.event_loop.buffers.one_members()
    }

    fn place(&self, request: &Exchange) -> Option<(Rc<Link<T>>, Acquired)> {
        self.scheduler.borrow_mut().tick(self.event_loop.now());
        loop {
            let (id, link, how) = self.choose_link(request)?;
            if how == Acquired::Pipelined {
                let why = match link.is_laden() {
                    true => HoldReason::Full,
                    false if self.is_slow(&link, self.event_loop.now()) => HoldReason::Slow,
                    false => return Some((link, how)),
                };
                self.hold(&link, why);
            } else if self.is_fit(&link, request) {
                return Some((link, how));
            } else {
                self.scheduler.borrow_mut().close_to_new(id);
                link.condemn(Self::unfit(&link));
            }
        }
    }

    /// Chooses a link. Where clients speak two dialects, links that speak that of the request come first.
    fn choose_link(&self, request: &Exchange) -> Option<(LinkId, Rc<Link<T>>, Acquired)> {
        let mut scheduler = self.scheduler.borrow_mut();
        if request.dialect == Dialect::default() && !self.bilingual.get() {
            return scheduler.place(request.demand());
        }
        self.bilingual.set(true);
        scheduler.place_speaking(request.demand(), |link: &Rc<Link<T>>| {
            link.queue.borrow().dialect() == request.dialect
        })
    }

    /// Returns whether an idle link may carry the request. RFC 9112 section 9.3.1: a request that may not be repeated should
    /// not meet a link that is about to be closed. The check costs a system call, so a repeatable request on a link that was
    /// just used goes without it.
    fn is_fit(&self, link: &Rc<Link<T>>, request: &Exchange) -> bool {
        if link.is_condemned() {
            return false;
        }
        let unused = self.event_loop.now().saturating_sub(link.queue.borrow().head_since());
        let careful = unused > LOOK_AFTER || !request.repeatable || link.doubt.get().looks();
        !careful || link.is_quiet()
    }

    pub(super) fn count_acquired(&self, link: &Link<T>, how: Acquired, waited: Nanos) {
        let cells = &self.backend_cells;
        cells.acquires[match how {
            Acquired::Reused => Acquire::Reused,
            Acquired::Opened => Acquire::Opened,
            Acquired::Pipelined => Acquire::Pipelined,
        }]
        .inc();
        cells.pool_wait.observe_nanos(waited);
        cells.pipeline_depth.observe(link.queue.borrow().in_flight() as u64 + 1);
        self.cells.in_flight.inc();
        link.counted.set(link.counted.get() + 1);
        may_panic("pool.acquired");
        self.retry_budget.borrow_mut().earn();
        if how == Acquired::Pipelined {
            self.watch(self.event_loop.now());
        }
        link.show(LinkState::Busy);
        self.bar_if_spent(link);
    }

    /// Closes a link to further requests, if the last one that it may carry is on its way to it.
    fn bar_if_spent(&self, link: &Link<T>) {
        let Some(max) = self.settings.borrow().links.max_requests else { return };
        let queue = link.queue.borrow();
        if queue.answered() + queue.in_flight() as u64 + 1 >= max.get().into() {
            self.scheduler.borrow_mut().close_to_new(link.id);
        }
    }

    /// Opens as many links as the waiting requests should have now.
    fn open_more(self: &Rc<Self>, now: Nanos) {
        loop {
            let id = self.scheduler.borrow_mut().open(now);
            let Some(id) = id else { break };
            self.open(id);
        }
        self.request_rights(now);
        self.show_waiting();
        self.arm(now);
    }

    pub(super) fn show_waiting(&self) {
        let now = self.scheduler.borrow().waiting();
        let before = self.waiting.replace(now);
        self.backend_cells.waiting.add(now as i64 - before as i64);
    }

    fn open(self: &Rc<Self>, id: LinkId) {
        tokio::task::spawn_local(self.clone().live(id, Connecting::enter(&self.cells)));
    }

    /// Lets waiting requests take idle links. With the last link that may be opened, idle ones become good enough for requests
    /// that wanted a new one.
    fn use_idle(self: &Rc<Self>, now: Nanos) {
        loop {
            let idle = self.scheduler.borrow().idle_for_waiting();
            let Some(link) = idle else { break };
            if link.is_quiet() {
                self.dispatch(&link, now);
            } else {
                self.scheduler.borrow_mut().close_to_new(link.id);
                link.condemn(Self::unfit(&link));
            }
        }
    }

    /// Settles a link of whose answers some have ended. Waiting requests take their places.
    pub(super) fn answered(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) -> Option<LinkEnd> {
        if link.settle() == 0 {
            return None;
        }
        self.apply_proof();
        match self.settle_doubt(link, now) {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => self.freed(link, now),
        }
    }

    fn freed(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) -> Option<LinkEnd> {
        let in_flight = link.queue.borrow().in_flight();
        let spent = self.is_spent(link, now);
        {
            let mut scheduler = self.scheduler.borrow_mut();
            scheduler.settle(link.id, in_flight, now);
            self.show_depth(&scheduler.depth);
        }
        if spent || self.yields(link, now) || self.scheduler.borrow().is_to_close(link.id) {
            self.scheduler.borrow_mut().close_to_new(link.id);
            return (in_flight == 0).then_some(LinkEnd::Finished);
        }
        if in_flight == 0 {
            link.leftover_counted.set(false);
            link.show(LinkState::Idle);
        }
        self.dispatch(link, now);
        if self.loans.is_asked(Right::Link) || self.loans.is_asked(Right::Own) {
            self.lend(now);
        }
        None
    }

    fn show_depth(&self, depth: &Depth) {
        self.cells.depth_limit.set(depth.limit().into());
        self.cells.service_time.set(depth.least().unwrap_or(0));
        let reason = label(depth.reason());
        let before = self.depth_reason.replace(reason);
        if before != reason {
            self.cells.depth_reason.shift(before, reason);
        }
    }

    fn is_spent(&self, link: &Link<T>, now: Nanos) -> bool {
        let links = self.settings.borrow().links;
        let queue = link.queue.borrow();
        let taken = queue.answered() + queue.in_flight() as u64;
        let old = links.max_age.is_some_and(|age| now.saturating_sub(link.opened_at) >= nanos(age));
        let used = links.max_requests.is_some_and(|max| taken >= max.get().into());
        old || used || (self.is_leaving() && self.scheduler.borrow().waiting() == 0)
    }

    fn is_leaving(&self) -> bool {
        self.health.is_retired() || self.event_loop.draining()
    }

    fn dispatch(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        let mut left = Vec::new();
        let mut gone = Vec::new();
        let mut broken = Vec::new();
        loop {
            if link.is_laden() {
                self.hold(link, HoldReason::Full);
            }
            let next = self.scheduler.borrow_mut().next_for(link.id, |waiter: &Waiter<T>, wanted| {
                let asked = self.event_loop.contain(PanicSite::Client, || {
                    let left_us = wanted && waiter.request.kind.is_http() && waiter.to.has_ended();
                    (left_us, !left_us && waiter.to.is_gone())
                });
                // The waiter is in no queue any more, so a client that panicked has to be told.
                let Some((left_us, is_gone)) = asked else {
                    broken.push(waiter.to.clone());
                    return false;
                };
                left.extend(left_us.then(|| waiter.to.clone()));
                gone.extend(is_gone.then(|| waiter.to.clone())); // so that it is not dropped inside of the borrow
                !left_us && !is_gone
            });
            let Some((waiter, since, how)) = next else { break };
            let Waiter { to, request, head } = waiter;
            let head = head.take();
            let put_on = || {
                self.count_acquired(link, how, now.saturating_sub(since));
                link.assert_free();
                to.placed(link);
                link.submit(to.clone(), request, &*head);
            };
            if self.event_loop.contain(PanicSite::Client, put_on).is_none() {
                to.panicked();
                Contained::panicked(&**link);
                break;
            }
        }
        // A client of HTTP that has sent FIN has most often gone; as long as others wait, it gives its place to them.
        left.iter().for_each(|client| self.notify(client, |client| client.give_way(Cause::ClientAbort)));
        broken.iter().for_each(Recipient::panicked);
        if self.scheduler.borrow().waiting() == 0 {
            self.withdraw_requests();
        }
        self.show_waiting();
        self.arm(now);
    }

    /// Tells a client something. Where the client panics, nobody else notices.
    pub(super) fn notify(&self, to: &T, tell: impl FnOnce(&T)) {
        self.assert_free();
        if self.event_loop.contain(PanicSite::Client, || tell(to)).is_none() {
            to.panicked();
        }
    }

    /// Asserts, in builds for debugging, what the rule of [`crate::link`] asks for before a client is told something.
    pub(super) fn assert_free(&self) {
        debug_assert!(
            self.scheduler.try_borrow_mut().is_ok(),
            "a client is told something inside a borrow of the scheduler"
        );
        debug_assert!(
            self.settings.try_borrow_mut().is_ok()
                && self.retry_budget.try_borrow_mut().is_ok()
                && self.server.try_borrow_mut().is_ok()
                && self.resting.try_borrow_mut().is_ok(),
            "a client is told something inside a borrow of a pool"
        );
    }
}

impl<T: Recipient> MemberPool for Pool<T> {
    fn health(&self) -> &MemberHealth {
        &self.health
    }

    fn speaks_as(&self, settings: &Backend) -> bool {
        self.settings.borrow().framing == settings.framing
    }
}

fn label(reason: DepthLimit) -> DepthReason {
    match reason {
        DepthLimit::Start => DepthReason::Start,
        DepthLimit::Ceiling => DepthReason::Ceiling,
        DepthLimit::Budget => DepthReason::Budget,
        DepthLimit::Mixed => DepthReason::Mixed,
        DepthLimit::Spread => DepthReason::Spread,
        DepthLimit::Unproven => DepthReason::Unproven,
        DepthLimit::Broken => DepthReason::Broken,
    }
}
