//! Provides one worker's dedicated links to one member of a TCP backend: one link for each client, warm or
//! newly connected.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::backend::{Failure, Health, MemberHealth, MemberPool, RetryPace, SHORTEST_RETRY};
use crate::cause::Cause;
use crate::config::{Address, Backend};
use crate::event_loop::{EventLoop, Nanos, may_panic, timeout};
use crate::link::connect::{self, Connecting, LocalAddresses, connect_socket, count_failure};
use crate::metrics::{Acquire, BackendCells, LinkClose, LinkState, MemberCells};
use crate::net::Socket;
use crate::stream::Stream;

use super::shared_cap::{LinkPermit, SharedCap, WarmLink};

/// The dedicated links of one worker to one member.
pub struct DedicatedPool {
    event_loop: Rc<EventLoop>,
    address: Address,
    settings: RefCell<Arc<Backend>>,
    shared_cap: Arc<SharedCap>,
    health: MemberHealth,
    /// Wakes clients that wait until the member answers again.
    news: Notify,
    cells: Arc<MemberCells>,
    backend_cells: Arc<BackendCells>,
    local: LocalAddresses,
    /// Wakes clients that wait for a permit when the member is no longer in the configuration.
    gone: Notify,
}

/// A link that one client has for itself. Its owner closes it with a reason: [`DedicatedLink::close`].
pub struct DedicatedLink {
    /// The connection to the member.
    pub stream: Stream,
    pool: Rc<DedicatedPool>,
    permit: LinkPermit,
    /// The reason of its end, an error until the owner gives another.
    why: LinkClose,
}

impl DedicatedPool {
    /// Makes a pool for the member at `address`. Exactly one worker passes `keep` and maintains the warm
    /// links.
    #[must_use]
    pub fn new(
        event_loop: &Rc<EventLoop>,
        settings: &Arc<Backend>,
        address: Address,
        shared: (Arc<SharedCap>, Arc<Health>),
        cells: (Arc<BackendCells>, Arc<MemberCells>),
        keep: bool,
    ) -> Rc<Self> {
        let pool = Rc::new(Self {
            event_loop: event_loop.clone(),
            address,
            settings: RefCell::new(settings.clone()),
            shared_cap: shared.0,
            health: MemberHealth::new(shared.1),
            news: Notify::new(),
            backend_cells: cells.0,
            cells: cells.1,
            local: LocalAddresses::default(),
            gone: Notify::new(),
        });
        pool.shared_cap.configure(&settings.links);
        if keep {
            let keeper = pool.clone();
            event_loop.spawn_duty(move || keeper.clone().keep_warm());
        }
        pool
    }

    /// Sets new settings. Links that stand are kept.
    pub fn configure(&self, settings: &Arc<Backend>) {
        self.shared_cap.configure(&settings.links);
        *self.settings.borrow_mut() = settings.clone();
    }

    /// Records that the member is no longer in the configuration, and wakes all waiting clients.
    pub fn retire(&self) {
        connect::show(self.health.retire(), &self.cells);
        self.shared_cap.taken.notify_one();
        self.news.notify_waiters();
        self.gone.notify_waiters();
    }

    /// Handles a change that a check of the member or its ejection has brought. Warm links of a member that is down close, and
    /// those who wait choose again.
    pub fn health_changed(&self) {
        if !self.health.is_up() {
            self.lost(LinkClose::Idle, self.shared_cap.clear());
        }
        self.news.notify_waiters();
    }

    /// Returns how long a client waits while no member of the backend answers: as long as one attempt to
    /// connect may take.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.settings.borrow().links.connect_timeout
    }

    /// Waits until a client should choose a member again, because a member answers or this one is no longer
    /// configured.
    ///
    /// # Errors
    /// Returns the cause of the last failed attempt at `until`, or [`Cause::QueueFull`] if no more clients
    /// may wait.
    pub async fn wait_for_member(self: &Rc<Self>, until: Instant) -> Result<(), Cause> {
        let most = self.settings.borrow().queue.max;
        let Some(_waiter) = MemberWaiter::enter(self, most) else {
            self.backend_cells.acquires[Acquire::Rejected].inc();
            return Err(Cause::QueueFull);
        };
        let news = self.news.notified();
        // The first waiting client starts the watch for all.
        if self.health.begin_watch() {
            let pool = self.clone();
            self.event_loop.spawn_duty(move || pool.clone().watch());
        }
        let left = until.saturating_duration_since(Instant::now());
        timeout(left, news).await.map_err(|_| {
            self.backend_cells.acquires[Acquire::Timeout].inc();
            self.health.last_failure()
        })
    }

    /// Tries the member at a short pace while clients wait for it and no other member answers, one attempt at
    /// a time.
    async fn watch(self: Rc<Self>) {
        let needed = || self.health.needs_watch(self.event_loop.draining());
        let mut pace = RetryPace::new(self.event_loop.now());
        while needed() {
            tokio::time::sleep(pace.next_pause()).await;
            may_panic("dedicated.watch");
            // The wait may have ended during the pause.
            if needed() {
                tokio::select! {
                    () = self.try_again() => {}
                    () = self.elsewhere() => {}
                }
            }
        }
        self.health.end_watch();
        self.news.notify_waiters();
    }

    /// Waits until another member answers.
    async fn elsewhere(&self) {
        while !self.health.another_is_reachable() {
            tokio::time::sleep(2 * SHORTEST_RETRY).await;
        }
    }

    /// Makes one attempt to connect.
    async fn try_again(self: &Rc<Self>) {
        self.event_loop.update_now();
        let permit = self.shared_cap.try_permit(None);
        let Ok(socket) = self.open().await else { return };
        match permit {
            Some(permit) => self.keep(socket, permit),
            // Without a permit the link cannot be kept, but the attempt has shown that the member answers.
            None => self.cells.closed[LinkClose::Idle].inc(),
        }
    }

    /// Returns a link for a client of this source, to be used by the task that is being polled: a warm link,
    /// or else a new one as soon as a permit is free.
    ///
    /// # Errors
    /// Returns the cause for metric and log. A member that did not answer counts as down from then on.
    pub async fn reach(self: &Rc<Self>, source: IpAddr) -> Result<DedicatedLink, Cause> {
        let source = source.to_canonical();
        let mut link = self.link(source).await?;
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        link.permit.used_by(source, &self.event_loop, waker);
        Ok(link)
    }

    async fn link(self: &Rc<Self>, source: IpAddr) -> Result<DedicatedLink, Cause> {
        let came = self.event_loop.now();
        // A warm link has a permit already, so that nobody has to wait for it.
        if let Some(link) = self.take_warm() {
            return Ok(link);
        }
        let permit = match self.shared_cap.try_permit(Some(source)) {
            Some(permit) => permit,
            None => self.wait(source).await?,
        };
        let waited = self.event_loop.now().saturating_sub(came);
        self.backend_cells.pool_wait.observe_nanos(waited);
        let socket = self.open().await?;
        self.backend_cells.acquires[Acquire::Opened].inc();
        self.cells.connections[LinkState::Tunnel].inc();
        Ok(DedicatedLink { stream: Stream::Plain(socket), pool: self.clone(), permit, why: LinkClose::Error })
    }

    fn take_warm(self: &Rc<Self>) -> Option<DedicatedLink> {
        loop {
            let dead = || self.lost(LinkClose::Stale, 1);
            let WarmLink { stream, permit } = self.shared_cap.take(dead)?;
            let Ok(socket) = Socket::new(stream) else {
                self.lost(LinkClose::Error, 1);
                continue;
            };
            self.cells.connections.shift(LinkState::Idle, LinkState::Tunnel);
            self.backend_cells.acquires[Acquire::Reused].inc();
            self.backend_cells.pool_wait.observe_nanos(0);
            let stream = Stream::Plain(socket);
            return Some(DedicatedLink { stream, pool: self.clone(), permit, why: LinkClose::Error });
        }
    }

    async fn wait(&self, source: IpAddr) -> Result<LinkPermit, Cause> {
        let queue = self.settings.borrow().queue;
        let _waiting = WaitingGauge::enter(&self.backend_cells);
        let gone = self.gone.notified();
        let permit = tokio::select! {
            // A retired member comes first, so that its last permits are not used.
            biased;
            () = gone => return Err(Cause::NoMember),
            permit = self.shared_cap.wait(source, &queue) => permit,
        };
        may_panic("dedicated.waited");
        self.event_loop.update_now();
        if let Err(cause) = &permit {
            let full = *cause == Cause::QueueFull;
            self.backend_cells.acquires[if full { Acquire::Rejected } else { Acquire::Timeout }].inc();
        }
        permit
    }

    /// Opens a connection and counts it, but not yet in a state.
    async fn open(self: &Rc<Self>) -> Result<Socket, Cause> {
        let settings = self.settings.borrow().clone();
        let began = self.event_loop.now();
        let connecting = Connecting::enter(&self.cells);
        let connected = connect_socket(&self.address, &settings, &self.local).await;
        may_panic("dedicated.connected");
        drop(connecting);
        let now = self.event_loop.update_now();
        match connected {
            Ok(socket) => {
                self.backend_cells.connect_duration.observe_nanos(now - began);
                self.cells.opened.inc();
                connect::show(self.health.connected(), &self.cells);
                Ok(socket)
            }
            Err(cause) => {
                count_failure(&self.cells, cause);
                self.failed(cause, began);
                Err(cause)
            }
        }
    }

    fn failed(self: &Rc<Self>, cause: Cause, began: Nanos) {
        let unwanted = self.is_leaving();
        let after = self.health.failed(Failure { cause, began, alone: true, unwanted });
        connect::show(after.change, &self.cells);
        // Only the worker that saw the change tries again for all.
        if after.recovers {
            let pool = self.clone();
            self.event_loop.spawn_duty(move || pool.clone().recover());
        }
    }

    fn is_leaving(&self) -> bool {
        self.health.is_retired() || self.event_loop.draining()
    }

    async fn recover(self: Rc<Self>) {
        let attempt = async || {
            may_panic("dedicated.recover");
            if !self.health.is_watched() {
                self.try_again().await;
            }
            false
        };
        connect::recover(&self.health, &self.event_loop, attempt).await;
    }

    /// Keeps the configured number of warm links. If the member closes them, the pauses between attempts
    /// grow.
    async fn keep_warm(self: Rc<Self>) {
        let mut pause = SWEEP;
        while !self.is_leaving() {
            self.event_loop.update_now();
            may_panic("dedicated.keep_warm");
            let (lost, spare) = self.shared_cap.sweep();
            self.lost(LinkClose::Origin, lost);
            self.lost(LinkClose::Idle, spare);
            // A member that closes unused links is left alone for longer.
            pause = if lost > 0 { (pause * 2).min(LONGEST_SWEEP) } else { SWEEP };
            self.warm_up().await;
            let taken = self.shared_cap.taken.notified();
            // Without warm links the task sleeps until the configuration changes.
            if self.shared_cap.wants_none() {
                taken.await;
            } else {
                let _ = tokio::time::timeout(pause, taken).await;
            }
        }
        self.lost(LinkClose::Drain, self.shared_cap.clear());
    }

    async fn warm_up(self: &Rc<Self>) {
        while self.health.is_up() && self.shared_cap.missing() > 0 {
            let Some(permit) = self.shared_cap.try_permit(None) else { return };
            let Ok(socket) = self.open().await else { return };
            self.keep(socket, permit);
        }
    }

    /// Adds a new connection to the warm links, or closes it if none is missing.
    fn keep(&self, socket: Socket, permit: LinkPermit) {
        self.cells.connections[LinkState::Idle].inc();
        // Another task may have added the missing link meanwhile.
        if self.shared_cap.missing() == 0 {
            return self.lost(LinkClose::Idle, 1);
        }
        self.shared_cap.put(WarmLink { stream: socket.into_stream(), permit });
    }

    /// Counts this number of warm links as closed.
    fn lost(&self, why: LinkClose, count: usize) {
        self.cells.connections[LinkState::Idle].add(-(count as i64));
        self.cells.closed[why].add(count as u64);
    }
}

impl MemberPool for DedicatedPool {
    fn health(&self) -> &MemberHealth {
        &self.health
    }

    fn speaks_as(&self, _: &Backend) -> bool {
        true
    }
}

/// The interval in which warm links are checked if none is taken, in ms to notice closed ones soon. The
/// interval doubles up to [`LONGEST_SWEEP`] while the member closes them.
const SWEEP: Duration = Duration::from_millis(100);
const LONGEST_SWEEP: Duration = Duration::from_secs(2);

impl DedicatedLink {
    /// Returns the counters of the link's member.
    #[must_use]
    pub fn cells(&self) -> &MemberCells {
        &self.pool.cells
    }

    /// Records that bytes have moved in the tunnel of this link.
    pub fn moved(&self) {
        self.permit.moved(self.pool.event_loop.now());
    }

    /// Returns whether others wait and this tunnel was chosen to give way.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.permit.is_wanted()
    }

    /// Returns whether the tunnel, which was just found idle, has to give way.
    #[must_use]
    pub fn gives_way(&self) -> bool {
        self.permit.gives_way()
    }

    /// Closes the link for this reason.
    pub fn close(mut self, why: LinkClose) {
        self.why = why;
    }
}

impl Drop for DedicatedLink {
    fn drop(&mut self) {
        self.pool.cells.connections[LinkState::Tunnel].dec();
        self.pool.cells.closed[self.why].inc();
    }
}

/// A client that waits until the member answers again; the counts are restored when it is dropped.
struct MemberWaiter<'a> {
    pool: &'a DedicatedPool,
    _gauge: WaitingGauge<'a>,
}

impl<'a> MemberWaiter<'a> {
    fn enter(pool: &'a DedicatedPool, most: usize) -> Option<Self> {
        let all = &pool.shared_cap.waiting_for_member;
        // Adding first and checking afterwards is exact without a lock.
        if all.fetch_add(1, Ordering::Relaxed) >= most {
            all.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        pool.health.begin_waiting();
        Some(Self { pool, _gauge: WaitingGauge::enter(&pool.backend_cells) })
    }
}

impl Drop for MemberWaiter<'_> {
    fn drop(&mut self) {
        self.pool.shared_cap.waiting_for_member.fetch_sub(1, Ordering::Relaxed);
        self.pool.health.end_waiting();
    }
}

/// A client that waits for a permit, counted in the gauge until it is dropped.
struct WaitingGauge<'a>(&'a BackendCells);

impl<'a> WaitingGauge<'a> {
    fn enter(cells: &'a BackendCells) -> Self {
        cells.waiting.inc();
        Self(cells)
    }
}

impl Drop for WaitingGauge<'_> {
    fn drop(&mut self) {
        self.0.waiting.dec();
    }
}
