//! The beginning and the end of links, and the fate of their exchanges: the model of `pool/life.rs`, without sockets.

use std::collections::VecDeque;

use penstock::cause::Cause;
use penstock::config::HeadLimits;
use penstock::link::{Consent, Exchange, Fate, LinkEnd, LinkId, Queue, Sharing, Slot};

use super::{Link, World, note};
use crate::client::{Later, Ticket};
use crate::origin::{Origin, Read};

/// How long the member may take to close a link from which exchanges were taken.
const LONGEST_PARTING: u64 = 1_000_000_000;

impl World {
    /// `Pool::live`, once connecting has succeeded or failed.
    pub(crate) fn connect(&mut self, link_id: LinkId) {
        if self.refusing {
            return self.connect_failed(link_id);
        }
        self.opened += 1;
        let id = self.opened;
        note!(self, "link {id} stands");
        let link = Link {
            link_id,
            queue: Queue::new(self.scene.framing.as_ref(), HeadLimits::default()),
            origin: Origin::new(self.now),
            condemned: None,
            parting: None,
            settled: 0,
            places: VecDeque::new(),
            held: false,
            rescued: false,
            wasted: 0,
        };
        self.links.insert(id, link);
        self.down = false;
        self.pool.connected(link_id, id, self.now);
        self.dispatch(id);
        self.use_idle();
    }

    /// `Pool::serve`, from where the link has ended: one from which exchanges were taken says goodbye first.
    pub(super) fn link_ended(&mut self, at: u64, why: LinkEnd) {
        let link = self.links.get_mut(&at).expect("it stood until now");
        if link.rescued && why == LinkEnd::Finished {
            link.parting = Some(self.now + LONGEST_PARTING);
            note!(self, "link {at} parts");
            return self.ledger.count("parted");
        }
        self.ended(at, why);
    }

    /// `Link::part`: reads until the member has closed, too.
    pub(super) fn part(&mut self, at: u64, until: u64) {
        let link = self.links.get_mut(&at).expect("it was just looked at");
        let over = link.origin.has_ended() || self.now >= until;
        match link.origin.read(self.now, &mut self.rng) {
            Read::Nothing | Read::Bytes(_) if !over => {}
            _ => self.ended(at, LinkEnd::Finished),
        }
    }

    /// `Pool::ended`.
    fn ended(&mut self, at: u64, why: LinkEnd) {
        let mut link = self.links.remove(&at).expect("it stood until now");
        let fates = link.queue.end(why);
        note!(self, "link {at} ends: {why:?}, {} in flight", fates.len());
        assert_eq!(fates.len(), link.places.len(), "a fate for each");
        let reused = link.queue.answered() > 0;
        let broke = matches!(why, LinkEnd::Closed | LinkEnd::Timeout | LinkEnd::Desync(_));
        if broke && fates.iter().skip(1).any(|(slot, _)| slot.sent_at != 0) {
            self.pool.depth.consent(Consent::Withdrawn);
            self.offended = self.now;
            self.ledger.count("closed amid a pipeline");
        }
        self.pool.closed(link.link_id);
        for ((slot, fate), place) in fates.into_iter().zip(link.places).rev() {
            assert_eq!(slot.recipient, place.to, "whose fate it is");
            self.meet(slot, fate, reused);
        }
        self.open_more();
    }

    /// `Pool::apply_fate`.
    fn meet(&mut self, slot: Slot<Ticket>, fate: Fate, reused: bool) {
        let Some(to) = slot.recipient else {
            assert_eq!(fate, Fate::Nobody);
            return;
        };
        assert!(self.is_present(&to), "the fate of {} for one who is gone", to.id);
        note!(self, "exchange {}: {}", to.id, name(&fate));
        let mut request = slot.request;
        match fate {
            Fate::Nobody => panic!("{} is awaited", to.id),
            Fate::Cut(cause) => {
                let framing = self.scene.framing.as_ref();
                self.clients[to.client].cut(to.id, cause, framing, &mut self.ledger);
                self.renew(to.client);
            }
            Fate::Fail(cause) => self.clients[to.client].put_back(Later::Fail { id: to.id, cause }),
            Fate::Replay { head, sent } => {
                assert!(!sent || reused, "{} was sent on a new link", to.id);
                self.check_bytes(to.id, &head);
                self.ledger.replay(to.id, sent);
                request.replayed |= sent;
                request.sharing = Sharing::Fresh;
                self.again(to, request, head, Cause::BackendReset);
            }
        }
    }

    /// What is sent again is what was sent.
    pub(super) fn check_bytes(&self, id: u64, bytes: &[u8]) {
        if self.scene.framing.is_none() {
            return assert_eq!(bytes, self.ledger.head(id), "what is sent again");
        }
        let said = &self.ledger.of(id).said;
        assert_eq!(said.len(), 1, "a conversation cannot begin again");
        assert_eq!(bytes, self.frame_of(id), "what is sent again");
    }

    pub(super) fn again(&mut self, to: Ticket, request: Exchange, head: Vec<u8>, cause: Cause) {
        self.clients[to.client].put_back(Later::Send { id: to.id, request, head, cause });
    }
}

fn name(fate: &Fate) -> String {
    match fate {
        Fate::Replay { sent, .. } => format!("to be sent again, sent: {sent}"),
        other => format!("{other:?}"),
    }
}
