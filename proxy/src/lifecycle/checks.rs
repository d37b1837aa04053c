//! Checks the members of backends that ask for it, one task for each member, and announces what changes.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Instant;

use tokio_util::task::AbortOnDropHandle;

use super::say;
use crate::backend::{CheckVerdict, DownReason, Health, MemberKey, Streak, member_key};
use crate::config::{AdminState, Backend, HealthCheck, MemberSettings, Settings};
use crate::event_loop::nanos;
use crate::metrics::{BackendCheckCells, CheckResult, MemberCheckCells};
use crate::probe::{self, CheckFault};
use crate::shared::Shared;

/// A member that is to be checked.
#[derive(Clone)]
pub(super) struct CheckedMember {
    key: MemberKey,
    backend: Arc<Backend>,
    check: Arc<HealthCheck>,
    health: Arc<Health>,
}

impl CheckedMember {
    /// Returns whether both are the same member with the same check, so that its task can go on.
    fn is_same(&self, other: &Self) -> bool {
        let connects_as = |backend: &Backend| {
            (backend.socket.clone(), backend.source_addresses.clone(), backend.proxy_protocol)
        };
        self.key == other.key
            && self.check == other.check
            && Arc::ptr_eq(&self.health, &other.health)
            && connects_as(&self.backend) == connects_as(&other.backend)
    }
}

/// Returns the members that a configuration wants to be checked. Nobody needs to know more of one in maintenance.
pub(super) fn members(shared: &Shared, settings: &Settings) -> Vec<CheckedMember> {
    let checked = |backend: &Arc<Backend>| {
        let check = backend.check.clone()?;
        let member = |m: &MemberSettings| {
            let key = member_key(backend, m);
            let health = shared.health(&key);
            CheckedMember { key, backend: backend.clone(), check: check.clone(), health }
        };
        let in_service = backend.members.iter().filter(|m| m.state != AdminState::Maintenance);
        Some(in_service.map(member).collect::<Vec<_>>())
    };
    settings.backends.iter().filter_map(checked).flatten().collect()
}

/// The tasks that check members.
pub(super) struct Checks {
    shared: Arc<Shared>,
    tasks: HashMap<MemberKey, (CheckedMember, AbortOnDropHandle<()>)>,
}

impl Checks {
    /// Begins with no member.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: HashMap::new() }
    }

    /// Checks these members from now on and no others. A member that is not checked any more is not down for its checks.
    pub(super) fn take(&mut self, members: Vec<CheckedMember>) {
        let mut before = std::mem::take(&mut self.tasks);
        for member in members {
            let kept = before.remove(&member.key).filter(|(old, _)| old.is_same(&member));
            let kept = kept.unwrap_or_else(|| {
                let (backend, name, _) = &member.key;
                let registry = &self.shared.registry;
                let cells = (registry.backend_checks(backend), registry.member_checks(backend, name));
                let task = tokio::task::spawn_local(watch(self.shared.clone(), member.clone(), cells));
                (member, AbortOnDropHandle::new(task))
            });
            self.tasks.insert(kept.0.key.clone(), kept);
        }
        for (member, task) in before.into_values() {
            drop(task);
            self.shared.announce(&member.key, member.health.ended(DownReason::FailsChecks));
        }
    }
}

/// Checks a member for ever.
async fn watch(
    shared: Arc<Shared>,
    member: CheckedMember,
    (of_backend, of_member): (Arc<BackendCheckCells>, Arc<MemberCheckCells>),
) {
    let CheckedMember { key: (_, _, address), backend, check, health } = &member;
    let mut streak = Streak::new(health.has(DownReason::FailsChecks));
    // The first checks of many members spread over an interval.
    tokio::time::sleep(check.interval.mul_f64(random_share())).await;
    loop {
        let begun = Instant::now();
        let outcome = probe::check(check, address, backend).await;
        of_backend.duration.observe_nanos(nanos(begun.elapsed()));
        of_member.checks[outcome.err().map_or(CheckResult::Ok, result)].inc();
        if let Some(verdict) = streak.observe(outcome.is_ok(), check.rise, check.fall) {
            let change = match verdict {
                CheckVerdict::Fails => health.found(DownReason::FailsChecks),
                CheckVerdict::Passes => health.ended(DownReason::FailsChecks),
            };
            say(&shared.settings(), &sentence(&member, outcome));
            shared.announce(&member.key, change);
        }
        tokio::time::sleep(check.interval.mul_f64(0.9 + 0.2 * random_share())).await;
    }
}

fn sentence(member: &CheckedMember, outcome: Result<(), CheckFault>) -> String {
    let (backend, name, _) = &member.key;
    let verdict = match outcome {
        Ok(()) => format!("is well again: {}", in_a_row(member.check.rise, "succeeded")),
        Err(why) => format!("is down: {}; {why}", in_a_row(member.check.fall, "failed")),
    };
    format!("penstock: member {name} of {backend} {verdict}")
}

fn in_a_row(checks: u32, did: &str) -> String {
    if checks == 1 { format!("a check {did}") } else { format!("{checks} checks in a row {did}") }
}

const fn result(fault: CheckFault) -> CheckResult {
    match fault {
        CheckFault::Connect(_) => CheckResult::Connect,
        CheckFault::Timeout => CheckResult::Timeout,
        CheckFault::Closed => CheckResult::Closed,
        CheckFault::Status(_) => CheckResult::Status,
        CheckFault::Content => CheckResult::Content,
        CheckFault::Malformed(_) => CheckResult::Malformed,
    }
}

/// Returns a number from 0 to 1 at random, so that the checks of members do not keep step.
fn random_share() -> f64 {
    let random = RandomState::new().hash_one(());
    (random >> 11) as f64 / (1_u64 << 53) as f64
}
