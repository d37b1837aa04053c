//! The bytes that come on a link, and the clients that get them: the model of `connection.rs`, without sockets.

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::config::Framing;
use penstock::link::{AnswerEnd, Data, LinkEnd, Sink, Slot};
use penstock::metrics::HoldReason;
use penstock::proto::http::ResponseHead;

use super::{Link, Place, World, note};
use crate::client::{Client, Ticket};
use crate::ledger::Ledger;
use crate::origin::Read;

/// Behind more than this of an answer nobody has to wait.
const LARGE_ANSWER: u64 = 64 << 10;
/// An answer that nobody awaits is read so far, give or take its head.
const DRAIN: usize = (256 << 10) + 1024;

impl World {
    /// `Link::poll_socket`: the link reads what is there, waits for its client, or ends.
    pub(crate) fn read(&mut self, at: u64) {
        let Some(link) = self.links.get_mut(&at) else { return };
        if let Some(until) = link.parting {
            return self.part(at, until);
        }
        if let Some(why) = link.condemned {
            return self.link_ended(at, why);
        }
        if self.is_head_full(at) {
            return self.hold(at, HoldReason::Reader);
        }
        let link = self.links.get_mut(&at).expect("it was just looked at");
        let read = link.origin.read(self.now, &mut self.rng);
        self.take_in(at, read);
    }

    /// The link does all that it has to do now.
    pub(crate) fn while_it_has_to(&mut self, at: u64) {
        while self.links.get(&at).is_some_and(|link| link.has_to_write()) {
            self.write(at);
        }
        while self.links.get(&at).is_some_and(|link| link.has_to_read(self.now)) {
            self.read(at);
        }
    }

    pub(super) fn is_head_full(&self, at: u64) -> bool {
        let head = self.links[&at].queue.head().and_then(|slot| slot.recipient.as_ref());
        head.is_some_and(|to| self.clients[to.client].is_full())
    }

    /// Bytes that nobody asked for, which look like an answer, on an idle link.
    pub(crate) fn unsolicited(&mut self, at: u64) {
        let answer = b"HTTP/1.1 200 OK\r\nX-Id: 999999999\r\nContent-Length: 1\r\n\r\nx".to_vec();
        let link = &self.links[&at];
        if link.condemned.is_none() && link.parting.is_none() && link.queue.in_flight() == 0 {
            self.take_in(at, Read::Bytes(answer));
            assert!(!self.links.contains_key(&at), "link {at} took what it had not asked for");
        }
    }

    /// `Link::received`.
    fn take_in(&mut self, at: u64, read: Read) {
        let Some(link) = self.links.get_mut(&at) else { return };
        let (now, out) = (self.now, &mut self.out);
        let (answered, nobody) = (link.queue.answered(), link.places.front().is_some_and(|p| p.to.is_none()));
        let mut told = Told {
            clients: &mut self.clients,
            ledger: &mut self.ledger,
            framing: self.scene.framing.as_ref(),
            places: &mut link.places,
            routes: Vec::new(),
            served: 0,
            large: false,
        };
        let mut len = 0;
        let outcome = match read {
            Read::Nothing => return,
            Read::Bytes(bytes) => {
                len = bytes.len();
                link.queue.receive(&bytes, now, out, &mut told)
            }
            Read::Eof => {
                link.queue.at_eof(now, out, &mut told);
                Err(LinkEnd::Closed)
            }
            Read::Reset => Err(LinkEnd::Closed),
        };
        let Told { routes, served, large, .. } = told;
        if link.queue.answered() > answered {
            link.wasted = 0;
        } else if nobody {
            link.wasted += len;
        }
        note!(self, "link {at} reads {len}: {} ended, {outcome:?}", routes.len());
        if !routes.is_empty() {
            self.pool.depth.observe(&routes, large, served, now);
        }
        if self.links[&at].places.front().is_some_and(|head| head.received > LARGE_ANSWER) {
            self.hold(at, HoldReason::Large);
        }
        self.go_on(at, outcome);
    }

    fn go_on(&mut self, at: u64, outcome: Result<bool, LinkEnd>) {
        let link = &self.links[&at];
        match outcome {
            Ok(true) => {
                check_awaited(at, link);
                self.answered(at);
            }
            Ok(false) => self.link_ended(at, LinkEnd::Finished),
            Err(why) => {
                if why == LinkEnd::Abandoned {
                    self.ledger.count("too long for nobody");
                }
                self.link_ended(at, why);
            }
        }
    }

    /// `Pool::answered`.
    fn answered(&mut self, at: u64) {
        let link = self.links.get_mut(&at).expect("it was just read from");
        let answered = link.queue.answered();
        if link.settled == answered {
            return;
        }
        link.settled = answered;
        let (link_id, in_flight) = (link.link_id, link.queue.in_flight());
        link.held &= in_flight > 0;
        self.pool.settle(link_id, in_flight, self.now);
        if self.scene.max_requests.is_some_and(|max| answered + in_flight as u64 >= max) {
            self.pool.close_to_new(link_id);
            if in_flight == 0 {
                self.link_ended(at, LinkEnd::Finished);
            }
            return;
        }
        self.dispatch(at);
    }
}

/// A link goes on for those who await something, and a little longer to be saved, but not once it is to end.
fn check_awaited(at: u64, link: &Link) {
    if link.places.iter().any(|place| place.to.is_some()) {
        return;
    }
    assert!(link.wasted <= DRAIN, "link {at} reads {} for nobody", link.wasted);
    let unended = link.places.front().is_some_and(|head| head.received > 0 || link.wasted > 0);
    assert!(!link.rescued || unended || link.settled == link.queue.answered(), "link {at} was to end");
}

/// Tells clients what the queue finds.
struct Told<'a> {
    clients: &'a mut [Client],
    ledger: &'a mut Ledger,
    framing: Option<&'a Framing>,
    places: &'a mut VecDeque<Place>,
    routes: Vec<u32>,
    served: u64,
    large: bool,
}

impl Sink<Ticket> for Told<'_> {
    fn head(
        &mut self,
        to: &Ticket,
        head: &ResponseHead<'_, '_>,
        early: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Cause> {
        const DATE: [u8; 29] = *b"Thu, 01 Jan 1970 00:00:00 GMT";
        let client = &mut self.clients[to.client];
        let close = early || client.draining && client.in_flight <= 1 && client.later.is_empty();
        client.writer.head(head, self.ledger.of(to.id).format, close, &DATE, out)
    }

    fn data(&mut self, to: &Ticket, bytes: &[u8], out: &mut Vec<u8>) -> Data {
        let writer = self.clients[to.client].writer;
        if self.framing.is_some() || writer.passes(bytes.len()) {
            return Data::AsIs;
        }
        writer.data(bytes, out);
        Data::Copied
    }

    fn end(&mut self, to: &Ticket, trailers: &[u8], out: &mut Vec<u8>) {
        self.clients[to.client].writer.end(trailers, out);
    }

    fn deliver(&mut self, to: &Ticket, first: &[u8], second: &[u8]) {
        let place = self.places.front_mut().expect("the answer of one in flight");
        assert_eq!(place.to, Some(*to), "whose answer it is");
        assert_eq!(self.clients[to.client].life, to.life, "a piece of {} for one who is gone", to.id);
        place.received += (first.len() + second.len()) as u64;
        for bytes in [first, second] {
            self.clients[to.client].piece(to.id, bytes);
        }
    }

    fn ended(&mut self, slot: Slot<Ticket>, end: AnswerEnd, service: u64) {
        let place = self.places.pop_front().expect("the answer of one in flight");
        assert_eq!(slot.recipient, place.to, "whose answer ended");
        self.routes.push(slot.request.class);
        self.large |= self.routes.len() == 1 && place.received > LARGE_ANSWER;
        self.served += service;
        let Some(to) = slot.recipient else { return self.ledger.count("discarded") };
        assert_eq!(self.clients[to.client].life, to.life, "an answer to {} for one who is gone", to.id);
        if self.framing.is_some() && self.ledger.of(to.id).said.len() > 1 && !end.reusable {
            self.ledger.count("conversation that cost its link");
        }
        let client = &mut self.clients[to.client];
        let close = end.close || self.framing.is_none() && client.writer.closes();
        client.ended(to.id, AnswerEnd { close, ..end }, self.framing, self.ledger);
    }
}
