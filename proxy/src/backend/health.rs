//! Whether a member answers, and what is done while it does not: the one place that decides it, for every kind of link.
//!
//! [`Health`] is one for the process: up, or down. [`MemberHealth`] is what one worker makes of it: it is told of each attempt
//! to connect, and says who shows the change, who tries again and when, and whether those who wait go to another member.
//! Nothing here connects, waits or reads a clock.
//!
//! ```text
//!           failed, with no link left, and not for want of our own
//!    Up ─────────────────────────────────────────────────────────▶ Down
//!     ▲                                                              │
//!     └──────────────── answered, or retired ────────────────────────┘
//! ```
//!
//! While it is down, the worker that noticed first tries again for all, ever less often ([`Backoff`]). A worker whose clients
//! wait for the member, because no other one answers either, tries for itself at a short pace.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::cause::Cause;
use crate::event_loop::Nanos;

/// Whether a member answers: one for the process, read by every worker.
///
/// It goes down when connecting fails and no link to it stands, and up when it answers again.
#[derive(Debug, Default)]
pub struct Health {
    down: AtomicBool,
}

impl Health {
    /// Whether it answers, as far as anybody knows.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.down.load(Ordering::Relaxed)
    }

    fn went_down(&self) -> Option<HealthChange> {
        (!self.down.swap(true, Ordering::Relaxed)).then_some(HealthChange::Down)
    }

    fn came_up(&self) -> Option<HealthChange> {
        (!self.is_up() && self.down.swap(false, Ordering::Relaxed)).then_some(HealthChange::Up)
    }
}

/// A member has gone down or come up. One caller of all workers is told so, and shows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HealthChange {
    /// It answers again.
    Up,
    /// It does not answer any more. Whoever is told this tries again until it does ([`Backoff`]).
    Down,
}

/// An attempt to connect that failed.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// Why it failed.
    pub cause: Cause,
    /// When it began.
    pub began: Nanos,
    /// No link of this worker to the member stands, nor is one being opened.
    pub alone: bool,
    /// Nobody needs to know when the member answers again.
    pub unwanted: bool,
}

/// What follows from a [`Failure`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AfterFailure {
    /// Whether the member has gone down with it.
    pub change: Option<HealthChange>,
    /// Those who wait for the member do so in vain: they go to another one.
    pub send_away: bool,
}

/// A time in which no link of a worker stands and the member accepts none, while no other member answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// When the first attempt of it that failed began.
    pub since: Nanos,
    /// Why the last attempt failed.
    pub cause: Cause,
}

impl Outage {
    /// Until when somebody waits who came at `came`: no longer than one attempt to connect may take.
    #[must_use]
    pub fn waits_until(&self, came: Nanos, connect_timeout: Nanos) -> Nanos {
        came.max(self.since).saturating_add(connect_timeout)
    }

    /// Those who came by then have waited for long enough, if anybody has.
    #[must_use]
    pub fn gives_up(&self, now: Nanos, connect_timeout: Nanos) -> Option<Nanos> {
        now.checked_sub(connect_timeout).filter(|came| *came >= self.since)
    }
}

/// What one worker knows of a member, and does about it.
#[derive(Debug)]
pub struct MemberHealth {
    shared: Arc<Health>,
    /// The members of its backend, this one included.
    members: RefCell<Rc<[Arc<Health>]>>,
    retired: Cell<bool>,
    outage: Cell<Option<Outage>>,
    last_failure: Cell<Cause>,
    /// Clients of this worker that wait until the member answers again, and whether a task tries it for them.
    waiting: Cell<usize>,
    watched: Cell<bool>,
}

impl MemberHealth {
    /// This worker's view of a member.
    #[must_use]
    pub fn new(shared: Arc<Health>) -> Self {
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

    /// What all workers know of the member.
    #[must_use]
    pub fn shared(&self) -> &Arc<Health> {
        &self.shared
    }

    /// Takes the members of its backend, itself included: whoever waits for it goes to another one that answers.
    pub fn set_members(&self, members: &Rc<[Arc<Health>]>) {
        *self.members.borrow_mut() = members.clone();
    }

    /// Whether the member answers, as far as anybody knows.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.shared.is_up()
    }

    /// Whether another member of its backend answers: those who cannot be served here can be served there.
    #[must_use]
    pub fn another_is_up(&self) -> bool {
        self.members.borrow().iter().any(|other| !Arc::ptr_eq(other, &self.shared) && other.is_up())
    }

    /// The member is no longer in the configuration. It counts as up, since nobody will see when it answers again.
    #[must_use]
    pub fn retire(&self) -> Option<HealthChange> {
        self.retired.set(true);
        self.answered()
    }

    /// Whether the member is no longer in the configuration.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// The member accepted a connection.
    #[must_use]
    pub fn answered(&self) -> Option<HealthChange> {
        self.shared.came_up()
    }

    /// A link of this worker stands: its outage is over.
    #[must_use]
    pub fn connected(&self) -> Option<HealthChange> {
        self.outage.set(None);
        self.answered()
    }

    /// An attempt to connect failed.
    #[must_use]
    pub fn failed(&self, failure: Failure) -> AfterFailure {
        let Failure { cause, began, alone, unwanted } = failure;
        self.last_failure.set(cause);
        // What we lack ourselves is not the member's fault, and would be lacking for the next one, too.
        let ours = cause == Cause::ConnectNoPort;
        let change = if alone && !ours && !unwanted { self.shared.went_down() } else { None };
        let send_away = alone && (ours || unwanted || self.another_is_up());
        if alone && !send_away {
            let since = self.outage.get().map_or(began, |outage| outage.since);
            self.outage.set(Some(Outage { since, cause }));
        }
        AfterFailure { change, send_away }
    }

    /// The outage of this worker, if there is one.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        self.outage.get()
    }

    /// Why the last attempt of this worker failed.
    #[must_use]
    pub fn last_failure(&self) -> Cause {
        self.last_failure.get()
    }

    /// Whether those who have waited through an outage go to another member now, which has come up meanwhile; and the cause
    /// that is noted for it.
    #[must_use]
    pub fn sends_away(&self) -> Option<Cause> {
        let outage = self.outage.get()?;
        (!self.is_up() && self.another_is_up()).then_some(outage.cause)
    }

    /// Whether the worker that saw the member go down has to try again. `draining` says that the worker ends.
    #[must_use]
    pub fn needs_recovery(&self, draining: bool) -> bool {
        !self.is_up() && !draining && !self.is_retired()
    }

    /// A client waits until the member answers again, as none does.
    pub fn begin_waiting(&self) {
        self.waiting.set(self.waiting.get() + 1);
    }

    /// The client waits no longer.
    pub fn end_waiting(&self) {
        self.waiting.set(self.waiting.get() - 1);
    }

    /// Whether the one who asks is the first, and is to try the member for those who wait, until [`MemberHealth::end_watch`].
    #[must_use]
    pub fn begin_watch(&self) -> bool {
        !self.watched.replace(true)
    }

    /// Nobody tries the member for those who wait any more.
    pub fn end_watch(&self) {
        self.watched.set(false);
    }

    /// Whether the member is tried at a short pace for those who wait.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.watched.get()
    }

    /// Whether it is to be tried (again) for those who wait. Where another member answers they go there.
    #[must_use]
    pub fn needs_watch(&self, draining: bool) -> bool {
        self.waiting.get() > 0 && self.needs_recovery(draining) && !self.another_is_up()
    }
}

/// How long to wait before a member that is down is tried again for all workers: ever longer, but not where those who wait at
/// another member of the backend could go to this one only.
#[derive(Debug)]
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Backoff {
    /// The pause before the next attempt.
    #[must_use]
    pub(crate) fn pause(&self) -> Duration {
        self.0
    }

    /// It is over, and the next one will be longer, unless the member is needed.
    pub(crate) fn lengthen(&mut self, member: &MemberHealth) {
        let is_needed = member.members.borrow().len() > 1 && !member.another_is_up();
        self.0 = if is_needed { FIRST_PAUSE } else { (self.0 * 2).min(LONGEST_PAUSE) };
    }
}

/// Pauses between the attempts for those who wait, each between [`SHORTEST_RETRY`] and twice that, at random, so that not all
/// workers try at once.
#[derive(Debug)]
pub(crate) struct RetryPace(u64);

impl RetryPace {
    /// A pace that differs from others with another `seed`.
    #[must_use]
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The pause before the next attempt.
    pub(crate) fn next_pause(&mut self) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1); // Knuth's MMIX generator
        let more = Duration::from_nanos(self.0 >> 38); // up to 67 ms
        SHORTEST_RETRY + more.min(SHORTEST_RETRY)
    }
}

/// The first pause of a [`Backoff`], and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two attempts for those who wait, at least.
pub(crate) const SHORTEST_RETRY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    /// So many members of one backend, each as one worker sees it.
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

    const REFUSED: Failure = Failure { cause: Cause::ConnectRefused, began: 7, alone: true, unwanted: false };

    #[test]
    fn the_first_who_notices_is_told_and_no_other() {
        let one = one();
        let other_worker = MemberHealth::new(one.shared().clone());
        assert_eq!(one.failed(REFUSED).change, Some(HealthChange::Down));
        assert!(!other_worker.is_up() && other_worker.failed(REFUSED).change.is_none());
        assert_eq!(other_worker.connected(), Some(HealthChange::Up));
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
        assert_eq!(other.connected(), Some(HealthChange::Up));
        assert_eq!(one.sends_away(), Some(Cause::ConnectRefused));
        assert_eq!(other.sends_away(), None, "it is up itself");
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
        assert_eq!(one.retire(), Some(HealthChange::Up));
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
