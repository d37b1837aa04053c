//! Lets the share of a pool grow and shrink: a worker borrows rights to links from other workers, and lends
//! its own.
//!
//! A worker whose requests wait asks the others (`loans`): at once if none of its links can serve them, and
//! otherwise after a request has waited for a moment. It gets a right that is unused or whose link is idle.
//! If all links are busy, workers with more than one link, or with one that they have had for a while, take
//! turns with workers that have none.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event_loop::{Nanos, may_panic};
use crate::link::pool::link::Link;
use crate::link::scheduler::rights::{RightRequest, Rights};
use crate::net::Descriptors;

use super::{GONE, Pool, Recipient, Share};

/// The time in nanoseconds that a request waits before a worker with busy links asks for another one.
const PATIENCE: Nanos = Duration::from_millis(5).as_nanos() as Nanos;
/// The time in nanoseconds since its last use before a link is lent to a worker that has other links.
const COLD: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// The time in nanoseconds for which a worker keeps its only link while requests wait for it, before a worker
/// without any gets it.
const LEASE: Nanos = Duration::from_millis(10).as_nanos() as Nanos;

impl<T: Recipient> Pool<T> {
    /// Sets the share of this worker, and takes rights up to that share.
    pub(super) fn take_share(&self, share: Share) {
        let before = (self.cap.replace(share.of_all), self.entitled.replace(share.links));
        if before == (share.of_all, share.links) {
            return; // lent and borrowed rights stay as they are
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

    /// Gives up the share of a retired member. Rights that links still use follow as these close.
    pub(super) fn give_up_share(&self) {
        self.entitled.set(0);
        self.give_back();
    }

    /// Returns the rights above the share that no link uses any more.
    pub(super) fn give_back(&self) {
        self.lending.set(false);
        let (links, own) = {
            let mut scheduler = self.scheduler.borrow_mut();
            // A removed member opens no links, so that unused rights go back at once.
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

    /// Takes one more right, if one is free.
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

    /// Asks other workers for the rights that waiting requests need, or withdraws the request.
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
        // One request at a time is enough, since each grant wakes this worker.
        if owners && !self.asks_own.replace(true) {
            let taken = self.loans.take_or_ask(&self.account, Right::Own, RightRequest::default());
            if taken {
                self.asks_own.set(false);
                self.add(Right::Own, 1);
                self.event_loop.arm(self.key.get(), now + 1); // the current turn may be a client's
            }
        }
        let ask = RightRequest { starving, owed: self.links.get() < self.entitled.get() };
        // A request whose urgency has not changed is not repeated.
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

    /// Returns the time at which this worker will ask for a link, if it has not yet.
    pub(super) fn next_request_at(&self) -> Option<Nanos> {
        let scheduler = self.scheduler.borrow();
        let all_used = scheduler.used() >= scheduler.share() && scheduler.share() < self.cap.get();
        let may = all_used && self.asks.get().is_none() && scheduler.eager() > 0;
        scheduler.oldest_waiting().filter(|_| may).map(|since| since + PATIENCE)
    }

    /// Lends rights that it does not need to workers that ask.
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
            // An unused right can be lent without closing a link.
            if self.scheduler.borrow().spares_share() {
                self.lend_one();
                self.give_back();
                continue;
            }
            let is_busy = self.scheduler.borrow().eager() > 0;
            let Some(since) = self.scheduler.borrow().oldest_idle().filter(|_| !is_busy) else { return };
            // A link that was just used will probably be needed again soon.
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

    /// Returns whether this link, which has just ended an answer, goes to another worker although requests
    /// wait for it here. The link then takes no more requests.
    pub(super) fn yields(&self, link: &Link<T>, now: Nanos) -> bool {
        // The usual case is one relaxed load.
        if !self.loans.is_urgent() || self.lending.get() {
            return false;
        }
        let Some(ask) = self.loans.first(&self.account, Right::Link) else { return false };
        let may = {
            let scheduler = self.scheduler.borrow();
            let rested = now.saturating_sub(self.granted_at.get()) >= LEASE;
            // A worker keeps its only link for a lease, or two workers would exchange it all the time.
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

/// The rights to links to one member, shared by all workers.
#[derive(Debug, Default)]
pub struct Loans {
    room: Mutex<LoanState>,
    /// The number of requests for a link.
    asked: AtomicUsize,
    /// The number of requests for a link that a client may keep.
    urgent: AtomicUsize,
    asked_own: AtomicUsize,
    /// The number of links that are tunnels or may become one.
    tunnels: AtomicUsize,
}

#[derive(Debug, Default)]
struct LoanState {
    /// Rights to open a link.
    links: Rights<usize>,
    /// Rights to give a link to a client for good.
    own: Rights<usize>,
    accounts: Vec<Arc<Account>>,
    last: usize,
}

/// The kinds of rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::link) enum Right {
    /// The right to open a link.
    Link,
    /// The right to give a link to a client for as long as the client likes.
    Own,
}

/// The rights that were granted to a worker's pool, and the signal for grants and requests of others.
#[derive(Debug, Default)]
pub(in crate::link) struct Account {
    number: usize,
    links: AtomicUsize,
    own: AtomicUsize,
    pub(in crate::link) news: Notify,
}

impl Account {
    /// Returns the number of rights granted since the last call.
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
    /// Opens an account for a worker's pool.
    pub(in crate::link) fn join(&self) -> Arc<Account> {
        let mut room = self.lock();
        room.last += 1;
        let account = Arc::new(Account { number: room.last, ..Account::default() });
        room.accounts.push(account.clone());
        account
    }

    /// Adds an account again that had left.
    pub(in crate::link) fn rejoin(&self, who: &Arc<Account>) {
        self.lock().accounts.push(who.clone());
    }

    /// Removes an account, whose rights have all been returned.
    pub(in crate::link) fn leave(&self, who: &Arc<Account>) {
        self.lock().accounts.retain(|other| !Arc::ptr_eq(other, who));
        for what in [Right::Link, Right::Own] {
            self.withdraw(who, what);
            self.give_back(what, who.granted(what));
        }
    }

    /// Sets the number of links that there may be. Clients may keep all of them but one; if there is only
    /// one, that one.
    pub(in crate::link) fn configure(&self, cap: usize) {
        let mut room = self.lock();
        room.links.configure(cap);
        room.own.configure(cap.saturating_sub(1).max(1));
        drop(room);
        // Additional rights go to workers that ask.
        self.give_back(Right::Link, 0);
        self.give_back(Right::Own, 0);
    }

    /// Takes up to `most` rights that nobody has, and returns their number.
    pub(in crate::link) fn take(&self, what: Right, most: usize) -> usize {
        self.lock().rights(what).take(most)
    }

    /// Takes a free right and returns true, or asks the other workers for one.
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

    /// Withdraws the request of a worker.
    pub(in crate::link) fn withdraw(&self, who: &Account, what: Right) {
        let mut room = self.lock();
        room.rights(what).withdraw(&who.number);
        self.show(&room);
    }

    /// Returns rights, which go to workers that ask.
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

    /// Returns the first request of another worker.
    pub(in crate::link) fn first(&self, me: &Account, what: Right) -> Option<RightRequest> {
        self.lock().rights(what).first(&me.number)
    }

    /// Returns whether anybody asks. Usually nobody does, and then nothing else is looked at.
    pub(in crate::link) fn is_asked(&self, what: Right) -> bool {
        match what {
            Right::Link => self.asked.load(Ordering::Relaxed) > 0,
            Right::Own => self.asked_own.load(Ordering::Relaxed) > 0,
        }
    }

    /// Returns whether a worker asks that cannot serve its waiting requests or has less than its share.
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

/// A permit for a tunnel to one member, and the descriptor for the link that replaces the tunnel in the pool.
/// Both are returned when it is dropped.
#[derive(Debug)]
pub struct TunnelPermit {
    loans: Arc<Loans>,
    _descriptor: Descriptors<1>,
}

impl TunnelPermit {
    /// Returns a permit, unless `most` are taken or no descriptor is left.
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
