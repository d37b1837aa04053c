//! Puts members in the states that the operator wants, and takes out those that have drained for long enough.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::AbortOnDropHandle;

use super::say;
use crate::backend::{Health, MemberKey, member_key};
use crate::config::{AdminState, Backend, MemberSettings, Settings};
use crate::shared::Shared;

/// The members of a configuration, each with its health and the state that the operator wants.
pub(super) struct MemberStates(Vec<(MemberKey, Arc<Health>, AdminState)>);

impl MemberStates {
    /// Returns those of this configuration.
    pub(super) fn of(shared: &Shared, settings: &Settings) -> Self {
        let state = |key: MemberKey, m: &MemberSettings| (key.clone(), shared.health(&key), m.state);
        Self(all_members(settings).map(|(key, m)| state(key, m)).collect())
    }

    /// Puts each member in its state, and tells the workers and the operator what has changed.
    pub(super) fn apply(&self, shared: &Shared) {
        for (key, health, state) in &self.0 {
            let changes = health.put_in(*state);
            changes.into_iter().for_each(|change| shared.announce(key, change));
            if changes.iter().any(Option::is_some) {
                let now = match state {
                    AdminState::Ready => "is ready",
                    AdminState::Drain => "drains",
                    AdminState::Maintenance => "is in maintenance",
                };
                tell(shared, key, now);
            }
        }
    }
}

/// A member that drains until its time is over.
pub(super) struct DrainingMember {
    key: MemberKey,
    health: Arc<Health>,
    time: Duration,
}

/// Returns the members of a configuration that drain for a limited time.
pub(super) fn draining(shared: &Shared, settings: &Settings) -> Vec<DrainingMember> {
    let draining = |(key, m): (MemberKey, &MemberSettings)| {
        let time = m.drain_for.filter(|_| m.state == AdminState::Drain)?;
        Some(DrainingMember { health: shared.health(&key), key, time })
    };
    all_members(settings).filter_map(draining).collect()
}

/// The tasks that wait until members have drained for long enough.
pub(super) struct Drains {
    shared: Arc<Shared>,
    tasks: HashMap<MemberKey, (Duration, AbortOnDropHandle<()>)>,
}

impl Drains {
    /// Begins with no member.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: HashMap::new() }
    }

    /// Waits for these members from now on and for no others. The time of a member that drains already goes on.
    pub(super) fn take(&mut self, members: Vec<DrainingMember>) {
        let mut before = std::mem::take(&mut self.tasks);
        for DrainingMember { key, health, time } in members {
            let kept = before.remove(&key).filter(|(old, _)| *old == time);
            let task = kept.unwrap_or_else(|| {
                let (shared, key) = (self.shared.clone(), key.clone());
                let end = async move {
                    tokio::time::sleep(time).await;
                    let change = health.drained();
                    if change.is_some() {
                        tell(&shared, &key, "has drained for long enough and is in maintenance");
                    }
                    shared.announce(&key, change);
                };
                (time, AbortOnDropHandle::new(tokio::task::spawn_local(end)))
            });
            self.tasks.insert(key, task);
        }
    }
}

fn all_members(settings: &Settings) -> impl Iterator<Item = (MemberKey, &MemberSettings)> {
    let of = |backend| move |member| (member_key(backend, member), member);
    settings.backends.iter().flat_map(move |backend: &Arc<Backend>| backend.members.iter().map(of(backend)))
}

fn tell(shared: &Shared, (backend, member, _): &MemberKey, now: &str) {
    say(&shared.settings(), &format!("penstock: member {member} of {backend} {now}"));
}
