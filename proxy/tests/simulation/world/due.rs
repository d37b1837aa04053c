//! The deadlines of links and requests: the model of `pool/deadlines.rs` and `pool/rescue.rs`, without sockets.
//!
//! It decides as little as they do: `Depth` says what is slow, `Queue` what may be taken off a link.

use penstock::cause::Cause;
use penstock::link::{AnswerKind, LinkEnd, Sharing};
use penstock::metrics::HoldReason;

use super::{Waiter, World, note};
use crate::client::{Later, Ticket};
use crate::origin::PATIENCE;

pub(super) const QUEUE_TIMEOUT: u64 = 60_000_000;
pub(super) const IDLE_TIMEOUT: u64 = 80_000_000;

impl World {
    /// `Pool::look`.
    pub(crate) fn look(&mut self) {
        let now = self.now;
        for Waiter { to, .. } in self.pool.give_up_waiting(now.saturating_sub(QUEUE_TIMEOUT)) {
            if self.is_present(&to) {
                let late = Later::Fail { id: to.id, cause: Cause::QueueTimeout };
                self.clients[to.client].put_back(late);
            }
        }
        for at in self.pool.idle_since(now.saturating_sub(IDLE_TIMEOUT)) {
            let link = self.links.get_mut(&at).expect("an idle link stands");
            self.pool.close_to_new(link.link_id);
            link.condemned.get_or_insert(LinkEnd::Finished);
        }
        self.end_silent();
        self.rescue();
        self.open_more();
        self.use_idle();
    }

    fn end_silent(&mut self) {
        let ids: Vec<_> = self.links.keys().copied().collect();
        for at in ids {
            let full = self.is_head_full(at);
            let link = self.links.get_mut(&at).expect("it stands");
            let Some(head) = link.queue.head() else { continue };
            let ask = head.request.kind;
            let since = head.silent_since(link.queue.head_since(), !link.queue.unwritten().is_empty());
            if since.is_some_and(|since| self.now.saturating_sub(since) >= PATIENCE) && !full {
                let patient = matches!(ask, AnswerKind::Frames { patient: true } | AnswerKind::Forever);
                assert!(!patient, "link {at} may take as long as it likes");
                link.condemned.get_or_insert(LinkEnd::Timeout);
            }
        }
    }

    /// `Pool::hold`.
    pub(super) fn hold(&mut self, at: u64, why: HoldReason) {
        let link = self.links.get_mut(&at).expect("it stands");
        if self.pool.hold(link.link_id) {
            self.ledger.count(match why {
                HoldReason::Slow => "held: slow",
                HoldReason::Large => "held: large",
                HoldReason::Reader => "held: reader",
                HoldReason::Full => "held: full",
            });
        }
        link.held = true;
        self.watch();
    }

    /// `Pool::watch`.
    pub(super) fn watch(&mut self) {
        if self.rescue_at == u64::MAX
            && let Some(after) = self.pool.depth.rescue_after()
        {
            self.rescue_at = self.now + after;
        }
    }

    /// `Pool::rescue`.
    pub(crate) fn rescue(&mut self) {
        if self.now < self.rescue_at {
            return;
        }
        self.rescue_at = u64::MAX;
        let Some(after) = self.pool.depth.rescue_after() else { return };
        let ids: Vec<_> = self.links.keys().copied().collect();
        let mut next = None;
        for at in ids {
            let queue = &self.links[&at].queue;
            let due = queue.head_since().saturating_add(after);
            if queue.followers() == 0 {
                continue;
            }
            if due <= self.now {
                self.rescue_from(at);
            } else {
                next = Some(next.map_or(due, |next: u64| next.min(due)));
            }
        }
        self.rescue_at = next.unwrap_or(self.rescue_at);
    }

    /// `Pool::rescue_from`.
    fn rescue_from(&mut self, at: u64) {
        self.hold(at, HoldReason::Slow);
        let most = self.budget.available();
        let link = self.links.get_mut(&at).expect("it stands");
        let route = link.queue.head().map_or(0, |head| head.request.class);
        let taken = link.queue.rescue(most, Ticket::same);
        let left = link.queue.followers();
        let count = taken.len();
        assert!(count <= most, "{count} of {most}");
        self.budget.spend(count);
        self.pool.depth.rescued(route, count as u32, self.now);
        link.rescued |= count > 0;
        if count == most && left > 0 {
            self.ledger.count("over the budget");
        }
        note!(self, "rescue from link {at}: {count} of at most {most}, {left} stay");
        for (to, mut request, head, sent) in taken.into_iter().rev() {
            self.take_place(at, &to, sent);
            self.check_bytes(to.id, &head);
            self.ledger.rescue(to.id, sent);
            request.replayed |= sent;
            request.sharing = Sharing::Alone;
            self.again(to, request, head, Cause::NoMember);
        }
    }

    /// What was written keeps its place, for nobody; what was not has none.
    fn take_place(&mut self, at: u64, to: &Ticket, sent: bool) {
        assert!(self.is_present(to), "{} is rescued for one who is gone", to.id);
        let places = &mut self.links.get_mut(&at).expect("it stands").places;
        let i = places.iter().position(|place| place.to == Some(*to)).expect("it has a place");
        assert!(i > 0, "the head of link {at} is taken off it");
        let same_head = places[0].to.is_some_and(|head| head.same(to));
        assert!(!same_head, "{} was asked by the client of the head", to.id);
        if sent {
            places[i].to = None;
        } else {
            _ = places.remove(i);
        }
    }
}
