//! Decides how many exchanges a link to a member may carry at once, and which request classes get links to
//! themselves.
//!
//! The decision rests on service times, rescues and consent. Its result is a depth between 1 and the ceiling,
//! and the reason for that depth (`docs/depth.md`). This file decides from numbers and time alone.

mod mix;
mod speed;
mod spread;

use std::time::Duration;

use crate::config::{Links, Vouched};
use crate::event_loop::{Nanos, nanos};

use super::class_table::{ClassTable, Heard};
use mix::Mix;
use speed::Speed;
use spread::Spread;

/// The depth of the links to a member. A member answers the requests of a link one after the other, so that
/// depth costs nothing only if answers are quick. The depth is the least of:
///
/// * the **ceiling**;
/// * the **budget**: `depth x service time <= budget`, with the service time of the member without load. A
///   service time under load would feed on itself (see [`speed::Baseline`]);
/// * the depth that keeps delays rare if answers are **mixed**. Classes that are mostly slow get links to
///   themselves and do not count here;
/// * the depth at which a member with many threads can use all of them (see [`Spread`]);
/// * 1 without **consent**: the member has not been shown to keep the order, or broke the rules since
///   (`link::Proof`).
#[derive(Debug)]
pub struct Depth {
    ceiling: u16,
    budget: Nanos,
    rescue_after: Option<Nanos>,
    limit: u16,
    reason: DepthLimit,
    /// The limit, or the rest of a recent greater one: links may still carry this many exchanges.
    deepest: u16,
    hold_after: Nanos,
    speed: Speed,
    classes: ClassTable,
    spread: Spread,
    consent: Consent,
    stall: Stall,
    mix: Mix,
    era: Era,
}

/// The reason for the depth in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DepthLimit {
    /// Nothing is known of the member yet.
    Start,
    /// Answers are quick enough for everything that the configuration allows.
    Ceiling,
    /// With a greater depth, requests would wait longer than `pipeline_budget`.
    Budget,
    /// With a greater depth, slow answers would delay requests too often.
    Mixed,
    /// The member gets more done over more links.
    Spread,
    /// The member has not been shown to keep the order.
    Unproven,
    /// The member broke the rules of pipelining.
    Broken,
}

/// The permission to send the member a request before it has answered the previous one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// Requests may be pipelined.
    Given,
    /// The member has not been shown to keep the order yet.
    Missing,
    /// The member broke the rules.
    Withdrawn,
}

impl Consent {
    fn first(links: &Links) -> Self {
        if links.vouched == Vouched::ByProof { Self::Missing } else { Self::Given }
    }
}

/// A time in which the member's speed is about the same, so that classes that were slow in it remain slow.
#[derive(Debug, Default)]
struct Era {
    slow: Option<Nanos>,
    began: Nanos,
}

/// The factor by which a slow answer takes longer than usual.
const SLOW: Nanos = 4;
/// The factor of change in the duration of slow answers at which an era ends.
const ERA: Nanos = 4;
/// The number of busy links up to which there are few.
const FEW: f32 = 4.0;
/// The delay in nanoseconds from which an answer can be slow without `rescue_after`; otherwise half of that
/// option. Shorter delays do not matter to requests behind the answer.
const NOTICED: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// The factor over the usual wait from which an answer is slow even if the member is saturated.
const UNUSUAL: Nanos = 8;
/// The longest wait before a rescue in nanoseconds, however slow the member usually is.
const LATEST_RESCUE: Nanos = Duration::from_secs(1).as_nanos() as Nanos;

impl Depth {
    /// Makes a depth of 1 without evidence.
    #[must_use]
    pub fn new(links: &Links, now: Nanos) -> Self {
        let mut depth = Self {
            ceiling: 1,
            budget: 0,
            rescue_after: None,
            limit: 1,
            deepest: 1,
            reason: DepthLimit::Start,
            hold_after: 0,
            speed: Speed::default(),
            classes: ClassTable::default(),
            spread: Spread::default(),
            consent: Consent::first(links),
            stall: Stall::default(),
            mix: Mix::default(),
            era: Era { slow: None, began: now },
        };
        depth.speed.turn(now);
        depth.configure(links);
        depth
    }

    /// Sets a new ceiling, budget and rescue time, and keeps the evidence.
    pub fn configure(&mut self, links: &Links) {
        self.ceiling = links.pipeline.get();
        self.budget = nanos(links.pipeline_budget);
        self.rescue_after = links.rescue_after.map(nanos);
        self.decide();
    }

    /// Forgets slow classes and unsuccessful trials, but keeps the service times.
    pub fn forget_learned(&mut self, now: Nanos) {
        self.era.began = now;
        self.forget();
        self.decide();
    }

    fn forget(&mut self) {
        self.classes.forget();
        self.mix.forget();
        self.spread = Spread::default();
    }

    /// Records answers that ended in one read: their classes in order (0 if unknown), and the time from the
    /// moment when the first became the head of the link to the end of the last. `large` says that the first
    /// answer was large.
    pub fn observe(&mut self, classes: &[u32], large: bool, service: Nanos, now: Nanos) {
        let Some(first) = classes.first() else { return };
        self.stall.answered(now);
        if self.speed.is_over(now) {
            self.turn(now);
        }
        // A large answer delays the requests behind it as a slow one does.
        if large || self.is_slow(classes.len(), self.without_silence(service, now)) {
            return self.saw_slow(*first, classes.len(), service, now);
        }
        let alone = classes.iter().filter(|class| self.classes.quick(**class) == Heard::Alone).count();
        // Classes with links to themselves delay nobody and must not lower the depth.
        if alone == classes.len() {
            return self.speed.add_alone(service);
        }
        self.speed.add(classes.len() as u64, service, true);
        self.mix.answered(classes.len());
        // With little evidence, each answer may change the result; later a look per window is enough.
        if self.speed.is_young() {
            self.look(now);
        }
    }

    /// Records that a request was put behind others on a link.
    pub fn joined(&mut self) {
        self.speed.joined();
    }

    /// Returns the depth in use.
    #[must_use]
    pub fn limit(&self) -> u16 {
        self.limit
    }

    /// Returns the reason why the depth is not greater.
    #[must_use]
    pub fn reason(&self) -> DepthLimit {
        self.reason
    }

    /// Returns whether requests of this class are so slow that none should wait behind them.
    #[must_use]
    pub fn goes_alone(&self, class: u32) -> bool {
        self.classes.goes_alone(class)
    }

    /// Returns the age in nanoseconds from which the first exchange of a link gets no more requests behind
    /// it.
    #[must_use]
    pub fn hold_after(&self) -> Nanos {
        self.hold_after
    }

    /// Returns the age in nanoseconds of a link's first exchange from which requests behind it are moved to
    /// another link.
    #[must_use]
    pub fn rescue_after(&self) -> Option<Nanos> {
        self.rescue_after.map(|after| after.max(self.hold_after.min(LATEST_RESCUE)))
    }

    /// Returns the time of the member's last answer on any link.
    #[must_use]
    pub fn last_answer(&self) -> Nanos {
        self.stall.last_answer()
    }

    /// Records that requests behind an exchange of this class were moved. The exchange itself will still be
    /// observed.
    pub fn rescued(&mut self, class: u32, followers: u32, now: Nanos) {
        // Nobody was delayed, so there is nothing to learn.
        if followers == 0 {
            return;
        }
        if self.speed.is_over(now) {
            self.turn(now);
        }
        self.mix.count_early();
        self.count_slow(class);
        self.decide();
    }

    /// Sets whether requests may be pipelined. Evidence of speed is collected in any case.
    pub fn consent(&mut self, consent: Consent) {
        self.consent = consent;
        self.decide();
    }

    /// Returns the duration of an answer without load in nanoseconds, if any was seen.
    #[must_use]
    pub fn least(&self) -> Option<Nanos> {
        self.speed.base()
    }

    /// Returns a service time without the time in which the member answered on no link at all. With few links
    /// such silence is normal and counts.
    fn without_silence(&self, service: Nanos, now: Nanos) -> Nanos {
        let many = self.speed.past().is_some_and(|past| past.busy > FEW);
        if many { service - self.stall.within(service, now) } else { service }
    }

    /// Returns whether the first answer of a read was slow. Answers that arrive together have shared the
    /// time, unless they took far longer than usual; then the first took all of it.
    fn is_slow(&self, count: usize, service: Nanos) -> bool {
        let usual = |typical| service / count as Nanos <= 2 * typical;
        let noticed = self.rescue_after.map_or(NOTICED, |after| after / 2);
        service > self.hold_after.max(noticed)
            && self.speed.past().is_some_and(|past| count == 1 || !usual(past.typical))
    }

    fn saw_slow(&mut self, class: u32, count: usize, service: Nanos, now: Nanos) {
        // A request that was sent before the member became faster says nothing of its present speed.
        if now.saturating_sub(service) < self.era.began {
            return;
        }
        if !self.mix.was_counted_early() && self.count_slow(class) == Heard::Alone {
            return self.speed.add_alone(service);
        }
        self.speed.add(count as u64, service, false);
        self.mix.answered(count);
        self.decide();
    }

    fn count_slow(&mut self, class: u32) -> Heard {
        let heard = self.classes.slow(class, self.mix.turn());
        match heard {
            Heard::Shared => self.mix.was_slow(),
            Heard::Turned(own) => self.mix.is_gone(own - 1.0),
            Heard::Alone => {}
        }
        heard
    }

    /// Ends a window of measurement.
    fn turn(&mut self, now: Nanos) {
        let past = self.speed.turn(now);
        self.mix.turned();
        // Links empty slowly after the depth has fallen, so the old depth counts for a while.
        self.deepest -= self.deepest / 4;
        self.look(now);
        if let (Some(past), Some(base)) = (past, self.least()) {
            self.spread.turn(&past, base, self.affordable(base), now);
        }
        self.decide();
    }

    /// Decides again, and begins a new era if the member's speed has changed.
    fn look(&mut self, now: Nanos) {
        let slow = self.least().map(|base| self.slow_by(base));
        let changed = match (self.era.slow, slow) {
            (Some(was), Some(is)) => is > was * ERA || is * ERA < was,
            (was, is) => was != is,
        };
        if changed {
            self.change_era(slow, now);
        }
        self.decide();
    }

    fn change_era(&mut self, slow: Option<Nanos>, now: Nanos) {
        // Only a change between two known speeds makes old classes wrong.
        if self.era.slow.is_some() && slow.is_some() {
            self.era.began = now;
            self.classes.forget();
        }
        self.era.slow = slow;
        self.mix.forget();
        self.spread = Spread::default();
    }

    fn decide(&mut self) {
        (self.limit, self.reason) = self.best();
        self.deepest = self.deepest.max(self.limit);
        self.hold_after = self.slow_from();
    }

    fn best(&self) -> (u16, DepthLimit) {
        let affordable = match (self.consent, self.least()) {
            (Consent::Withdrawn, _) => return (1, DepthLimit::Broken),
            (Consent::Missing, _) => return (1, DepthLimit::Unproven),
            (Consent::Given, None) => return (1, DepthLimit::Start),
            (Consent::Given, Some(base)) => self.affordable(base),
        };
        let reason = if affordable == self.ceiling { DepthLimit::Ceiling } else { DepthLimit::Budget };
        let others = [(self.mix.cap(), DepthLimit::Mixed), (self.spread.cap(), DepthLimit::Spread)];
        others
            .into_iter()
            .fold((affordable, reason), |best, other| if other.0 < best.0 { other } else { best })
    }

    fn affordable(&self, base: Nanos) -> u16 {
        u16::try_from(self.budget / base.max(1)).unwrap_or(u16::MAX).clamp(1, self.ceiling)
    }

    /// Returns the duration from which an answer is slow. A saturated member serves its links in turn, so
    /// that the last request of a link waits for all before it, and up to twice as long by chance. An answer
    /// that takes much longer than links wait at present is slow nevertheless.
    fn slow_from(&self) -> Nanos {
        let Some(base) = self.least() else { return self.budget };
        let saturated = self.speed.past().filter(|_| self.speed.is_saturated());
        let turn = saturated.map_or(0, |past| past.typical * (2 * Nanos::from(self.deepest)).max(8));
        let unusual = self.speed.usual().saturating_mul(UNUSUAL).max(self.rescue_after.unwrap_or_default());
        self.slow_by(base).max(turn.min(unusual))
    }

    fn slow_by(&self, base: Nanos) -> Nanos {
        self.budget.max(base.saturating_mul(SLOW))
    }
}

/// The last time in which the member answered on no link. An answer that is late while others arrive is slow.
/// If none arrives, because the member or the machine did something else, the late one delays nobody: no
/// other link would have been better.
#[derive(Debug, Default)]
struct Stall {
    answered: Nanos,
    from: Nanos,
    to: Nanos,
}

/// The shortest time without answers in nanoseconds that counts as silence.
const SHORTEST: Nanos = Duration::from_millis(2).as_nanos() as Nanos;

impl Stall {
    /// Records an answer.
    fn answered(&mut self, now: Nanos) {
        if now.saturating_sub(self.answered) >= SHORTEST {
            (self.from, self.to) = (self.answered, now);
        }
        self.answered = now;
    }

    /// Returns the time of the last answer.
    #[must_use]
    fn last_answer(&self) -> Nanos {
        self.answered
    }

    /// Returns the part of the last `span` in which the member answered nobody. Only the last such silence
    /// counts.
    #[must_use]
    fn within(&self, span: Nanos, now: Nanos) -> Nanos {
        let from = self.from.max(now.saturating_sub(span));
        self.to.min(now).saturating_sub(from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    #[test]
    fn silence_for_all_is_not_slowness_of_one() {
        let mut stall = Stall::default();
        [100, 101, 131].iter().for_each(|at| stall.answered(at * MILLI));
        assert_eq!(stall.within(31 * MILLI, 131 * MILLI), 30 * MILLI);
        stall.answered(132 * MILLI);
        assert_eq!(
            stall.within(31 * MILLI, 132 * MILLI),
            30 * MILLI,
            "for the others that waited through it"
        );
        assert_eq!(stall.within(MILLI, 140 * MILLI), 0, "and not for those that came after");
    }

    #[test]
    fn while_others_are_answered_there_is_none() {
        let mut stall = Stall::default();
        (100..300).for_each(|at| stall.answered(at * MILLI));
        assert_eq!(stall.within(150 * MILLI, 300 * MILLI), 0);
    }
}
