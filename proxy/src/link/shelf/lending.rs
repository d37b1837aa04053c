//! Lets the share of a shelf grow and shrink: it borrows rights to links from other workers, and lends its own.
//!
//! A worker that has what it needs asks nobody. A worker whose requests wait asks the others (`loans`), at once where none of its
//! links can serve them, and otherwise when a request has waited for a moment. It gets a right that is not used, or whose link is
//! idle. Where all links are busy, workers that have more than one link, or have had their only one for a while, take turns with those
//! that have none.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::{GONE, Receiver, Share, Shelf};
use crate::link::driver::Link;
use crate::link::loans::Right;
use crate::link::queue::Broken;
use crate::link::rights::Ask;
use crate::turn::Nanos;

/// Who has links, if busy ones, asks for a further one after somebody has waited for this long.
const PATIENCE: Nanos = Duration::from_millis(5).as_nanos() as Nanos;
/// A link that was used within this time is lent only to who has none.
const COLD: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// Who has one link, and requests that wait for it, keeps it for so long before another who has none gets it.
const LEASE: Nanos = Duration::from_millis(10).as_nanos() as Nanos;

impl<T: Receiver> Shelf<T> {
    /// Takes its share of what there is.
    pub(super) fn take_share(&self, share: Share) {
        let before = (self.cap.replace(share.of_all), self.entitled.replace(share.links));
        if before == (share.of_all, share.links) {
            return; // what is lent or borrowed stays so
        }
        self.loans.configure(share.of_all);
        let own = share.links.saturating_sub(1);
        let missing = |has: usize, wanted: usize| wanted.saturating_sub(has);
        self.links
            .set(self.links.get() + self.loans.take(Right::Link, missing(self.links.get(), share.links)));
        self.own.set(self.own.get() + self.loans.take(Right::Own, missing(self.own.get(), own)));
        self.pool.borrow_mut().set_share(self.links.get().min(share.links));
        self.pool.borrow_mut().set_owners(self.own.get().min(own));
        self.give_back();
    }

    /// It is entitled to none from now on, being retired: what its links have goes as they do.
    pub(super) fn give_up_share(&self) {
        self.entitled.set(0);
        self.give_back();
    }

    /// Gives back the rights above its share, of which no link makes use any more.
    pub(super) fn give_back(&self) {
        self.lending.set(false);
        let (links, own) = {
            let mut pool = self.pool.borrow_mut();
            if self.health.is_retired() && pool.waiting() == 0 {
                let (used, owned) = (pool.used().min(pool.share()), pool.owned().min(pool.owners()));
                pool.set_share(used);
                pool.set_owners(owned);
            }
            (pool.used().max(pool.share()), pool.owned().max(pool.owners()))
        };
        for (what, has, keep) in [(Right::Link, &self.links, links), (Right::Own, &self.own, own)] {
            if has.get() > keep {
                self.loans.give_back(what, has.replace(keep) - keep);
            }
        }
    }

    /// Takes one more right to a link that its client keeps, if there is one that nobody has.
    pub(super) fn take_owner(&self) {
        if self.own.get() < self.cap.get() && self.loans.take(Right::Own, 1) == 1 {
            self.add(Right::Own, 1);
        }
    }

    /// Takes one more right to a link, if there is one that nobody has.
    pub(super) fn take_link(&self) {
        if self.links.get() < self.cap.get() && self.loans.take(Right::Link, 1) == 1 {
            self.add(Right::Link, 1);
        }
    }

    fn add(&self, what: Right, count: usize) {
        let mut pool = self.pool.borrow_mut();
        match what {
            Right::Link => {
                self.links.set(self.links.get() + count);
                let share = pool.share();
                pool.set_share(share + count);
            }
            Right::Own => {
                self.own.set(self.own.get() + count);
                let owners = pool.owners();
                pool.set_owners(owners + count);
            }
        }
    }

    /// Asks other workers for what those who wait here need, or no longer does.
    pub(super) fn ask_others(&self, now: Nanos) {
        if self.pool.borrow().waiting() == 0 {
            return self.ask_no_more();
        }
        let (owners, all_used, starving, patient) = {
            let pool = self.pool.borrow();
            let owners = pool.lacks_owners() && self.own.get() < self.cap.get();
            let all_used = pool.eager() > 0 && pool.used() >= pool.share() && pool.share() < self.cap.get();
            let patient = pool.oldest_waiting().is_some_and(|since| now.saturating_sub(since) < PATIENCE);
            (owners, all_used, pool.usable() == 0, patient)
        };
        if owners && !self.asks_own.replace(true) {
            let taken = self.loans.take_or_ask(&self.account, Right::Own, Ask::default());
            if taken {
                self.asks_own.set(false);
                self.add(Right::Own, 1);
                self.turn.arm(self.key.get(), now + 1); // not in the middle of a client's turn
            }
        }
        let ask = Ask { starving, owed: self.links.get() < self.entitled.get() };
        if all_used && (starving || !patient) && self.asks.get() != Some(ask) {
            self.asks.set(Some(ask));
            if self.loans.take_or_ask(&self.account, Right::Link, ask) {
                self.asks.set(None);
                self.add(Right::Link, 1);
                self.turn.arm(self.key.get(), now + 1);
            }
        }
    }

    pub(super) fn ask_no_more(&self) {
        if self.asks.take().is_some() {
            self.loans.withdraw(&self.account, Right::Link);
        }
        if self.asks_own.replace(false) {
            self.loans.withdraw(&self.account, Right::Own);
        }
    }

    /// When it will ask others for a link, if it does not yet.
    pub(super) fn asks_at(&self) -> Option<Nanos> {
        let pool = self.pool.borrow();
        let all_used = pool.used() >= pool.share() && pool.share() < self.cap.get();
        let may = all_used && self.asks.get().is_none() && pool.eager() > 0;
        pool.oldest_waiting().filter(|_| may).map(|since| since + PATIENCE)
    }

    /// Lends what it does not need to those who ask.
    pub(super) fn lend(&self, now: Nanos) {
        while self.loans.is_asked(Right::Own)
            && self.pool.borrow().spares_owners()
            && self.loans.first(&self.account, Right::Own).is_some()
        {
            let owners = self.pool.borrow().owners();
            self.pool.borrow_mut().set_owners(owners - 1);
            self.give_back();
        }
        while self.loans.is_asked(Right::Link) && !self.lending.get() {
            let Some(ask) = self.loans.first(&self.account, Right::Link) else { return };
            if self.pool.borrow().spares_share() {
                self.lend_one();
                self.give_back();
                continue;
            }
            let is_busy = self.pool.borrow().eager() > 0;
            let Some(since) = self.pool.borrow().oldest_idle().filter(|_| !is_busy) else { return };
            if !ask.starving && now.saturating_sub(since) < COLD {
                return self.turn.arm(self.key.get(), since + COLD);
            }
            let longest_idle = self.pool.borrow().idle_since(since).into_iter().next();
            let Some(link) = longest_idle else { return };
            self.pool.borrow_mut().bar(link.seat);
            link.expired.set(true);
            link.lent.set(true);
            self.lend_one();
            self.lending.set(true);
            link.condemn(Broken::Finished);
        }
    }

    fn lend_one(&self) {
        let mut pool = self.pool.borrow_mut();
        let share = pool.share();
        pool.set_share(share.saturating_sub(1));
    }

    /// Whether this link, of which an answer has ended just now, goes to another worker though requests wait for it here. It
    /// takes no more then.
    pub(super) fn yields(&self, link: &Link<T>, now: Nanos) -> bool {
        if !self.loans.is_urgent() || self.lending.get() {
            return false;
        }
        let Some(ask) = self.loans.first(&self.account, Right::Link) else { return false };
        let may = {
            let pool = self.pool.borrow();
            let rested = now.saturating_sub(self.granted_at.get()) >= LEASE;
            let to_starving = ask.starving && (pool.usable() > 1 || rested);
            let to_owner = ask.owed && self.links.get() > self.entitled.get();
            (to_starving || to_owner) && pool.eager() > 0 && pool.may_close(link.seat)
        };
        if may {
            self.lend_one();
            self.lending.set(true);
            link.expired.set(true);
            link.lent.set(true);
        }
        may
    }

    /// Takes what it was granted, and looks what others ask for, whenever there is news.
    pub(super) async fn deal(self: Rc<Self>) {
        let account = Arc::clone(&self.account);
        while self.key.get() != GONE {
            account.news.notified().await;
            let now = self.turn.tick();
            for what in [Right::Link, Right::Own] {
                let granted = account.granted(what);
                if granted > 0 {
                    self.add(what, granted);
                    self.granted_at.set(now);
                    match what {
                        Right::Link => self.asks.set(None),
                        Right::Own => self.asks_own.set(false),
                    }
                }
            }
            self.open_more(now);
            self.use_idle(now);
            self.lend(now);
        }
    }
}
