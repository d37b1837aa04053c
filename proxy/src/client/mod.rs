//! One accepted connection of HTTP or frames: its requests go out in order, and their responses come back in order.
//!
//! `input` and `frames` read, `answer` and `output` write, and `inner` is where the client stands.

mod answer;
mod begin;
mod frames;
mod inner;
mod input;
mod output;
mod record;
mod route;
mod ticket;
mod upgraded;
mod upload;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::backend;
use crate::cause::Cause;
use crate::event_loop::{Contained, Nanos, PanicSite, Registered, may_panic};
use crate::frontend::{self, ClientPermit, Incoming};
use crate::link::Pool;
use crate::metrics::{ClientClose, ClientState};
use crate::proto::http1::ResponseWriter;
use crate::stream::{Conn, read_some};

use inner::{ClientInner, LINGER, Phase};
pub use ticket::Ticket;
use upgraded::UpgradedTunnel;

/// What the clients of one listener share.
pub type HttpFrontend = frontend::Frontend<HttpPool>;
pub(in crate::client) type HttpPool = Pool<Ticket>;
pub(in crate::client) type HttpDestination = frontend::Destination<HttpPool>;
pub(in crate::client) type HttpMember = backend::Member<HttpPool>;

/// One accepted connection. While it is idle it keeps no buffer.
pub struct Client {
    frontend: Rc<HttpFrontend>,
    /// Who is connected.
    peer: IpAddr,
    key: u32,
    accepted_at: Nanos,
    conn: Conn,
    state: RefCell<ClientInner>,
    /// How the present answer is written.
    response: Cell<ResponseWriter>,
    _permit: ClientPermit,
}

impl Client {
    /// Takes an accepted connection onto this worker.
    pub fn admit(frontend: &Rc<HttpFrontend>, incoming: Incoming) {
        let Incoming { stream, source, permit, .. } = incoming;
        let now = frontend.event_loop.update_now();
        let peer = source.ip().to_canonical();
        let state = RefCell::new(ClientInner::new(frontend.destination.borrow().clone(), now));
        let admit = |key| Self {
            frontend: frontend.clone(),
            peer,
            key,
            accepted_at: now,
            conn: Conn::new(stream),
            state,
            response: Cell::default(),
            _permit: permit,
        };
        let client = frontend.event_loop.register_new(admit);
        frontend.enter();
        frontend.cells.connections[ClientState::Idle].inc();
        let task = ClientTask(client.clone());
        may_panic("client.welcome");
        client.assign(&mut client.state.borrow_mut());
        client.rearm(&mut client.state.borrow_mut());
        tokio::task::spawn_local(task);
    }

    fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<ClientClose> {
        self.conn.keep_waker(cx);
        let now = self.frontend.event_loop.update_now();
        read_some(cx, |cx| self.poll_once(cx, now))
    }

    /// Does what can be done, then reads once.
    fn poll_once(self: &Rc<Self>, cx: &mut Context<'_>, now: Nanos) -> ControlFlow<Poll<ClientClose>> {
        let mut s = self.state.borrow_mut();
        may_panic("client.poll");
        if matches!(s.phase, Phase::Tunnel) {
            return ControlFlow::Break(self.poll_tunnel(&mut s, cx));
        }
        self.poll_write(&mut s, cx);
        self.proceed(&mut s, now);
        self.count_input(&mut s);
        if let Some(why) = self.over(&mut s) {
            return ControlFlow::Break(Poll::Ready(why));
        }
        if !Self::wants_input(&s) {
            return ControlFlow::Break(Poll::Pending);
        }
        let room = self.room(&mut s, now);
        if room == 0 {
            return ControlFlow::Break(Poll::Pending);
        }
        let mut input = self.frontend.event_loop.input();
        let most = input.len().min(room);
        let received = &self.frontend.cells.received_bytes;
        let Poll::Ready(read) = self.conn.poll_read(cx, &mut input[..most], received) else {
            return ControlFlow::Break(Poll::Pending);
        };
        match read {
            Ok([]) => self.at_eof(&mut s),
            Ok(bytes) => {
                if matches!(s.phase, Phase::Linger) {
                    s.since = now; // it is still sending
                }
                self.received(&mut s, bytes, now);
                self.count_input(&mut s);
            }
            Err(_) => self.conn.fail(),
        }
        ControlFlow::Continue(())
    }

    /// Whether all is said, and why it ends if so. Takes the step from the last answer to FIN.
    fn over(&self, s: &mut ClientInner) -> Option<ClientClose> {
        if self.conn.has_failed() {
            return Some(s.close.unwrap_or(ClientClose::Client));
        }
        let quiet = !s.is_busy() && s.unwritten() == 0;
        match s.phase {
            Phase::Done if quiet && s.unread => {
                self.say_goodbye(s);
                None
            }
            Phase::Done if quiet => Some(s.close.unwrap_or(ClientClose::Client)),
            Phase::Head if quiet && s.draining && !s.unread_input() => Some(ClientClose::Drain),
            _ => None,
        }
    }

    fn say_goodbye(&self, s: &mut ClientInner) {
        self.conn.close_write();
        s.phase = Phase::Linger;
        s.since = self.frontend.event_loop.now();
        s.cold().lingers_until = s.since.saturating_add(LINGER);
        self.show(s, ClientState::Closing);
        self.rearm(s);
    }

    /// The connection has ended, perhaps by a panic: another one in here would be one too many.
    fn end(self: &Rc<Self>, why: ClientClose) {
        let event_loop = &self.frontend.event_loop;
        if event_loop.contain(PanicSite::Client, || self.finish(why)).is_none() {
            event_loop.unregister(self.key);
        }
    }

    /// What it held is given back.
    fn finish(self: &Rc<Self>, why: ClientClose) {
        self.conn.close();
        let mut s = self.state.borrow_mut();
        self.conn.fail();
        let unanswered = s.unanswered();
        let cells = &self.frontend.cells;
        cells.in_flight.add(-i64::from(std::mem::take(&mut s.counted)));
        s.destination.cells.errors[s.blame].add(unanswered.into());
        while s.record().is_some() {
            let cause = s.blame;
            self.write_record(&mut s, 0, Some(cause), 0);
        }
        self.drop_upload(&mut s);
        let waited_for = s.assignment.member().filter(|_| s.waits).cloned();
        if let Some(link) = s.link.take() {
            link.abandon(|ticket: &Ticket| ticket.is_of(self));
        }
        if let Some(link) = s.take_kept() {
            link.let_go();
        }
        self.unassign(&mut s);
        self.count_nothing(&mut s);
        s.buffers = None;
        if let Some(cold) = &mut s.cold {
            (cold.tunnel, cold.place) = (None, None);
        }
        cells.connections[s.shown].dec();
        cells.closed[why].inc();
        cells.connection_requests.observe(s.requests.into());
        cells
            .connection_duration
            .observe_nanos(self.frontend.event_loop.now().saturating_sub(self.accepted_at));
        self.frontend.leave();
        drop(s);
        if let Some(member) = waited_for {
            member.pool.left_the_queue();
        }
        self.frontend.event_loop.unregister(self.key);
    }

    fn show(&self, s: &mut ClientInner, state: ClientState) {
        if s.shown != state {
            self.frontend.cells.connections.shift(s.shown, state);
            s.shown = state;
        }
    }

    /// Sees to it that the deadline is looked at. Most often it is later than the look that is due anyway.
    fn rearm(&self, s: &mut ClientInner) {
        if let Some((at, _)) = s.deadline(&self.conn)
            && at < s.armed
        {
            s.armed = at;
            self.frontend.event_loop.arm(self.key, at);
        }
    }

    /// The deadline has passed with nothing done.
    fn late(&self, s: &mut ClientInner, cause: Cause) {
        match cause {
            Cause::HeadTimeout => {
                s.close = Some(ClientClose::HeadTimeout);
                let buffers = s.buffers.take();
                self.begin_unread(s, buffers.as_ref().map_or(&[], |buffers| &buffers.input), s.since);
                s.buffers = buffers;
                self.refuse(s, None, cause, cause.status());
            }
            Cause::BodyTimeout => {
                s.close = Some(ClientClose::SlowBody);
                self.abort_body(s, cause);
            }
            Cause::ClientSlow => {
                s.close = s.close.or(Some(ClientClose::Error));
                s.blame = cause;
                self.cut_off(s);
            }
            _ => {
                let old = s.is_old(self.frontend.event_loop.now());
                s.close = Some(if old { ClientClose::MaxAge } else { ClientClose::IdleTimeout });
                self.conn.fail();
            }
        }
        self.conn.wake();
    }
}

impl Contained for Client {
    fn site(&self) -> PanicSite {
        PanicSite::Client
    }

    /// It is closed, perhaps in the middle of an answer: what it was about is not known any more.
    fn panicked(&self) {
        if let Ok(mut s) = self.state.try_borrow_mut() {
            s.close = Some(ClientClose::Error);
            s.blame = Cause::Internal;
            s.armed = Nanos::MAX;
            self.cut_off(&s);
        }
        self.conn.wake();
    }
}

impl Registered for Client {
    fn on_timer(&self, now: Nanos) -> Option<Nanos> {
        let mut s = self.state.borrow_mut();
        may_panic("client.look");
        s.armed = Nanos::MAX;
        if s.awaits_member() {
            s.since = now;
        }
        let stalled = s.buffers.as_ref().is_some_and(|buffers| buffers.stalled);
        if stalled
            || s.cold.as_ref().and_then(|cold| cold.tunnel.as_ref()).is_some_and(UpgradedTunnel::is_lingering)
        {
            self.conn.wake();
        }
        let (at, cause) = s.deadline(&self.conn)?;
        if at > now {
            s.armed = at;
            return Some(at);
        }
        if let Some(until) = self.frontend.event_loop.lenient_until(now) {
            s.armed = until;
            return Some(until);
        }
        self.late(&mut s, cause);
        None
    }

    fn on_drain(&self) {
        self.state.borrow_mut().draining = true;
        self.conn.wake();
    }

    fn on_reconfigure(&self) {
        let share = self.frontend.destination.borrow().group.share; // where there are rules, each worker has links to all
        if self.frontend.closed.get() || share == 0 {
            return self.on_drain();
        }
        // Who says nothing has no next exchange, and its limits hold all the same.
        let mut s = self.state.borrow_mut();
        if !self.conn.has_failed() && s.shown == ClientState::Idle && !s.is_busy() && !s.keeps_link() {
            self.take_destination(&mut s);
            self.rearm(&mut s);
        }
    }

    fn on_kill(&self) {
        let mut s = self.state.borrow_mut();
        s.close = Some(ClientClose::Drain);
        self.cut_off(&s);
        self.conn.wake();
    }
}

/// A client's life as a task: nothing but the client. However the task ends, what the client held is given back.
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
                Poll::Ready(()) // and it is dropped, which finishes the client
            }
        }
    }
}

impl Drop for ClientTask {
    fn drop(&mut self) {
        let client = &self.0;
        if client.conn.is_closed() {
            return; // it has finished
        }
        let why = client.state.try_borrow().ok().and_then(|s| s.close);
        client.end(why.unwrap_or(ClientClose::Error));
    }
}

#[cfg(test)]
mod tests {
    /// What the allocator gives for it, the two counts of `Rc` included; one byte more costs 64.
    const ROOM: usize = 256;

    #[test]
    fn an_idle_client_is_small() {
        assert!(size_of::<super::Client>() + 2 * size_of::<usize>() <= ROOM);
    }
}
