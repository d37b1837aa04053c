//! Assigns clients to members and counts the assignments.
//!
//! A client keeps its member. While that member is down, the client uses the next one in rank, and it returns
//! when the member answers again. While no member is up, the client stays at its member and waits there
//! (D7.3, D7.4 in `docs/http-rules.md`), or is refused if the operator says so.

use std::net::IpAddr;
use std::rc::Rc;

use crate::affinity::{SourceStatus, Sources};
use crate::config::AllDown;
use crate::event_loop::Nanos;
use crate::metrics::{Lookup, Move};

use super::{Group, Member, MemberPool};

/// The assignment of one client to a member of its backend.
pub(crate) struct Assignment<W> {
    /// The member that the client uses whenever that member is up.
    first_choice: Option<Rc<Member<W>>>,
    /// The member that the client uses now.
    member: Option<Rc<Member<W>>>,
    /// The member whose client count includes this client.
    counted: Option<Rc<Member<W>>>,
}

impl<W> Default for Assignment<W> {
    fn default() -> Self {
        Self { first_choice: None, member: None, counted: None }
    }
}

impl<W: MemberPool> Assignment<W> {
    /// Assigns a new client, or a client whose backend was reconfigured and that was at the member with the hash `before`.
    pub(crate) fn assign(
        &mut self,
        group: &Group<W>,
        source: IpAddr,
        before: Option<u64>,
        sources: &Sources,
        now: Nanos,
    ) {
        self.first_choice =
            group.draining_member(source, before, sources).or_else(|| group.first_choice(source));
        self.member = self
            .first_choice
            .clone()
            .filter(|first_choice| first_choice.pool.is_up())
            .or_else(|| group.next_up(source));
        let Some(member) = self.member.clone().or_else(|| self.first_choice.clone()) else { return };
        member.clients.set(member.clients.get() + 1);
        self.counted = Some(member.clone());
        count_arrival(group, &member, source, sources, now);
    }

    /// Returns the member that the client uses now or used last.
    #[must_use]
    pub(crate) fn member(&self) -> Option<&Rc<Member<W>>> {
        self.member.as_ref()
    }

    /// Removes the client from all counts.
    pub(crate) fn unassign(&mut self, group: &Group<W>, source: IpAddr, sources: &Sources) {
        let Some(member) = self.counted.take() else { return };
        member.clients.set(member.clients.get() - 1);
        let Some(key) = group.settings.affinity.key(source) else { return };
        if let Some(last) = sources.remove_client(group.hash, key) {
            group.cells.affinity_entries.dec();
            count_source(group, last, -1);
        }
    }

    /// The member to use now, which is down only where none is up; `None` where the backend has none, and where none is up
    /// and clients are then refused.
    pub(crate) fn choose(
        &mut self,
        group: &Group<W>,
        source: IpAddr,
        sources: &Sources,
        now: Nanos,
    ) -> Option<Rc<Member<W>>> {
        let at_home = self.first_choice.as_ref().filter(|first_choice| first_choice.pool.is_up());
        // The first choice comes first, then the present member, then the next one in rank.
        let choice = match (at_home, &self.member) {
            (Some(first_choice), _) => first_choice.clone(),
            (None, Some(member)) if member.pool.is_up() => member.clone(),
            (None, _) => group.next_up(source).or_else(|| self.last_resort(group, source))?,
        };
        if !self.member.as_ref().is_some_and(|before| Rc::ptr_eq(before, &choice)) {
            self.moved(&choice, group, source, sources, now);
        }
        Some(choice)
    }

    /// Returns the member to use while none is up: one that at least accepts connections, if there is any.
    fn last_resort(&self, group: &Group<W>, source: IpAddr) -> Option<Rc<Member<W>>> {
        if group.settings.all_down == AllDown::Refuse {
            return None;
        }
        let at_hand = || [&self.first_choice, &self.member].into_iter().flatten();
        let is_in_service = |member: &&Rc<Member<W>>| !member.pool.health().is_in_maintenance();
        at_hand()
            .find(|member| member.pool.is_last_resort())
            .cloned()
            .or_else(|| group.next_last_resort(source))
            .or_else(|| at_hand().rev().find(is_in_service).cloned())
    }

    fn moved(&mut self, to: &Rc<Member<W>>, group: &Group<W>, source: IpAddr, sources: &Sources, now: Nanos) {
        self.member = Some(to.clone());
        if let Some(before) = self.counted.replace(to.clone()) {
            before.clients.set(before.clients.get() - 1);
        }
        to.clients.set(to.clients.get() + 1);
        let Some(key) = group.settings.affinity.key(source) else { return };
        if let Some(before) = sources.move_client(group.hash, key, to.candidate.hash, now) {
            let first_choice =
                self.first_choice.as_ref().is_some_and(|first_choice| Rc::ptr_eq(first_choice, to));
            group.cells.affinity_moves[if first_choice { Move::MemberBack } else { Move::MemberDown }].inc();
            count_source(group, before, -1);
            to.cells.sources.inc();
        }
    }
}

fn count_arrival<W>(group: &Group<W>, member: &Member<W>, source: IpAddr, sources: &Sources, now: Nanos) {
    let Some(key) = group.settings.affinity.key(source) else {
        group.cells.affinity[Lookup::None].inc();
        return;
    };
    match sources.add_client(group.hash, key, member.candidate.hash, now) {
        SourceStatus::Known => group.cells.affinity[Lookup::Hit].inc(),
        SourceStatus::New => {
            group.cells.affinity[Lookup::New].inc();
            group.cells.affinity_entries.inc();
            member.cells.sources.inc();
        }
        SourceStatus::Elsewhere(before) => {
            group.cells.affinity[Lookup::Moved].inc();
            group.cells.affinity_moves[Move::MemberDown].inc();
            count_source(group, before, -1);
            member.cells.sources.inc();
        }
    }
}

/// Adds `by` to the sources of the member with this hash, which may no longer be configured.
fn count_source<W>(group: &Group<W>, member: u64, by: i64) {
    match group.members.iter().find(|m| m.candidate.hash == member) {
        Some(member) => member.cells.sources.add(by),
        None => _ = group.register.cells(group.hash, member).map(|cells| cells.sources.add(by)),
    }
}
