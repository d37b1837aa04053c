//! The member that a client is assigned to, and the counts of assignments.
//!
//! A client keeps its member. While that is down, the client uses the next one in rank, and it returns when the member answers
//! again. While no member is up, the client stays where it is and waits there (D7.3, D7.4 in `docs/http-rules.md`).

use std::net::IpAddr;
use std::rc::Rc;

use crate::affinity::{Meeting, Sources};
use crate::metrics::{Lookup, Move};

use super::{Group, Member, Way};

/// What ties one client to a backend.
pub struct Tie<W> {
    /// The member it meets while that is up.
    home: Option<Rc<Member<W>>>,
    /// The one it uses now.
    member: Option<Rc<Member<W>>>,
    /// The one in whose counts it stands.
    counted: Option<Rc<Member<W>>>,
}

impl<W> Default for Tie<W> {
    fn default() -> Self {
        Self { home: None, member: None, counted: None }
    }
}

impl<W: Way> Tie<W> {
    /// A client comes to its backend (anew, after a change of configuration).
    pub fn arrive(&mut self, group: &Group<W>, source: IpAddr, sources: &Sources) {
        self.home = group.home(source);
        self.member = self.home.clone().filter(|home| home.way.is_up()).or_else(|| group.standby(source));
        let Some(member) = self.member.clone().or_else(|| self.home.clone()) else { return };
        member.clients.set(member.clients.get() + 1);
        self.counted = Some(member.clone());
        count_arrival(group, &member, source, sources);
    }

    /// The member it uses now, or used last.
    #[must_use]
    pub fn member(&self) -> Option<&Rc<Member<W>>> {
        self.member.as_ref()
    }

    /// The client leaves its backend.
    pub fn depart(&mut self, group: &Group<W>, source: IpAddr, sources: &Sources) {
        let Some(member) = self.counted.take() else { return };
        member.clients.set(member.clients.get() - 1);
        let Some(key) = group.settings.affinity.key(source) else { return };
        if let Some(last) = sources.leave(group.hash, key) {
            group.cells.affinity_entries.dec();
            count_source(group, last, -1);
        }
    }

    /// The member to use now, which is down only where none is up; `None` where the backend has none.
    pub fn choose(&mut self, group: &Group<W>, source: IpAddr, sources: &Sources) -> Option<Rc<Member<W>>> {
        let at_home = self.home.as_ref().filter(|home| home.way.is_up());
        let now = match (at_home, &self.member) {
            (Some(home), _) => home.clone(),
            (None, Some(member)) if member.way.is_up() => member.clone(),
            (None, before) => {
                group.standby(source).or_else(|| before.clone()).or_else(|| self.home.clone())?
            }
        };
        if !self.member.as_ref().is_some_and(|before| Rc::ptr_eq(before, &now)) {
            self.moved(&now, group, source, sources);
        }
        Some(now)
    }

    fn moved(&mut self, to: &Rc<Member<W>>, group: &Group<W>, source: IpAddr, sources: &Sources) {
        self.member = Some(to.clone());
        if let Some(before) = self.counted.replace(to.clone()) {
            before.clients.set(before.clients.get() - 1);
        }
        to.clients.set(to.clients.get() + 1);
        let Some(key) = group.settings.affinity.key(source) else { return };
        if let Some(before) = sources.go(group.hash, key, to.candidate.hash) {
            let home = self.home.as_ref().is_some_and(|home| Rc::ptr_eq(home, to));
            group.cells.affinity_moves[if home { Move::MemberBack } else { Move::MemberDown }].inc();
            count_source(group, before, -1);
            to.cells.sources.inc();
        }
    }
}

fn count_arrival<W>(group: &Group<W>, member: &Member<W>, source: IpAddr, sources: &Sources) {
    let Some(key) = group.settings.affinity.key(source) else {
        group.cells.affinity[Lookup::None].inc();
        return;
    };
    match sources.come(group.hash, key, member.candidate.hash) {
        Meeting::Known => group.cells.affinity[Lookup::Hit].inc(),
        Meeting::New => {
            group.cells.affinity[Lookup::New].inc();
            group.cells.affinity_entries.inc();
            member.cells.sources.inc();
        }
        Meeting::Elsewhere(before) => {
            group.cells.affinity[Lookup::Moved].inc();
            group.cells.affinity_moves[Move::MemberDown].inc();
            count_source(group, before, -1);
            member.cells.sources.inc();
        }
    }
}

/// A source came to (or left) the member of this hash, which may no longer be configured.
fn count_source<W>(group: &Group<W>, member: u64, by: i64) {
    match group.members.iter().find(|m| m.candidate.hash == member) {
        Some(member) => member.cells.sources.add(by),
        None => _ = group.register.cells(group.hash, member).map(|cells| cells.sources.add(by)),
    }
}
