//! The choice of a link for a request, now or later: the model of `pool/mod.rs`, without sockets.
//!
//! Each place on a link is checked against what was promised.

use penstock::cause::Cause;
use penstock::link::{Acquired, Exchange, LinkEnd, LinkId, Sharing};
use penstock::metrics::HoldReason;

use super::{Around, Place, Waiter, World, around, note};
use crate::client::{Later, Ticket};

/// An idle link unused for this long is looked at before it is used again.
const LOOK_AFTER: u64 = 10_000_000;

impl World {
    pub(super) fn has_room(&self, link: u64) -> bool {
        let link = &self.links[&link];
        link.condemned.is_none() && self.pool.has_room(link.link_id)
    }

    /// `Link::join`.
    pub(super) fn join(&mut self, link: u64, to: Ticket, request: Exchange, head: Vec<u8>) {
        self.pool.join(self.links[&link].link_id);
        self.ledger.count("joined");
        self.put(link, to, request, &head, Acquired::Pipelined);
    }

    /// `Pool::submit`.
    pub(super) fn submit(&mut self, to: Ticket, mut request: Exchange, head: Vec<u8>, cause: Cause) {
        if self.down {
            return self.clients[to.client].later.push_front(Later::Fail { id: to.id, cause });
        }
        if request.sharing == Sharing::Shared && self.pool.depth.goes_alone(request.class) {
            request.sharing = Sharing::Alone;
            self.ledger.count("goes alone");
        }
        if let Some((link, how)) = self.place(&request) {
            return self.put(link, to, request, &head, how);
        }
        let waiter = Waiter { to, request, head };
        if self.pool.wait(request.sharing, waiter, self.now).is_err() {
            let full = Later::Fail { id: to.id, cause: Cause::QueueFull };
            return self.clients[to.client].later.push_front(full);
        }
        self.clients[to.client].waits = true;
        note!(self, "exchange {} waits, {:?}", to.id, request.sharing);
        self.open_more();
    }

    /// `Pool::place` and `Pool::is_fit`.
    fn place(&mut self, request: &Exchange) -> Option<(u64, Acquired)> {
        loop {
            let (link_id, at, how) = self.pool.place(request.sharing)?;
            let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
            let since = self.now.saturating_sub(link.queue.head_since());
            if how == Acquired::Pipelined {
                if since <= self.pool.depth.hold_after() {
                    return Some((at, how));
                }
                self.hold(at, HoldReason::Slow);
                continue;
            }
            let careful = since > LOOK_AFTER || !request.repeatable;
            if link.condemned.is_none() && (!careful || link.origin.is_quiet(self.now)) {
                return Some((at, how));
            }
            self.pool.close_to_new(link_id);
            link.condemned.get_or_insert(LinkEnd::Closed);
        }
    }

    /// `Pool::count_acquired` and `Link::submit`.
    fn put(&mut self, at: u64, to: Ticket, request: Exchange, head: &[u8], how: Acquired) {
        note!(self, "exchange {} on link {at}, {:?}", to.id, request.sharing);
        assert!(self.is_present(&to), "nobody waits for {}", to.id);
        self.ledger.count(match how {
            Acquired::Reused => "reused",
            Acquired::Opened => "opened",
            Acquired::Pipelined => "pipelined",
        });
        self.ledger.sent += 1;
        self.budget.earn();
        if how == Acquired::Pipelined {
            self.watch();
        }
        let client = &mut self.clients[to.client];
        assert!(client.link.is_none_or(|link| link == at), "client {} on two links", to.client);
        (client.link, client.waits) = (Some(at), false);
        client.in_flight += 1;
        self.check_place(at, &to, request.sharing);
        let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
        let carried = link.queue.answered() + link.queue.in_flight() as u64;
        if self.scene.max_requests.is_some_and(|max| carried + 1 >= max) {
            self.pool.close_to_new(link.link_id);
        }
        link.queue.submit(to, request, self.now, head);
        link.places.push_back(Place { to: Some(to), id: to.id, sharing: request.sharing, received: 0 });
    }

    fn check_place(&self, at: u64, to: &Ticket, sharing: Sharing) {
        let link = &self.links[&at];
        let (limit, ahead) = (usize::from(self.pool.depth.limit()), link.queue.in_flight());
        assert!(!link.rescued && link.parting.is_none(), "{} on link {at}, which is to end", to.id);
        assert!(!self.ledger.of(to.id).rescued || sharing != Sharing::Shared, "{} was held up before", to.id);
        if ahead > 0 {
            assert!(link.queue.answered() > 0, "two on link {at}, which has not answered yet");
            assert!(link.places.iter().all(|p| p.sharing == Sharing::Shared), "{} behind one alone", to.id);
            assert!(sharing == Sharing::Shared, "{} is to be alone", to.id);
            assert!(!link.held, "{} on link {at}, which is held", to.id);
            assert!(ahead < limit, "{} on link {at} above depth {limit}", to.id);
        }
    }

    pub(super) fn open_more(&mut self) {
        while let Some(link_id) = self.pool.open(self.now) {
            self.connecting.push(link_id);
        }
    }

    /// `Pool::use_idle`.
    pub(super) fn use_idle(&mut self) {
        while let Some(at) = self.pool.idle_for_waiting() {
            let link = self.links.get_mut(&at).expect("a link that the pool knows stands");
            if link.condemned.is_none() && link.origin.is_quiet(self.now) {
                self.dispatch(at);
            } else {
                self.pool.close_to_new(link.link_id);
                link.condemned.get_or_insert(LinkEnd::Closed);
            }
        }
    }

    /// `Pool::dispatch`.
    pub(super) fn dispatch(&mut self, at: u64) {
        loop {
            let link_id = self.links[&at].link_id;
            let clients = &self.clients;
            let next = self.pool.next_for(link_id, |w, _| clients[w.to.client].life == w.to.life);
            let Some((Waiter { to, request, head }, _, how)) = next else { break };
            self.put(at, to, request, &head, how);
        }
    }

    /// The link writes some of what it has to write.
    pub(crate) fn write(&mut self, at: u64) {
        self.pool.turn_ended();
        let Some(link) = self.links.get_mut(&at).filter(|link| link.parting.is_none()) else { return };
        let unwritten = link.queue.unwritten();
        if unwritten.is_empty() {
            return;
        }
        let n = self.rng.cut(unwritten.len());
        link.origin.written(&unwritten[..n], &mut around!(self, link));
        link.queue.wrote(n, self.now);
        note!(self, "link {at} writes {n}");
    }

    /// `Pool::connect_failed`.
    pub(super) fn connect_failed(&mut self, link_id: LinkId) {
        note!(self, "refused");
        self.pool.not_connected(link_id, self.now);
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
}
