//! The state that all workers share: configuration, metrics, access logs, health of members, sources.
//!
//! It divides limits among the workers. Nothing here is touched per request, except for a relaxed load of a member's health.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::access_log::Logs;
use crate::affinity::Sources;
use crate::backend::Health;
use crate::config::{Address, Backend, Settings};
use crate::link::{Loans, ProberSender, Proof, ProofSubject, Share, SharedCap};
use crate::mailbox::WorkerHandle;
use crate::metrics::Registry;

/// What makes a member the same after a reload: its backend's name, its own, and its address.
pub(crate) type MemberKey = (Arc<str>, Arc<str>, Address);

/// See the head of this file.
pub(crate) struct Shared {
    settings: ArcSwap<Settings>,
    health: Mutex<HashMap<MemberKey, Arc<Health>>>,
    proofs: Mutex<HashMap<MemberKey, Arc<Proof>>>,
    /// Who is told of members that are to be probed.
    bell: ProberSender,
    shared_caps: Mutex<HashMap<MemberKey, Arc<SharedCap>>>,
    loans: Mutex<HashMap<MemberKey, Arc<Loans>>>,
    open: Mutex<HashMap<Arc<str>, Arc<AtomicUsize>>>,
    /// Every metric.
    pub registry: Registry,
    /// Who meets whom.
    pub sources: Arc<Sources>,
    /// The access logs.
    pub logs: Logs,
    /// How to reach each worker.
    pub workers: Vec<WorkerHandle>,
}

impl Shared {
    /// What workers will share.
    #[must_use]
    pub(crate) fn new(
        settings: Settings,
        registry: Registry,
        workers: Vec<WorkerHandle>,
        bell: ProberSender,
    ) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::from_pointee(settings),
            health: Mutex::default(),
            proofs: Mutex::default(),
            bell,
            shared_caps: Mutex::default(),
            loans: Mutex::default(),
            open: Mutex::default(),
            logs: Logs::new(registry.process()),
            registry,
            sources: Arc::default(),
            workers,
        })
    }

    /// The configuration in force.
    #[must_use]
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Another configuration is in force from now on.
    pub(crate) fn change(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Whether a member answers: the same for all workers.
    #[must_use]
    pub(crate) fn health(&self, member: &MemberKey) -> Arc<Health> {
        one_for_all(&self.health, member)
    }

    /// Whether a member may be pipelined to: the same for all workers. A new configuration clears what was held against
    /// it.
    #[must_use]
    pub(crate) fn proof(&self, key: &MemberKey, backend: &Arc<Backend>) -> Arc<Proof> {
        let proof: Arc<Proof> = one_for_all(&self.proofs, key);
        let (_, member, address) = key.clone();
        proof.concern(ProofSubject { backend: backend.clone(), member, address, bell: self.bell.clone() });
        proof
    }

    /// The places and warm links of a member of a TCP backend: the same for all workers.
    #[must_use]
    pub(crate) fn shared_cap(&self, member: &MemberKey) -> Arc<SharedCap> {
        one_for_all(&self.shared_caps, member)
    }

    /// The rights to the links of a member of a pooled backend: the same for all workers.
    #[must_use]
    pub(crate) fn loans(&self, member: &MemberKey) -> Arc<Loans> {
        one_for_all(&self.loans, member)
    }

    /// How many clients a listener has: the same for all workers.
    #[must_use]
    pub(crate) fn open_clients(&self, listener: &Arc<str>) -> Arc<AtomicUsize> {
        one_for_all(&self.open, listener)
    }

    /// A worker's share of the limits of each member of the backend. The shares of all workers add up to the
    /// cap on links; where that is smaller than the number of workers, some own none, and get no clients of this backend. Those
    /// of the owners add up to the limit on those who wait.
    #[must_use]
    pub(crate) fn share(&self, backend: &Backend, backend_index: usize, worker: usize) -> Share {
        let links = backend.links.max_per_member.get() as usize;
        share(links, backend.queue.max, self.workers.len(), backend_index + worker)
    }
}

/// The value that everybody who asks for this key gets, for as long as anybody has it.
fn one_for_all<K: Eq + Hash + Clone, V: Default>(all: &Mutex<HashMap<K, Arc<V>>>, key: &K) -> Arc<V> {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    all.retain(|other, value| other == key || Arc::strong_count(value) > 1);
    all.entry(key.clone()).or_default().clone()
}

/// The share of the one at `place` (counted around) of `of`. Those who own no links have clients that a reload left there,
/// and which go as soon as they are served: these may wait, too.
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
