//! The links of the simulated worker: what `shelf.rs` and `driver.rs` do, without sockets.
//! In: requests, what the member sends, what is due. Out: places on links, and what is told to clients.
//! Decides as little as they do: `Pool` says which link, `Queue` says what becomes of an exchange.

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::config::HeadLimits;
use penstock::link::{Broken, End, Fate, How, Queue, Request, SeatId, Sink, Slot, Want};

use super::{IDLE_TIMEOUT, LOOK_AFTER, Link, QUEUE_TIMEOUT, RESPONSE_TIMEOUT, Waiter, World, note};
use crate::client::{Later, Ticket};
use crate::origin::{Origin, Read};

impl World {
    pub(super) fn has_room(&self, link: u64) -> bool {
        let link = &self.links[&link];
        link.condemned.is_none() && self.pool.has_room(link.seat)
    }

    pub(super) fn join(&mut self, link: u64, to: Ticket, request: Request, head: Vec<u8>) {
        self.pool.join(self.links[&link].seat);
        self.ledger.count("joined");
        self.put(link, to, request, &head);
    }

    /// `Shelf::submit`.
    pub(super) fn submit(&mut self, to: Ticket, request: Request, head: Vec<u8>, cause: Cause) {
        if self.down {
            return self.clients[to.client].later.push_front(Later::Fail { id: to.id, cause });
        }
        if let Some((link, how)) = self.place(&request) {
            self.ledger.count(&format!("{how:?}"));
            return self.put(link, to, request, &head);
        }
        let waiter = Waiter { to, request, head };
        if self.pool.wait(request.want, waiter, self.now).is_err() {
            let full = Later::Fail { id: to.id, cause: Cause::QueueFull };
            return self.clients[to.client].later.push_front(full);
        }
        self.clients[to.client].waits = true;
        note!(self, "exchange {} waits, {:?}", to.id, request.want);
        self.open_more();
    }

    /// `Shelf::place` and `Shelf::is_fit`.
    fn place(&mut self, request: &Request) -> Option<(u64, How)> {
        loop {
            let (seat, at, how) = self.pool.place(request.want)?;
            let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
            let unused = self.now.saturating_sub(link.queue.head_since());
            let careful = unused > LOOK_AFTER || !request.ask.method.is_idempotent();
            let quiet = link.condemned.is_none() && (!careful || link.origin.is_quiet(self.now));
            if how == How::Pipelined || quiet {
                return Some((at, how));
            }
            self.pool.bar(seat);
            link.condemned.get_or_insert(Broken::Closed);
        }
    }

    /// `Link::submit`.
    fn put(&mut self, at: u64, to: Ticket, request: Request, head: &[u8]) {
        note!(self, "exchange {} on link {at}", to.id);
        assert!(self.is_present(&to), "nobody waits for {}", to.id);
        let limit = usize::from(self.pool.depth.limit());
        let client = &mut self.clients[to.client];
        assert!(client.link.is_none_or(|link| link == at), "client {} on two links", to.client);
        (client.link, client.waits) = (Some(at), false);
        client.in_flight += 1;
        let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
        if link.queue.in_flight() > 0 {
            assert!(link.queue.answered() > 0, "two on link {at}, which has not answered yet");
            assert!(link.wants.iter().all(|w| *w == Want::Shared), "{} behind one alone", to.id);
            assert!(request.want == Want::Shared, "{} is to be alone", to.id);
            assert!(link.queue.in_flight() < limit, "{} on link {at} above depth {limit}", to.id);
        }
        link.queue.submit(to, request, self.now, |out| out.extend_from_slice(head));
        link.wants.push_back(request.want);
    }

    fn open_more(&mut self) {
        while let Some(seat) = self.pool.open(self.now) {
            self.connecting.push(seat);
        }
    }

    /// `Shelf::live`, once connecting has succeeded or failed.
    pub(crate) fn connect(&mut self, seat: SeatId) {
        if self.refusing {
            return self.connect_failed(seat);
        }
        self.opened += 1;
        let id = self.opened;
        note!(self, "link {id} stands");
        let link = Link {
            seat,
            queue: Queue::new(HeadLimits::default()),
            origin: Origin::new(self.now),
            condemned: None,
            settled: 0,
            wants: VecDeque::new(),
        };
        self.links.insert(id, link);
        self.down = false;
        self.pool.connected(seat, id, self.now);
        self.dispatch(id);
        self.use_idle();
    }

    /// `Shelf::use_idle`.
    fn use_idle(&mut self) {
        while let Some(at) = self.pool.idle_for_waiting() {
            let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
            if link.condemned.is_none() && link.origin.is_quiet(self.now) {
                self.dispatch(at);
            } else {
                self.pool.bar(link.seat);
                link.condemned.get_or_insert(Broken::Closed);
            }
        }
    }

    fn connect_failed(&mut self, seat: SeatId) {
        note!(self, "refused");
        self.pool.not_connected(seat, self.now);
        let mut moved = Vec::new();
        if self.pool.used() == 0 {
            moved = self.pool.remove_waiting(|_| true);
            self.down = true;
        }
        for Waiter { to, request, head } in moved {
            if self.is_present(&to) {
                self.again(to, request, head, Cause::ConnectRefused);
            }
        }
        self.open_more();
        self.use_idle();
    }

    fn dispatch(&mut self, at: u64) {
        loop {
            let seat = self.links[&at].seat;
            let clients = &self.clients;
            let next = self.pool.next_for(seat, |w| clients[w.to.client].life == w.to.life);
            let Some((Waiter { to, request, head }, _, how)) = next else { break };
            self.ledger.count(&format!("{how:?}"));
            self.put(at, to, request, &head);
        }
    }

    /// The link writes some of what it has to write.
    pub(crate) fn write(&mut self, at: u64) {
        let Some(link) = self.links.get_mut(&at) else { return };
        let unwritten = link.queue.unwritten();
        if unwritten.is_empty() {
            return;
        }
        let n = self.rng.cut(unwritten.len());
        link.origin.written(&unwritten[..n], self.now, &self.scene.temper, &mut self.rng, &mut self.ledger);
        link.queue.wrote(n, self.now);
        note!(self, "link {at} writes {n}");
    }

    /// `Link::received`: the link reads what is there, or ends.
    pub(crate) fn read(&mut self, at: u64) {
        let Some(link) = self.links.get_mut(&at) else { return };
        if let Some(why) = link.condemned {
            return self.link_ended(at, why);
        }
        let read = link.origin.read(self.now, &mut self.rng);
        self.take_in(at, read);
    }

    /// Bytes that nobody asked for, which look like an answer, on an idle link.
    pub(crate) fn unsolicited(&mut self, at: u64) {
        let answer = b"HTTP/1.1 200 OK\r\nX-Id: 999999999\r\nContent-Length: 1\r\n\r\nx".to_vec();
        let link = &self.links[&at];
        if link.condemned.is_none() && link.queue.in_flight() == 0 {
            self.take_in(at, Read::Bytes(answer));
            assert!(!self.links.contains_key(&at), "link {at} took what it had not asked for");
        }
    }

    fn take_in(&mut self, at: u64, read: Read) {
        let Some(link) = self.links.get_mut(&at) else { return };
        let clients = &self.clients;
        let closes =
            |c: usize| clients[c].draining && clients[c].in_flight <= 1 && clients[c].later.is_empty();
        let mut told = Told { closes: &closes, what: Vec::new() };
        let (now, out) = (self.now, &mut self.out);
        let outcome = match read {
            Read::Nothing => return,
            Read::Bytes(bytes) => link.queue.receive(&bytes, now, out, &mut told),
            Read::Eof => {
                link.queue.at_eof(now, out, &mut told);
                Err(Broken::Closed)
            }
            Read::Reset => Err(Broken::Closed),
        };
        let what = told.what;
        note!(self, "link {at} reads: {} told, {outcome:?}", what.len());
        for thing in what {
            self.tell(at, thing);
        }
        match outcome {
            Ok(true) => self.answered(at),
            Ok(false) => self.link_ended(at, Broken::Finished),
            Err(why) => self.link_ended(at, why),
        }
    }

    fn tell(&mut self, at: u64, what: Tell) {
        match what {
            Tell::Piece(to, bytes) => {
                assert!(self.is_present(&to), "a piece of {} for one who is gone", to.id);
                self.clients[to.client].piece(to.id, &bytes);
            }
            Tell::Ended(slot, end, service) => {
                self.links.get_mut(&at).expect("it was just read from").wants.pop_front();
                self.pool.depth.observe(&[0], false, service, self.now);
                let Some(to) = slot.ticket else { return self.ledger.count("discarded") };
                assert!(self.is_present(&to), "an answer to {} for one who is gone", to.id);
                self.clients[to.client].ended(to.id, end, &mut self.ledger);
            }
        }
    }

    /// `Shelf::answered`.
    fn answered(&mut self, at: u64) {
        let link = self.links.get_mut(&at).expect("it was just read from");
        let answered = link.queue.answered();
        if link.settled == answered {
            return;
        }
        link.settled = answered;
        let (seat, in_flight) = (link.seat, link.queue.in_flight());
        self.pool.settle(seat, in_flight, self.now);
        if self.scene.max_requests.is_some_and(|max| answered + in_flight as u64 >= max) {
            self.pool.bar(seat);
            if in_flight == 0 {
                self.link_ended(at, Broken::Finished);
            }
            return;
        }
        self.dispatch(at);
    }

    /// `Shelf::ended`.
    fn link_ended(&mut self, at: u64, why: Broken) {
        let mut link = self.links.remove(&at).expect("it stood until now");
        let fates = link.queue.end(why);
        note!(self, "link {at} ends: {why:?}, {} in flight", fates.len());
        assert_eq!(fates.len(), link.wants.len(), "a fate for each");
        self.pool.closed(link.seat);
        let reused = link.queue.answered() > 0;
        for (slot, fate) in fates {
            self.meet(slot, fate, reused);
        }
        self.open_more();
    }

    /// `Shelf::meet`.
    fn meet(&mut self, slot: Slot<Ticket>, fate: Fate, reused: bool) {
        let Some(to) = slot.ticket else {
            assert_eq!(fate, Fate::Nobody);
            return;
        };
        if !self.is_present(&to) {
            return; // an exchange before it on this link was cut, and its client with it
        }
        note!(self, "exchange {}: {}", to.id, name(&fate));
        let mut request = slot.request;
        match fate {
            Fate::Nobody => panic!("{} is awaited", to.id),
            Fate::Cut(cause) => {
                self.clients[to.client].cut(to.id, cause, &mut self.ledger);
                self.renew(to.client);
            }
            Fate::Fail(cause) => self.leave(to, Later::Fail { id: to.id, cause }),
            Fate::Replay { head, sent } => {
                assert!(!sent || request.ask.method.is_idempotent(), "{} may not be repeated", to.id);
                assert!(!sent || reused, "{} was sent on a new link", to.id);
                assert_eq!(head, self.ledger.head(to.id), "what is sent again");
                self.ledger.replay(to.id, sent);
                request.replayed |= sent;
                request.want = Want::Fresh;
                self.again(to, request, head, Cause::BackendReset);
            }
        }
    }

    fn again(&mut self, to: Ticket, request: Request, head: Vec<u8>, cause: Cause) {
        self.leave(to, Later::Send { id: to.id, request, head, cause });
    }

    fn leave(&mut self, to: Ticket, later: Later) {
        let client = &mut self.clients[to.client];
        if client.resent {
            client.later.push_front(later); // what is to come later was asked after it
        } else {
            client.later.push_back(later);
        }
        if !std::mem::take(&mut client.waits) {
            client.in_flight -= 1;
        }
        client.left();
    }

    /// `Shelf::look`: what is due.
    pub(crate) fn look(&mut self) {
        let now = self.now;
        for Waiter { to, .. } in self.pool.give_up_waiting(now.saturating_sub(QUEUE_TIMEOUT)) {
            if self.is_present(&to) {
                self.leave(to, Later::Fail { id: to.id, cause: Cause::QueueTimeout });
            }
        }
        for at in self.pool.idle_since(now.saturating_sub(IDLE_TIMEOUT)) {
            let link = self.links.get_mut(&at).expect("an idle link stands");
            self.pool.bar(link.seat);
            link.condemned.get_or_insert(Broken::Finished);
        }
        for link in self.links.values_mut() {
            let since = link.queue.head().and_then(|slot| slot.silent_since(link.queue.head_since()));
            if since.is_some_and(|since| now.saturating_sub(since) >= RESPONSE_TIMEOUT) {
                link.condemned.get_or_insert(Broken::Timeout);
            }
        }
        self.open_more();
        self.use_idle();
    }

    /// `Shelf::recover`, one round of it.
    pub(crate) fn recover(&mut self) {
        if self.down
            && self.connecting.is_empty()
            && let Some(seat) = self.pool.claim()
        {
            self.connecting.push(seat);
        }
    }

    /// A link of which the member's end closes or resets without a reason.
    pub(crate) fn close_somewhere(&mut self) {
        let count = self.links.len();
        if let Some((at, link)) = self.links.iter_mut().nth(self.rng.below(count)) {
            link.origin.close(&mut self.rng);
            let at = *at;
            note!(self, "the member closes link {at}");
        }
    }
}

fn name(fate: &Fate) -> String {
    match fate {
        Fate::Replay { sent, .. } => format!("to be sent again, sent: {sent}"),
        other => format!("{other:?}"),
    }
}

enum Tell {
    Piece(Ticket, Vec<u8>),
    Ended(Slot<Ticket>, End, u64),
}

/// Keeps what the queue tells until the queue is no longer borrowed.
struct Told<'a> {
    closes: &'a dyn Fn(usize) -> bool,
    what: Vec<Tell>,
}

impl Sink<Ticket> for Told<'_> {
    fn closes(&self, to: &Ticket) -> bool {
        (self.closes)(to.client)
    }

    fn piece(&mut self, to: &Ticket, first: &[u8], second: &[u8]) {
        self.what.push(Tell::Piece(*to, [first, second].concat()));
    }

    fn ended(&mut self, slot: Slot<Ticket>, end: End, service: u64) {
        self.what.push(Tell::Ended(slot, end, service));
    }
}
