//! Applies the verdict on pipelining to a shelf's links, and reports offences that its links show.
//!
//! `Proof` has the verdict of all workers, and `Depth` gets its consent from here.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::{Receiver, Shelf};
use crate::cause::Cause;
use crate::config::Vouched;
use crate::link::depth::Consent;
use crate::link::driver::Link;
use crate::link::exchange::{Fate, Slot};
use crate::link::proof::Standing;
use crate::link::queue::{Broken, is_farewell};
use crate::metrics::Offence;
use crate::net::Sight;
use crate::turn::Nanos;

/// A link rests for so long after an answer behind which content may come that should not.
const REST: Nanos = Duration::from_millis(1).as_nanos() as Nanos;
/// So many bytes tell what is a farewell.
const FAREWELL: usize = 16;
/// A head that is silent for so long, while others were sent behind it, may never be answered.
const SILENCE: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

/// A link on which an answer ended behind which more may come, and until when it rests.
pub(super) struct Resting<T: Receiver> {
    link: Rc<Link<T>>,
    until: Nanos,
}

impl<T: Receiver> Shelf<T> {
    /// Takes over what all workers know by now. Costs a relaxed load.
    pub(super) fn heed_proof(&self) {
        let standing = self.proof.standing();
        if self.standing.replace(standing) != standing {
            self.take_standing(standing);
        }
    }

    #[cold]
    fn take_standing(&self, standing: Standing) {
        if standing == Standing::Unseen {
            *self.server.borrow_mut() = None;
        }
        let by_proof = self.settings.borrow().links.vouched == Vouched::ByProof;
        let consent = match standing {
            Standing::Offended => Consent::Withdrawn,
            Standing::Unseen | Standing::Unproven if by_proof => Consent::Missing,
            _ => Consent::Given,
        };
        let mut pool = self.pool.borrow_mut();
        pool.depth.consent(consent);
        self.show_depth(&pool.depth);
    }

    /// The settings have changed: looks again, whatever was known.
    pub(super) fn heed_proof_anew(&self) {
        self.standing.set(self.proof.standing());
        self.take_standing(self.standing.get());
    }

    /// The final head of an answer had this `Server` field, or none.
    pub(in crate::link) fn served_by(&self, server: Option<&[u8]>) {
        let known = self.server.borrow().as_ref().is_some_and(|known| known.as_deref() == server);
        if !known {
            self.learn_server(server);
        }
    }

    #[cold]
    fn learn_server(&self, server: Option<&[u8]>) {
        *self.server.borrow_mut() = Some(server.map(<[u8]>::to_vec));
        self.proof.named(server, Instant::now());
        self.heed_proof();
    }

    /// The member broke a rule of pipelining: nobody pipelines to it until it is proven anew.
    pub(in crate::link) fn offended(&self, how: Offence) {
        self.backend_cells.offences[how].inc();
        self.proof.offended(how, Instant::now());
        self.heed_proof();
    }

    /// What the end of a link tells of the member, which still owed these.
    pub(super) fn judge_end(&self, link: &Link<T>, why: Broken, fates: &[(Slot<T>, Fate)]) {
        let reused = link.queue.borrow().answered() > 0;
        let head_since = link.queue.borrow().head_since();
        // What was sent before it came to the head was sent behind another, also if it is alone by now.
        let was_behind = |slot: &Slot<T>| slot.sent_at != 0 && slot.sent_at < head_since;
        let behind = fates.iter().skip(1).any(|(slot, _)| slot.sent_at != 0)
            || fates.first().is_some_and(|(slot, _)| was_behind(slot));
        let how = match why {
            Broken::Desync(_) if fates.iter().all(|(slot, _)| slot.sent_at == 0) => Offence::Surplus,
            Broken::Desync(Cause::BadResponse) if reused || behind => Offence::Answer,
            Broken::Closed if behind => Offence::Closed,
            Broken::Timeout if behind => Offence::Timeout,
            _ => return,
        };
        self.offended(how);
    }

    /// Why an unused link must not be used: it has ended, or says what nobody asked for.
    pub(super) fn unfit(link: &Link<T>) -> Broken {
        let mut seen = [0; FAREWELL];
        match link.sight(&mut seen) {
            Sight::Bytes(n) if !is_farewell(&seen[..n]) => Broken::Desync(Cause::BadResponse),
            _ => Broken::Closed,
        }
    }

    /// An answer has ended behind which content may come that it should not have. If the link carries nothing now, it
    /// rests, or is looked at, before it is free.
    pub(super) fn settle_doubt(&self, link: &Rc<Link<T>>, now: Nanos) -> ControlFlow<Option<Broken>> {
        let doubt = link.doubt.get();
        if !doubt.looks() || link.kept.get() || link.queue.borrow().in_flight() > 0 {
            return ControlFlow::Continue(());
        }
        if doubt.rests() {
            self.pool.borrow_mut().hold(link.seat);
            let until = now + REST;
            self.resting.borrow_mut().push_back(Resting { link: link.clone(), until });
            self.turn.arm(self.key.get(), until);
            return ControlFlow::Break(None);
        }
        match Self::unfit(link) {
            Broken::Closed => ControlFlow::Continue(()),
            why => ControlFlow::Break(Some(why)),
        }
    }

    /// Links that have rested are free now, if they are quiet.
    pub(super) fn end_rests(self: &Rc<Self>, now: Nanos) {
        while let Some(link) = self.next_rested(now) {
            self.end_rest(&link, now);
        }
    }

    /// A link that has rested. Where there is none, looks again when there will be one.
    fn next_rested(&self, now: Nanos) -> Option<Rc<Link<T>>> {
        let mut resting = self.resting.borrow_mut();
        let until = resting.front()?.until;
        if until > now {
            self.turn.arm(self.key.get(), until);
            return None;
        }
        resting.pop_front().map(|resting| resting.link)
    }

    fn end_rest(self: &Rc<Self>, link: &Rc<Link<T>>, now: Nanos) {
        if link.is_condemned() || link.has_ended() || link.queue.borrow().in_flight() > 0 {
            return;
        }
        link.doubt.set(link.doubt.get().rested());
        let end = match self.settle_doubt(link, now) {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => self.freed(link, now),
        };
        if let Some(why) = end {
            self.pool.borrow_mut().bar(link.seat);
            link.condemn(why);
        }
    }

    /// Heads that have been silent for long, while others were sent behind them, are reason enough not to do it again.
    pub(super) fn judge_silence(&self, now: Nanos) {
        if self.pool.borrow().depth.limit() == 1 {
            return;
        }
        let silent = self.pool.borrow().links().any(|link| {
            let queue = link.queue.borrow();
            let since = queue
                .head()
                .and_then(|slot| slot.silent_since(queue.head_since(), !queue.unwritten().is_empty()));
            let long = since.is_some_and(|since| now.saturating_sub(since) >= SILENCE);
            long && queue.sent() > 1 && !link.is_head_full()
        });
        if silent {
            self.offended(Offence::Silence);
        }
    }
}
