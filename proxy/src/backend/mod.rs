//! A backend as one worker sees it: its members, each with its shelf of links.
//! In: a source. Out: the shelf of the member it meets, or the next that is up.
//! Knows nothing of clients or of how links work.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::affinity::{Candidate, best, name_hash};
use crate::config::Backend;
use crate::link::{Receiver, Shelf};
use crate::metrics::{BackendCells, MemberCells};

/// One member on one worker.
pub struct Member<T: Receiver> {
    /// Its name, for the hash and the counts of sources.
    pub candidate: Candidate,
    /// Its links.
    pub shelf: Rc<Shelf<T>>,
    /// What is counted for it.
    pub cells: Arc<MemberCells>,
    /// Clients of this worker that are tied to it.
    pub clients: Cell<usize>,
}

/// One backend on one worker, as one configuration has it.
pub struct Group<T: Receiver> {
    /// What is believed of it.
    pub settings: Arc<Backend>,
    /// [`name_hash`] of its name.
    pub hash: u64,
    /// What is counted for it.
    pub cells: Arc<BackendCells>,
    /// How many links to each member this worker may own.
    pub share: usize,
    /// In the order of the file.
    pub members: Vec<Rc<Member<T>>>,
}

impl<T: Receiver> Member<T> {
    /// What the hash sees of a member.
    #[must_use]
    pub fn candidate(name: &str, weight: u32) -> Candidate {
        Candidate { hash: name_hash(name), weight }
    }
}

impl<T: Receiver> Group<T> {
    /// The member that a new client of `source` meets while all are up.
    #[must_use]
    pub fn home(&self, source: IpAddr) -> Option<Rc<Member<T>>> {
        self.choose(source, |_| true)
    }

    /// The member that `source` meets among those that are up.
    #[must_use]
    pub fn standby(&self, source: IpAddr) -> Option<Rc<Member<T>>> {
        self.choose(source, |member| member.shelf.is_up())
    }

    fn choose(&self, source: IpAddr, may: impl Fn(&Member<T>) -> bool) -> Option<Rc<Member<T>>> {
        let members = self.members.iter().filter(|m| may(m));
        match self.settings.affinity.key(source) {
            Some(key) => best(key, members.map(|m| (m, m.candidate))),
            None => members.min_by_key(|m| (m.clients.get() << 16) / m.candidate.weight as usize),
        }
        .cloned()
    }
}
