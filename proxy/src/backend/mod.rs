//! Holds one worker's view of a backend: its members, the pool of each, the choice of a member for a source,
//! and health.

mod assignment;
mod ejection;
mod health;
mod streak;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::affinity::{Candidate, Sources, best, name_hash};
use crate::config::{Address, Backend, MemberSettings, OnDown};
use crate::metrics::{BackendCells, MemberCells, Registry};

pub(crate) use assignment::Assignment;
pub(crate) use ejection::{Conduct, Judge, Observation, Tally, Verdict};
pub(crate) use health::{
    Backoff, DownReason, Failure, Health, HealthChange, HealthState, MemberHealth, RetryPace, SHORTEST_RETRY,
};
pub(crate) use streak::{CheckVerdict, Streak};

/// The identity of a member across reloads: the name of its backend, its name, and its address.
pub(crate) type MemberKey = (Arc<str>, Arc<str>, Address);

/// Returns the identity of a member of this backend.
#[must_use]
pub(crate) fn member_key(backend: &Backend, member: &MemberSettings) -> MemberKey {
    (backend.name.clone(), member.name.clone(), member.address.clone())
}

/// The links of a worker to a member: a pool of shared links, or a pool of dedicated links for tunnels.
pub(crate) trait MemberPool {
    /// Returns this worker's knowledge of the member's health.
    fn health(&self) -> &MemberHealth;
    /// Returns whether the pool fits the protocol of these settings.
    fn speaks_as(&self, settings: &Backend) -> bool;
    /// Returns whether the member is up, as far as is known.
    fn is_up(&self) -> bool {
        self.health().is_up()
    }
    /// Returns whether the member accepts connections, as far as is known. A member that is up does.
    fn is_reachable(&self) -> bool {
        self.health().is_reachable()
    }
    /// Returns whether the member takes sources that are new to it.
    fn takes_sources(&self) -> bool {
        self.health().shared().takes_sources()
    }
    /// Returns whether clients may try the member while no member is up.
    fn is_last_resort(&self) -> bool {
        self.health().shared().is_last_resort()
    }
}

/// The members of all configurations that a worker has known, by the hashes of their names.
///
/// The last client of a source may leave when the source's member is no longer configured. Its counts must
/// change all the same, because they are shown again if the member comes back.
pub(crate) struct KnownMembers {
    registry: Registry,
    worker: usize,
    names: RefCell<HashMap<(u64, u64), MemberNames>>,
}

/// The names of a backend and its member.
type MemberNames = (Arc<str>, Arc<str>);

impl KnownMembers {
    /// Makes an empty register for a worker.
    #[must_use]
    pub(crate) fn new(registry: &Registry, worker: usize) -> Rc<Self> {
        Rc::new(Self { registry: registry.clone(), worker, names: RefCell::default() })
    }

    /// Records that a member of a backend has been configured.
    pub(crate) fn note(&self, backend: &Arc<str>, member: &Arc<str>) {
        let key = (name_hash(backend), name_hash(member));
        self.names.borrow_mut().entry(key).or_insert_with(|| (backend.clone(), member.clone()));
    }

    /// Returns this worker's counters for a member.
    fn cells(&self, backend: u64, member: u64) -> Option<Arc<MemberCells>> {
        let names = self.names.borrow();
        let (backend, member) = names.get(&(backend, member))?;
        Some(self.registry.member(self.worker, backend, member))
    }
}

/// One member on one worker.
pub(crate) struct Member<W> {
    /// Its name.
    pub name: Arc<str>,
    /// The member's part in the affinity hash, which also identifies the member in the counts of sources.
    pub candidate: Candidate,
    /// Whether the member serves only while no member that is no backup is up.
    pub backup: bool,
    /// The links to the member.
    pub pool: Rc<W>,
    /// The counters of the member.
    pub cells: Arc<MemberCells>,
    /// The number of this worker's clients that are assigned to the member.
    pub clients: Cell<usize>,
    /// The member's position in the rotation of equally loaded members.
    pub position: Cell<u64>,
}

/// One backend of one configuration, on one worker.
pub(crate) struct Group<W> {
    /// The settings of the backend.
    pub settings: Arc<Backend>,
    /// The [`name_hash`] of the backend's name.
    pub hash: u64,
    /// The counters of the backend.
    pub cells: Arc<BackendCells>,
    /// The number of links to each member that this worker may open.
    pub share: usize,
    /// The register of all members ever configured, for the counts of those that are gone.
    pub register: Rc<KnownMembers>,
    /// The members, in the order of the file.
    pub members: Vec<Rc<Member<W>>>,
    /// The position in the rotation of the member that was chosen last. A member that was away gets no turns
    /// for the time before it.
    pub rotation: Cell<u64>,
}

impl<W: MemberPool> Member<W> {
    /// Returns a member's part in the affinity hash.
    #[must_use]
    pub(crate) fn candidate(name: &str, weight: u32) -> Candidate {
        Candidate { hash: name_hash(name), weight }
    }
}

impl<W: MemberPool> Group<W> {
    /// Returns whether tunnels to this member are to be closed now.
    #[must_use]
    pub(crate) fn closes_tunnels_to(&self, member: &Member<W>) -> bool {
        self.settings.on_down == OnDown::Close && member.pool.health().is_taken_for_down()
    }

    /// Returns the member for a new client of `source`. With affinity the member may be down. Without
    /// affinity only members that are up are chosen while there are any, since clients that came during an
    /// outage would otherwise all move at its end.
    #[must_use]
    pub(crate) fn first_choice(&self, source: IpAddr) -> Option<Rc<Member<W>>> {
        let any_will_do = self.settings.affinity.key(source).is_none();
        let next_up = any_will_do.then(|| self.next_up(source)).flatten();
        next_up.or_else(|| self.choose(source, |member| member.pool.takes_sources()))
    }

    /// Returns the member that drains and keeps this client: the one that the client was at `before`, or the one at which other
    /// clients of its source are.
    #[must_use]
    pub(crate) fn draining_member(
        &self,
        source: IpAddr,
        before: Option<u64>,
        sources: &Sources,
    ) -> Option<Rc<Member<W>>> {
        let drains = |member: &&Rc<Member<W>>| !member.pool.takes_sources() && member.pool.is_up();
        let mut draining = self.members.iter().filter(drains).peekable();
        draining.peek()?; // most often there is none, and nothing to look up
        let of_source = || {
            self.settings
                .affinity
                .key(source)
                .and_then(|key| sources.place(self.hash, key))
                .map(|place| place.member)
        };
        let hash = before.or_else(of_source)?;
        draining.find(|member| member.candidate.hash == hash).cloned()
    }

    /// Returns the member of `source` among those that are up and take new sources.
    #[must_use]
    pub(crate) fn next_up(&self, source: IpAddr) -> Option<Rc<Member<W>>> {
        self.choose(source, |member| member.pool.is_up() && member.pool.takes_sources())
    }

    /// Returns the member of `source` among those that may be tried while none is up.
    #[must_use]
    pub(crate) fn next_last_resort(&self, source: IpAddr) -> Option<Rc<Member<W>>> {
        self.choose(source, |member| member.pool.is_last_resort())
    }

    /// Returns the member of `source` among these. Backups serve only if no other member may.
    fn choose(&self, source: IpAddr, may: impl Fn(&Member<W>) -> bool) -> Option<Rc<Member<W>>> {
        let key = self.settings.affinity.key(source);
        let among = |backup: bool| {
            let members = self.members.iter().filter(|m| m.backup == backup && may(m));
            match key {
                Some(key) => best(key, members.map(|m| (m, m.candidate))),
                None => self.least_loaded(members),
            }
        };
        among(false).or_else(|| among(true)).cloned()
    }

    /// Returns the member with the fewest clients for its weight. Equally loaded members take turns in
    /// proportion to their weights: a turn advances a member in the rotation by the inverse of its weight,
    /// and the member that is least advanced is next (start-time fair queueing).
    fn least_loaded<'a>(&self, members: impl Iterator<Item = &'a Rc<Member<W>>>) -> Option<&'a Rc<Member<W>>>
    where
        W: 'a,
    {
        // Fixed point, so that small counts with large weights still differ.
        let per_weight = |of: usize, member: &Member<W>| (of << 16) / member.candidate.weight as usize;
        let position = |member: &Member<W>| member.position.get().max(self.rotation.get());
        let best = members.min_by_key(|m| (per_weight(m.clients.get(), m), position(m)))?;
        self.rotation.set(position(best));
        best.position.set(position(best) + per_weight(1, best) as u64);
        Some(best)
    }
}
