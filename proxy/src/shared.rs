//! What all workers share: the configuration snapshot, the metrics, who is up, who meets whom.
//! In: a new configuration. Out: the present one, and each worker's share of what it limits.
//! Nothing here is touched per request, but for a relaxed load of a member's health.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::affinity::Sources;
use crate::config::{Backend, Settings};
use crate::link::Health;
use crate::metrics::Registry;
use crate::post::Post;

/// What makes a member the same after a reload: its backend's name, its own, and its address.
pub type MemberKey = (Arc<str>, Arc<str>, SocketAddr);

/// See the head of this file.
pub struct Shared {
    settings: ArcSwap<Settings>,
    health: Mutex<HashMap<MemberKey, Arc<Health>>>,
    /// Every metric.
    pub registry: Registry,
    /// Who meets whom.
    pub sources: Arc<Sources>,
    /// How to reach each worker.
    pub posts: Vec<Post>,
}

impl Shared {
    /// What workers will share.
    #[must_use]
    pub fn new(settings: Settings, registry: Registry, posts: Vec<Post>) -> Arc<Self> {
        Arc::new(Self {
            settings: ArcSwap::from_pointee(settings),
            health: Mutex::default(),
            registry,
            sources: Arc::default(),
            posts,
        })
    }

    /// The configuration in force.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// Another configuration is in force from now on.
    pub fn change(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// Whether a member answers: the same for all workers.
    #[must_use]
    pub fn health(&self, member: &MemberKey) -> Arc<Health> {
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|key, health| key == member || Arc::strong_count(health) > 1);
        all.entry(member.clone()).or_default().clone()
    }

    /// How many links to each member of the backend a worker may own. The shares of all workers add up to
    /// the cap; where it is smaller than their number, some own none, and get no clients of this backend.
    #[must_use]
    pub fn share(&self, backend: &Backend, backend_index: usize, worker: usize) -> usize {
        share(backend.links.max_per_member.get() as usize, self.posts.len(), backend_index + worker)
    }
}

/// The share of the one at `place` (counted around) of `of` who divide `cap`.
fn share(cap: usize, of: usize, place: usize) -> usize {
    cap / of + usize::from(place % of < cap % of)
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn shares_add_up_to_the_cap() {
        for (cap, of, first) in [(64, 2, 0), (3, 2, 1), (1, 4, 2), (7, 3, 5), (65535, 7, 1)] {
            let shares: Vec<_> = (0..of).map(|worker| share(cap, of, first + worker)).collect();
            assert_eq!(shares.iter().sum::<usize>(), cap, "{shares:?}");
            assert!(shares.iter().max() <= shares.iter().min().map(|least| least + 1).as_ref());
        }
    }
}
