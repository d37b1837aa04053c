//! One accepted connection of HTTP or frames: its requests go out in order, and their responses come back in order.
//!
//! A client has three parts: the `reader` knows which message comes next, and keeps its bytes in `input` until they are
//! understood; the `exchanges` know which requests are under way, and on which link; the `writer` keeps the bytes that the client
//! has not taken. `poll` drives the parts, `http1` and `frames` say what the bytes mean, and `respond` answers in place of a
//! member. A client whose bytes the proxy does not read is a `tunnel`.

mod events;
mod exchanges;
mod frames;
mod http1;
mod input;
mod poll;
mod reader;
mod record;
mod respond;
mod route;
mod ticket;
pub(crate) mod tunnel;
mod writer;

use std::cell::{Cell, RefCell, RefMut};
use std::future::Future;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::backend;
use crate::cause::Cause;
use crate::event_loop::{Contained, Nanos, PanicSite, Registered, may_panic};
use crate::frontend::{self, ClientPermit, Incoming};
use crate::link::{Link, Pool};
use crate::metrics::{ClientClose, ClientState};
use crate::proto::http1::ResponseWriter;
use crate::stream::Conn;

use exchanges::{Carrier, Exchanges};
use reader::{ExchangeStanding, Phase, Reader, grains, rounded};
use route::Route;
pub(crate) use ticket::Ticket;
use tunnel::upgraded::UpgradedTunnel;
use writer::Writer;

/// The state that the clients of one HTTP listener share on a worker.
pub(crate) type HttpFrontend = frontend::Frontend<HttpPool>;
pub(in crate::client) type HttpPool = Pool<Ticket>;
pub(in crate::client) type HttpDestination = frontend::Destination<HttpPool>;
pub(in crate::client) type HttpMember = backend::Member<HttpPool>;
pub(in crate::client) type HttpLink = Rc<Link<Ticket>>;

/// An accepted connection of HTTP or frames. An idle one keeps no buffer.
pub(crate) struct Client {
    frontend: Rc<HttpFrontend>,
    /// The address of the peer that is connected, which may speak for other sources.
    peer: IpAddr,
    /// The key that the event loop gave the client when it was registered.
    key: u32,
    accepted_at: Nanos,
    conn: Conn,
    parts: RefCell<ClientParts>,
    /// The encoder of the response that is being written, which a call-back copies out and puts back.
    response: Cell<ResponseWriter>,
    _permit: ClientPermit,
}

/// The state of a client: its parts, each of which owns its own state, and what belongs to none of them alone.
struct ClientParts {
    route: Route,
    reader: Reader<Box<UpgradedTunnel>>,
    writer: Writer,
    exchanges: Exchanges<HttpLink>,
    /// The time for which its timer is set, in grains ([`grains`]); `u32::MAX` while none is.
    armed: u32,
    /// The state that the gauge shows for the client, until it leaves. Only [`Client::show`] and [`Client::leave`] read this.
    shown: Option<ClientState>,
    /// The reason for which the client will be closed, once there is one.
    close: Option<ClientClose>,
    /// The cause that is counted for exchanges that are still unanswered when the client ends.
    blame: Cause,
    /// A drain has begun: the client leaves when it is idle.
    draining: bool,
}

impl ClientParts {
    fn new(destination: Rc<HttpDestination>, now: Nanos) -> Self {
        Self {
            route: Route::new(destination),
            reader: Reader::new(now),
            writer: Writer::default(),
            exchanges: Exchanges::new(),
            armed: u32::MAX,
            shown: Some(ClientState::Idle),
            close: None,
            blame: Cause::ClientAbort,
            draining: false,
        }
    }

    /// Returns the state that the gauge should show for the client.
    fn state(&self) -> ClientState {
        match self.reader.phase() {
            Phase::Tunnel(_) | Phase::Pinned { .. } => ClientState::Tunnel,
            Phase::Linger { .. } => ClientState::Closing,
            Phase::Body { .. } | Phase::Frame { .. } | Phase::Talk { .. } | Phase::Asking => {
                ClientState::Active
            }
            Phase::Idle | Phase::Head | Phase::Done if self.exchanges.is_busy() => ClientState::Active,
            Phase::Head => ClientState::Head,
            Phase::Idle | Phase::Done => ClientState::Idle,
        }
    }

    /// Returns the reader together with the standing of the exchanges, which the reader's methods take as an argument.
    fn reader_and_standing(&mut self) -> (&mut Reader<Box<UpgradedTunnel>>, Standing<'_>) {
        (&mut self.reader, Standing::new(&self.route, &self.writer, &self.exchanges))
    }

    fn standing(&self) -> Standing<'_> {
        Standing::new(&self.route, &self.writer, &self.exchanges)
    }

    /// Returns the time by which something must have happened, and the cause that is counted if it has not.
    fn deadline(&self, conn: &Conn) -> Option<(Nanos, Cause)> {
        let listener = &self.route.destination().listener;
        if let Phase::Tunnel(tunnel) = self.reader.phase() {
            let at = tunnel.lifetime().deadline(&listener.tunnel)?;
            return Some((rounded(at), Cause::ClientAbort));
        }
        self.reader.deadline(&listener.timeouts, &listener.tunnel, conn.is_blocked(), &self.standing())
    }

    /// Returns whether the client has been a tunnel for as long as the listener allows.
    fn is_too_old(&self, now: Nanos) -> bool {
        let limits = &self.route.destination().listener.tunnel;
        match self.reader.phase() {
            Phase::Tunnel(tunnel) => tunnel.lifetime().is_too_old(limits, now),
            _ => self.reader.is_too_old(limits, now),
        }
    }

    /// Returns whether the client has sent as many requests as the listener allows on one connection.
    fn is_spent(&self) -> bool {
        self.close == Some(ClientClose::LimitRequests)
    }
}

/// Answers the reader's questions about the exchanges.
struct Standing<'a> {
    exchanges: &'a Exchanges<HttpLink>,
    /// The number of requests that may be in flight at once.
    look_ahead: u32,
    /// The client has left so many bytes of answers unread that no request may begin.
    has_backlog: bool,
}

impl<'a> Standing<'a> {
    fn new(route: &Route, writer: &Writer, exchanges: &'a Exchanges<HttpLink>) -> Self {
        let look_ahead = route.destination().listener.http.look_ahead.get();
        Self { exchanges, look_ahead, has_backlog: writer.unwritten() > reader::UNREAD }
    }
}

impl ExchangeStanding for Standing<'_> {
    fn in_flight(&self) -> u16 {
        self.exchanges.in_flight()
    }

    fn waits(&self) -> bool {
        self.exchanges.waits()
    }

    fn is_busy(&self) -> bool {
        self.exchanges.is_busy()
    }

    fn may_begin(&self) -> bool {
        !self.has_backlog && self.exchanges.may_begin(self.look_ahead)
    }

    fn must_wait(&self) -> bool {
        self.exchanges.must_wait()
    }

    fn is_link_full(&self) -> bool {
        self.exchanges.is_link_full()
    }

    fn is_patient(&self) -> bool {
        self.exchanges.is_patient()
    }

    fn awaits_member(&self, talks: bool) -> bool {
        self.exchanges.awaits_member(talks)
    }
}

impl Carrier for HttpLink {
    fn has_room(&self) -> bool {
        Link::has_room(self)
    }

    fn is_full(&self) -> bool {
        Link::is_full(self)
    }

    fn owes(&self) -> bool {
        Link::owes(self)
    }

    fn awaits_body_reader(&self) -> bool {
        self.is_behind() || self.awaits_continue()
    }
}

/// Lends the parts of a client to be changed. The gauge follows when the loan ends, also where it ends by a panic.
struct Change<'a> {
    client: &'a Client,
    parts: RefMut<'a, ClientParts>,
}

impl Deref for Change<'_> {
    type Target = ClientParts;

    fn deref(&self) -> &ClientParts {
        &self.parts
    }
}

impl DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut ClientParts {
        &mut self.parts
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.client.show(&mut self.parts);
    }
}

impl Client {
    /// Makes an accepted connection a client of this worker, and starts its task.
    pub(crate) fn admit(frontend: &Rc<HttpFrontend>, incoming: Incoming) {
        let Incoming { stream, source, permit, .. } = incoming;
        let now = frontend.event_loop.update_now();
        let peer = source.ip().to_canonical();
        let parts = RefCell::new(ClientParts::new(frontend.destination.borrow().clone(), now));
        let admit = |key| Self {
            frontend: frontend.clone(),
            peer,
            key,
            accepted_at: now,
            conn: Conn::new(stream),
            parts,
            response: Cell::default(),
            _permit: permit,
        };
        let client = frontend.event_loop.register_new(admit);
        frontend.enter();
        frontend.cells.connections[ClientState::Idle].inc();
        // From here on the task's `Drop` gives back what the client has.
        let task = ClientTask(client.clone());
        may_panic("client.admit");
        let mut s = client.change();
        // The member is chosen by the source, before the first request: the client counts there from now on.
        client.assign(&mut s.route, None);
        client.rearm(&mut s);
        drop(s);
        tokio::task::spawn_local(task);
    }

    /// Lends the parts of the client to be changed; the gauge follows when the loan ends.
    fn change(&self) -> Change<'_> {
        Change { client: self, parts: self.parts.borrow_mut() }
    }

    /// Shifts the gauge to the client's present state.
    fn show(&self, s: &mut ClientParts) {
        let state = s.state();
        // A client that has left is in the gauge no more.
        if let Some(shown) = s.shown
            && shown != state
        {
            self.frontend.cells.connections.shift(shown, state);
            s.shown = Some(state);
        }
    }

    /// Sets the timer where the deadline is earlier than the timer is due. Most often it is later, and the timer moves itself
    /// on when it fires, so that no request has to set one.
    fn rearm(&self, s: &mut ClientParts) {
        if let Some((at, _)) = s.deadline(&self.conn)
            && grains(at) < s.armed
        {
            s.armed = grains(at);
            self.frontend.event_loop.arm(self.key, at);
        }
    }

    /// Does what follows from a deadline that has passed.
    fn late(&self, s: &mut ClientParts, cause: Cause) {
        match cause {
            Cause::HeadTimeout => {
                s.close = Some(ClientClose::HeadTimeout);
                // The head is logged as far as it came, then answered with 408.
                self.begin_unread_kept(s);
                self.refuse(s, None, cause, cause.status());
            }
            Cause::BodyTimeout => {
                s.close = Some(ClientClose::SlowBody);
                // A body that stops coming leaves its link unusable, but the client can still be told.
                self.abort_body(s, cause);
            }
            Cause::ClientSlow => {
                // An earlier reason to close is the real one; a slow client is only how it shows.
                s.close = s.close.or(Some(ClientClose::Error));
                s.blame = cause;
                self.cut_off(s);
            }
            _ => {
                let old = s.is_too_old(self.frontend.event_loop.now());
                s.close = Some(if old { ClientClose::MaxAge } else { ClientClose::IdleTimeout });
                self.conn.fail();
            }
        }
        self.conn.wake();
    }

    /// Closes the client, perhaps in the middle of an answer. A client of HTTP/1.0 may take an orderly close for the end of the
    /// answer (RFC 9112 section 8), so it gets a reset instead.
    fn cut_off(&self, s: &ClientParts) {
        self.conn.fail();
        if s.exchanges.is_old() && (s.exchanges.is_busy() || s.writer.unwritten() > 0) {
            self.conn.reset_on_drop();
        }
    }
}

// The end of a client.

impl Client {
    /// Gives back all that the client held. This may run during a panic: each part is given back even where another part
    /// panics.
    fn end(self: &Rc<Self>, why: ClientClose) {
        let parts: [fn(&Rc<Self>); 3] = [Self::end_exchanges, Self::end_buffers, Self::end_assignments];
        // From now on `ended`, `failed` and `again` leave the client alone.
        self.conn.close();
        self.conn.fail();
        for end in parts {
            self.frontend.event_loop.contain(PanicSite::Client, || end(self));
        }
        self.leave(why);
        self.frontend.event_loop.unregister(self.key);
    }

    /// Counts and logs the exchanges that have not ended, and takes them off their link or out of their wait queue.
    fn end_exchanges(self: &Rc<Self>) {
        let mut leave = LeaveLinks { client: self, link: None, kept: None, waited_for: None };
        let mut s = self.parts.borrow_mut(); // which ends before `leave` does, also by a panic
        let (unanswered, cause) = (s.exchanges.unanswered(), s.blame);
        s.exchanges.count_all_ended(&self.frontend.cells.in_flight);
        s.route.destination().cells.errors[cause].add(unanswered.into());
        (leave.link, leave.kept) = (s.exchanges.take_link(), s.exchanges.take_kept_link());
        let waits = s.exchanges.leave_queue();
        leave.waited_for = s.route.assignment().member().filter(|_| waits).cloned();
        drop((s.reader.take_tunnel(), s.exchanges.take_tunnel_permit()));
        while s.record().is_some() {
            self.write_record(&mut s, 0, Some(cause), 0);
        }
        may_panic("client.end.exchanges");
    }

    /// Drops the buffers of both directions, and takes what they held off the worker's budget.
    fn end_buffers(self: &Rc<Self>) {
        let mut s = self.parts.borrow_mut();
        self.drop_upload(&mut s);
        let buffers = &self.frontend.event_loop.buffers;
        drop(s.writer.take(buffers));
        buffers.change(s.reader.input.drop_all(), 0);
        may_panic("client.end.buffers");
    }

    fn end_assignments(self: &Rc<Self>) {
        self.unassign(&mut self.parts.borrow_mut().route);
        may_panic("client.end.assignments");
    }

    /// Counts the client as closed. A second call does nothing.
    fn leave(&self, why: ClientClose) {
        let mut s = self.parts.borrow_mut();
        let Some(shown) = s.shown.take() else { return };
        let HttpFrontend { event_loop, cells, .. } = &*self.frontend;
        cells.connections[shown].dec();
        cells.closed[why].inc();
        cells.connection_requests.observe(s.reader.requests().into());
        cells.connection_duration.observe_nanos(event_loop.now().saturating_sub(self.accepted_at));
        self.frontend.leave();
    }
}

/// The links and queues that a client leaves when it ends. It leaves them when this is dropped, also by a panic.
struct LeaveLinks<'a> {
    client: &'a Rc<Client>,
    link: Option<HttpLink>,
    kept: Option<HttpLink>,
    waited_for: Option<Rc<HttpMember>>,
}

impl Drop for LeaveLinks<'_> {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            link.abandon(|ticket: &Ticket| ticket.is_of(self.client));
        }
        if let Some(link) = self.kept.take() {
            link.release();
        }
        if let Some(member) = self.waited_for.take() {
            member.pool.left_the_queue();
        }
    }
}

impl Contained for Client {
    fn site(&self) -> PanicSite {
        PanicSite::Client
    }

    /// Closes the client, perhaps in the middle of an answer: nobody knows in which state the panic left it.
    fn panicked(&self) {
        // The parts may be lent to a caller further up the stack.
        if let Ok(mut s) = self.parts.try_borrow_mut() {
            s.close = Some(ClientClose::Error);
            s.blame = Cause::Internal;
            s.armed = u32::MAX;
            self.cut_off(&s);
        }
        self.conn.wake();
    }
}

impl Registered for Client {
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        let mut s = self.change();
        may_panic("client.timer");
        s.armed = u32::MAX;
        let (reader, exchanges) = s.reader_and_standing();
        // While the member has its turn, the client's clock stands still.
        if reader.awaits_member(&exchanges) {
            reader.touch(now);
        }
        let is_lingering = matches!(reader.phase(), Phase::Tunnel(tunnel) if tunnel.is_lingering());
        // Nothing wakes a client that had no room to read, or that waits for the last bytes before a reset: the timer does.
        if reader.input.is_stalled() || is_lingering {
            self.conn.wake();
        }
        let (at, cause) = s.deadline(&self.conn)?;
        // After a stall of the whole process, clients get some grace.
        let until = if at > now { Some(at) } else { self.frontend.event_loop.lenient_until(now) };
        match until {
            Some(until) => s.armed = grains(until),
            None => self.late(&mut s, cause),
        }
        until
    }

    fn on_drain(&self) {
        let mut s = self.parts.borrow_mut();
        may_panic("client.drain");
        s.draining = true;
        self.conn.wake();
    }

    fn on_reconfigure(&self) {
        let share = self.frontend.destination.borrow().group.share; // where there are rules, each worker has links to all
        // A client whose listener or backend has gone from here can only end.
        if self.frontend.closed.get() || share == 0 {
            return self.on_drain();
        }
        // An idle client begins no exchange at which it would take the new settings, and their limits hold for it all the same.
        let mut s = self.parts.borrow_mut();
        may_panic("client.reconfigure");
        if !self.conn.has_failed() && s.state() == ClientState::Idle && !s.exchanges.keeps_link() {
            self.take_destination(&mut s.route);
            self.rearm(&mut s);
        }
    }

    fn on_member_down(&self) {
        let mut s = self.parts.borrow_mut();
        if !matches!(s.reader.phase(), Phase::Tunnel(_)) {
            return;
        }
        let (group, member) = (s.route.destination().group.clone(), s.route.assignment().member());
        if member.is_some_and(|member| group.closes_tunnels_to(member)) {
            s.close = Some(ClientClose::MemberDown);
            self.cut_off(&s);
            self.conn.wake();
        }
    }

    fn on_kill(&self) {
        let mut s = self.parts.borrow_mut();
        may_panic("client.kill");
        s.close = Some(ClientClose::Drain);
        self.cut_off(&s);
        self.conn.wake();
    }
}

/// The life of a client as a task. However the task ends, what the client held is given back.
struct ClientTask(Rc<Client>);

impl Future for ClientTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let client = &self.0;
        match client.frontend.event_loop.contain(PanicSite::Client, || client.poll(cx)) {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(why)) => {
                client.end(why);
                Poll::Ready(())
            }
            None => {
                client.panicked();
                Poll::Ready(()) // and it is dropped, which ends the client
            }
        }
    }
}

impl Drop for ClientTask {
    fn drop(&mut self) {
        let client = &self.0;
        if client.conn.is_closed() {
            return; // it has ended
        }
        let why = client.parts.try_borrow().ok().and_then(|s| s.close);
        client.end(why.unwrap_or(ClientClose::Error));
    }
}

#[cfg(test)]
mod tests {
    /// The size, in bytes, that the allocator gives for a client, the two counts of `Rc` included. One byte more would cost 64.
    const ROOM: usize = 256;

    #[test]
    fn an_idle_client_is_small() {
        assert!(size_of::<super::Client>() + 2 * size_of::<usize>() <= ROOM);
    }
}
