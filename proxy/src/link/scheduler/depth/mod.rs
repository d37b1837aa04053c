//! Decides how many exchanges a link to a member may carry at once, and which requests go alone.
//!
//! It learns from service times, rescues and consent. The result is a depth between 1 and the ceiling, and the reason for it
//! (`docs/depth.md`). It decides from numbers and time alone.

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

/// A member answers a link's requests one after the other, so depth is free only where answers are quick. The least
/// of these is used:
///
/// * the **ceiling**;
/// * the **budget**: `depth x service time <= budget`, with the service time the member has when nothing is in
///   its way. One that feels the load would feed on itself (see [`speed::Baseline`]);
/// * what keeps requests that are held up rare where answers are **mixed**. Of routes that are mostly slow each
///   request goes alone, and they do not count here;
/// * what lets a member with many threads be busy on all of them (see [`Spread`]);
/// * 1 without **consent**: where the member was not shown to keep order, or broke the rules since (`link::Proof`).
#[derive(Debug)]
pub struct Depth {
    ceiling: u16,
    budget: Nanos,
    rescue_after: Option<Nanos>,
    limit: u16,
    reason: DepthLimit,
    /// The limit, or what is left of a greater one of late: so many may still be in flight on a link.
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

/// Why the depth is what it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DepthLimit {
    /// Nothing is known of the member yet.
    Start,
    /// Its answers are quick enough for all that the configuration allows.
    Ceiling,
    /// More would wait longer than `pipeline_budget`.
    Budget,
    /// More would be held up by slow answers too often.
    Mixed,
    /// On more links it does more at once.
    Spread,
    /// It was not shown to keep order.
    Unproven,
    /// It broke the rules of pipelining.
    Broken,
}

/// Whether the member may be sent a request before it has answered the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Consent {
    /// It may.
    Given,
    /// It was not shown to keep order yet.
    Missing,
    /// It broke the rules.
    Withdrawn,
}

impl Consent {
    fn first(links: &Links) -> Self {
        if links.vouched == Vouched::ByProof { Self::Missing } else { Self::Given }
    }
}

/// While a member answers about as quickly as now, what was called slow remains so.
#[derive(Debug, Default)]
struct Era {
    slow: Option<Nanos>,
    began: Nanos,
}

/// So much longer than usual is slow.
const SLOW: Nanos = 4;
/// An era has ended when what is slow takes so much more or less than in it.
const ERA: Nanos = 4;
/// So many links at work are few.
const FEW: f32 = 4.0;
/// Half of what is waited before a rescue, or this: who is held up for less does not mind.
const NOTICED: Nanos = Duration::from_millis(10).as_nanos() as Nanos;
/// So much longer than links usually wait is slow even where the member is saturated.
const UNUSUAL: Nanos = 8;
/// Rescues do not wait longer, whatever the member usually takes.
const LATEST_RESCUE: Nanos = Duration::from_secs(1).as_nanos() as Nanos;

impl Depth {
    /// No evidence yet: depth 1.
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

    /// Takes a new ceiling, budget and rescue time; what was seen stays.
    pub fn configure(&mut self, links: &Links) {
        self.ceiling = links.pipeline.get();
        self.budget = nanos(links.pipeline_budget);
        self.rescue_after = links.rescue_after.map(nanos);
        self.decide();
    }

    /// Forgets whom it took for slow, and which depths were of no use. What the member takes it still knows.
    pub fn pardon(&mut self, now: Nanos) {
        self.era.began = now;
        self.forget();
        self.decide();
    }

    fn forget(&mut self) {
        self.classes.forget();
        self.mix.forget();
        self.spread = Spread::default();
    }

    /// Answers that ended in one read: their routes in order (0 where there is none to tell), and the time from the
    /// first's becoming the head of the link to the end of the last. `large` says that the first was.
    pub fn observe(&mut self, classes: &[u32], large: bool, service: Nanos, now: Nanos) {
        let Some(first) = classes.first() else { return };
        self.stall.answered(now);
        if self.speed.is_over(now) {
            self.turn(now);
        }
        if large || self.is_slow(classes.len(), self.without_silence(service, now)) {
            return self.saw_slow(*first, classes.len(), service, now);
        }
        let alone = classes.iter().filter(|class| self.classes.quick(**class) == Heard::Alone).count();
        if alone == classes.len() {
            return self.speed.add_alone(service);
        }
        self.speed.add(classes.len() as u64, service, true);
        self.mix.answered(classes.len());
        if self.speed.is_young() {
            self.look(now);
        }
    }

    /// A request was put behind others on a link.
    pub fn joined(&mut self) {
        self.speed.joined();
    }

    /// The depth in use.
    #[must_use]
    pub fn limit(&self) -> u16 {
        self.limit
    }

    /// Why it is not greater.
    #[must_use]
    pub fn reason(&self) -> DepthLimit {
        self.reason
    }

    /// Whether requests of this route are so slow that none should wait behind them.
    #[must_use]
    pub fn goes_alone(&self, class: u32) -> bool {
        self.classes.goes_alone(class)
    }

    /// A head older than this gets no more behind it, in nanoseconds.
    #[must_use]
    pub fn hold_after(&self) -> Nanos {
        self.hold_after
    }

    /// What waits behind a head older than this is sent elsewhere.
    #[must_use]
    pub fn rescue_after(&self) -> Option<Nanos> {
        self.rescue_after.map(|after| after.max(self.hold_after.min(LATEST_RESCUE)))
    }

    /// When the member last answered anybody.
    #[must_use]
    pub fn last_answer(&self) -> Nanos {
        self.stall.last_answer()
    }

    /// What waited behind a head of this route was sent elsewhere. The head is still to be observed.
    pub fn rescued(&mut self, class: u32, followers: u32, now: Nanos) {
        if followers == 0 {
            return;
        }
        if self.speed.is_over(now) {
            self.turn(now);
        }
        self.mix.foretell();
        self.count_slow(class);
        self.decide();
    }

    /// Whether the member may be pipelined to. Evidence of its speed is kept in any case.
    pub fn consent(&mut self, consent: Consent) {
        self.consent = consent;
        self.decide();
    }

    /// What an answer takes where nothing is in its way, in nanoseconds, if any was seen.
    #[must_use]
    pub fn least(&self) -> Option<Nanos> {
        self.speed.base()
    }

    /// What is left of a service time without the time in which the member answered nobody. Of few links it is no
    /// surprise that none is answered for a while.
    fn without_silence(&self, service: Nanos, now: Nanos) -> Nanos {
        let many = self.speed.past().is_some_and(|past| past.busy > FEW);
        if many { service - self.stall.within(service, now) } else { service }
    }

    /// Answers that come together have taken their time together, unless that is far more than usual: then the
    /// first took all of it.
    fn is_slow(&self, count: usize, service: Nanos) -> bool {
        let usual = |typical| service / count as Nanos <= 2 * typical;
        let noticed = self.rescue_after.map_or(NOTICED, |after| after / 2);
        service > self.hold_after.max(noticed)
            && self.speed.past().is_some_and(|past| count == 1 || !usual(past.typical))
    }

    fn saw_slow(&mut self, class: u32, count: usize, service: Nanos, now: Nanos) {
        // What was asked before the member became quicker says nothing of it now.
        if now.saturating_sub(service) < self.era.began {
            return;
        }
        if !self.mix.was_foretold() && self.count_slow(class) == Heard::Alone {
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

    /// A window has ended.
    fn turn(&mut self, now: Nanos) {
        let past = self.speed.turn(now);
        self.mix.turned();
        self.deepest -= self.deepest / 4;
        self.look(now);
        if let (Some(past), Some(base)) = (past, self.least()) {
            self.spread.turn(&past, base, self.affordable(base), now);
        }
        self.decide();
    }

    /// Decides again, by what may be a new era.
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

    /// A saturated member answers each link in its turn: the last on a link waits for all before it, twice as long
    /// if it fares badly. But what takes much longer than links wait by now is slow all the same.
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

/// An answer that comes late while others come is slow. One that comes late because none came (the member, or the
/// machine, did something else) holds up nobody: there was no better place to wait.
#[derive(Debug, Default)]
struct Stall {
    answered: Nanos,
    from: Nanos,
    to: Nanos,
}

/// A shorter silence is none.
const SHORTEST: Nanos = Duration::from_millis(2).as_nanos() as Nanos;

impl Stall {
    /// The member answered somebody.
    fn answered(&mut self, now: Nanos) {
        if now.saturating_sub(self.answered) >= SHORTEST {
            (self.from, self.to) = (self.answered, now);
        }
        self.answered = now;
    }

    /// When it last answered anybody.
    #[must_use]
    fn last_answer(&self) -> Nanos {
        self.answered
    }

    /// How much of the last `span` it answered nobody: the last such silence counts.
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
