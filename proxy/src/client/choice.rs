//! Which member a client uses now, and the counts of who meets whom.
//! In: the client's source and its backend's members. Out: the member, while any is up.
//! A client keeps its member; when that is down it uses the next, and returns when it answers again.

use std::rc::Rc;

use crate::backend::{Group, Member};
use crate::metrics::{Lookup, Move};

use super::Client;
use super::state::State;

impl Client {
    /// The client comes to its backend (anew, after a change of configuration).
    pub(super) fn arrive(&self, s: &mut State) {
        let group = s.route.group.clone();
        s.home = group.home(self.source);
        s.member = s.home.clone().filter(|home| home.shelf.is_up()).or_else(|| group.standby(self.source));
        let Some(member) = s.member.clone().or_else(|| s.home.clone()) else { return };
        member.clients.set(member.clients.get() + 1);
        s.counted = Some(member.clone());
        self.count_arrival(&group, &member);
    }

    /// The client leaves its backend.
    pub(super) fn depart(&self, s: &mut State) {
        let group = s.route.group.clone();
        let Some(member) = s.counted.take() else { return };
        member.clients.set(member.clients.get() - 1);
        let Some(key) = group.settings.affinity.key(self.source) else { return };
        if let Some(last) = self.hall.sources.leave(group.hash, key) {
            group.cells.affinity_entries.dec();
            count_source(&group, last, -1);
        }
    }

    /// The member for the next exchange; `None` while none is up.
    pub(super) fn choose(&self, s: &mut State) -> Option<Rc<Member<Rc<Self>>>> {
        if !Rc::ptr_eq(&s.route, &self.hall.route.borrow()) {
            self.depart(s);
            s.route = self.hall.route.borrow().clone();
            self.arrive(s);
        }
        let at_home = s.home.as_ref().filter(|home| home.shelf.is_up());
        let now = match (at_home, &s.member) {
            (Some(home), _) => home.clone(),
            (None, Some(member)) if member.shelf.is_up() => member.clone(),
            (None, _) => s.route.group.standby(self.source)?,
        };
        if !s.member.as_ref().is_some_and(|before| Rc::ptr_eq(before, &now)) {
            self.moved(s, &now);
        }
        Some(now)
    }

    fn moved(&self, s: &mut State, to: &Rc<Member<Rc<Self>>>) {
        s.member = Some(to.clone());
        let group = s.route.group.clone();
        if let Some(before) = s.counted.replace(to.clone()) {
            before.clients.set(before.clients.get() - 1);
        }
        to.clients.set(to.clients.get() + 1);
        let Some(key) = group.settings.affinity.key(self.source) else { return };
        if let Some(before) = self.hall.sources.go(group.hash, key, to.candidate.hash) {
            let home = s.home.as_ref().is_some_and(|home| Rc::ptr_eq(home, to));
            group.cells.affinity_moves[if home { Move::MemberBack } else { Move::MemberDown }].inc();
            count_source(&group, before, -1);
            to.cells.sources.inc();
        }
    }

    fn count_arrival(&self, group: &Group<Rc<Self>>, member: &Member<Rc<Self>>) {
        use crate::affinity::Meeting;
        let Some(key) = group.settings.affinity.key(self.source) else {
            group.cells.affinity[Lookup::None].inc();
            return;
        };
        let meeting = self.hall.sources.come(group.hash, key, member.candidate.hash);
        match meeting {
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
}

/// A source came to (or left) the member of this hash. Where the member is no longer configured, nobody counts.
fn count_source(group: &Group<Rc<Client>>, member: u64, by: i64) {
    if let Some(member) = group.members.iter().find(|m| m.candidate.hash == member) {
        member.cells.sources.add(by);
    }
}
