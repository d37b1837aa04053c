//! The requests of clients, and when they come: the model of `client/poll.rs` and `client/http1`, without sockets.

use penstock::cause::Cause;
use penstock::link::{Exchange, LinkEnd, Sharing};

use super::{Around, World, around, note};
use crate::client::{Later, Ticket};
use crate::ledger::asked_body;

impl World {
    /// `Client::begin`: false where it must wait for the exchanges before it.
    pub(crate) fn begin(&mut self, c: usize) -> bool {
        let client = &self.clients[c];
        if !client.may_ask() || (client.in_flight > 0 && client.minor_version == 0) {
            return false;
        }
        let joined = client.link.filter(|_| client.in_flight > 0);
        if joined.is_some_and(|link| !self.has_room(link)) {
            return false;
        }
        if self.scene.framing.is_some() {
            return self.begin_frame(c);
        }
        let id = client.unread.unwrap_or_else(|| self.ledger.begin(&mut self.rng, client.minor_version));
        let request = self.ledger.request(id, self.scene.all_methods, self.scene.routes, self.now);
        let client = &mut self.clients[c];
        client.unread = Some(id);
        if joined.is_some() && request.sharing != Sharing::Shared {
            return false;
        }
        client.unread = None;
        client.done = !self.ledger.of(id).format.keep_alive;
        client.body = request.upload.is_open().then_some((id, 0));
        let head = self.ledger.head(id);
        self.put_on_link(c, id, request, head);
        true
    }

    pub(super) fn put_on_link(&mut self, c: usize, id: u64, request: Exchange, head: Vec<u8>) {
        note!(self, "client {c} asks {id}: {:?} {:?}", request.kind, request.sharing);
        let client = &mut self.clients[c];
        client.asked.push_back(id);
        let joined = client.link.filter(|_| client.in_flight > 0);
        let to = Ticket { client: c, life: client.life, id };
        match joined {
            Some(link) => self.join(link, to, request, head),
            None => self.submit(to, request, head, Cause::NoMember),
        }
    }

    /// `Client::proceed`: does what had to wait for the exchanges before it.
    pub(crate) fn proceed(&mut self, c: usize) {
        while self.clients[c].is_idle()
            && let Some(next) = self.clients[c].later.pop_front()
        {
            match next {
                Later::Send { id, request, head, cause } => {
                    let to = Ticket { client: c, life: self.clients[c].life, id };
                    self.submit(to, request, head, cause);
                }
                Later::Fail { id, cause } => self.refuse(c, id, cause),
            }
        }
        let client = &self.clients[c];
        if (client.done || client.draining) && client.asked.is_empty() {
            self.renew(c);
        }
    }

    fn refuse(&mut self, c: usize, id: u64, cause: Cause) {
        note!(self, "exchange {id} fails: {cause:?}");
        let framing = self.scene.framing.as_ref();
        self.clients[c].fail(id, cause, framing, &mut self.ledger);
        if self.tell_refusal(cause) {
            return;
        }
        self.renew(c); // closed without a word, which answers all that it asked
    }

    /// The client sends a part of its request's body.
    pub(crate) fn send_body(&mut self, c: usize) {
        let client = &mut self.clients[c];
        let Some((id, sent)) = client.body else { return };
        if client.waits || !client.later.is_empty() {
            return;
        }
        let body = asked_body(id, self.ledger.of(id).body);
        let data = &body[sent..];
        let data = &data[..self.rng.cut(data.len())];
        let last = sent + data.len() == body.len();
        client.body = (!last).then_some((id, sent + data.len()));
        if let Some(at) = client.link {
            self.extend_body(at, data, last);
        }
    }

    /// `Link::send_body`: past the output where nothing waits in it.
    pub(super) fn extend_body(&mut self, at: u64, data: &[u8], last: bool) {
        let Some(link) = self.links.get_mut(&at).filter(|link| link.parting.is_none()) else { return };
        let bypassed = if link.queue.unwritten().is_empty() && self.rng.one_in(2) {
            self.rng.below(data.len() + 1)
        } else {
            0
        };
        link.origin.written(&data[..bypassed], &mut around!(self, link));
        if bypassed == data.len() {
            link.queue.body_bypassed(last, self.now);
        } else {
            link.queue.send_data(&data[bypassed..], last.then_some(b""));
        }
    }

    /// The client goes away, whatever it has asked for.
    pub(crate) fn abort(&mut self, c: usize) {
        note!(self, "client {c} goes away, waiting for {:?}", self.clients[c].asked);
        if let Some(at) = self.clients[c].link {
            self.abandon(at, c);
        }
        self.renew(c);
    }

    /// `Client::abort_body`: what it has begun to say does not go on in time.
    pub(crate) fn give_up(&mut self, c: usize) {
        let client = &self.clients[c];
        let begun = client.body.map(|(id, _)| id).or_else(|| client.talk.map(|(id, _)| id));
        let (Some(id), Some(at)) = (begun.filter(|_| !client.waits), client.link) else { return };
        let to = Ticket { client: c, life: client.life, id };
        let Some(link) = self.links.get_mut(&at) else { return };
        let unseen = link.queue.last().is_some_and(|slot| slot.recipient == Some(to) && !slot.shown);
        note!(self, "client {c} gives {id} up");
        self.abandon(at, c);
        let Some(link) = self.links.get_mut(&at) else { return };
        link.condemned.get_or_insert(LinkEnd::Abandoned);
        if !unseen {
            return self.renew(c);
        }
        self.ledger.count("given up");
        let client = &mut self.clients[c];
        client.in_flight -= 1;
        (client.link, client.body, client.talk, client.done) = (None, None, None, true);
        client.later.push_back(Later::Fail { id, cause: Cause::BodyTimeout });
    }

    /// `Link::abandon`.
    fn abandon(&mut self, at: u64, c: usize) {
        let life = self.clients[c].life;
        let gone = |to: &Ticket| to.client == c && to.life == life;
        let Some(link) = self.links.get_mut(&at) else { return };
        if !link.queue.abandon(gone) {
            link.condemned.get_or_insert(LinkEnd::Abandoned);
        }
        for place in &mut link.places {
            place.to = place.to.filter(|to| !gone(to));
        }
    }

    pub(super) fn renew(&mut self, c: usize) {
        let minor_version = u8::from(!self.rng.one_in(8) || self.scene.framing.is_some());
        self.clients[c].renew(minor_version, &mut self.ledger);
    }
}
