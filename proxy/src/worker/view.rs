//! Builds a worker's view of a configuration: listeners, backends, and the pools of members.
//!
//! Everything that keeps its name across a reload keeps its state.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::access_log::LogWriter;
use crate::affinity::name_hash;
use crate::backend::{Group, HealthChange, Member, MemberKey, MemberPool, member_key};
use crate::client::Ticket;
use crate::config::{self, Backend, Listener, OnDown, Settings};
use crate::frontend::{Destination, Frontend};
use crate::link::{DedicatedPool, Pool, show_health};
use crate::listener::AnyFrontend;
use crate::metrics::{BackendCells, MemberCells};

use super::Worker;

/// The pools of all members, by the protocol of their backends.
#[derive(Default)]
pub(super) struct MemberPools {
    http: Members<SharedPool>,
    tcp: Members<DedicatedPool>,
}

type SharedPool = Pool<Ticket>;
type Members<W> = HashMap<MemberKey, Rc<Member<W>>>;

/// A backend, by the protocol of its listeners.
enum AnyGroup {
    Http(Rc<Group<SharedPool>>),
    Tcp(Rc<Group<DedicatedPool>>),
}

impl Worker {
    /// Adopts a configuration. Listeners, backends and members with the same name (and address) keep their
    /// state.
    pub(super) fn take(&mut self, settings: &Settings) {
        self.event_loop.buffers.limit(settings.buffer_budget / settings.workers.get());
        let mut pools = MemberPools::default();
        let backends = settings.backends.iter().enumerate();
        let groups: Vec<_> = backends.map(|(i, b)| self.any_group(i, b, &mut pools)).collect();
        let gone = std::mem::replace(&mut self.pools, pools);
        for (key, member) in absent(&gone.http, &self.pools.http) {
            member.pool.retire(self.pools.http.contains_key(key));
        }
        absent(&gone.tcp, &self.pools.tcp).for_each(|(_, member)| member.pool.retire());
        let stays = |name: &Arc<str>| settings.listeners.iter().any(|l| l.name == *name);
        self.frontends
            .iter()
            .filter(|(name, _)| !stays(name))
            .for_each(|(_, any_frontend)| any_frontend.close());
        self.frontends.retain(|name, _| stays(name));
        for listener in &settings.listeners {
            let any_frontend = self.any_frontend(listener, &groups);
            if let Some(before) = self.frontends.insert(listener.name.clone(), any_frontend.clone())
                && !before.is_same(&any_frontend)
            {
                before.close(); // the protocol of the listener has changed
            }
        }
        self.event_loop.reconfigure();
    }

    /// Handles a change of a member's health that the prober has found. The first worker shows it for all, also if it does not
    /// know the member yet or any more, so that the gauge adds up.
    pub(super) fn health_changed(&self, member: &MemberKey, change: HealthChange) {
        if self.index == 0 {
            let (backend, name, _) = member;
            show_health(Some(change), &self.shared.registry.member(self.index, backend, name));
        }
        if let Some(member) = self.pools.http.get(member) {
            member.pool.health_changed();
        }
        if let Some(member) = self.pools.tcp.get(member) {
            member.pool.health_changed();
        }
        let closes = |backend: &Arc<Backend>| backend.on_down == OnDown::Close;
        if self.shared.settings().backends.iter().any(closes) {
            self.event_loop.member_is_down();
        }
    }

    fn any_frontend(&self, listener: &Arc<Listener>, groups: &[AnyGroup]) -> AnyFrontend {
        match (&groups[listener.backend], self.frontends.get(&listener.name)) {
            (AnyGroup::Http(group), old) => {
                let old = if let Some(AnyFrontend::Http(frontend)) = old { Some(frontend) } else { None };
                let log_writer = self.log_writer(listener, old);
                let destination =
                    |group, by_rule| self.destination(listener, group, log_writer.clone(), by_rule);
                let by_rule = listener.routes.iter().filter_map(|rule| match &groups[rule.backend] {
                    AnyGroup::Http(group) => Some(destination(group, Vec::new())),
                    AnyGroup::Tcp(_) => None, // cannot happen: one protocol for all
                });
                AnyFrontend::Http(self.frontend(listener, destination(group, by_rule.collect()), old))
            }
            (AnyGroup::Tcp(group), old) => {
                let old = if let Some(AnyFrontend::Tcp(frontend)) = old { Some(frontend) } else { None };
                AnyFrontend::Tcp(self.frontend(
                    listener,
                    self.destination(listener, group, None, Vec::new()),
                    old,
                ))
            }
        }
    }

    /// Returns the writer of a listener's access log: the previous one if its settings are the same.
    fn log_writer<W>(&self, listener: &Listener, old: Option<&Rc<Frontend<W>>>) -> Option<Rc<LogWriter>> {
        let wanted = listener.access_log.clone()?;
        let before = old.map(|frontend| frontend.destination.borrow().clone());
        let same = before.filter(|destination| destination.listener.access_log.as_ref() == Some(&wanted));
        same.and_then(|destination| destination.log_writer.clone()).or_else(|| {
            let log = self.shared.logs.open(&wanted.to).ok()?; // already open, see lifecycle
            let cells = self.shared.registry.listener(self.index, &listener.name);
            Some(LogWriter::new(&self.event_loop, log, wanted, cells))
        })
    }

    fn destination<W>(
        &self,
        listener: &Arc<Listener>,
        group: &Rc<Group<W>>,
        log_writer: Option<Rc<LogWriter>>,
        by_rule: Vec<Rc<Destination<W>>>,
    ) -> Rc<Destination<W>> {
        let cells = self.shared.registry.route(self.index, &listener.name, &group.settings.name);
        Rc::new(Destination { listener: listener.clone(), group: group.clone(), cells, log_writer, by_rule })
    }

    /// Updates the existing frontend of a listener, or makes a new one.
    fn frontend<W>(
        &self,
        listener: &Listener,
        destination: Rc<Destination<W>>,
        old: Option<&Rc<Frontend<W>>>,
    ) -> Rc<Frontend<W>> {
        if let Some(frontend) = old {
            *frontend.destination.borrow_mut() = destination;
            return frontend.clone();
        }
        let name = &listener.name;
        Rc::new(Frontend {
            event_loop: self.event_loop.clone(),
            pipes: self.pipes.clone(),
            destination: RefCell::new(destination),
            cells: self.shared.registry.listener(self.index, name),
            worker_cells: self.cells.clone(),
            sources: self.shared.sources.clone(),
            open: self.shared.open_clients(name),
            closed: false.into(),
        })
    }

    fn any_group(&self, index: usize, settings: &Arc<Backend>, pools: &mut MemberPools) -> AnyGroup {
        if settings.protocol.is_pooled() {
            let share = self.shared.share(settings, index, self.index);
            let new = |m: &config::MemberSettings, key: &MemberKey| {
                let (cells, health) = (self.cells_of(settings, m), self.shared.health(key));
                let shared = (health, self.shared.proof(key, settings), self.shared.loans(key));
                Pool::new(&self.event_loop, settings, m.address.clone(), share, shared, cells)
            };
            // Proofs of members whose pools stay must learn of the new settings, too.
            settings.members.iter().for_each(|m| drop(self.shared.proof(&member_key(settings, m), settings)));
            let keep = |pool: &Rc<SharedPool>| pool.configure(settings, share);
            AnyGroup::Http(self.group(settings, share.links, (&self.pools.http, &mut pools.http), keep, new))
        } else {
            // Exactly one worker keeps the warm links of a backend, a different one for each backend.
            let keeps_warm = (index + self.index).is_multiple_of(self.shared.workers.len());
            let new = |m: &config::MemberSettings, key: &MemberKey| {
                let shared = (self.shared.shared_cap(key), self.shared.health(key));
                let cells = self.cells_of(settings, m);
                DedicatedPool::new(&self.event_loop, settings, m.address.clone(), shared, cells, keeps_warm)
            };
            let keep = |pool: &Rc<DedicatedPool>| pool.configure(settings);
            AnyGroup::Tcp(self.group(settings, 1, (&self.pools.tcp, &mut pools.tcp), keep, new))
        }
    }

    fn cells_of(
        &self,
        backend: &Backend,
        member: &config::MemberSettings,
    ) -> (Arc<BackendCells>, Arc<MemberCells>) {
        let registry = &self.shared.registry;
        let member = registry.member(self.index, &backend.name, &member.name);
        (registry.backend(self.index, &backend.name), member)
    }

    /// Returns the members of a backend. Existing members are kept.
    fn group<W: MemberPool>(
        &self,
        settings: &Arc<Backend>,
        share: usize,
        (before, after): (&Members<W>, &mut Members<W>),
        keep: impl Fn(&Rc<W>),
        new: impl Fn(&config::MemberSettings, &MemberKey) -> Rc<W>,
    ) -> Rc<Group<W>> {
        let member = |m: &config::MemberSettings| {
            let key = member_key(settings, m);
            let old = before.get(&key).filter(|old| old.pool.speaks_as(settings));
            old.iter().for_each(|old| keep(&old.pool));
            let is_same = |old: &&Rc<Member<W>>| old.candidate.weight == m.weight && old.backup == m.backup;
            let member = old.filter(is_same).cloned().unwrap_or_else(|| {
                let pool = old.map_or_else(|| new(m, &key), |old| old.pool.clone());
                let cells = self.shared.registry.member(self.index, &settings.name, &m.name);
                let candidate = Member::<W>::candidate(&m.name, m.weight);
                let (clients, position) = (0.into(), 0.into());
                let (name, backup) = (m.name.clone(), m.backup);
                Rc::new(Member { name, candidate, backup, pool, cells, clients, position })
            });
            after.insert(key, member.clone());
            self.register.note(&settings.name, &m.name);
            member
        };
        let members: Vec<_> = settings.members.iter().map(member).collect();
        let all: Rc<[_]> = members.iter().map(|member| member.pool.health().shared().clone()).collect();
        members.iter().for_each(|member| member.pool.health().set_members(&all));
        // New members start at the furthest position of the others, and get no turns for the past.
        let furthest = members.iter().map(|member| member.position.get()).max();
        Rc::new(Group {
            settings: settings.clone(),
            hash: name_hash(&settings.name),
            cells: self.shared.registry.backend(self.index, &settings.name),
            share,
            register: self.register.clone(),
            members,
            rotation: furthest.unwrap_or(0).into(),
        })
    }
}

/// Returns the members whose pool is no longer used.
fn absent<'a, W>(
    before: &'a Members<W>,
    after: &'a Members<W>,
) -> impl Iterator<Item = (&'a MemberKey, &'a Rc<Member<W>>)> {
    let stays = |key, pool| after.get(key).is_some_and(|member| Rc::ptr_eq(&member.pool, pool));
    before.iter().filter(move |(key, member)| !stays(*key, &member.pool))
}
