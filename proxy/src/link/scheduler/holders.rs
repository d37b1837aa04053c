//! Tells which clients hold a link without using it, and which of them give way while others wait.
//!
//! A link is lent for work, not for waiting. Each busy link is looked at now and then ([`Track::look`]): is the member at
//! work, is it the client's turn to send or to read, does a response go on without end, or does nobody wait for it any
//! more? While nobody waits for a link, all of that is allowed. While somebody does, [`choose`] says which client gives way, and
//! for which reason. Both decide from numbers and time alone.

use crate::config::{Links, PerSource};
use crate::event_loop::Nanos;

use super::Scheduler;
use super::link_id::LinkId;
use super::wait_queue::{Demand, NextInQueue, Sharing, SourceKey};

/// Whose turn it is on a busy link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeldBy {
    /// The member's: it computes, or its answer goes out as fast as it comes.
    Member,
    /// The client's: to send more of its request, to read its answer, or to say its next word. Bytes that it has
    /// sent or acknowledged so far.
    Client {
        /// A count that grows with each byte that the client moves.
        moved: u64,
    },
    /// Nobody's: the answer goes on as long as the member likes, a little at a time (an event stream).
    Stream,
    /// Nobody awaits what comes next.
    Left,
}

/// Why a link is taken from whoever holds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GiveWay {
    /// Its client moves too slowly, or is one too many of those who do not move at all.
    Slow,
    /// Its answer has no end, and there are too many of these.
    Endless,
    /// Nobody awaits its answer.
    Left,
}

/// What is known of one link's holder: how long it has held, and how fast it moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    exchange: u64,
    held: HeldBy,
    since: Nanos,
    /// Where the present measures began, and where the next ones will: a long one and a short one.
    long: Measure,
    short: Measure,
}

/// How much was moved since some time ago: when, and how much had been moved by then; and where the next one begins.
#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    from: (Nanos, u64),
    next: (Nanos, u64),
}

/// Links whose holders give way only after others have waited this long.
const PATIENCE: Nanos = 50 * MILLI;
/// An answer that nobody awaits may still end within this, while others wait for its link,
const LEFT: Nanos = 10 * MILLI;
/// and within this while nobody does.
const LEFT_ALONE: Nanos = 1_000 * MILLI;
/// A client that has held a link for this long, and moved nothing lately, is stalled, unless
const STALLED: Nanos = 200 * MILLI;
/// it moved enough over this long. An acknowledgement of TCP may be a second late, and comes for 64 KiB at once.
const KNOWN: Nanos = 1_500 * MILLI;
/// A client is slow when it has held a link for this long.
const SLOW: Nanos = 2_000 * MILLI;
/// A rate is measured over one to two of these,
const LONG: Nanos = 2_000 * MILLI;
/// or of these.
const SHORT: Nanos = 150 * MILLI;
const MILLI: Nanos = 1_000_000;
const SECOND: u128 = 1_000_000_000;

impl Default for Track {
    fn default() -> Self {
        let (long, short) = Default::default();
        Self { exchange: 0, held: HeldBy::Member, since: 0, long, short }
    }
}

impl Track {
    /// What the link is held by now, with its `exchange`-th exchange.
    pub(super) fn look(&mut self, exchange: u64, held: HeldBy, now: Nanos) {
        let same = exchange == self.exchange;
        if !same {
            (self.long, self.short) = Default::default();
        }
        if !same || std::mem::discriminant(&held) != std::mem::discriminant(&self.held) {
            self.since = now;
        }
        if let HeldBy::Client { moved } = held {
            self.long.look(moved, LONG, now);
            self.short.look(moved, SHORT, now);
        }
        (self.exchange, self.held) = (exchange, held);
    }

    /// As if the link had been taken now.
    pub(super) fn begin_anew(&mut self, now: Nanos) {
        (self.since, self.long, self.short) = (now, Measure::default(), Measure::default());
    }

    /// Whether its client has moved less than this lately, and never was known to move more.
    fn is_stalled(&self, min_rate: u64, now: Nanos) -> bool {
        let HeldBy::Client { moved } = self.held else { return false };
        let moves = now.saturating_sub(self.long.from.0) >= KNOWN && self.long.rate(moved, now) >= min_rate;
        now.saturating_sub(self.since) >= STALLED && self.short.rate(moved, now) < min_rate && !moves
    }

    /// Bytes a second that the client moved over the last seconds.
    fn rate(&self, now: Nanos) -> u64 {
        let HeldBy::Client { moved } = self.held else { return 0 };
        self.long.rate(moved, now)
    }
}

impl Measure {
    fn look(&mut self, moved: u64, span: Nanos, now: Nanos) {
        let at = (now, moved);
        if self.from.0 == 0 {
            (self.from, self.next) = (at, at);
        } else if now.saturating_sub(self.next.0) >= span {
            (self.from, self.next) = (self.next, at);
        }
    }

    /// Bytes a second.
    fn rate(&self, moved: u64, now: Nanos) -> u64 {
        let bytes = u128::from(moved.saturating_sub(self.from.1));
        let time = u128::from(now.saturating_sub(self.from.0).max(1));
        u64::try_from(bytes * SECOND / time).unwrap_or(u64::MAX)
    }
}

/// One link that somebody holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder<I> {
    pub(super) link: I,
    pub(super) source: SourceKey,
    pub(super) track: Track,
}

/// What is allowed, and how many wait.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Links there may be.
    pub(super) share: usize,
    /// Links that one source may hold.
    pub(super) per_source: usize,
    /// Bytes a second; without it nobody gives way for being slow, or for lasting.
    pub(super) min_rate: Option<u64>,
    /// How many wait, and since when the first of them has.
    pub(super) waiting: usize,
    pub(super) oldest: Option<Nanos>,
}

/// Who gives way, and why.
#[derive(Debug)]
pub(super) struct GiveWayPlan<I> {
    pub(super) give_way: Vec<(I, GiveWay)>,
    /// Who holds a link without using it while others wait, those who give way among them.
    pub(super) idle: Vec<I>,
    /// They hold as many as they may, or held more.
    pub(super) pressed: bool,
}

/// See the head of this file. Nobody gives way for nobody: not more of them than wait.
pub(super) fn choose<I: Copy + PartialEq>(
    holders: &[Holder<I>],
    terms: &Terms,
    now: Nanos,
) -> GiveWayPlan<I> {
    let age = |holder: &Holder<I>| now.saturating_sub(holder.track.since);
    let grace = if terms.waiting > 0 { LEFT } else { LEFT_ALONE };
    let left = holders.iter().filter(|h| h.track.held == HeldBy::Left && age(h) >= grace);
    let mut give_way: Vec<_> = left.map(|h| (h.link, GiveWay::Left)).collect();
    let mut need = terms.waiting.saturating_sub(give_way.len());
    let patient = terms.oldest.is_none_or(|since| now.saturating_sub(since) < PATIENCE);
    let Some(min_rate) = terms.min_rate.filter(|_| !patient) else {
        return GiveWayPlan { give_way, idle: Vec::new(), pressed: false };
    };
    let mut stalled: Vec<_> = holders.iter().filter(|h| h.track.is_stalled(min_rate, now)).collect();
    stalled.sort_by_key(|h| (h.track.rate(now), h.track.since));
    let mut streams: Vec<_> = holders.iter().filter(|h| h.track.held == HeldBy::Stream).collect();
    streams.sort_by_key(|h| std::cmp::Reverse(h.track.since)); // who came last goes first
    let idle: Vec<_> = stalled.iter().chain(&streams).map(|h| h.link).collect();

    let mut out: Vec<(I, GiveWay)> = Vec::new();
    let slow = |h: &&&Holder<I>| age(h) >= SLOW && h.track.rate(now) < min_rate;
    out.extend(stalled.iter().filter(slow).take(need).map(|h| (h.link, GiveWay::Slow)));
    need -= out.len();

    let order: Vec<_> = stalled
        .iter()
        .map(|h| (*h, GiveWay::Slow))
        .chain(streams.iter().map(|h| (*h, GiveWay::Endless)))
        .collect();
    let half = terms.share / 2;
    let mut over = (idle.len() - out.len()).saturating_sub(half).min(need);
    for (holder, why) in &order {
        if over > 0 && !out.iter().any(|(link, _)| *link == holder.link) {
            out.push((holder.link, *why));
            (over, need) = (over - 1, need - 1);
        }
    }

    for (holder, why) in &order {
        let stays = |h: &Holder<I>| !out.iter().any(|(link, _)| *link == h.link);
        let held = order.iter().filter(|(h, _)| h.source == holder.source && stays(h)).count();
        if need > 0 && stays(holder) && held > terms.per_source {
            out.push((holder.link, *why));
            need -= 1;
        }
    }
    let pressed = !out.is_empty() || (!idle.is_empty() && idle.len() >= half);
    give_way.extend(out);
    GiveWayPlan { give_way, idle, pressed }
}

/// Classes of requests whose links were held while others waited, for a while: requests of these may not have more
/// than a part of the links. So few that a look at all of them costs nothing.
#[derive(Debug, Default)]
pub(super) struct HoldingClasses(Vec<(u32, Nanos)>);

const MOST: usize = 32;
const REMEMBERED: Nanos = 60_000 * MILLI;

impl HoldingClasses {
    /// A link was held by a request of this class.
    pub(super) fn note(&mut self, class: u32, now: Nanos) {
        if class == 0 {
            return;
        }
        self.0.retain(|(other, until)| *other != class && *until > now);
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push((class, now + REMEMBERED));
    }

    #[must_use]
    pub(super) fn contains(&self, class: u32) -> bool {
        self.0.iter().any(|(other, _)| *other == class)
    }
}

// Keeps any one source, and requests that may hold links, from taking all links of a pool.
//
// A source may have more than its part of the links while nobody else wants them; the last few are kept for others all
// the same, so that a client that comes later does not have to wait until an exchange has ended. Requests that may
// hold links (content that is still to come, or a class of which links were held while others waited) may have all of them too,
// until the pool is pressed; then they may have half.

/// Of so many links, one is kept for sources that have less than their part.
const KEPT_ONE_IN: usize = 16;
/// With fewer links than this, none is.
const FEW: usize = 8;

impl<L: Clone, W> Scheduler<L, W> {
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
    pub fn look(&mut self, id: LinkId, exchange: u64, held: HeldBy, now: Nanos) {
        if let Some(entry) = self.entries.get_mut(id).and_then(Option::as_mut) {
            entry.track.look(exchange, held, now);
        }
    }

    /// What holders did until now tells nothing: the process stood still.
    pub fn look_anew(&mut self, now: Nanos) {
        self.entries.iter_mut().flatten().for_each(|entry| entry.track.begin_anew(now));
    }

    /// Links that must be taken from their holders, so that others get them. `class` tells of what is at the head of a
    /// link.
    pub fn give_way(&mut self, class: impl Fn(&L) -> u32, now: Nanos) -> Vec<(L, GiveWay)> {
        let busy = |id: LinkId| {
            let entry = self.entries[id].as_ref().filter(|entry| entry.is_busy())?;
            Some(Holder { link: id, source: entry.source, track: entry.track })
        };
        let held: Vec<_> = (0..self.entries.len()).filter_map(busy).collect();
        let terms = Terms {
            share: self.share,
            per_source: self.per_source,
            min_rate: self.min_rate,
            waiting: self.wait_queue.len(),
            oldest: self.wait_queue.oldest(),
        };
        let verdict = choose(&held, &terms, now);
        (self.pressed_now, self.pressed) = (verdict.pressed, self.pressed || verdict.pressed);
        for id in verdict.idle {
            let Some(entry) = self.entries[id].as_mut() else { continue };
            self.holding += usize::from(!std::mem::replace(&mut entry.holds, true));
            let class = entry.link.as_ref().map_or(0, &class);
            self.classes.note(class, now);
        }
        let link = |(id, why): (LinkId, GiveWay)| Some((self.entries[id].as_ref()?.link.clone()?, why));
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
        let its = self.entries.iter().flatten().filter(|entry| entry.source == source && entry.is_busy());
        its.take(self.per_source).count() == self.per_source
    }

    /// Whose turn it is of those who want one of these, and an idle link for it.
    pub(super) fn next(&self, wants: &[Sharing]) -> Option<NextInQueue> {
        let fair = self.fair_next(wants);
        if self.is_tight() { fair } else { fair.or_else(|| self.first(wants)) }
    }

    /// The same for a place behind others, which takes a link from nobody.
    pub(super) fn next_behind(&self, wants: &[Sharing]) -> Option<NextInQueue> {
        self.fair_next(wants).or_else(|| self.first(wants))
    }

    fn first(&self, wants: &[Sharing]) -> Option<NextInQueue> {
        self.wait_queue.next(wants, self.takes_holders(), |_| true)
    }

    /// The first whose source does not have its part of the links. It does not matter which it has where nobody else waits,
    /// and there are links.
    fn fair_next(&self, wants: &[Sharing]) -> Option<NextInQueue> {
        let first = self.first(wants)?;
        if !self.is_tight() && !self.wait_queue.others_than(first.demand.source) {
            return Some(first);
        }
        self.wait_queue.next(wants, self.takes_holders(), |source| !self.has_its_part(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: Nanos = 1_000 * MILLI;
    const TERMS: Terms =
        Terms { share: 8, per_source: 2, min_rate: Some(16 << 10), waiting: 100, oldest: Some(0) };

    /// A client that moves so many bytes a second, looked at each 50 ms from `from` to `now`.
    fn client(link: u32, source: u64, rate: u64, from: Nanos, now: Nanos) -> Holder<u32> {
        let mut track = Track::default();
        let mut at = from;
        while at <= now {
            track.look(1, HeldBy::Client { moved: 1_000_000 + rate * (at - from) / SECONDS }, at);
            at += 50 * MILLI;
        }
        Holder { link, source: SourceKey(source), track }
    }

    fn other(link: u32, source: u64, held: HeldBy, since: Nanos) -> Holder<u32> {
        let mut track = Track::default();
        track.look(1, held, since);
        Holder { link, source: SourceKey(source), track }
    }

    fn goes(holders: &[Holder<u32>], terms: &Terms, now: Nanos) -> Vec<(u32, GiveWay)> {
        choose(holders, terms, now).give_way
    }

    #[test]
    fn while_nobody_waits_slow_is_no_crime() {
        let holders: Vec<_> = (0..8).map(|i| client(i, i.into(), 0, SECONDS, 61 * SECONDS)).collect();
        let terms = Terms { waiting: 0, oldest: None, ..TERMS };
        let verdict = choose(&holders, &terms, 61 * SECONDS);
        assert!(verdict.give_way.is_empty() && !verdict.pressed);
    }

    #[test]
    fn while_others_wait_the_slowest_go_first_and_no_more_than_wait() {
        let now = 11 * SECONDS;
        let holders =
            [client(0, 0, 100, SECONDS, now), client(1, 1, 0, SECONDS, now), client(2, 2, 50, SECONDS, now)];
        let two = Terms { waiting: 2, ..TERMS };
        assert_eq!(goes(&holders, &two, now), [(1, GiveWay::Slow), (2, GiveWay::Slow)]);
    }

    #[test]
    fn who_moves_stays_however_many_they_are() {
        let now = 31 * SECONDS;
        let holders: Vec<_> = (0..8).map(|i| client(i, i.into(), 50_000, SECONDS, now)).collect();
        assert_eq!(goes(&holders, &TERMS, now), []);
    }

    /// Acknowledgements come for 64 KiB at once, which at 50 KB/s is each 1.3 s.
    #[test]
    fn who_moves_in_steps_moves() {
        let mut track = Track::default();
        for tick in 1..2_000 {
            let now = tick * 50 * MILLI;
            let moved = 50_000 * now / SECONDS / 65_536 * 65_536;
            track.look(1, HeldBy::Client { moved }, now);
            let holder = Holder { link: 1, source: SourceKey(1), track };
            assert_eq!(goes(&[holder], &TERMS, now), [], "after {} ms", now / MILLI);
        }
    }

    #[test]
    fn time_in_which_the_process_stood_still_is_nobodys_fault() {
        let mut track = Track::default();
        track.look(1, HeldBy::Client { moved: 1 }, SECONDS);
        track.look(1, HeldBy::Client { moved: 1 }, 9 * SECONDS);
        let goes_at = |track: Track, now| {
            !goes(&[Holder { link: 1, source: SourceKey(1), track }], &TERMS, now).is_empty()
        };
        assert!(goes_at(track, 9 * SECONDS));
        track.begin_anew(9 * SECONDS);
        assert!(!goes_at(track, 9 * SECONDS + 100 * MILLI));
        track.look(1, HeldBy::Client { moved: 1 }, 9 * SECONDS + 100 * MILLI);
        track.look(1, HeldBy::Client { moved: 1 }, 12 * SECONDS);
        assert!(goes_at(track, 12 * SECONDS), "who still does not move goes");
    }

    #[test]
    fn half_of_the_links_are_not_for_those_who_stall() {
        let now = SECONDS + 300 * MILLI;
        let holders: Vec<_> = (0..8).map(|i| client(i, i.into(), 0, SECONDS, now)).collect();
        let gone = goes(&holders, &TERMS, now);
        assert_eq!(gone.iter().map(|(link, _)| *link).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(goes(&holders[..4], &TERMS, now), [], "four of eight are half");
        let early = SECONDS + 100 * MILLI;
        let holders: Vec<_> = (0..8).map(|i| client(i, i.into(), 0, SECONDS, early)).collect();
        assert_eq!(goes(&holders, &TERMS, early), [], "too early to tell");
    }

    #[test]
    fn a_source_has_its_share_of_those_who_stall() {
        let now = SECONDS + 300 * MILLI;
        let holders: Vec<_> = (0..4).map(|i| client(i, 7, 0, SECONDS, now)).collect();
        assert_eq!(goes(&holders, &TERMS, now).len(), 2);
    }

    #[test]
    fn streams_give_way_the_newest_first_down_to_half() {
        let holders: Vec<_> =
            (0..6).map(|i| other(i, i.into(), HeldBy::Stream, SECONDS + Nanos::from(i))).collect();
        assert_eq!(goes(&holders, &TERMS, 2 * SECONDS), [(5, GiveWay::Endless), (4, GiveWay::Endless)]);
        let nobody = Terms { waiting: 0, oldest: None, ..TERMS };
        assert_eq!(goes(&holders, &nobody, 2 * SECONDS), []);
    }

    #[test]
    fn a_member_that_is_slow_is_not_the_clients_fault() {
        let holders: Vec<_> = (0..8).map(|i| other(i, i.into(), HeldBy::Member, SECONDS)).collect();
        assert_eq!(goes(&holders, &TERMS, 600 * SECONDS), []);
    }

    #[test]
    fn what_nobody_awaits_ends_soon_and_sooner_while_others_wait() {
        let holders = [other(1, 1, HeldBy::Left, SECONDS)];
        let alone = Terms { waiting: 0, oldest: None, ..TERMS };
        assert_eq!(goes(&holders, &alone, SECONDS + 500 * MILLI), []);
        assert_eq!(goes(&holders, &alone, 2 * SECONDS), [(1, GiveWay::Left)]);
        let fresh = Terms { waiting: 1, oldest: Some(SECONDS), ..TERMS };
        assert_eq!(goes(&holders, &fresh, SECONDS + LEFT), [(1, GiveWay::Left)]);
    }

    #[test]
    fn classes_are_remembered_for_a_while() {
        let mut classes = HoldingClasses::default();
        (1..=40).for_each(|class| classes.note(class, SECONDS));
        assert!(!classes.contains(8) && classes.contains(9) && classes.contains(40) && !classes.contains(0));
        classes.note(9, 100 * SECONDS);
        assert!(classes.contains(9) && !classes.contains(40));
    }
}
