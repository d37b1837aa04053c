//! The part of a tunnel that timers, drains and the end of the worker reach.
//!
//! They leave a verdict, which the tunnel's task finds when it is woken.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;

use crate::backend::Assignment;
use crate::event_loop::{Contained, Nanos, PanicSite, Registered, may_panic, nanos};
use crate::frontend::{ClientPermit, Destination};
use crate::link::DedicatedPool;
use crate::metrics::{ClientClose, ClientState};
use crate::net::Descriptors;
use crate::stream::{Conn, Stream};

use super::TcpFrontend;

/// The part of a tunnel that others reach.
pub(super) struct Tunnel {
    pub(super) frontend: Rc<TcpFrontend>,
    pub(super) destination: RefCell<Rc<Destination<DedicatedPool>>>,
    pub(super) source: SocketAddr,
    pub(super) assignment: RefCell<Assignment<DedicatedPool>>,
    /// The client's end of it.
    pub(super) conn: Conn,
    /// Why it has to end.
    pub(super) verdict: Cell<Option<ClientClose>>,
    /// Its code has panicked.
    pub(super) broken: Cell<bool>,
    /// It has left.
    pub(super) over: Cell<bool>,
    accepted_at: Nanos,
    /// When anything moved last.
    last: Cell<Nanos>,
    /// The client has said something, and nothing has come back yet.
    asked: Cell<Option<Nanos>>,
    /// One side was reset, and the other may still get what was sent before: it is polled now and then.
    lingering: Cell<bool>,
    shown: Cell<ClientState>,
    key: u32,
    _permit: ClientPermit,
    _link: Option<Descriptors<1>>,
}

impl Tunnel {
    /// A client came.
    pub(super) fn admit(
        frontend: &Rc<TcpFrontend>,
        stream: Stream,
        source: SocketAddr,
        (permit, link): (ClientPermit, Option<Descriptors<1>>),
    ) -> Rc<Self> {
        let now = frontend.event_loop.update_now();
        let admit = |key| Self {
            frontend: frontend.clone(),
            destination: RefCell::new(frontend.destination.borrow().clone()),
            source,
            assignment: RefCell::default(),
            conn: Conn::new(stream),
            verdict: Cell::new(None),
            broken: Cell::new(false),
            over: Cell::new(false),
            accepted_at: now,
            last: Cell::new(now),
            asked: Cell::new(None),
            lingering: Cell::new(false),
            shown: Cell::new(ClientState::Active),
            key,
            _permit: permit,
            _link: link,
        };
        let tunnel = frontend.event_loop.register_new(admit);
        frontend.enter();
        frontend.cells.connections[ClientState::Active].inc();
        tunnel.assign();
        tunnel.arm();
        tunnel
    }

    /// The client has left.
    pub(super) fn dismiss(&self, why: ClientClose) {
        if self.over.replace(true) {
            return;
        }
        let TcpFrontend { event_loop, cells, .. } = &*self.frontend;
        self.unassign();
        cells.connections[self.shown.get()].dec();
        cells.closed[why].inc();
        cells.connection_duration.observe_nanos(event_loop.now().saturating_sub(self.accepted_at));
        self.frontend.leave();
        event_loop.unregister(self.key);
    }

    fn assign(&self) {
        let group = &self.destination.borrow().group;
        self.assignment.borrow_mut().assign(group, self.source.ip(), &self.frontend.sources);
    }

    fn unassign(&self) {
        let group = &self.destination.borrow().group;
        self.assignment.borrow_mut().unassign(group, self.source.ip(), &self.frontend.sources);
    }

    /// Its member went while it waited for a link: it goes where new clients go. False where that is the same way.
    pub(super) fn take_destination(&self) -> bool {
        let now = self.frontend.destination.borrow().clone();
        if Rc::ptr_eq(&now, &self.destination.borrow()) {
            return false;
        }
        self.unassign();
        self.destination.replace(now);
        self.assign();
        true
    }

    /// It has got a link.
    pub(super) fn open(&self) {
        self.frontend.cells.connections.shift(self.shown.replace(ClientState::Tunnel), ClientState::Tunnel);
        self.last.set(self.frontend.event_loop.now());
        self.arm();
    }

    /// Something moved, one way or both. The deadline moves with it; who waits for it looks then, and waits on.
    /// How long a member takes to say something back tells the worker how often it should wake.
    pub(super) fn moved(&self, asked: bool, answered: bool) {
        let event_loop = &self.frontend.event_loop;
        if answered && let Some(since) = self.asked.take() {
            event_loop.record_latency(event_loop.now().saturating_sub(since));
        }
        if asked && self.asked.get().is_none() {
            self.asked.set(Some(event_loop.now()));
        }
        if asked || answered {
            self.last.set(event_loop.now());
        }
    }

    /// It is to be polled at this time, if at any, whatever its sockets say.
    pub(super) fn look_at(&self, at: Option<Nanos>) {
        let Some(at) = at else { return };
        self.lingering.set(true);
        self.frontend.event_loop.arm(self.key, at);
    }

    fn is_open(&self) -> bool {
        self.shown.get() == ClientState::Tunnel
    }

    fn arm(&self) {
        if let Some(at) = self.deadline() {
            self.frontend.event_loop.arm(self.key, at);
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        [self.too_old_at(), self.idle_at()].into_iter().flatten().min()
    }

    fn too_old_at(&self) -> Option<Nanos> {
        Some(self.accepted_at.saturating_add(nanos(self.destination.borrow().listener.tunnel.age?)))
    }

    /// Getting a link has limits of its own.
    fn idle_at(&self) -> Option<Nanos> {
        let idle = self.destination.borrow().listener.tunnel.idle.filter(|_| self.is_open())?;
        Some(self.last.get().saturating_add(nanos(idle)))
    }

    fn end(&self, why: ClientClose) {
        self.verdict.set(Some(why));
        self.conn.wake();
    }
}

impl Contained for Tunnel {
    fn site(&self) -> PanicSite {
        PanicSite::Tunnel
    }

    fn panicked(&self) {
        self.broken.set(true);
        self.conn.wake();
    }
}

impl Registered for Tunnel {
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        may_panic("tunnel.look");
        if self.lingering.get() {
            self.conn.wake();
            return None;
        }
        let lenient = self.frontend.event_loop.lenient_until(now);
        if self.too_old_at().is_some_and(|at| at <= now) {
            self.end(ClientClose::MaxAge);
        } else if self.idle_at().is_some_and(|at| at <= now) {
            if lenient.is_some() {
                return lenient;
            }
            self.end(ClientClose::IdleTimeout);
        }
        self.deadline().filter(|_| self.verdict.get().is_none())
    }

    /// Nobody but its two sides knows where an exchange ends. Who has no link yet gets none.
    fn on_drain(&self) {
        if !self.is_open() {
            self.end(ClientClose::Drain);
        }
    }

    fn on_reconfigure(&self) {}

    fn on_kill(&self) {
        self.end(ClientClose::Drain);
    }
}
