//! Tells whether a busy link waits for its member or for the client that holds the link; by that, `holders` decides which
//! clients give way.

use super::Link;
use crate::event_loop::Nanos;
use crate::link::pipeline::answer::AnswerKind;
use crate::link::pool::Recipient;
use crate::link::scheduler::holders::HeldBy;

impl<T: Recipient> Link<T> {
    /// Returns the number of the link's present exchange, and which side holds the link in it. `wanted` says that others wait
    /// for a link.
    pub(in crate::link) fn held(&self, wanted: bool, now: Nanos) -> (u64, HeldBy) {
        let exchange = self.queue.borrow().answered();
        (exchange, self.held_by(wanted, now))
    }

    fn held_by(&self, wanted: bool, now: Nanos) -> HeldBy {
        let queue = self.queue.borrow();
        let (Some(head), Some(last)) = (queue.head(), queue.last()) else {
            return if self.kept.get() { HeldBy::Client { moved: 0 } } else { HeldBy::Member };
        };
        let Some(reader) = &head.recipient else { return HeldBy::Left };
        // A client of HTTP that has sent FIN has most often gone. If it is still there, it is served for as long as nobody
        // waits, and an answer that will end goes on.
        let may_end = head.first_byte != 0 && !queue.has_no_length();
        if wanted && !may_end && head.request.kind.is_http() && reader.has_ended() {
            return HeldBy::Left;
        }
        if reader.is_full() {
            return HeldBy::Client { moved: reader.moved() };
        }
        if let Some(sender) = last.recipient.as_ref().filter(|_| last.request.upload.is_open()) {
            let asked_all = match last.request.kind {
                AnswerKind::Http(_) => queue.unwritten().is_empty() && !last.awaits_continue(),
                AnswerKind::Frames { .. } => last.awaits == 0,
                AnswerKind::Forever => return HeldBy::Stream,
            };
            return if asked_all { HeldBy::Client { moved: sender.moved() } } else { HeldBy::Member };
        }
        let lasts = head.shown && queue.has_no_length();
        let least = self.pool.settings.borrow().links.min_rate.unwrap_or(0) as u64;
        let endless = lasts && (queue.is_event_stream() || head.trickles(least, now));
        if endless { HeldBy::Stream } else { HeldBy::Member }
    }

    /// Returns the client that holds the link, if one does.
    pub(in crate::link) fn holder(&self) -> Option<T> {
        let queue = self.queue.borrow();
        let sender =
            queue.last().filter(|slot| slot.request.upload.is_open()).and_then(|slot| slot.recipient.clone());
        let reader = queue.head().and_then(|slot| slot.recipient.clone());
        let keeper = || self.keeper.borrow().clone().filter(|_| queue.in_flight() == 0);
        sender.or(reader).or_else(keeper)
    }

    /// Returns the class of the exchange at the head, which may hold the link again; 0 while its body is still coming. A body
    /// that was slow says nothing of other requests of its class: those that are whole when they take a link do not hold it.
    pub(in crate::link) fn class(&self) -> u32 {
        let queue = self.queue.borrow();
        queue.head().filter(|slot| !slot.request.upload.is_open()).map_or(0, |slot| slot.request.class)
    }
}
