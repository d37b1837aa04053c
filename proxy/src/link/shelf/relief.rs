//! Frees links for requests that wait: clients that hold a link without using it give way.
//!
//! `holders` and the pool decide which clients give way; here the links are asked, and those clients are told. Clients that
//! have left no longer wait.

use std::rc::Rc;
use std::time::Duration;

use super::{Receiver, Shelf};
use crate::cause::Cause;
use crate::link::driver::Link;
use crate::link::holders::GiveWay;
use crate::link::lines::SourceKey;
use crate::link::queue::Broken;
use crate::metrics::Acquire;
use crate::turn::Nanos;

/// While somebody waits, links are looked at this often,
const OFTEN: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// else this often: what a client has moved so far must be known when somebody comes to wait.
const SELDOM: Nanos = Duration::from_millis(500).as_nanos() as Nanos;
/// What may hold links is kept short for this long after others had to wait for it.
const PRESSED: Nanos = Duration::from_secs(5).as_nanos() as Nanos;

impl<T: Receiver> Shelf<T> {
    /// When links are looked at next, now that somebody waits.
    pub(super) fn relief_by(&self, now: Nanos) -> Nanos {
        self.relief_at.set(self.relief_at.get().min(now + OFTEN));
        self.relief_at.get()
    }

    /// Nobody awaits the answer at the head of a link any more: that is looked at before long.
    pub(in crate::link) fn was_left(&self) {
        let now = self.turn.now();
        let at = if self.pool.borrow().waiting() > 0 { self.relief_by(now) } else { now + 2 * SELDOM };
        self.turn.arm(self.key.get(), at);
    }

    /// Takes links back from those who hold them without need, as far as others wait.
    pub(super) fn relieve(&self, now: Nanos) {
        if now < self.relief_at.get() {
            return;
        }
        let waiting = self.pool.borrow().waiting() > 0;
        self.relief_at.set(now + if waiting { OFTEN } else { SELDOM });
        let links: Vec<_> = self.pool.borrow().links().cloned().collect();
        for link in &links {
            let (exchange, held) = link.held(waiting, now);
            self.pool.borrow_mut().look(link.seat, exchange, held, now);
        }
        if self.turn.lenient_until(now).is_some() {
            return self.pool.borrow_mut().look_anew(now);
        }
        let give_way = {
            let mut pool = self.pool.borrow_mut();
            let give_way = pool.give_way(|link| link.class(), now);
            if pool.is_pressed_now() {
                self.pressed_until.set(now + PRESSED);
            } else if now >= self.pressed_until.get() {
                pool.relax();
            }
            give_way
        };
        give_way.iter().for_each(|(link, why)| self.take_back(link, *why));
    }

    /// Those behind it on the link are sent elsewhere, as they may be; if one may not, they all wait.
    fn take_back(&self, link: &Rc<Link<T>>, why: GiveWay) {
        if !link.queue.borrow().followers_may_move() {
            return;
        }
        let cause = match why {
            GiveWay::Slow => Cause::SlowHolder,
            GiveWay::Endless => Cause::MadeWay,
            GiveWay::Left => Cause::ClientAbort,
        };
        if let Some(holder) = link.holder() {
            self.tell(&holder, |holder| holder.give_way(cause));
        }
        link.condemn(Broken::Abandoned);
    }

    /// One of those who wait has left.
    pub fn left_the_queue(&self) {
        self.left.set(self.left.get() + 1);
        // Each is looked at so seldom that leaving costs no more than coming did.
        if self.left.get() > self.pool.borrow().waiting() / 2 {
            self.forget_left();
        }
    }

    fn forget_left(&self) {
        self.left.set(0);
        let gone = self.pool.borrow_mut().remove_waiting(|waiter| waiter.to.is_gone());
        drop(gone); // outside of the borrow: it may be the last of its client
        self.show_waiting();
    }

    /// Where no more may wait, those who have left go first, and then one of the source with the most of those who wait.
    pub(super) fn make_room(&self, source: SourceKey) {
        if !self.pool.borrow().is_full() {
            return;
        }
        if self.left.get() > 0 {
            self.forget_left();
        }
        let displaced =
            if self.pool.borrow().is_full() { self.pool.borrow_mut().displace(source) } else { None };
        if let Some(waiter) = displaced {
            self.backend_cells.acquires[Acquire::Rejected].inc();
            self.tell(&waiter.to, |to| to.failed(&waiter.request, Cause::QueueFull, false));
        }
    }
}
