//! Holds the state that all workers share: configuration, metrics, access logs, health of members, sources.
//!
//! Limits are divided among the workers here. Requests touch nothing in this file except for a relaxed load
//! of a member's health.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use crate::access_log::Logs;
use crate::affinity::Sources;
use crate::backend::{DownReason, Health, HealthChange, MemberKey};
use crate::config::{AdminState, Backend, Settings};
use crate::link::{Loans, ProberSender, Proof, ProofSubject, Share, SharedCap};
use crate::mailbox::{Message, WorkerHandle};
use crate::metrics::Registry;

/// The state that all workers share.
pub(crate) struct Shared {
    settings: ArcSwap<Settings>,
    health: Mutex<HashMap<MemberKey, Arc<Health>>>,
    proofs: Mutex<HashMap<MemberKey, Arc<Proof>>>,
    /// The channel to the prober.
    prober: ProberSender,
    shared_caps: Mutex<HashMap<MemberKey, Arc<SharedCap>>>,
    loans: Mutex<HashMap<MemberKey, Arc<Loans>>>,
    open: Mutex<HashMap<Arc<str>, Arc<AtomicUsize>>>,
    /// The time at which the process started; the clocks of workers begin a few milliseconds later.
    pub started: Instant,
    /// The registry of all metrics.
    pub registry: Registry,
    /// The members of all sources.
    pub sources: Arc<Sources>,
    /// The access logs.
    pub logs: Logs,
    /// The channels to the workers.
    pub workers: Vec<WorkerHandle>,
}

impl Shared {
    /// Makes the shared state.
    #[must_use]
    pub(crate) fn new(
        settings: Settings,
        registry: Registry,
        workers: Vec<WorkerHandle>,
        prober: ProberSender,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::from_pointee(settings),
            health: Mutex::default(),
            proofs: Mutex::default(),
            prober,
            shared_caps: Mutex::default(),
            loans: Mutex::default(),
            open: Mutex::default(),
            started: Instant::now(),
            logs: Logs::new(registry.process()),
            registry,
            sources: Arc::default(),
            workers,
        })
    }

    /// Returns the current configuration.
    #[must_use]
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Replaces the configuration.
    pub(crate) fn change(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Returns the health of a member, which all workers share.
    #[must_use]
    pub(crate) fn health(&self, member: &MemberKey) -> Arc<Health> {
        one_for_all(&self.health, member)
    }

    /// Tells the workers of a change of a member's health that the prober has found, if there is one.
    pub(crate) fn announce(&self, member: &MemberKey, change: Option<HealthChange>) {
        let Some(change) = change else { return };
        for worker in &self.workers {
            worker.send(Message::Health { member: member.clone(), change });
        }
    }

    /// Returns the health of a member that a worker knows.
    #[must_use]
    pub(crate) fn known_health(&self, member: &MemberKey) -> Option<Arc<Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).get(member).cloned()
    }

    /// Returns whether a member would be up in this state, as far as is known. A member that no worker knows yet counts as up.
    #[must_use]
    pub(crate) fn would_be_up(&self, member: &MemberKey, state: AdminState) -> bool {
        let counts = |reason: &DownReason| match reason {
            DownReason::Unreachable | DownReason::FailsChecks | DownReason::Ejected => true,
            // A member that has drained for long enough stays out as long as it is to drain.
            DownReason::Maintenance => state != AdminState::Ready,
        };
        self.known_health(member).is_none_or(|health| {
            !DownReason::ALL.iter().filter(|reason| counts(reason)).any(|r| health.has(*r))
        })
    }

    /// Returns the proof that a member keeps the order of pipelined requests, which all workers share. A new
    /// configuration clears a member's offences.
    #[must_use]
    pub(crate) fn proof(&self, key: &MemberKey, backend: &Arc<Backend>) -> Arc<Proof> {
        let proof: Arc<Proof> = one_for_all(&self.proofs, key);
        let (_, member, address) = key.clone();
        proof.set_subject(ProofSubject {
            backend: backend.clone(),
            member,
            address,
            prober: self.prober.clone(),
        });
        proof
    }

    /// Returns the permits and warm links of a member of a TCP backend, which all workers share.
    #[must_use]
    pub(crate) fn shared_cap(&self, member: &MemberKey) -> Arc<SharedCap> {
        one_for_all(&self.shared_caps, member)
    }

    /// Returns the rights to the links of a member of a pooled backend, which all workers share.
    #[must_use]
    pub(crate) fn loans(&self, member: &MemberKey) -> Arc<Loans> {
        one_for_all(&self.loans, member)
    }

    /// Returns the count of a listener's clients, which all workers share.
    #[must_use]
    pub(crate) fn open_clients(&self, listener: &Arc<str>) -> Arc<AtomicUsize> {
        one_for_all(&self.open, listener)
    }

    /// Returns a worker's share of the limits of each member of a backend. The shares of all workers add up
    /// to the cap on links. If the cap is smaller than the number of workers, some have no link and get no
    /// clients of this backend. The queue limits of the other workers add up to the limit of the queue.
    #[must_use]
    pub(crate) fn share(&self, backend: &Backend, backend_index: usize, worker: usize) -> Share {
        let links = backend.links.max_per_member.get() as usize;
        share(links, backend.queue.max, self.workers.len(), backend_index + worker)
    }
}

/// Returns the value of this key, which lasts as long as anybody holds it.
fn one_for_all<K: Eq + Hash + Clone, V: Default>(all: &Mutex<HashMap<K, Arc<V>>>, key: &K) -> Arc<V> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    // Values of members that are gone would otherwise stay for ever.
    all.retain(|other, value| other == key || Arc::strong_count(value) > 1);
    all.entry(key.clone()).or_default().clone()
}

/// Returns the share of the worker at `place` among `of` workers. A worker without links may still have
/// clients from before a reload, which leave once they are served and may wait until then.
fn share(links: usize, waiting: usize, of: usize, place: usize) -> Share {
    let owners = of.min(links);
    let part = |limit: usize, among: usize| limit / among + usize::from(place % of < limit % among);
    let owns = place % of < owners;
    Share {
        links: part(links, of),
        of_all: links,
        waiting: if owns { part(waiting, owners) } else { waiting.div_ceil(of) },
    }
}

#[cfg(test)]
mod tests {
    use super::{Share, share};

    #[test]
    fn shares_add_up_to_the_limits() {
        let cases =
            [(64, 100, 2, 0), (3, 7, 2, 1), (1, 5, 4, 2), (7, 0, 3, 5), (65535, 20_000, 7, 1), (2, 9, 4, 3)];
        for (links, waiting, of, first) in cases {
            let shares: Vec<_> = (0..of).map(|worker| share(links, waiting, of, first + worker)).collect();
            assert_eq!(shares.iter().map(|s| s.links).sum::<usize>(), links, "{shares:?}");
            let owners = shares.iter().filter(|s| s.links > 0);
            assert_eq!(owners.map(|s| s.waiting).sum::<usize>(), waiting, "{shares:?}");
            let even = |of: fn(&Share) -> usize| {
                shares.iter().map(of).max() <= shares.iter().map(of).min().map(|l| l + 1)
            };
            assert!(even(|s| s.links), "{shares:?}");
        }
    }
}
