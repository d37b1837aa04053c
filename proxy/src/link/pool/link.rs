//! One link: its socket, and the movement of bytes between the socket and the queue.
//!
//! A link decides nothing: the queue knows whose a response is, and the pool which request comes next.

mod body;
mod holding;
mod parting;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::cause::Cause;
use crate::event_loop::{Contained, Flush, Nanos, PanicSite, may_panic, timeout};
use crate::metrics::{HoldReason, LinkState};
use crate::net::Peeked;
use crate::proto::http::ResponseHead;
use crate::stream::{Conn, Stream, read_some};

use crate::link::pipeline::answer::AnswerEnd;
use crate::link::pipeline::exchange::{Exchange, RequestSource, Slot};
use crate::link::pipeline::link_end::LinkEnd;
use crate::link::pipeline::member_traits::{Doubt, MemberTraits};
use crate::link::pipeline::queue::{self, Queue};
use crate::link::pipeline::sink::{Data, Sink};
use crate::link::pool::{Pool, Recipient};
use crate::link::scheduler::{Acquired, LinkId};

/// One connection to a member, in its pool.
pub struct Link<T: Recipient> {
    pub(super) pool: Rc<Pool<T>>,
    pub(super) id: LinkId,
    pub(in crate::link) queue: RefCell<Queue<T>>,
    pub(super) opened_at: Nanos,
    /// The connection. Where writing has failed, the bytes that the member sent before that are read first, then EOF or RST.
    conn: Conn,
    /// The reason for which the link must end, once there is one.
    condemned: Cell<Option<LinkEnd>>,
    /// The state that the gauge shows for the link.
    state: Cell<LinkState>,
    /// The number of ended answers that the pool knows of.
    settled: Cell<u64>,
    /// The number of exchanges that the gauge of those in flight counts for this link.
    pub(super) counted: Cell<u32>,
    /// The link ends because nobody used it.
    pub(super) expired: Cell<bool>,
    /// The link ends so that another worker may open one in its place.
    pub(super) lent: Cell<bool>,
    /// The exchanges behind the head were considered for a rescue, and those that had to stay were counted.
    pub(super) leftover_counted: Cell<bool>,
    /// The client whose tunnel the link has become.
    taker: RefCell<Option<T>>,
    /// The link belongs to one client, also between two exchanges.
    pub(super) kept: Cell<bool>,
    /// The client that the link belongs to, if it belongs to one.
    keeper: RefCell<Option<T>>,
    /// The likelihood that content follows the last answer.
    pub(super) doubt: Cell<Doubt>,
    /// The number of bytes of the link that were counted as held when they were last counted.
    counted_bytes: Cell<usize>,
}

/// The number of bytes, 64 KiB, of a body that wait to be written when its client stops sending. More would buy nothing, as the
/// socket's own buffer is full by then; each busy upload may hold as much.
const BODY_PENDING: usize = 64 << 10;
/// The number of bytes, 256 KiB, of requests on a link at which it takes no more. Requests are kept until they are answered,
/// since they may have to be sent again; more of them in flight would gain nothing.
const LADEN: usize = 256 << 10;
/// The time for which the member may take to close a link from which exchanges were taken.
const LONGEST_PARTING: Duration = Duration::from_secs(1);
/// The number of bytes, 64 KiB, of an answer behind which no other exchange has to wait: the link is held from there on.
const LARGE_ANSWER: u64 = 64 << 10;

impl<T: Recipient> Link<T> {
    pub(super) fn new(pool: &Rc<Pool<T>>, id: LinkId, stream: Stream) -> Rc<Self> {
        let settings = pool.settings.borrow();
        Rc::new(Self {
            pool: pool.clone(),
            id,
            queue: RefCell::new(Queue::new(settings.framing.as_deref(), settings.head)),
            opened_at: pool.event_loop.now(),
            conn: Conn::new(stream),
            condemned: Cell::new(None),
            state: Cell::new(LinkState::Idle),
            settled: Cell::new(0),
            counted: Cell::new(0),
            expired: Cell::new(false),
            lent: Cell::new(false),
            leftover_counted: Cell::new(false),
            taker: RefCell::new(None),
            kept: Cell::new(false),
            keeper: RefCell::new(None),
            doubt: Cell::default(),
            counted_bytes: Cell::new(0),
        })
    }

    /// Puts a request on the link. It leaves at the end of this turn, with all others of the turn.
    pub(super) fn submit(self: &Rc<Self>, to: T, request: Exchange, source: &(impl RequestSource + ?Sized)) {
        let half_done = CondemnOnPanic(self);
        self.queue.borrow_mut().submit(to, request, self.pool.event_loop.now(), source);
        self.flush_later();
        std::mem::forget(half_done);
    }

    /// Returns whether a request may join those that the same client has on this link.
    #[must_use]
    pub fn has_room(&self) -> bool {
        !self.is_condemned() && !self.is_laden() && self.pool.scheduler.borrow().has_room(self.id)
    }

    /// Returns whether so many bytes of requests are on the link that no more are put behind them.
    pub(super) fn is_laden(&self) -> bool {
        self.queue.borrow().held() >= LADEN
    }

    /// Counts the bytes that the link holds.
    pub(super) fn count_held(&self) {
        self.count_held_of(&self.queue.borrow());
    }

    fn count_held_of(&self, queue: &Queue<T>) {
        self.pool.event_loop.buffers.count(&self.counted_bytes, queue.held());
    }

    /// Puts a request behind those that the same client has on this link. The caller has asked [`Link::has_room`].
    pub fn join(self: &Rc<Self>, to: T, request: Exchange, source: &(impl RequestSource + ?Sized)) {
        let half_done = CondemnOnPanic(self);
        self.pool.scheduler.borrow_mut().join(self.id);
        self.pool.count_acquired(self, Acquired::Pipelined, 0);
        self.submit(to, request, source);
        std::mem::forget(half_done);
    }

    /// Makes the link the own one of the client whose request is on it, until [`Link::release`]: the client's credentials
    /// belong to the connection (NTLM, Negotiate).
    pub fn keep(&self, keeper: T) {
        self.kept.set(true);
        *self.keeper.borrow_mut() = Some(keeper);
        self.pool.scheduler.borrow_mut().keep(self.id);
    }

    /// Puts a request on a link that its client keeps, and on which nothing is in flight.
    pub fn go_on(self: &Rc<Self>, to: T, request: Exchange, source: &(impl RequestSource + ?Sized)) {
        let half_done = CondemnOnPanic(self);
        self.pool.count_acquired(self, Acquired::Reused, 0);
        self.submit(to, request, source);
        std::mem::forget(half_done);
    }

    /// Ends the link of a client that has gone or goes elsewhere: no other client may use it.
    pub fn release(&self) {
        *self.keeper.borrow_mut() = None;
        self.condemn(LinkEnd::Finished);
    }

    /// Returns whether the link takes requests, and its member is still in the configuration.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.is_condemned() && !self.pool.health.is_retired() && !self.conn.is_closed()
    }

    /// Wakes the link to read on, because the client has room for the answer again, or went away.
    pub fn resume(&self) {
        self.conn.wake();
    }

    /// Gives up the exchanges of a client that went away. Their answers are read and thrown away; where a request is not
    /// complete, the link ends.
    pub fn abandon(&self, gone: impl Fn(&T) -> bool) {
        if !self.queue.borrow_mut().abandon(gone) {
            self.condemn(LinkEnd::Abandoned);
        }
        self.pool.was_left();
        self.resume();
    }

    /// Ends the link because its client cannot complete the body of the last request. Returns the request and its recipient, if
    /// the client has not seen any of the answer.
    pub fn give_up(&self, whose: impl Fn(&T) -> bool) -> Option<(T, Exchange)> {
        self.condemn(LinkEnd::Abandoned);
        let mut queue = self.queue.borrow_mut();
        let unseen = queue.last().filter(|slot| !slot.shown);
        let request = unseen.and_then(|slot| Some((slot.recipient.clone().filter(&whose)?, slot.request)));
        queue.abandon(whose);
        request
    }

    /// Marks the link to end, which its task does.
    pub(super) fn condemn(&self, why: LinkEnd) {
        if self.condemned.get().is_none() {
            self.condemned.set(Some(why));
        }
        self.resume();
    }

    /// Shows in the gauge what the link does now.
    pub(super) fn show(&self, state: LinkState) {
        let before = self.state.replace(state);
        if before != state {
            self.pool.cells.connections.shift(before, state);
        }
    }

    /// Returns the state that the gauge shows for the link.
    pub(super) fn shown(&self) -> LinkState {
        self.state.get()
    }

    /// Returns how many answers have ended since the last call.
    pub(super) fn settle(&self) -> u64 {
        let answered = self.queue.borrow().answered();
        answered - self.settled.replace(answered)
    }

    /// Asserts, in builds for debugging, what the rule of [`crate::link`] asks for before a client is told something.
    pub(in crate::link) fn assert_free(&self) {
        debug_assert!(
            self.queue.try_borrow_mut().is_ok(),
            "a client is told something inside a borrow of a queue"
        );
        debug_assert!(
            self.taker.try_borrow_mut().is_ok(),
            "a client is told something inside a borrow of a link"
        );
        debug_assert!(
            self.keeper.try_borrow_mut().is_ok(),
            "a client is told something inside a borrow of a link"
        );
        self.pool.assert_free();
    }

    pub(super) fn is_condemned(&self) -> bool {
        self.condemned.get().is_some()
    }

    /// Returns whether the link is open, and no byte has come that no request asked for.
    pub(super) fn is_quiet(&self) -> bool {
        !self.is_condemned() && self.conn.stream().as_ref().is_some_and(Stream::is_reusable)
    }

    /// Closes the descriptor of the link.
    pub(super) fn close_socket(&self) {
        self.conn.close();
    }

    /// Returns whether the socket of the link has been closed.
    pub(super) fn has_ended(&self) -> bool {
        self.conn.is_closed()
    }

    /// Looks at bytes that have come on the link and were not read yet.
    pub(super) fn peek(&self, buf: &mut [u8]) -> Peeked {
        self.conn.stream().as_ref().map_or(Peeked::Ended, |stream| stream.peek(buf))
    }

    /// Runs the link. Returns `Ready` when it has ended; its descriptor is closed by then, unless it is to part or is taken
    /// over.
    pub(super) fn poll(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<LinkEnd> {
        self.conn.keep_waker(cx);
        let end = self.poll_stream(cx);
        if end.is_ready() && end != Poll::Ready(LinkEnd::Switched) && !self.must_part(end) {
            self.conn.close();
        }
        end
    }

    /// Takes out the stream, and the client that it belongs to, after [`LinkEnd::Switched`].
    pub(super) fn take_over(&self) -> Option<(Stream, T)> {
        let taker = self.taker.borrow_mut().take()?;
        Some((self.conn.take()?, taker))
    }

    /// Returns whether the link has to part: either the member still answers requests that were sent elsewhere meanwhile, so
    /// that the link still weighs on it; or the member is about to get another link for this one, and should have seen the end
    /// of this one by then.
    fn must_part(&self, end: Poll<LinkEnd>) -> bool {
        end == Poll::Ready(LinkEnd::Finished) && (self.lent.get() || self.queue.borrow().is_leaving())
    }

    /// Says goodbye, and reads until the member has closed as well. The descriptor is closed by then.
    pub(super) async fn part(&self) {
        let Some(stream) = self.conn.take() else { return };
        self.read_last_answers(&stream).await;
        stream.close_write();
        let rest = poll_fn(|cx| {
            loop {
                let mut input = self.pool.event_loop.input();
                match stream.poll_read(cx, &mut input) {
                    Poll::Ready(Ok(bytes)) if !bytes.is_empty() => {
                        self.pool.cells.received_bytes.add(bytes.len() as u64);
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        _ = timeout(LONGEST_PARTING, rest).await; // then without it
    }

    fn poll_stream(self: &Rc<Self>, cx: &mut Context<'_>) -> Poll<LinkEnd> {
        may_panic("link.poll");
        if self.conn.poll_unblocked(cx) {
            self.write();
        }
        read_some(cx, |cx| self.poll_once(cx))
    }

    /// Reads once, unless there is a reason not to.
    fn poll_once(self: &Rc<Self>, cx: &mut Context<'_>) -> ControlFlow<Poll<LinkEnd>> {
        if let Some(why) = self.condemned.get() {
            return ControlFlow::Break(Poll::Ready(why));
        }
        if self.must_pause() {
            return ControlFlow::Break(Poll::Pending);
        }
        let mut input = self.pool.event_loop.input();
        let Poll::Ready(read) = self.conn.poll_read(cx, &mut input, &self.pool.cells.received_bytes) else {
            return ControlFlow::Break(Poll::Pending);
        };
        match self.received(read) {
            Some(why) => ControlFlow::Break(Poll::Ready(why)),
            None => ControlFlow::Continue(()),
        }
    }

    fn received(self: &Rc<Self>, read: io::Result<&[u8]>) -> Option<LinkEnd> {
        let event_loop = &self.pool.event_loop;
        let now = event_loop.update_now();
        let mut out = event_loop.output();
        let mut sink = LinkSink { link: self, served: 0, classes: self.pool.classes.take(), large: false };
        may_panic("link.received");
        let outcome = match read {
            Ok([]) => {
                queue::at_eof(&mut &self.queue, now, &mut out, &mut sink);
                Err(LinkEnd::Closed)
            }
            Ok(bytes) => queue::receive(&mut &self.queue, bytes, now, &mut out, &mut sink),
            Err(_) => Err(LinkEnd::Closed),
        };
        let (large, last) = {
            let queue = self.queue.borrow();
            (queue.head().is_some_and(|slot| slot.received > LARGE_ANSWER), queue.is_on_its_last())
        };
        self.count_held();
        let LinkSink { served, mut classes, large: was_large, .. } = sink;
        if !classes.is_empty() {
            self.pool.scheduler.borrow_mut().depth.observe(&classes, was_large, served, now);
        }
        classes.clear();
        self.pool.classes.set(classes);
        if large {
            self.pool.hold(self, HoldReason::Large);
        }
        if last {
            self.pool.bar(self, now);
        }
        match outcome {
            Ok(true) => self.pool.answered(self, now),
            Ok(false) => Some(LinkEnd::Finished),
            Err(why) => Some(why),
        }
    }

    /// Returns whether reading has to pause, because the client at the head does not read its answer.
    fn must_pause(&self) -> bool {
        let full = self.is_head_full();
        if full {
            self.pool.hold(self, HoldReason::Reader);
        }
        full
    }

    pub(super) fn is_head_full(&self) -> bool {
        self.queue.borrow().head().and_then(|slot| slot.recipient.as_ref()).is_some_and(Recipient::is_full)
    }

    fn flush_later(self: &Rc<Self>) {
        // One that is blocked or has failed writes nothing at the end of the turn, but what was put on it is of this turn's bundle.
        if self.conn.enlist() {
            self.pool.event_loop.flush_later(self.clone());
        }
    }

    fn write(&self) {
        if !self.conn.takes_bytes() {
            return;
        }
        if let Some(client) = self.write_queue() {
            self.assert_free();
            client.writable();
        }
    }

    /// Writes the output of the queue. Returns the client that may send more of its request's body now.
    fn write_queue(&self) -> Option<T> {
        let mut queue = self.queue.borrow_mut();
        may_panic("link.write");
        let waiting = queue.unwritten().len();
        let sent = if waiting == 0 { 0 } else { self.send(queue.unwritten(), &[]) };
        queue.wrote(sent, self.pool.event_loop.now());
        if queue.has_said_all() {
            self.conn.close_write();
        }
        if waiting == 0 {
            return None;
        }
        self.count_held_of(&queue);
        if sent < waiting && !self.conn.has_failed() {
            self.conn.block();
            self.resume();
        }
        let drained = queue.unwritten().len() < BODY_PENDING / 2;
        queue
            .last()
            .filter(|slot| slot.request.upload.is_open() && drained)
            .and_then(|slot| slot.recipient.clone())
    }

    /// Writes as much as the connection takes now.
    fn send(&self, first: &[u8], second: &[u8]) -> usize {
        self.conn.send(first, second, &self.pool.cells.sent_bytes)
    }
}

impl<T: Recipient> Contained for Link<T> {
    fn site(&self) -> PanicSite {
        PanicSite::Link
    }

    /// Ends the link: nobody knows any more what it carries. It takes no more requests, and its task ends it.
    fn panicked(&self) {
        self.condemn(LinkEnd::Panicked);
        if let Ok(mut scheduler) = self.pool.scheduler.try_borrow_mut() {
            scheduler.close_to_new(self.id);
        }
    }
}

/// A guard for the time in which a request is being put on a link, which a panic would leave half done.
pub(super) struct CondemnOnPanic<'a, T: Recipient>(pub(super) &'a Link<T>);

impl<T: Recipient> Drop for CondemnOnPanic<'_, T> {
    fn drop(&mut self) {
        self.0.panicked();
    }
}

/// A guard for the time in which a client is told something of an exchange that its link has already given up. A panic would
/// leave the client waiting.
struct TellOnPanic<'a, T: Recipient>(&'a T);

impl<T: Recipient> Drop for TellOnPanic<'_, T> {
    fn drop(&mut self) {
        self.0.panicked();
    }
}

impl<T: Recipient> Drop for Link<T> {
    fn drop(&mut self) {
        self.pool.event_loop.buffers.count(&self.counted_bytes, 0);
    }
}

impl<T: Recipient> Flush for Link<T> {
    fn flush(&self) {
        self.conn.end_turn();
        self.pool.scheduler.borrow_mut().turn_ended();
        self.write();
    }
}

/// The sink of a link, which tells clients what the queue finds, and the counters what clients are told.
struct LinkSink<'a, T: Recipient> {
    link: &'a Link<T>,
    /// The classes of the exchanges that ended in this read.
    classes: Vec<u32>,
    /// The time that the member took for all of them.
    served: Nanos,
    /// The first of them was so large that no exchange should have been behind it.
    large: bool,
}

impl<T: Recipient> Sink<T> for LinkSink<'_, T> {
    #[inline]
    fn head(
        &mut self,
        to: &T,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        to.head(head, early, out)
    }

    #[inline]
    fn data(&mut self, to: &T, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        to.data(bytes, out)
    }

    #[inline]
    fn end(&mut self, to: &T, trailers: &[u8], out: &mut Vec<u8>) {
        to.end(trailers, out);
    }

    fn deliver(&mut self, to: &T, out: &[u8], raw: &[u8]) {
        self.link.assert_free();
        to.deliver(out, raw);
    }

    fn served_by(&mut self, server: Option<&[u8]>) {
        self.link.pool.served_by(server);
    }

    fn ended(&mut self, slot: Slot<T>, end: AnswerEnd, service: Nanos) {
        self.link.pool.member_traits.set(MemberTraits::of(&end, self.link.pool.event_loop.now()));
        self.link.doubt.set(self.link.doubt.get().after(slot.request.kind, &end));
        self.classes.push(slot.request.class);
        self.large |= self.classes.len() == 1 && slot.received > LARGE_ANSWER;
        self.served += service;
        self.link.pool.exchange_ended(self.link, &slot, end.status);
        let Some(client) = slot.recipient else { return };
        self.link.assert_free();
        let untold = TellOnPanic(&client);
        client.ended(&slot.request, end, service);
        std::mem::forget(untold);
        if end.switched {
            *self.link.taker.borrow_mut() = Some(client);
        }
    }
}
