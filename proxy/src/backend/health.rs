//! Decides whether a member is up and what is done while it is down, for every kind of link.
//!
//! [`Health`] is up or down, once for the process. [`MemberHealth`] is one worker's view of it: the worker
//! reports each attempt to connect, and learns whether to publish a change, when to try again, and whether
//! waiting clients go to another member. Nothing in this file connects, waits or reads a clock.
//!
//! ```text
//!           a failure without links left, unless local ports ran out
//!    Up ─────────────────────────────────────────────────────────▶ Down
//!     ▲                                                              │
//!     └──────────────── answered, or retired ────────────────────────┘
//! ```
//!
//! Checks may find a fault, too, in a member that accepts connections ([`Health::found`]), a member may be ejected because it
//! fails the exchanges of clients (`ejection.rs`), and the operator may take one out ([`Health::put_in`]). A member is up while there
//! is no reason for it to be down ([`DownReason`]).
//!
//! While a member is down, the worker that noticed first tries it again for all workers, with growing pauses
//! ([`Backoff`]). A worker whose clients wait for the member, because no other member is up either, tries by
//! itself at a short pace ([`RetryPace`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::cause::Cause;
use crate::config::AdminState;
use crate::event_loop::Nanos;

/// The health of a member for the whole process, read by every worker.
///
/// A member goes down when connecting fails and no link to it stands, and comes up when it answers again. A member whose checks
/// fail is down until they succeed, and one that is ejected until its time is over. One that drains is up, but takes no new source.
#[derive(Debug, Default)]
pub struct Health {
    /// The [`DownReason`]s that hold, and [`DRAINS`].
    bits: AtomicU8,
}

/// The bit of a member that takes no new source. It is no reason to be down.
const DRAINS: u8 = 1 << 7;

/// A reason for which a member is down, as a bit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum DownReason {
    /// Connecting fails, and no link stands.
    Unreachable = 1,
    /// Its checks fail.
    FailsChecks = 2,
    /// It has failed too many exchanges of clients.
    Ejected = 4,
    /// The operator has taken it out.
    Maintenance = 8,
}

impl DownReason {
    /// All reasons.
    pub(crate) const ALL: [Self; 4] =
        [Self::Unreachable, Self::FailsChecks, Self::Ejected, Self::Maintenance];

    /// Returns what a user reads of the reason.
    #[must_use]
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Unreachable => "it does not accept connections",
            Self::FailsChecks => "its checks fail",
            Self::Ejected => "it is ejected, because it failed the requests of clients",
            Self::Maintenance => "it is in maintenance",
        }
    }
}

impl Health {
    /// Returns whether the member is up, as far as is known.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.bits.load(Ordering::Relaxed) & !DRAINS == 0
    }

    /// Returns whether this is a reason for which the member is down.
    #[must_use]
    pub(crate) fn has(&self, reason: DownReason) -> bool {
        self.bits.load(Ordering::Relaxed) & reason as u8 != 0
    }

    /// Returns whether the member takes sources that are new to it.
    #[must_use]
    pub(crate) fn takes_sources(&self) -> bool {
        self.bits.load(Ordering::Relaxed) & (DRAINS | DownReason::Maintenance as u8) == 0
    }

    /// Returns whether clients may try the member while no member is up: it accepts connections, and is not taken out.
    #[must_use]
    pub(crate) fn is_last_resort(&self) -> bool {
        let never = DownReason::Unreachable as u8 | DownReason::Maintenance as u8;
        self.bits.load(Ordering::Relaxed) & never == 0
    }

    /// Returns whether there is another reason for which the member is down.
    #[must_use]
    pub(crate) fn has_other_than(&self, reason: DownReason) -> bool {
        self.bits.load(Ordering::Relaxed) & !(DRAINS | reason as u8) != 0
    }

    /// Records that there is this reason. Exactly one caller gets the change.
    #[must_use]
    pub(crate) fn found(&self, reason: DownReason) -> Option<HealthChange> {
        self.add(reason as u8)
    }

    /// Records that there is no such reason any more. Exactly one caller gets the change.
    #[must_use]
    pub(crate) fn ended(&self, reason: DownReason) -> Option<HealthChange> {
        // The load avoids a locked instruction for every connect to a healthy member.
        self.has(reason).then(|| self.remove(reason as u8)).flatten()
    }

    /// Puts the member in the state that the operator wants, and returns the changes, of which there may be two.
    #[must_use]
    pub(crate) fn put_in(&self, state: AdminState) -> [Option<HealthChange>; 2] {
        let maintenance = DownReason::Maintenance as u8;
        match state {
            AdminState::Ready => [self.remove(DRAINS), self.remove(maintenance)],
            // It has drained for long enough, and goes on to be out of service.
            AdminState::Drain if self.has_drained() => [None, None],
            AdminState::Drain => [self.add(DRAINS), self.remove(maintenance)],
            AdminState::Maintenance => [self.add(maintenance), self.remove(DRAINS)],
        }
    }

    /// Takes a member out that has drained for long enough, if it still drains.
    #[must_use]
    pub(crate) fn drained(&self) -> Option<HealthChange> {
        let drains = self.bits.load(Ordering::Relaxed) & DRAINS != 0;
        drains.then(|| self.found(DownReason::Maintenance)).flatten()
    }

    fn has_drained(&self) -> bool {
        let both = DRAINS | DownReason::Maintenance as u8;
        self.bits.load(Ordering::Relaxed) & both == both
    }

    fn add(&self, bits: u8) -> Option<HealthChange> {
        let before = self.bits.fetch_or(bits, Ordering::Relaxed);
        HealthChange::between(before, before | bits)
    }

    fn remove(&self, bits: u8) -> Option<HealthChange> {
        let before = self.bits.fetch_and(!bits, Ordering::Relaxed);
        HealthChange::between(before, before & !bits)
    }

    /// Records that nobody knows any reason, because nobody looks at the member any more.
    fn forget(&self) -> Option<HealthChange> {
        self.remove(u8::MAX)
    }
}

/// A change of a member's state. Exactly one caller of all workers gets each change, and publishes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HealthChange {
    /// The state until now.
    pub from: HealthState,
    /// The state from now on.
    pub to: HealthState,
}

impl HealthChange {
    fn between(before: u8, after: u8) -> Option<Self> {
        let (from, to) = (state(before), state(after));
        (from != to).then_some(Self { from, to })
    }
}

/// The state of a member in one word, as it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthState {
    /// The member is up.
    Up,
    /// The member is up and takes no new source.
    Drain,
    /// The member is down.
    Down,
    /// The member has failed too many requests, and is down for nothing else.
    Ejected,
    /// The operator has taken the member out, whether it is up or down.
    Maintenance,
}

/// Returns the state to show for these bits.
const fn state(bits: u8) -> HealthState {
    if bits & DownReason::Maintenance as u8 != 0 {
        HealthState::Maintenance
    } else if bits & (DownReason::Unreachable as u8 | DownReason::FailsChecks as u8) != 0 {
        HealthState::Down
    } else if bits & DownReason::Ejected as u8 != 0 {
        HealthState::Ejected
    } else if bits & DRAINS != 0 {
        HealthState::Drain
    } else {
        HealthState::Up
    }
}

/// A failed attempt to connect.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failure {
    /// The reason of the failure.
    pub cause: Cause,
    /// The time at which the attempt began.
    pub began: Nanos,
    /// Whether this worker has no link to the member and is opening none.
    pub alone: bool,
    /// Whether nobody needs to know when the member answers again.
    pub unwanted: bool,
}

/// The consequences of a [`Failure`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct AfterFailure {
    /// The change of the member's state, if the failure caused one.
    pub change: Option<HealthChange>,
    /// Whether the caller is the first to notice, and tries again until the member answers ([`Backoff`]).
    pub recovers: bool,
    /// Whether clients that wait for the member must go to another one.
    pub send_away: bool,
}

/// A time in which a worker has no link to the member and gets none, while no other member answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    /// The time at which its first failed attempt began.
    pub since: Nanos,
    /// The reason of the last failure.
    pub cause: Cause,
}

impl Outage {
    /// Returns the time until which a client waits that came at `came`: no longer than one attempt to connect
    /// may take.
    #[must_use]
    pub(crate) fn waits_until(&self, came: Nanos, connect_timeout: Nanos) -> Nanos {
        came.max(self.since).saturating_add(connect_timeout)
    }

    /// Returns the time up to which clients must have come to have waited long enough now, if there can be
    /// any.
    #[must_use]
    pub(crate) fn gives_up(&self, now: Nanos, connect_timeout: Nanos) -> Option<Nanos> {
        now.checked_sub(connect_timeout).filter(|came| *came >= self.since)
    }
}

/// One worker's knowledge of a member.
#[derive(Debug)]
pub(crate) struct MemberHealth {
    shared: Arc<Health>,
    /// The health of all members of the backend, including this one.
    members: RefCell<Rc<[Arc<Health>]>>,
    retired: Cell<bool>,
    outage: Cell<Option<Outage>>,
    last_failure: Cell<Cause>,
    /// The number of clients of this worker that wait until the member answers again.
    waiting: Cell<usize>,
    /// Whether a task tries the member at a short pace for these clients.
    watched: Cell<bool>,
}

impl MemberHealth {
    /// Makes this worker's view of a member.
    #[must_use]
    pub(crate) fn new(shared: Arc<Health>) -> Self {
        Self {
            shared,
            members: RefCell::default(),
            retired: Cell::new(false),
            outage: Cell::new(None),
            last_failure: Cell::new(Cause::NoMember),
            waiting: Cell::new(0),
            watched: Cell::new(false),
        }
    }

    /// Returns the health that all workers share.
    #[must_use]
    pub(crate) fn shared(&self) -> &Arc<Health> {
        &self.shared
    }

    /// Sets the members of the backend, including this one. Waiting clients go to another one that is up.
    pub(crate) fn set_members(&self, members: &Rc<[Arc<Health>]>) {
        *self.members.borrow_mut() = members.clone();
    }

    /// Returns whether the member is up, as far as is known.
    #[must_use]
    pub(crate) fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Returns whether the member accepts connections, as far as is known. Its checks may fail all the same.
    #[must_use]
    pub(crate) fn is_reachable(&self) -> bool {
        !self.shared.has(DownReason::Unreachable)
    }

    /// Returns whether the operator has taken the member out.
    #[must_use]
    pub(crate) fn is_in_maintenance(&self) -> bool {
        self.shared.has(DownReason::Maintenance)
    }

    /// Returns whether the member has been taken for down by its checks, for its answers or by the operator, and not because connecting fails:
    /// the connections that stand may be well then.
    #[must_use]
    pub(crate) fn is_taken_for_down(&self) -> bool {
        self.shared.has_other_than(DownReason::Unreachable)
    }

    /// Returns whether another member of the backend accepts connections, and can serve the clients of this one if this one
    /// does not.
    #[must_use]
    pub(crate) fn another_is_reachable(&self) -> bool {
        self.others(Health::is_last_resort)
    }

    fn others(&self, are: impl Fn(&Health) -> bool) -> bool {
        self.members.borrow().iter().any(|other| !Arc::ptr_eq(other, &self.shared) && are(other))
    }

    /// Records that the member is no longer configured. The member then counts as up, since nobody will see
    /// it answer again.
    #[must_use]
    pub(crate) fn retire(&self) -> Option<HealthChange> {
        self.retired.set(true);
        self.shared.forget()
    }

    /// Returns whether the member is no longer configured.
    #[must_use]
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Records that the member accepted a connection.
    #[must_use]
    pub(crate) fn answered(&self) -> Option<HealthChange> {
        self.shared.ended(DownReason::Unreachable)
    }

    /// Records that this worker has a link, which ends its outage.
    #[must_use]
    pub(crate) fn connected(&self) -> Option<HealthChange> {
        self.outage.set(None);
        self.answered()
    }

    /// Records a failed attempt to connect, and returns the consequences.
    #[must_use]
    pub(crate) fn failed(&self, failure: Failure) -> AfterFailure {
        let Failure { cause, began, alone, unwanted } = failure;
        self.last_failure.set(cause);
        // A lack of local ports is not the member's fault, and the next member would meet it too.
        let ours = cause == Cause::ConnectNoPort;
        let is_fault = alone && !ours && !unwanted;
        let unreachable = DownReason::Unreachable as u8;
        let before = if is_fault { self.shared.bits.fetch_or(unreachable, Ordering::Relaxed) } else { 0 };
        let change = is_fault.then(|| HealthChange::between(before, before | unreachable)).flatten();
        let recovers = is_fault && before & unreachable == 0;
        // With a link left, waiting clients can still be served here.
        let send_away = alone && (ours || unwanted || self.another_is_reachable());
        // Nobody else can serve the clients, so that they wait here and the outage counts.
        if alone && !send_away {
            let since = self.outage.get().map_or(began, |outage| outage.since);
            self.outage.set(Some(Outage { since, cause }));
        }
        AfterFailure { change, recovers, send_away }
    }

    /// Returns the current outage of this worker.
    #[must_use]
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.outage.get()
    }

    /// Returns the reason of this worker's last failure.
    #[must_use]
    pub(crate) fn last_failure(&self) -> Cause {
        self.last_failure.get()
    }

    /// Returns the cause of the outage if waiting clients are to move, because another member has come up
    /// meanwhile.
    #[must_use]
    pub(crate) fn sends_away(&self) -> Option<Cause> {
        let outage = self.outage.get()?;
        (!self.is_reachable() && self.another_is_reachable()).then_some(outage.cause)
    }

    /// Returns whether clients that wait for a link had better go to another member: because the checks of this one fail, because
    /// it is ejected, or because it is taken out, whether there is another one or not.
    #[must_use]
    pub(crate) fn had_better_be_left(&self) -> bool {
        self.is_in_maintenance() || self.is_taken_for_down() && self.others(Health::is_up)
    }

    /// Returns whether the worker that saw the member go down has to try again. `draining` says that the
    /// worker ends.
    #[must_use]
    pub(crate) fn needs_recovery(&self, draining: bool) -> bool {
        !self.is_reachable() && !draining && !self.is_retired()
    }

    /// Counts a client that waits until the member answers again, because no member is up.
    pub(crate) fn begin_waiting(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// Counts a client that no longer waits.
    pub(crate) fn end_waiting(&self) {
        self.waiting.set(self.waiting.get() - 1);
    }

    /// Returns whether the caller is the first to watch the member; it then tries the member for waiting
    /// clients until [`MemberHealth::end_watch`].
    #[must_use]
    pub(crate) fn begin_watch(&self) -> bool {
        !self.watched.replace(true)
    }

    /// Ends the watch, so that another caller can begin one.
    pub(crate) fn end_watch(&self) {
        self.watched.set(false);
    }

    /// Returns whether the member is tried at a short pace for waiting clients.
    #[must_use]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.get()
    }

    /// Returns whether the member is to be tried for waiting clients. If another member is up, they go there.
    #[must_use]
    pub(crate) fn needs_watch(&self, draining: bool) -> bool {
        self.waiting.get() > 0 && self.needs_recovery(draining) && !self.another_is_reachable()
    }
}

/// The pause before a member that is down is tried again for all workers. Pauses double, except while all
/// members are down, when clients could go to this member only.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Backoff {
    /// Returns the pause before the next attempt.
    #[must_use]
    pub(crate) fn pause(&self) -> Duration {
        self.0
    }

    /// Ends a pause and lengthens the next one, unless every member of the backend is down.
    pub(crate) fn lengthen(&mut self, member: &MemberHealth) {
        let is_needed = member.members.borrow().len() > 1 && !member.another_is_reachable();
        self.0 = if is_needed { FIRST_PAUSE } else { (self.0 * 2).min(LONGEST_PAUSE) };
    }
}

/// Pauses between attempts for waiting clients: random values from [`SHORTEST_RETRY`] to twice that, so that
/// workers do not try at once.
#[derive(Debug)]
pub(crate) struct RetryPace(u64);

impl RetryPace {
    /// Makes a pace that differs from others by its `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the pause before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); // Knuth's MMIX generator
        let more = Duration::from_nanos(self.0 >> 38); // up to 67 ms
        SHORTEST_RETRY + more.min(SHORTEST_RETRY)
    }
}

/// The shortest and the longest pause of a [`Backoff`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The shortest pause between two attempts for waiting clients.
pub(crate) const SHORTEST_RETRY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the members of one backend, each as one worker sees it.
    fn members(count: usize) -> Vec<MemberHealth> {
        let all: Rc<[Arc<Health>]> = (0..count).map(|_| Arc::default()).collect();
        let views: Vec<_> = all.iter().map(|one| MemberHealth::new(one.clone())).collect();
        views.iter().for_each(|view| view.set_members(&all));
        views
    }

    fn one() -> MemberHealth {
        members(1).remove(0)
    }

    fn two() -> (MemberHealth, MemberHealth) {
        let mut members = members(2);
        (members.remove(0), members.remove(0))
    }

    const DOWN: Option<HealthChange> = Some(HealthChange { from: HealthState::Up, to: HealthState::Down });
    const UP: Option<HealthChange> = Some(HealthChange { from: HealthState::Down, to: HealthState::Up });
    const REFUSED: Failure = Failure { cause: Cause::ConnectRefused, began: 7, alone: true, unwanted: false };

    #[test]
    fn the_first_who_notices_is_told_and_no_other() {
        let one = one();
        let other_worker = MemberHealth::new(one.shared().clone());
        assert_eq!(one.failed(REFUSED).change, DOWN);
        assert!(!other_worker.is_up() && other_worker.failed(REFUSED).change.is_none());
        assert_eq!(other_worker.connected(), UP);
        assert!(one.is_up() && one.connected().is_none());
    }

    #[test]
    fn only_a_failure_of_the_member_with_no_link_left_takes_it_down() {
        for harmless in [
            Failure { alone: false, ..REFUSED },
            Failure { cause: Cause::ConnectNoPort, ..REFUSED },
            Failure { unwanted: true, ..REFUSED },
        ] {
            let one = one();
            let after = one.failed(harmless);
            assert_eq!((after.change, one.is_up(), one.outage()), (None, true, None), "{harmless:?}");
            assert_eq!(after.send_away, harmless.alone, "{harmless:?}: whoever waits would wait in vain");
        }
    }

    #[test]
    fn those_who_wait_go_to_a_member_that_answers_at_once_or_when_one_does() {
        let (one, other) = two();
        let after = one.failed(REFUSED);
        assert!(after.send_away && one.outage().is_none(), "the other one is up");
        assert!(!other.failed(REFUSED).send_away, "none is up");
        assert!(!one.failed(REFUSED).send_away, "none is up");
        assert_eq!(one.sends_away(), None);
        assert_eq!(other.connected(), UP);
        assert_eq!(one.sends_away(), Some(Cause::ConnectRefused));
        assert_eq!(other.sends_away(), None, "it is up itself");
    }

    #[test]
    fn a_member_is_up_while_there_is_no_reason_against_it() {
        let (one, other) = two();
        let health = one.shared().clone();
        assert_eq!(health.found(DownReason::FailsChecks), DOWN);
        assert!(!one.is_up() && one.is_reachable(), "it accepts connections");
        assert!(one.had_better_be_left() && !one.needs_recovery(false), "connecting would tell nothing");
        let after = one.failed(REFUSED);
        assert_eq!(after.change, None, "it is down already");
        assert!(after.recovers && !one.failed(REFUSED).recovers, "nobody else would see it answer");
        assert_eq!(one.connected(), None, "its checks still fail");
        assert_eq!(health.ended(DownReason::FailsChecks), UP);
        assert_eq!(health.ended(DownReason::FailsChecks), None);
        _ = (health.found(DownReason::FailsChecks), other.shared().found(DownReason::FailsChecks));
        assert!(!one.had_better_be_left(), "the other one is no better");
        assert!(one.failed(REFUSED).send_away, "the other one at least accepts connections");
        assert_eq!(one.retire(), UP);
    }

    #[test]
    fn the_operator_decides_on_service_and_faults_on_the_rest() {
        use HealthState::{Down, Drain, Maintenance, Up};
        let (one, other) = two();
        let health = one.shared();
        let shown = |changes: [Option<HealthChange>; 2]| changes.into_iter().flatten().last().map(|c| c.to);
        assert_eq!(shown(health.put_in(AdminState::Ready)), None);
        assert_eq!(shown(health.put_in(AdminState::Drain)), Some(Drain));
        assert!(one.is_up() && !health.takes_sources() && health.is_last_resort());
        assert_eq!(health.found(DownReason::FailsChecks), Some(HealthChange { from: Drain, to: Down }));
        assert_eq!(shown(health.put_in(AdminState::Maintenance)), Some(Maintenance));
        assert!(!one.is_up() && one.is_reachable() && !health.is_last_resort() && one.had_better_be_left());
        assert!(!other.another_is_reachable(), "nobody may be sent to it");
        assert_eq!(health.ended(DownReason::FailsChecks), None, "it is out all the same");
        assert_eq!(shown(health.put_in(AdminState::Drain)), Some(Drain));
        assert_eq!(shown(health.put_in(AdminState::Ready)), Some(Up));
        assert!(health.takes_sources() && health.drained().is_none(), "it does not drain");
        assert_eq!(shown(health.put_in(AdminState::Drain)), Some(Drain));
        assert_eq!(health.drained(), Some(HealthChange { from: Drain, to: Maintenance }));
        assert_eq!(shown(health.put_in(AdminState::Drain)), None, "its time is over");
        assert_eq!(shown(health.put_in(AdminState::Ready)), Some(Up));
    }

    #[test]
    fn a_member_that_is_ejected_is_left_and_no_other_reason_ends_that() {
        let (one, other) = two();
        let health = one.shared().clone();
        assert_eq!(
            health.found(DownReason::Ejected),
            Some(HealthChange { from: HealthState::Up, to: HealthState::Ejected })
        );
        assert!(one.had_better_be_left() && one.is_reachable() && other.another_is_reachable());
        assert!(!health.has_other_than(DownReason::Ejected));
        assert_eq!(one.answered(), None);
        let worse = Some(HealthChange { from: HealthState::Ejected, to: HealthState::Down });
        assert_eq!(health.found(DownReason::FailsChecks), worse);
        assert!(health.has_other_than(DownReason::Ejected));
        assert_eq!(health.ended(DownReason::Ejected), None, "its checks fail, too");
        assert_eq!(health.ended(DownReason::FailsChecks), UP);
    }

    #[test]
    fn an_outage_lasts_from_its_first_failure_to_a_link() {
        let one = one();
        _ = one.failed(REFUSED);
        _ = one.failed(Failure { cause: Cause::ConnectTimeout, began: 90, ..REFUSED });
        let outage = one.outage().unwrap();
        assert_eq!(outage, Outage { since: 7, cause: Cause::ConnectTimeout });
        assert_eq!((outage.waits_until(3, 100), outage.waits_until(50, 100)), (107, 150));
        assert_eq!((outage.gives_up(50, 100), outage.gives_up(106, 100)), (None, None));
        assert_eq!((outage.gives_up(107, 100), outage.gives_up(160, 100)), (Some(7), Some(60)));
        _ = one.answered();
        assert!(one.outage().is_some(), "a connection of another worker is no link of this one");
        _ = one.connected();
        assert_eq!(one.outage(), None);
    }

    #[test]
    fn recovery_ends_when_it_answers_or_nobody_wants_it() {
        let one = one();
        assert!(!one.needs_recovery(false), "it is up");
        _ = one.failed(REFUSED);
        assert!(one.needs_recovery(false) && !one.needs_recovery(true));
        assert_eq!(one.retire(), UP);
        assert!(!one.needs_recovery(false));
        _ = one.failed(REFUSED);
        assert!(!one.is_up() && !one.needs_recovery(false), "it is retired");
    }

    #[test]
    fn the_backoff_doubles_unless_the_member_is_needed() {
        let pauses = |member: &MemberHealth| {
            let mut backoff = Backoff::default();
            let mut next = || {
                let pause = backoff.pause().as_millis();
                backoff.lengthen(member);
                pause
            };
            [next(), next(), next(), next(), next(), next(), next()]
        };
        assert_eq!(pauses(&one()), [100, 200, 400, 800, 1600, 2000, 2000], "it is the only one");
        let (one, other) = two();
        assert_eq!(pauses(&one)[..3], [100, 200, 400], "the other one is up");
        _ = other.failed(REFUSED);
        assert_eq!(pauses(&one)[..3], [100, 100, 100], "whoever waits there could come here only");
    }

    #[test]
    fn it_is_watched_by_one_for_as_long_as_somebody_waits_and_has_nowhere_to_go() {
        let (one, other) = two();
        _ = (one.failed(REFUSED), other.failed(REFUSED));
        assert!(!one.needs_watch(false), "nobody waits");
        one.begin_waiting();
        assert!(one.needs_watch(false) && !one.needs_watch(true));
        assert!(one.begin_watch() && !one.begin_watch() && one.is_watched());
        one.end_watch();
        assert!(one.begin_watch());
        _ = other.connected();
        assert!(!one.needs_watch(false), "the other one answers");
        _ = (other.failed(REFUSED), one.end_waiting());
        assert!(!one.needs_watch(false));
    }

    #[test]
    fn retries_for_those_who_wait_are_not_all_at_once() {
        let (mut one, mut other) = (RetryPace::new(1), RetryPace::new(2));
        let pauses: Vec<_> = (0..100).map(|_| (one.next_pause(), other.next_pause())).collect();
        let may = SHORTEST_RETRY..=2 * SHORTEST_RETRY;
        assert!(pauses.iter().all(|(a, b)| may.contains(a) && may.contains(b)), "{pauses:?}");
        assert!(pauses.iter().filter(|(a, b)| a != b).count() > 50, "{pauses:?}");
    }
}
