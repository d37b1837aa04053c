//! The rights to the links of one member of a pooled backend, and the count of its tunnels, which all workers share.
//!
//! Rights move from workers that can do without to workers that are short of them, and their sum stays exact. This is touched
//! when a worker is short, when a link of a worker that lent a right is closed, or when a link becomes a tunnel, and never while
//! each worker has what it needs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::net::Descriptors;

use super::rights::{Ask, Rights};

/// See the head of this file.
#[derive(Debug, Default)]
pub struct Loans {
    room: Mutex<Room>,
    /// How many ask for a link, how many of those badly, and how many ask for one that its client may keep.
    asked: AtomicUsize,
    urgent: AtomicUsize,
    asked_own: AtomicUsize,
    /// Links that have become tunnels, with those that are about to.
    tunnels: AtomicUsize,
}

#[derive(Debug, Default)]
struct Room {
    /// To have a link.
    links: Rights<usize>,
    /// To have one that its client keeps.
    own: Rights<usize>,
    accounts: Vec<Arc<Account>>,
    last: usize,
}

/// A right to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Right {
    /// A link.
    Link,
    /// That a link is its client's for as long as that likes.
    Own,
}

/// What a worker's shelf has been granted, and how it is told so, or that others ask.
#[derive(Debug, Default)]
pub(super) struct Account {
    number: usize,
    links: AtomicUsize,
    own: AtomicUsize,
    pub(super) news: Notify,
}

impl Account {
    /// What has been granted since it was asked last.
    pub(super) fn granted(&self, what: Right) -> usize {
        self.of(what).swap(0, Ordering::Relaxed)
    }

    fn of(&self, what: Right) -> &AtomicUsize {
        match what {
            Right::Link => &self.links,
            Right::Own => &self.own,
        }
    }
}

impl Room {
    fn rights(&mut self, what: Right) -> &mut Rights<usize> {
        match what {
            Right::Link => &mut self.links,
            Right::Own => &mut self.own,
        }
    }
}

impl Loans {
    /// A worker's shelf comes.
    pub(super) fn join(&self) -> Arc<Account> {
        let mut room = self.lock();
        room.last += 1;
        let account = Arc::new(Account { number: room.last, ..Account::default() });
        room.accounts.push(account.clone());
        account
    }

    /// It comes back.
    pub(super) fn rejoin(&self, who: &Arc<Account>) {
        self.lock().accounts.push(who.clone());
    }

    /// It goes. It has given back all that it had.
    pub(super) fn leave(&self, who: &Arc<Account>) {
        self.lock().accounts.retain(|other| !Arc::ptr_eq(other, who));
        for what in [Right::Link, Right::Own] {
            self.withdraw(who, what);
            self.give_back(what, who.granted(what));
        }
    }

    /// So many links there may be from now on. All of them but one may be kept by their clients; the only one, too.
    pub(super) fn configure(&self, cap: usize) {
        let mut room = self.lock();
        room.links.configure(cap);
        room.own.configure(cap.saturating_sub(1).max(1));
        drop(room);
        // What there is more of than before goes to those who ask.
        self.give_back(Right::Link, 0);
        self.give_back(Right::Own, 0);
    }

    /// Takes so many rights, as far as there are any that nobody has.
    pub(super) fn take(&self, what: Right, most: usize) -> usize {
        self.lock().rights(what).take(most)
    }

    /// Takes a right that nobody has; else asks the others for one. True where it was taken.
    pub(super) fn take_or_ask(&self, who: &Account, what: Right, ask: Ask) -> bool {
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
    pub(super) fn withdraw(&self, who: &Account, what: Right) {
        let mut room = self.lock();
        room.rights(what).withdraw(&who.number);
        self.show(&room);
    }

    /// So many rights are given back. Those who ask get them.
    pub(super) fn give_back(&self, what: Right, count: usize) {
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
    pub(super) fn first(&self, me: &Account, what: Right) -> Option<Ask> {
        self.lock().rights(what).first(&me.number)
    }

    /// Whether anybody asks: the only thing that is looked at where nobody does.
    pub(super) fn is_asked(&self, what: Right) -> bool {
        match what {
            Right::Link => self.asked.load(Ordering::Relaxed) > 0,
            Right::Own => self.asked_own.load(Ordering::Relaxed) > 0,
        }
    }

    /// Whether anybody asks who cannot serve those who wait, or has less than its share.
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent.load(Ordering::Relaxed) > 0
    }

    fn show(&self, room: &Room) {
        let (asked, urgent) = room.links.asked();
        self.asked.store(asked, Ordering::Relaxed);
        self.urgent.store(urgent, Ordering::Relaxed);
        self.asked_own.store(room.own.asked().0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the tunnels of one member, and the descriptor of the link that will be opened in the tunnel's stead. It
/// is given back when it is dropped.
#[derive(Debug)]
pub struct TunnelPlace {
    loans: Arc<Loans>,
    _descriptor: Descriptors<1>,
}

impl TunnelPlace {
    /// A place, unless `most` are taken, or no descriptor is left.
    pub(super) fn take(loans: &Arc<Loans>, most: usize) -> Option<Self> {
        let descriptor = Descriptors::try_take()?;
        let one_more = |taken| (taken < most).then_some(taken + 1);
        loans.tunnels.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Self { loans: loans.clone(), _descriptor: descriptor })
    }
}

impl Drop for TunnelPlace {
    fn drop(&mut self) {
        self.loans.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}
