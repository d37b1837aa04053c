//! A backend as one worker sees it: its members, the pool of each, which one a source meets, and whether they answer.

mod assignment;
mod health;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::affinity::{Candidate, best, name_hash};
use crate::config::Backend;
use crate::metrics::{BackendCells, MemberCells, Registry};

pub(crate) use assignment::Assignment;
pub(crate) use health::{Backoff, Failure, Health, HealthChange, MemberHealth, RetryPace, SHORTEST_RETRY};

/// The way to a member: a pool of shared links, or a pool of dedicated links for tunnels.
pub trait MemberPool {
    /// What this worker knows of the member's health.
    fn health(&self) -> &MemberHealth;
    /// Whether it speaks what these settings want spoken.
    fn speaks_as(&self, settings: &Backend) -> bool;
    /// Whether the member answers, as far as anybody knows.
    fn is_up(&self) -> bool {
        self.health().is_up()
    }
}

/// The members of all configurations that a worker has known, by the hashes of their names.
///
/// The last client of a source may leave when the member that its source was at is no longer configured. It stands in the
/// counts of that member all the same, and those are shown again if the member comes back.
pub struct KnownMembers {
    registry: Registry,
    worker: usize,
    names: RefCell<HashMap<(u64, u64), MemberNames>>,
}

/// Of a backend and its member.
type MemberNames = (Arc<str>, Arc<str>);

impl KnownMembers {
    /// A worker's register, empty.
    #[must_use]
    pub fn new(registry: &Registry, worker: usize) -> Rc<Self> {
        Rc::new(Self { registry: registry.clone(), worker, names: RefCell::default() })
    }

    /// A member of a backend has been configured.
    pub fn note(&self, backend: &Arc<str>, member: &Arc<str>) {
        let key = (name_hash(backend), name_hash(member));
        self.names.borrow_mut().entry(key).or_insert_with(|| (backend.clone(), member.clone()));
    }

    /// What this worker counts for a member.
    fn cells(&self, backend: u64, member: u64) -> Option<Arc<MemberCells>> {
        let names = self.names.borrow();
        let (backend, member) = names.get(&(backend, member))?;
        Some(self.registry.member(self.worker, backend, member))
    }
}

/// One member on one worker.
pub struct Member<W> {
    /// Its name.
    pub name: Arc<str>,
    /// Its name's hash, for the hash and the counts of sources.
    pub candidate: Candidate,
    /// The way to it.
    pub pool: Rc<W>,
    /// What is counted for it.
    pub cells: Arc<MemberCells>,
    /// Clients of this worker that are tied to it.
    pub clients: Cell<usize>,
    /// Its place in the rotation of the members that are equally loaded.
    pub position: Cell<u64>,
}

/// One backend on one worker, as one configuration has it.
pub struct Group<W> {
    /// What is believed of it.
    pub settings: Arc<Backend>,
    /// [`name_hash`] of its name.
    pub hash: u64,
    /// What is counted for it.
    pub cells: Arc<BackendCells>,
    /// How many links to each member this worker may own.
    pub share: usize,
    /// Members that are no longer here may still be counted for.
    pub register: Rc<KnownMembers>,
    /// In the order of the file.
    pub members: Vec<Rc<Member<W>>>,
    /// The place in the rotation at which the last member was chosen. No member is owed turns from before it.
    pub rotation: Cell<u64>,
}

impl<W: MemberPool> Member<W> {
    /// What the hash sees of a member.
    #[must_use]
    pub fn candidate(name: &str, weight: u32) -> Candidate {
        Candidate { hash: name_hash(name), weight }
    }
}

impl<W: MemberPool> Group<W> {
    /// The member that a new client of `source` meets while all are up. Where no source has a member of its own, a
    /// member that is down is nobody's home: all who come meanwhile would move there at once when it is up again.
    #[must_use]
    pub fn first_choice(&self, source: IpAddr) -> Option<Rc<Member<W>>> {
        let any_will_do = self.settings.affinity.key(source).is_none();
        any_will_do.then(|| self.next_up(source)).flatten().or_else(|| self.choose(source, |_| true))
    }

    /// The member that `source` meets among those that are up.
    #[must_use]
    pub fn next_up(&self, source: IpAddr) -> Option<Rc<Member<W>>> {
        self.choose(source, |member| member.pool.is_up())
    }

    fn choose(&self, source: IpAddr, may: impl Fn(&Member<W>) -> bool) -> Option<Rc<Member<W>>> {
        let members = self.members.iter().filter(|m| may(m));
        match self.settings.affinity.key(source) {
            Some(key) => best(key, members.map(|m| (m, m.candidate))),
            None => self.least_loaded(members),
        }
        .cloned()
    }

    /// The member with the fewest clients for its weight. Members that are equally loaded take turns, as often as their
    /// weights say: each turn takes a member so much further in the rotation as its weight is small, and the member that
    /// is least far is next (start-time fair queueing).
    fn least_loaded<'a>(&self, members: impl Iterator<Item = &'a Rc<Member<W>>>) -> Option<&'a Rc<Member<W>>>
    where
        W: 'a,
    {
        let per_weight = |of: usize, member: &Member<W>| (of << 16) / member.candidate.weight as usize;
        let position = |member: &Member<W>| member.position.get().max(self.rotation.get());
        let best = members.min_by_key(|m| (per_weight(m.clients.get(), m), position(m)))?;
        self.rotation.set(position(best));
        best.position.set(position(best) + per_weight(1, best) as u64);
        Some(best)
    }
}
