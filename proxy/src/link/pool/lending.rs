//! Lets the share of a pool grow and shrink: it borrows rights to links from other workers, and lends its own.
//!
//! A worker that has what it needs asks nobody. A worker whose requests wait asks the others (`loans`), at once where none of its
//! links can serve them, and otherwise when a request has waited for a moment. It gets a right that is not used, or whose link is
//! idle. Where all links are busy, workers that have more than one link, or have had their only one for a while, take turns with those
//! that have none.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event_loop::{Nanos, may_panic};
use crate::link::connection::Link;
use crate::link::scheduler::rights::{RightRequest, Rights};
use crate::net::Descriptors;

use super::{GONE, Pool, Recipient, Share};

/// Who has links, if busy ones, asks for a further one after somebody has waited for this long.
const PATIENCE: Nanos = Duration::from_millis(5).as_nanos() as Nanos;
/// A link that was used within this time is lent only to who has none.
const COLD: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// Who has one link, and requests that wait for it, keeps it for so long before another who has none gets it.
const LEASE: Nanos = Duration::from_millis(10).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
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
        self.scheduler.borrow_mut().set_share(self.links.get().min(share.links));
        self.scheduler.borrow_mut().set_owners(self.own.get().min(own));
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
            let mut scheduler = self.scheduler.borrow_mut();
            if self.health.is_retired() && scheduler.waiting() == 0 {
                let (used, owned) =
                    (scheduler.used().min(scheduler.share()), scheduler.owned().min(scheduler.owners()));
                scheduler.set_share(used);
                scheduler.set_owners(owned);
            }
            (scheduler.used().max(scheduler.share()), scheduler.owned().max(scheduler.owners()))
        };
        for (what, has, keep) in [(Right::Link, &self.links, links), (Right::Own, &self.own, own)] {
            if has.get() > keep {
                self.loans.give_back(what, has.replace(keep) - keep);
            }
        }
    }

    /// Takes one more right, if there is one that nobody has.
    pub(super) fn take_one(&self, what: Right) {
        let has = match what {
            Right::Link => self.links.get(),
            Right::Own => self.own.get(),
        };
        if has < self.cap.get() && self.loans.take(what, 1) == 1 {
            self.add(what, 1);
        }
    }

    fn add(&self, what: Right, count: usize) {
        let mut scheduler = self.scheduler.borrow_mut();
        match what {
            Right::Link => {
                self.links.set(self.links.get() + count);
                let share = scheduler.share();
                scheduler.set_share(share + count);
            }
            Right::Own => {
                self.own.set(self.own.get() + count);
                let owners = scheduler.owners();
                scheduler.set_owners(owners + count);
            }
        }
    }

    /// Asks other workers for what those who wait here need, or no longer does.
    pub(super) fn request_rights(&self, now: Nanos) {
        if self.scheduler.borrow().waiting() == 0 {
            return self.withdraw_requests();
        }
        let (owners, all_used, starving, patient) = {
            let scheduler = self.scheduler.borrow();
            let owners = scheduler.lacks_owners() && self.own.get() < self.cap.get();
            let all_used = scheduler.eager() > 0
                && scheduler.used() >= scheduler.share()
                && scheduler.share() < self.cap.get();
            let patient =
                scheduler.oldest_waiting().is_some_and(|since| now.saturating_sub(since) < PATIENCE);
            (owners, all_used, scheduler.usable() == 0, patient)
        };
        if owners && !self.asks_own.replace(true) {
            let taken = self.loans.take_or_ask(&self.account, Right::Own, RightRequest::default());
            if taken {
                self.asks_own.set(false);
                self.add(Right::Own, 1);
                self.event_loop.arm(self.key.get(), now + 1); // not in the middle of a client's turn
            }
        }
        let ask = RightRequest { starving, owed: self.links.get() < self.entitled.get() };
        if all_used && (starving || !patient) && self.asks.get() != Some(ask) {
            self.asks.set(Some(ask));
            if self.loans.take_or_ask(&self.account, Right::Link, ask) {
                self.asks.set(None);
                self.add(Right::Link, 1);
                self.event_loop.arm(self.key.get(), now + 1);
            }
        }
    }

    pub(super) fn withdraw_requests(&self) {
        if self.asks.take().is_some() {
            self.loans.withdraw(&self.account, Right::Link);
        }
        if self.asks_own.replace(false) {
            self.loans.withdraw(&self.account, Right::Own);
        }
    }

    /// When it will ask others for a link, if it does not yet.
    pub(super) fn next_request_at(&self) -> Option<Nanos> {
        let scheduler = self.scheduler.borrow();
        let all_used = scheduler.used() >= scheduler.share() && scheduler.share() < self.cap.get();
        let may = all_used && self.asks.get().is_none() && scheduler.eager() > 0;
        scheduler.oldest_waiting().filter(|_| may).map(|since| since + PATIENCE)
    }

    /// Lends what it does not need to those who ask.
    pub(super) fn lend(&self, now: Nanos) {
        while self.loans.is_asked(Right::Own)
            && self.scheduler.borrow().spares_owners()
            && self.loans.first(&self.account, Right::Own).is_some()
        {
            let owners = self.scheduler.borrow().owners();
            self.scheduler.borrow_mut().set_owners(owners - 1);
            self.give_back();
        }
        while self.loans.is_asked(Right::Link) && !self.lending.get() {
            let Some(ask) = self.loans.first(&self.account, Right::Link) else { return };
            if self.scheduler.borrow().spares_share() {
                self.lend_one();
                self.give_back();
                continue;
            }
            let is_busy = self.scheduler.borrow().eager() > 0;
            let Some(since) = self.scheduler.borrow().oldest_idle().filter(|_| !is_busy) else { return };
            if !ask.starving && now.saturating_sub(since) < COLD {
                return self.event_loop.arm(self.key.get(), since + COLD);
            }
            let longest_idle = self.scheduler.borrow().idle_since(since).into_iter().next();
            let Some(link) = longest_idle else { return };
            link.lent.set(true);
            self.lend_one();
            self.lending.set(true);
            self.expire(&link);
        }
    }

    fn lend_one(&self) {
        let mut scheduler = self.scheduler.borrow_mut();
        let share = scheduler.share();
        scheduler.set_share(share.saturating_sub(1));
    }

    /// Whether this link, of which an answer has ended just now, goes to another worker though requests wait for it here. It
    /// takes no more then.
    pub(super) fn yields(&self, link: &Link<T>, now: Nanos) -> bool {
        if !self.loans.is_urgent() || self.lending.get() {
            return false;
        }
        let Some(ask) = self.loans.first(&self.account, Right::Link) else { return false };
        let may = {
            let scheduler = self.scheduler.borrow();
            let rested = now.saturating_sub(self.granted_at.get()) >= LEASE;
            let to_starving = ask.starving && (scheduler.usable() > 1 || rested);
            let to_owner = ask.owed && self.links.get() > self.entitled.get();
            (to_starving || to_owner) && scheduler.eager() > 0 && scheduler.may_close(link.id)
        };
        if may {
            self.lend_one();
            self.lending.set(true);
            link.expired.set(true);
            link.lent.set(true);
        }
        may
    }

    /// Begins to deal with other workers.
    pub(super) fn begin_dealing(self: &Rc<Self>) {
        let pool = self.clone();
        self.event_loop.spawn_duty(move || {
            // Where it is begun again after a panic, the news of that time is still to be heard.
            pool.account.news.notify_one();
            pool.clone().deal()
        });
    }

    /// Takes what it was granted, and looks what others ask for, whenever there is news.
    async fn deal(self: Rc<Self>) {
        let account = Arc::clone(&self.account);
        while self.key.get() != GONE {
            account.news.notified().await;
            may_panic("pool.deal");
            let now = self.event_loop.update_now();
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

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Loans {
    room: Mutex<LoanState>,
    /// How many ask for a link, how many of those badly, and how many ask for one that its client may keep.
    asked: AtomicUsize,
    urgent: AtomicUsize,
    asked_own: AtomicUsize,
    /// Links that have become tunnels, with those that are about to.
    tunnels: AtomicUsize,
}

#[derive(Debug, Default)]
struct LoanState {
    /// To have a link.
    links: Rights<usize>,
    /// To have one that its client keeps.
    own: Rights<usize>,
    accounts: Vec<Arc<Account>>,
    last: usize,
}

/// A right to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Right {
    /// A link.
    Link,
    /// That a link is its client's for as long as that likes.
    Own,
}

/// What a worker's pool has been granted, and how it is told so, or that others ask.
#[derive(Debug, Default)]
pub(in crate::link) struct Account {
    number: usize,
    links: AtomicUsize,
    own: AtomicUsize,
    pub(in crate::link) news: Notify,
}

impl Account {
    /// What has been granted since it was asked last.
    pub(in crate::link) fn granted(&self, what: Right) -> usize {
        self.of(what).swap(0, Ordering::Relaxed)
    }

    fn of(&self, what: Right) -> &AtomicUsize {
        match what {
            Right::Link => &self.links,
            Right::Own => &self.own,
        }
    }
}

impl LoanState {
    fn rights(&mut self, what: Right) -> &mut Rights<usize> {
        match what {
            Right::Link => &mut self.links,
            Right::Own => &mut self.own,
        }
    }
}

impl Loans {
    /// A worker's pool comes.
    pub(in crate::link) fn join(&self) -> Arc<Account> {
        let mut room = self.lock();
        room.last += 1;
        let account = Arc::new(Account { number: room.last, ..Account::default() });
        room.accounts.push(account.clone());
        account
    }

    /// It comes back.
    pub(in crate::link) fn rejoin(&self, who: &Arc<Account>) {
        self.lock().accounts.push(who.clone());
    }

    /// It goes. It has given back all that it had.
    pub(in crate::link) fn leave(&self, who: &Arc<Account>) {
        self.lock().accounts.retain(|other| !Arc::ptr_eq(other, who));
        for what in [Right::Link, Right::Own] {
            self.withdraw(who, what);
            self.give_back(what, who.granted(what));
        }
    }

    /// So many links there may be from now on. All of them but one may be kept by their clients; the only one, too.
    pub(in crate::link) fn configure(&self, cap: usize) {
        let mut room = self.lock();
        room.links.configure(cap);
        room.own.configure(cap.saturating_sub(1).max(1));
        drop(room);
        // What there is more of than before goes to those who ask.
        self.give_back(Right::Link, 0);
        self.give_back(Right::Own, 0);
    }

    /// Takes so many rights, as far as there are any that nobody has.
    pub(in crate::link) fn take(&self, what: Right, most: usize) -> usize {
        self.lock().rights(what).take(most)
    }

    /// Takes a right that nobody has; else asks the others for one. True where it was taken.
    pub(in crate::link) fn take_or_ask(&self, who: &Account, what: Right, ask: RightRequest) -> bool {
        let mut room = self.lock();
        if room.rights(what).take(1) == 1 {
            return true;
        }
        room.rights(what).ask(&who.number, ask);
        self.show(&room);
        room.accounts
            .iter()
            .filter(|other| other.number != who.number)
            .for_each(|other| other.news.notify_one());
        false
    }

    /// It no longer needs one.
    pub(in crate::link) fn withdraw(&self, who: &Account, what: Right) {
        let mut room = self.lock();
        room.rights(what).withdraw(&who.number);
        self.show(&room);
    }

    /// So many rights are given back. Those who ask get them.
    pub(in crate::link) fn give_back(&self, what: Right, count: usize) {
        let mut room = self.lock();
        for number in room.rights(what).give_back(count) {
            if let Some(account) = room.accounts.iter().find(|account| account.number == number) {
                account.of(what).fetch_add(1, Ordering::Relaxed);
                account.news.notify_one();
            }
        }
        self.show(&room);
    }

    /// What the first other worker asks for, if one does.
    pub(in crate::link) fn first(&self, me: &Account, what: Right) -> Option<RightRequest> {
        self.lock().rights(what).first(&me.number)
    }

    /// Whether anybody asks: the only thing that is looked at where nobody does.
    pub(in crate::link) fn is_asked(&self, what: Right) -> bool {
        match what {
            Right::Link => self.asked.load(Ordering::Relaxed) > 0,
            Right::Own => self.asked_own.load(Ordering::Relaxed) > 0,
        }
    }

    /// Whether anybody asks who cannot serve those who wait, or has less than its share.
    pub(in crate::link) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Relaxed) > 0
    }

    fn show(&self, room: &LoanState) {
        let (asked, urgent) = room.links.asked();
        self.asked.store(asked, Ordering::Relaxed);
        self.urgent.store(urgent, Ordering::Relaxed);
        self.asked_own.store(room.own.asked().0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, LoanState> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the tunnels of one member, and the descriptor of the link that will be opened in the tunnel's stead. It
/// is given back when it is dropped.
#[derive(Debug)]
pub struct TunnelPermit {
    loans: Arc<Loans>,
    _descriptor: Descriptors<1>,
}

impl TunnelPermit {
    /// A place, unless `most` are taken, or no descriptor is left.
    pub(in crate::link) fn take(loans: &Arc<Loans>, most: usize) -> Option<Self> {
        let descriptor = Descriptors::try_take()?;
        let one_more = |taken| (taken < most).then_some(taken + 1);
        loans.tunnels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self { loans: loans.clone(), _descriptor: descriptor })
    }
}

impl Drop for TunnelPermit {
    fn drop(&mut self) {
        self.loans.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}
