//! A client of `protocol: tcp`: it gets one connection to a member for itself, and the two are a tunnel until either ends.
//!
//! A client that is connected is never moved. Timers, drains and the end of the worker leave a verdict, which the client's task
//! finds when it is woken.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use crate::backend::{Assignment, MemberPool as _};
use crate::cause::Cause;
use crate::event_loop::{Contained, Nanos, PanicSite, Registered, may_panic};
use crate::frontend::{self, ClientPermit, Destination, Incoming, ProxyInfo};
use crate::link::{DedicatedLink, DedicatedPool};
use crate::metrics::{ClientClose, ClientState, RequestFailure, RetryReason, RetryResult};
use crate::net::Descriptors;
use crate::relay::{RelayEnd, Side};
use crate::stream::{Conn, Stream};

use super::ending::Ending;
use super::header;
use super::state::Lifetime;
use super::{ClientEnd, Moved, Tunnel};

/// The state that the clients of one TCP listener share on a worker.
pub(crate) type TcpFrontend = frontend::Frontend<DedicatedPool>;

/// Makes an accepted connection a client of this worker, and starts its task.
pub(crate) fn admit(frontend: &Rc<TcpFrontend>, incoming: Incoming) {
    let Incoming { stream, source, proxy_info, permit, link } = incoming;
    let now = frontend.event_loop.update_now();
    let admit = |key| TcpClient {
        frontend: frontend.clone(),
        destination: RefCell::new(frontend.destination.borrow().clone()),
        source,
        assignment: RefCell::default(),
        conn: Conn::new(stream),
        tunnel: RefCell::new(None),
        verdict: Cell::new(None),
        accepted_at: now,
        asked: Cell::new(None),
        shown: Cell::new(ClientState::Active),
        key,
        _permit: permit,
        _link: link,
    };
    let client = frontend.event_loop.register_new(admit);
    frontend.enter();
    frontend.cells.connections[ClientState::Active].inc();
    // From here on the task's `Drop` gives back what the client has.
    let reached = reach(client.clone());
    let reaching: Reaching = Box::pin(async move { Ok((reached.await?, proxy_info)) });
    let task = TcpTask { client: client.clone(), reaching: Some(reaching) };
    may_panic("tcp.admit");
    client.assign(None);
    client.arm();
    tokio::task::spawn_local(task);
}

/// A client of TCP.
///
/// ```text
///             a link of its own           both ended, or one was reset
///   reaching ───────────────────▶ tunnel ─────────────────────────────▶ (closed)
///       │ none to be had, or a verdict                                      ▲
///       └───────────────────────────────────────────────────────────────────┘
/// ```
struct TcpClient {
    frontend: Rc<TcpFrontend>,
    destination: RefCell<Rc<Destination<DedicatedPool>>>,
    source: SocketAddr,
    assignment: RefCell<Assignment<DedicatedPool>>,
    conn: Conn,
    /// The tunnel, once the client has its link.
    tunnel: RefCell<Option<Tunnel<DedicatedLink>>>,
    /// The reason for which the client has to end, once there is one.
    verdict: Cell<Option<Ending>>,
    accepted_at: Nanos,
    /// The time since which the client has awaited an answer to something that it sent.
    asked: Cell<Option<Nanos>>,
    /// The state that the gauge shows for the client.
    shown: Cell<ClientState>,
    key: u32,
    _permit: ClientPermit,
    _link: Option<Descriptors<1>>,
}

/// A future that waits for a place and connects. It keeps what another proxy said of the client until then.
type Reaching = Pin<Box<dyn Future<Output = Result<(DedicatedLink, Option<Box<ProxyInfo>>), Cause>>>>;

/// The life of a client as a task.
struct TcpTask {
    client: Rc<TcpClient>,
    /// The way to the client's link, until it has one.
    reaching: Option<Reaching>,
}

impl Future for TcpTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let client = self.client.clone();
        client.conn.keep_waker(cx);
        client.frontend.event_loop.update_now();
        match client.frontend.event_loop.contain(PanicSite::Tunnel, || self.poll_ending(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(ending)) => {
                client.verdict.set(Some(ending));
                Poll::Ready(()) // and it is dropped, which ends the client so
            }
            None => {
                client.panicked();
                Poll::Ready(())
            }
        }
    }
}

/// Gives back all that the client held, however the task ends: each part, even where another one panics.
impl Drop for TcpTask {
    fn drop(&mut self) {
        let client = self.client.clone();
        let event_loop = &client.frontend.event_loop;
        let ending = client.verdict.get().unwrap_or(Ending::Told(ClientClose::Drain));
        event_loop.contain(PanicSite::Tunnel, || self.reaching = None);
        event_loop.contain(PanicSite::Tunnel, || client.end_tunnel(ending));
        event_loop.contain(PanicSite::Tunnel, || client.unassign());
        client.leave(ending.client_close());
        client.conn.close();
    }
}

impl TcpTask {
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        may_panic("tcp.poll");
        // A timer, a drain or the end of the worker has decided meanwhile.
        if let Some(verdict) = self.client.verdict.get() {
            return Poll::Ready(verdict);
        }
        if let Some(reaching) = &mut self.reaching {
            match reaching.as_mut().poll(cx) {
                Poll::Ready(Ok((link, proxy_info))) => {
                    self.reaching = None;
                    self.client.open_tunnel(link, proxy_info.as_deref());
                }
                Poll::Ready(Err(cause)) => return Poll::Ready(Ending::Failed(cause)),
                Poll::Pending => {
                    // Nobody reads from the client yet, but it may go away.
                    let stream = self.client.conn.stream();
                    let broken = stream.as_ref().map_or(Poll::Pending, |stream| stream.poll_broken(cx));
                    return broken.map(|()| Ending::Over(RelayEnd::Reset(Side::Client)));
                }
            }
        }
        match self.client.poll_tunnel(cx) {
            // The tunnel has been idle for so long that it makes room for a client that waits.
            Poll::Pending if self.client.gives_way() => Poll::Ready(Ending::Told(ClientClose::Evicted)),
            end => end.map(Ending::Over),
        }
    }
}

// The tunnel of a client, and its times.

impl TcpClient {
    /// Opens the tunnel on the client's own link. The PROXY header goes first, where the member wants one.
    fn open_tunnel(&self, link: DedicatedLink, proxy_info: Option<&ProxyInfo>) {
        let destination = self.destination.borrow();
        let first = destination.group.settings.proxy_protocol.map_or_else(Vec::new, |version| {
            let local = self.conn.stream().as_ref().and_then(Stream::local_address);
            header::of(version, self.source, proxy_info, local)
        });
        let lifetime = Lifetime { began: self.accepted_at, moved: self.frontend.event_loop.now() };
        let tunnel = Tunnel::new(link, (&first, &[]), destination.listener.tunnel.splice, lifetime);
        *self.tunnel.borrow_mut() = Some(tunnel);
        self.show();
        self.arm();
    }

    fn poll_tunnel(&self, cx: &mut Context<'_>) -> Poll<RelayEnd> {
        let (mut tunnel, stream) = (self.tunnel.borrow_mut(), self.conn.stream());
        let (Some(tunnel), Some(stream)) = (tunnel.as_mut(), stream.as_ref()) else { return Poll::Pending };
        let (end, moved) = tunnel.poll(cx, &ClientEnd { frontend: &*self.frontend, stream });
        self.moved(moved);
        let event_loop = &self.frontend.event_loop;
        if end.is_pending()
            && let Some(at) = tunnel.look_at(event_loop.now())
        {
            event_loop.arm(self.key, at);
        }
        end
    }

    /// Measures how long the member takes to answer, by which the worker decides how often it wakes.
    fn moved(&self, moved: Moved) {
        let event_loop = &self.frontend.event_loop;
        if moved.answered
            && let Some(since) = self.asked.take()
        {
            event_loop.record_latency(event_loop.now().saturating_sub(since));
        }
        if moved.asked && self.asked.get().is_none() {
            self.asked.set(Some(event_loop.now()));
        }
    }

    /// Returns whether the tunnel, in which nothing has just moved, has to give way to a client that waits.
    fn gives_way(&self) -> bool {
        self.tunnel
            .borrow()
            .as_ref()
            .is_some_and(|tunnel| tunnel.member.is_wanted() && tunnel.member.gives_way())
    }

    /// Ends the tunnel, or the attempt to get a link for one. The caller closes the client's stream next.
    fn end_tunnel(&self, ending: Ending) {
        let stream = self.conn.stream();
        if let Some(cause) = ending.cause() {
            self.destination.borrow().cells.errors[cause].inc();
            stream.as_ref().inspect(|stream| stream.reset_on_drop());
        }
        if let (Some(tunnel), Some(stream)) = (self.tunnel.take(), stream.as_ref()) {
            may_panic("tcp.end");
            // A member that resets a connection before it has said anything refuses it, in effect.
            if ending == Ending::Over(RelayEnd::Reset(Side::Member)) && tunnel.delivered.1 == 0 {
                tunnel.member.cells().failures[RequestFailure::Reset].inc();
            }
            tunnel.close(ending, &ClientEnd { frontend: &*self.frontend, stream });
        }
    }

    /// Returns until when the client may go on as it does. Getting a link has limits of its own, so only its age counts until
    /// then.
    fn deadline(&self) -> Option<Nanos> {
        let limits = self.destination.borrow().listener.tunnel;
        match &*self.tunnel.borrow() {
            Some(tunnel) => tunnel.lifetime().deadline(&limits),
            None => Lifetime { began: self.accepted_at, moved: self.accepted_at }.too_old_at(&limits),
        }
    }

    fn arm(&self) {
        if let Some(at) = self.deadline() {
            self.frontend.event_loop.arm(self.key, at);
        }
    }

    fn is_open(&self) -> bool {
        self.tunnel.borrow().is_some()
    }

    fn end(&self, why: ClientClose) {
        // A failure is not hidden by a later verdict.
        if self.verdict.get().is_none_or(|verdict| verdict.cause().is_none()) {
            self.verdict.set(Some(Ending::Told(why)));
        }
        self.conn.wake();
    }
}

// The client among others.

impl TcpClient {
    /// Assigns the client, which has been at `before` if it is assigned anew.
    fn assign(&self, before: Option<u64>) {
        let group = &self.destination.borrow().group;
        let TcpFrontend { sources, event_loop, .. } = &*self.frontend;
        self.assignment.borrow_mut().assign(group, self.source.ip(), before, sources, event_loop.now());
    }

    fn unassign(&self) {
        let group = &self.destination.borrow().group;
        self.assignment.borrow_mut().unassign(group, self.source.ip(), &self.frontend.sources);
    }

    /// Assigns the client anew by the configuration in force, because its member was removed while it waited for a link.
    /// Returns false where nothing has changed.
    fn take_destination(&self) -> bool {
        let now = self.frontend.destination.borrow().clone();
        if Rc::ptr_eq(&now, &self.destination.borrow()) {
            return false;
        }
        let before = self.assignment.borrow().member().map(|member| member.candidate.hash);
        self.unassign();
        self.destination.replace(now);
        self.assign(before);
        true
    }

    /// Shifts the gauge to the client's present state.
    fn show(&self) {
        let state = if self.is_open() { ClientState::Tunnel } else { ClientState::Active };
        let before = self.shown.replace(state);
        self.frontend.cells.connections.shift(before, state);
    }

    /// Counts the client as closed.
    fn leave(&self, why: ClientClose) {
        let TcpFrontend { event_loop, cells, .. } = &*self.frontend;
        cells.connections[self.shown.get()].dec();
        cells.closed[why].inc();
        cells.connection_duration.observe_nanos(event_loop.now().saturating_sub(self.accepted_at));
        self.frontend.leave();
        event_loop.unregister(self.key);
    }
}

impl Contained for TcpClient {
    fn site(&self) -> PanicSite {
        PanicSite::Tunnel
    }

    fn panicked(&self) {
        self.verdict.set(Some(Ending::Failed(Cause::Internal)));
        self.conn.wake();
    }
}

impl Registered for TcpClient {
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        may_panic("tcp.timer");
        // Only the relay can see whether the last bytes before a reset have arrived.
        if self.tunnel.borrow().as_ref().is_some_and(Tunnel::is_lingering) {
            self.conn.wake();
            return None;
        }
        let limits = self.destination.borrow().listener.tunnel;
        if (Lifetime { began: self.accepted_at, moved: now }).is_too_old(&limits, now) {
            self.end(ClientClose::MaxAge);
        } else if self.is_open() && self.deadline().is_some_and(|at| at <= now) {
            // Bytes may have moved that the process did not see while it stood still.
            if let Some(until) = self.frontend.event_loop.lenient_until(now) {
                return Some(until);
            }
            self.end(ClientClose::IdleTimeout);
        }
        self.deadline().filter(|_| self.verdict.get().is_none())
    }

    /// Ends a client that has no link yet. Others go on: only the two sides of a tunnel know where an exchange ends.
    fn on_drain(&self) {
        may_panic("tcp.drain");
        if !self.is_open() {
            self.end(ClientClose::Drain);
        }
    }

    fn on_reconfigure(&self) {}

    fn on_member_down(&self) {
        let destination = self.frontend.destination.borrow();
        let assignment = self.assignment.borrow();
        let closes = assignment.member().is_some_and(|member| destination.group.closes_tunnels_to(member));
        if self.is_open() && closes {
            self.end(ClientClose::MemberDown);
        }
    }

    fn on_kill(&self) {
        may_panic("tcp.kill");
        self.end(ClientClose::Drain);
    }
}

/// Gets a link to the member that the client's source meets, or to the next one in rank that answers. Where none does, the
/// client waits for one to come back, for as long as one attempt to connect may take.
async fn reach(client: Rc<TcpClient>) -> Result<DedicatedLink, Cause> {
    let mut failure = None;
    let mut until = None;
    let mut tried = 0;
    loop {
        let group = client.destination.borrow().group.clone();
        let TcpFrontend { sources, event_loop, .. } = &*client.frontend;
        let now = event_loop.now();
        let member = client.assignment.borrow_mut().choose(&group, client.source.ip(), sources, now);
        let Some(member) = member else { return Err(Cause::NoMember) };
        if !member.pool.is_reachable() {
            // The time begins with the first failure, and covers all further waiting.
            let until = *until.get_or_insert_with(|| Instant::now() + member.pool.patience());
            let hoped = member.pool.wait_for_member(until).await;
            may_panic("tcp.hoped");
            hoped.map_err(|trouble| failure.filter(|_| trouble != Cause::QueueFull).unwrap_or(trouble))?;
            client.frontend.event_loop.update_now();
            tried = 0;
            continue;
        }
        // An earlier member failed, so going to this one is a retry.
        if failure.is_some() {
            group.cells.retries[RetryReason::Connect][RetryResult::Ok].inc();
        }
        let began = Instant::now();
        let reached = member.pool.reach(client.source.ip()).await;
        may_panic("tcp.reached");
        match reached {
            Err(cause) if cause.is_of_member() => {
                failure = Some(cause);
                tried += 1;
                // Each member has had its turn: all of them fail although their health says otherwise.
                if tried > group.members.len() {
                    return Err(cause);
                }
                // A timed-out attempt has used up the time already.
                let began = if cause == Cause::ConnectTimeout { began } else { Instant::now() };
                until.get_or_insert_with(|| began + member.pool.patience());
            }
            // A reload removed the member while the client waited there.
            Err(Cause::NoMember) if member.pool.health().is_retired() && client.take_destination() => {
                tried = 0
            }
            reached => return reached,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size, in bytes, that the allocator gives for a client, the two counts of `Rc` included. One byte more would cost 64.
    const ROOM: usize = 448;
    /// The size, in bytes, that fits beside tokio's own state of a task into an allocation of 128. One byte more would cost
    /// 128.
    const TASK_ROOM: usize = 24;

    #[test]
    fn an_idle_client_is_small() {
        assert!(size_of::<TcpClient>() + 2 * size_of::<usize>() <= ROOM);
        assert!(size_of::<TcpTask>() <= TASK_ROOM);
    }
}
