//! The pooled links of one worker to one member, with their sockets.
//!
//! It decides little: `Scheduler` chooses the link of a request, and `Queue` decides the fate of an exchange.

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

/// What a link asks of the client whose exchange it carries.
pub trait Recipient: Clone + 'static {
    /// Appends a head of its answer, interim ones too, as its client gets it. `early`: the answer ends before all of the
    /// request's content has come, so the client's connection ends with it.
    ///
    /// # Errors
    /// The client does not take such an answer; its link ends.
    fn head(&self, head: &ResponseHead<'_, '_>, early: bool, out: &mut Vec<u8>) -> Result<(), Cause>;
    /// Appends a run of content as its client gets it, or lets it go there as it is.
    fn data(&self, bytes: &[u8], out: &mut Vec<u8>) -> Data;
    /// Appends the end of a complete answer of HTTP, with these lines of its trailer section.
    fn end(&self, trailers: &[u8], out: &mut Vec<u8>);
    /// What `head`, `data` and `end` appended, and then `raw`, goes to its client.
    fn deliver(&self, out: &[u8], raw: &[u8]);
    /// Whether it reads so slowly that no more should be read for it.
    fn is_full(&self) -> bool;
    /// Whether it went away.
    fn is_gone(&self) -> bool;
    /// Whether it has said that it will send no more.
    fn has_ended(&self) -> bool;
    /// Whether both are the same client.
    fn same(&self, other: &Self) -> bool;
    /// Its request left the wait queue for this link.
    fn placed(&self, link: &Rc<Link<Self>>);
    /// Its answer has ended; `service` is the time that the member took.
    fn ended(&self, request: &Exchange, end: AnswerEnd, service: Nanos);
    /// Its exchange ended badly. `shown` says that it has seen the start of an answer.
    fn failed(&self, request: &Exchange, cause: Cause, shown: bool);
    /// Its request is to be sent again, or elsewhere; `cause` is the reason if that cannot be.
    fn again(&self, request: Exchange, head: Vec<u8>, cause: Cause);
    /// The link has room for more of its request's body.
    fn writable(&self);
    /// A count that grows with each byte that it sent or got lately, where it is slow.
    fn moved(&self) -> u64;
    /// Others wait for the link that it holds: what it is doing there ends.
    fn give_way(&self, cause: Cause);
    /// Its answer ended HTTP on its link, which is its own from now on. Comes after [`Recipient::ended`].
    fn switched(&self, upgraded: UpgradedLink);
    /// A call of it has panicked: it ends. This must not panic, and borrows nothing that it cannot have.
    fn panicked(&self);
}

/// A request that waits for a link.
pub struct Waiter<T> {
    /// Who awaits the answer.
    pub to: T,
    /// What was asked.
    pub request: Exchange,
    /// Its head, as it goes to the member.
    pub head: CountedBytes,
}

/// What one worker may have of a member's limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    /// Links.
    pub links: usize,
    /// Links of all workers.
    pub of_all: usize,
    /// Requests that wait for one.
    pub waiting: usize,
}

impl Share {
    fn of(self, queue: QueueLimits) -> QueueLimits {
        QueueLimits { max: self.waiting, ..queue }
    }
}

/// What became of a request that was submitted.
pub enum Submitted<T: Recipient> {
    /// It is on this link.
    On(Rc<Link<T>>),
    /// It waits; [`Recipient::placed`] tells when it no longer does.
    Waits,
    /// Too many wait.
    Refused,
}

/// See the head of this file.
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
    /// How many of those who wait are in the gauge, and the bytes of their requests.
    waiting: Cell<usize>,
    waiting_bytes: Rc<Cell<usize>>,
    retry_budget: RefCell<RetryBudget>,
    /// What it was last shown to be.
    depth_reason: Cell<DepthReason>,
    /// When those behind a head are to be looked after.
    rescue_at: Cell<Nanos>,
    /// When it is to be seen who holds links, and until when what may hold them is kept short.
    relief_at: Cell<Nanos>,
    pressed_until: Cell<Nanos>,
    /// How many of those who wait have left.
    left: Cell<usize>,
    /// Where a link notes what ended in one read: scratch, empty in between.
    pub(super) classes: Cell<Vec<u32>>,
    /// What it shares with other workers, and how it is told of it.
    loans: Arc<Loans>,
    account: Arc<Account>,
    /// Links that all workers may have, and those that it is to have of them.
    cap: Cell<usize>,
    entitled: Cell<usize>,
    /// Rights that it has: to links, and to links that their clients keep. The pool may use as many or fewer.
    links: Cell<usize>,
    own: Cell<usize>,
    /// Since when it has what it was granted last.
    granted_at: Cell<Nanos>,
    /// What it asks others for.
    asks: Cell<Option<RightRequest>>,
    asks_own: Cell<bool>,
    /// A link of its own is closing, so that another worker gets the right to it.
    lending: Cell<bool>,
    /// What its last answer told of the member.
    pub(super) member_traits: Cell<MemberTraits>,
    /// Whether the member may be pipelined to, for all workers; and what this one has taken from it.
    proof: Arc<Proof>,
    standing: Cell<ProofState>,
    /// The `Server` field of the last answer, once there was one.
    server: RefCell<Option<Option<Vec<u8>>>>,
    resting: RefCell<VecDeque<Resting<T>>>,
    /// Some client has spoken another dialect than all do at first.
    bilingual: Cell<bool>,
}

/// The key of one who has left.
const GONE: u32 = u32::MAX;
/// An idle link unused for this long is looked at before it is used again.
const LOOK_AFTER: Nanos = Duration::from_millis(10).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    /// An empty pool for this worker's share of the links to `address`.
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

    /// Takes new settings; links that stand stay. Verdicts do not: what is read anew clears them.
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

    /// Idle links above the share close now; those that are busy when what they carry has ended, also if others wait.
    pub(super) fn close_surplus(&self) {
        let surplus = self.scheduler.borrow().surplus();
        surplus.iter().for_each(|link| self.expire(link));
    }

    /// A link that nobody uses ends, and takes nothing more until then.
    fn expire(&self, link: &Link<T>) {
        self.scheduler.borrow_mut().close_to_new(link.id);
        link.expired.set(true);
        link.condemn(LinkEnd::Finished);
    }

    /// The member is no longer in the configuration: lets exchanges end, then goes. Those who wait are sent to the member
    /// that their clients have now; where `changed` says that it speaks another protocol from now on, there is none.
    pub fn retire(&self, changed: bool) {
        connect::show(self.health.retire(), &self.cells);
        self.on_drain();
        self.left.set(0);
        let waiting = self.scheduler.borrow_mut().remove_waiting(|_| true);
        self.show_waiting();
        for Waiter { to, request, head } in waiting {
            self.notify(&to, |to| match changed {
                true => to.failed(&request, Cause::NoMember, false),
                false => to.again(request, head.take(), Cause::NoMember),
            });
        }
        self.give_up_share();
        self.event_loop.arm(self.key.get(), self.event_loop.now());
    }

    /// Nothing is left of it. Should a client of a listener that has gone as well still ask for something, it comes back.
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

    /// Whether requests with so many bytes wait for the member that its clients are not to say more.
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

    /// Links of a member whose clients speak two dialects are asked what they speak.
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

    /// RFC 9112 section 9.3.1: what may not be repeated should not meet a link that is about to be closed.
    /// The look costs a system call, so what may be repeated goes without it on a link used just now.
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

    /// The last request that a link may carry is on its way to it.
    fn bar_if_spent(&self, link: &Link<T>) {
        let Some(max) = self.settings.borrow().links.max_requests else { return };
        let queue = link.queue.borrow();
        if queue.answered() + queue.in_flight() as u64 + 1 >= max.get().into() {
            self.scheduler.borrow_mut().close_to_new(link.id);
        }
    }

    /// Opens as many links as those who wait should have now.
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

    /// With the last link that may be opened, idle ones become good enough for those who wanted a new one.
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

    /// Some of a link's answers have ended. Those who wait take their places.
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
        loop {
            if link.is_laden() {
                self.hold(link, HoldReason::Full);
            }
            let next = self.scheduler.borrow_mut().next_for(link.id, |waiter: &Waiter<T>, wanted| {
                let left_us = wanted && waiter.request.kind.is_http() && waiter.to.has_ended();
                let is_gone = !left_us && waiter.to.is_gone();
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
        if self.scheduler.borrow().waiting() == 0 {
            self.withdraw_requests();
        }
        self.show_waiting();
        self.arm(now);
    }

    /// Tells a client something. Where it panics it is the only one that notices.
    pub(super) fn notify(&self, to: &T, tell: impl FnOnce(&T)) {
        self.assert_free();
        if self.event_loop.contain(PanicSite::Client, || tell(to)).is_none() {
            to.panicked();
        }
    }

    /// What the rule of this module says before a client is told something, in a build for debugging.
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
