//! Keeps any one source, and requests that may hold links, from taking all links of a pool.
//!
//! A source may have more than its part of the links while nobody else wants them; the last few are kept for others all
//! the same, so that a client that comes later does not have to wait until an exchange has ended. Requests that may
//! hold links (content that is still to come, or a class of which links were held while others waited) may have all of them too,
//! until the pool is pressed; then they may have half.

use crate::config::{Links, PerSource};
use crate::turn::Nanos;

use super::super::holders::{self, GiveWay, Held, Holder, Terms};
use super::super::lines::{Demand, Next, SourceKey, Want};
use super::super::seat::SeatId;
use super::Pool;

/// Of so many links, one is kept for sources that have less than their part.
const KEPT_ONE_IN: usize = 16;
/// With fewer links than this, none is.
const FEW: usize = 8;

impl<L: Clone, W> Pool<L, W> {
    /// Takes the limits that keep links from being held.
    pub(super) fn be_fair(&mut self, links: &Links) {
        let cap = links.max_per_member.get() as usize;
        self.per_source = match links.max_per_source {
            PerSource::Quarter => (self.share / 4).max(1),
            PerSource::Unlimited => usize::MAX,
            PerSource::Most(most) => (most.get() as usize * self.share / cap).max(1),
        };
        self.min_rate = links.min_rate.map(|rate| rate as u64);
    }

    /// What a link is held by now, with its `exchange`-th exchange.
    pub fn look(&mut self, id: SeatId, exchange: u64, held: Held, now: Nanos) {
        if let Some(seat) = self.seats.get_mut(id).and_then(Option::as_mut) {
            seat.track.look(exchange, held, now);
        }
    }

    /// What holders did until now tells nothing: the process stood still.
    pub fn look_anew(&mut self, now: Nanos) {
        self.seats.iter_mut().flatten().for_each(|seat| seat.track.begin_anew(now));
    }

    /// Links that must be taken from their holders, so that others get them. `class` tells of what is at the head of a
    /// link.
    pub fn give_way(&mut self, class: impl Fn(&L) -> u32, now: Nanos) -> Vec<(L, GiveWay)> {
        let busy = |id: SeatId| {
            let seat = self.seats[id].as_ref().filter(|seat| seat.is_busy())?;
            Some(Holder { link: id, source: seat.source, track: seat.track })
        };
        let held: Vec<_> = (0..self.seats.len()).filter_map(busy).collect();
        let terms = Terms {
            share: self.share,
            per_source: self.per_source,
            min_rate: self.min_rate,
            waiting: self.lines.len(),
            oldest: self.lines.oldest(),
        };
        let verdict = holders::choose(&held, &terms, now);
        (self.pressed_now, self.pressed) = (verdict.pressed, self.pressed || verdict.pressed);
        for id in verdict.idle {
            let Some(seat) = self.seats[id].as_mut() else { continue };
            self.holding += usize::from(!std::mem::replace(&mut seat.holds, true));
            let class = seat.link.as_ref().map_or(0, &class);
            self.classes.note(class, now);
        }
        let link = |(id, why): (SeatId, GiveWay)| Some((self.seats[id].as_ref()?.link.clone()?, why));
        verdict.give_way.into_iter().filter_map(link).collect()
    }

    /// Whether links were held while others waited, when that was looked at last.
    #[must_use]
    pub fn is_pressed_now(&self) -> bool {
        self.pressed_now
    }

    /// Nobody has waited for a while.
    pub fn relax(&mut self) {
        self.pressed = false;
    }

    /// Whether requests of this class, or like this one, may hold the links that they get.
    pub(super) fn may_hold(&self, demand: &Demand) -> bool {
        demand.open_ended || self.is_of_holders(demand.class)
    }

    /// Whether links were held by requests of this class while others waited.
    #[must_use]
    pub fn is_of_holders(&self, class: u32) -> bool {
        self.classes.contains(class)
    }

    /// Whether one more that may hold its link may have one.
    fn takes_holders(&self) -> bool {
        !self.pressed || self.holding < (self.share / 2).max(1)
    }

    /// It became known since it came that it may hold its link, and no more of these may have one now.
    pub(super) fn must_stand_aside(&self, demand: &Demand) -> bool {
        !self.takes_holders() && self.may_hold(demand)
    }

    /// Whether a request that has just come may take an idle link.
    pub(super) fn may_take_idle(&self, demand: &Demand) -> bool {
        if self.pressed && self.must_stand_aside(demand) {
            return false;
        }
        !self.is_tight() || !self.has_its_part(demand.source)
    }

    /// So few links are left that they are kept for sources that have less than their part.
    fn is_tight(&self) -> bool {
        let kept = if self.share < FEW {
            0
        } else {
            self.share / KEPT_ONE_IN + usize::from(self.share < KEPT_ONE_IN)
        };
        self.pressed || self.idle.len() + self.share.saturating_sub(self.used) <= kept
    }

    /// Whether a source has as many links as it may have while others want some.
    fn has_its_part(&self, source: SourceKey) -> bool {
        if source == SourceKey::default() || self.per_source == usize::MAX {
            return false;
        }
        let its = self.seats.iter().flatten().filter(|seat| seat.source == source && seat.is_busy());
        its.take(self.per_source).count() == self.per_source
    }

    /// Whose turn it is of those who want one of these, and an idle link for it.
    pub(super) fn next(&self, wants: &[Want]) -> Option<Next> {
        let fair = self.fair_next(wants);
        if self.is_tight() { fair } else { fair.or_else(|| self.first(wants)) }
    }

    /// The same for a place behind others, which takes a link from nobody.
    pub(super) fn next_behind(&self, wants: &[Want]) -> Option<Next> {
        self.fair_next(wants).or_else(|| self.first(wants))
    }

    fn first(&self, wants: &[Want]) -> Option<Next> {
        self.lines.next(wants, self.takes_holders(), |_| true)
    }

    /// The first whose source does not have its part of the links. It does not matter which it has where nobody else waits,
    /// and there are links.
    fn fair_next(&self, wants: &[Want]) -> Option<Next> {
        let first = self.first(wants)?;
        if !self.is_tight() && !self.lines.others_than(first.demand.source) {
            return Some(first);
        }
        self.lines.next(wants, self.takes_holders(), |source| !self.has_its_part(source))
    }
}
