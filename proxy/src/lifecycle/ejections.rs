//! Counts once a second what clients met at the members of backends with `ejection`, and announces who is ejected and who returns.
//!
//! `backend::Judge` decides. The counts are those of the metrics, so that a request pays for nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::task::AbortOnDropHandle;

use super::say;
use crate::backend::{
    Conduct, DownReason, Health, Judge, MemberKey, Observation, Tally, Verdict, member_key,
};
use crate::config::{Ejection, MemberSettings, Settings};
use crate::event_loop::{may_panic, nanos};
use crate::metrics::{AttemptCode, ConnectError, MemberCells, MemberEjectionCells, RequestFailure};
use crate::shared::Shared;

/// The time between two judgements. The options allow no shorter times, and shorter ones would notice little more.
const PERIOD: Duration = Duration::from_secs(1);

/// The members of a backend that are to be judged together.
pub(super) struct JudgedBackend {
    rules: Arc<Ejection>,
    members: Vec<JudgedMember>,
}

/// A member that is judged.
struct JudgedMember {
    key: MemberKey,
    health: Arc<Health>,
    /// Whether the member has pooled links, and requests are counted. Otherwise connections are.
    is_pooled: bool,
    /// The counters of each worker.
    counts: Vec<Arc<MemberCells>>,
    cells: Arc<MemberEjectionCells>,
}

/// Returns the backends whose members a configuration wants to be judged.
pub(super) fn backends(shared: &Shared, settings: &Settings) -> Vec<JudgedBackend> {
    let judged = settings.backends.iter().filter_map(|backend| {
        let rules = backend.ejection.clone()?;
        let member = |m: &MemberSettings| {
            let (registry, key) = (&shared.registry, member_key(backend, m));
            let workers = 0..shared.workers.len();
            JudgedMember {
                health: shared.health(&key),
                key,
                is_pooled: backend.protocol.is_pooled(),
                counts: workers.map(|worker| registry.member(worker, &backend.name, &m.name)).collect(),
                cells: registry.member_ejections(&backend.name, &m.name),
            }
        };
        Some(JudgedBackend { rules, members: backend.members.iter().map(member).collect() })
    });
    judged.collect()
}

impl JudgedMember {
    fn observation(&self, rules: &Ejection) -> Observation {
        let mut total = Tally::default();
        self.counts.iter().for_each(|cells| add(&mut total, cells, self.is_pooled, rules.server_errors));
        Observation { total, is_down: self.health.has_other_than(DownReason::Ejected) }
    }
}

/// Adds the exchanges that one worker has counted. A lack of local ports is not the member's fault.
fn add(total: &mut Tally, cells: &MemberCells, is_pooled: bool, server_errors: bool) {
    let unconnected = [ConnectError::Refused, ConnectError::Timeout, ConnectError::Other];
    let unconnected: u64 = unconnected.into_iter().map(|error| cells.connect_errors[error].get()).sum();
    let failures = [RequestFailure::Reset, RequestFailure::Timeout, RequestFailure::Invalid];
    let failures: u64 = failures.into_iter().map(|failure| cells.failures[failure].get()).sum();
    total.failed += unconnected + failures;
    if !is_pooled {
        // A tunnel that failed was opened before.
        total.exchanges += unconnected + cells.opened.get();
        return;
    }
    let fine = [AttemptCode::C1xx, AttemptCode::C2xx, AttemptCode::C3xx, AttemptCode::C4xx];
    let fine: u64 = fine.into_iter().map(|code| cells.requests[code].get()).sum();
    let errors = cells.requests[AttemptCode::C5xx].get();
    total.exchanges += unconnected + failures + fine + errors;
    if server_errors {
        total.failed += errors;
    }
}

/// Judges the members of all backends that ask for it.
pub(super) struct Ejections {
    shared: Arc<Shared>,
    judges: Rc<RefCell<Vec<BackendJudge>>>,
    /// The task that judges, while there is somebody to judge.
    task: Option<AbortOnDropHandle<()>>,
}

/// The members of one backend, and what is known of them.
struct BackendJudge {
    members: Vec<JudgedMember>,
    judge: Judge,
}

impl Ejections {
    /// Begins with no member.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, judges: Rc::default(), task: None }
    }

    /// Judges the members of these backends from now on and no others. A member that is not judged any more is not ejected.
    pub(super) fn take(&mut self, backends: Vec<JudgedBackend>) {
        let mut before = HashMap::new();
        for BackendJudge { members, judge } in self.judges.take() {
            let (rules, conducts) = judge.into_parts();
            for (member, conduct) in members.into_iter().zip(conducts) {
                before.insert((member.key.clone(), member.is_pooled), (member, conduct, rules.clone()));
            }
        }
        let judges = backends.into_iter().map(|JudgedBackend { rules, members }| {
            let conduct = |member: &JudgedMember| {
                let kept = before.remove(&(member.key.clone(), member.is_pooled));
                let Some((_, mut conduct, old_rules)) = kept else { return Conduct::default() };
                if old_rules != rules {
                    conduct.forget_window();
                }
                conduct
            };
            let conducts = members.iter().map(conduct).collect();
            BackendJudge { judge: Judge::new(rules, conducts), members }
        });
        let judges: Vec<_> = judges.collect();
        for (member, conduct, _) in before.into_values() {
            if conduct.is_ejected() {
                self.shared.announce(&member.key, member.health.ended(DownReason::Ejected));
            }
        }
        if judges.is_empty() {
            self.task = None;
        }
        self.judges.replace(judges);
        if self.task.is_none() && !self.judges.borrow().is_empty() {
            let task = tokio::task::spawn_local(watch(self.shared.clone(), self.judges.clone()));
            self.task = Some(AbortOnDropHandle::new(task));
        }
    }
}

/// Judges once a second for ever, also after a panic.
async fn watch(shared: Arc<Shared>, judges: Rc<RefCell<Vec<BackendJudge>>>) {
    let begun = Instant::now();
    loop {
        tokio::time::sleep(PERIOD).await;
        let (shared, judges) = (shared.clone(), judges.clone());
        // A task of its own contains a panic, which has been reported then; the next second tries again.
        let turn = tokio::task::spawn_local(async move { judge(&shared, &mut judges.borrow_mut(), begun) });
        let _ = turn.await;
    }
}

fn judge(shared: &Shared, judges: &mut [BackendJudge], begun: Instant) {
    may_panic("ejections.judge");
    let now = nanos(begun.elapsed());
    for BackendJudge { members, judge } in judges {
        let observations: Vec<_> = members.iter().map(|member| member.observation(judge.rules())).collect();
        for (i, verdict) in judge.judge(now, &observations) {
            let member = &members[i];
            let change = match verdict {
                Verdict::Eject(..) => {
                    member.cells.ejections.inc();
                    member.health.found(DownReason::Ejected)
                }
                Verdict::Return | Verdict::Recall => member.health.ended(DownReason::Ejected),
            };
            say(&shared.settings(), &sentence(member, verdict, judge.rules()));
            shared.announce(&member.key, change);
        }
    }
}

fn sentence(member: &JudgedMember, verdict: Verdict, rules: &Ejection) -> String {
    let (backend, name, _) = &member.key;
    let verdict = match verdict {
        Verdict::Eject(time, Tally { exchanges, failed }) => {
            let what = if member.is_pooled { "requests" } else { "connections" };
            let (time, window) = (time.as_secs(), rules.window.as_secs());
            format!("is ejected for {time} s: {failed} of {exchanges} {what} failed within {window} s")
        }
        Verdict::Return => "is no longer ejected".to_owned(),
        Verdict::Recall => "is no longer ejected: others are down, and it is needed".to_owned(),
    };
    format!("penstock: member {name} of {backend} {verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(is_pooled: bool, server_errors: bool) -> Tally {
        let cells = MemberCells::default();
        cells.requests[AttemptCode::C2xx].add(1);
        cells.requests[AttemptCode::C4xx].add(20);
        cells.requests[AttemptCode::C5xx].add(300);
        cells.requests[AttemptCode::None].add(1_000_000); // clients that left, and requests that moved
        cells.failures[RequestFailure::Timeout].add(4_000);
        cells.connect_errors[ConnectError::Refused].add(50_000);
        cells.connect_errors[ConnectError::NoPort].add(1_000_000);
        cells.opened.add(600_000);
        let mut total = Tally::default();
        add(&mut total, &cells, is_pooled, server_errors);
        total
    }

    #[test]
    fn only_what_the_member_is_to_blame_for_counts_as_failed() {
        assert_eq!(counted(true, true), Tally { exchanges: 54_321, failed: 54_300 });
        assert_eq!(counted(true, false), Tally { exchanges: 54_321, failed: 54_000 });
        assert_eq!(counted(false, false), Tally { exchanges: 650_000, failed: 54_000 });
    }
}
