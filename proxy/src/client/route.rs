//! Chooses where a client's requests go: by source and rule to a backend, and there to a member.

use std::net::IpAddr;
use std::rc::Rc;

use crate::config::RouteRule;

use super::inner::ClientInner;
use super::{Client, HttpDestination, HttpMember};

impl Client {
    /// Who it is: whoever is connected, or for whom that one says it speaks.
    pub(super) fn source(&self, s: &ClientInner) -> IpAddr {
        s.cold.as_ref().and_then(|cold| cold.source).unwrap_or(self.peer)
    }

    /// The client comes to its backend (anew, after a change of configuration).
    pub(super) fn assign(&self, s: &mut ClientInner) {
        let group = s.destination.group.clone();
        s.assignment.assign(&group, self.source(s), &self.frontend.sources);
    }

    /// The client leaves all backends that it met.
    pub(super) fn unassign(&self, s: &mut ClientInner) {
        let source = self.source(s);
        let here = (s.destination.clone(), std::mem::take(&mut s.assignment));
        let others =
            s.cold.as_mut().map_or_else(Vec::new, |cold| std::mem::take(&mut cold.other_assignments));
        for (destination, mut assignment) in others.into_iter().chain([here]) {
            assignment.unassign(&destination.group, source, &self.frontend.sources);
        }
    }

    /// The member for the next exchange, which is down only where none is up.
    pub(super) fn choose(&self, s: &mut ClientInner) -> Option<Rc<HttpMember>> {
        self.take_destination(s);
        let group = s.destination.group.clone();
        let source = self.source(s);
        s.assignment.choose(&group, source, &self.frontend.sources)
    }

    /// From now on the configuration in force is the client's, too. What is under way goes to the backend of the same
    /// name, else to where its rule leads now, else to the listener's own.
    pub(super) fn take_destination(&self, s: &mut ClientInner) {
        if Rc::ptr_eq(s.base(), &self.frontend.destination.borrow()) {
            return;
        }
        let base = self.frontend.destination.borrow().clone();
        self.unassign(s);
        let name = &s.destination.group.settings.name;
        let mut routes = std::iter::once(&base).chain(&base.by_rule);
        let same = routes.find(|destination| destination.group.settings.name == *name);
        s.destination = same.or_else(|| same_rule(s.base(), &s.destination, &base)).unwrap_or(&base).clone();
        remember(s, base);
        self.assign(s);
    }

    /// The next request is from `source`, and goes to the backend of `route`. With nothing in flight.
    pub(super) fn switch_to(&self, s: &mut ClientInner, source: IpAddr, destination: &Rc<HttpDestination>) {
        if let Some(link) = s.take_kept() {
            link.release();
        }
        let base = s.base().clone();
        if source != self.source(s) {
            self.unassign(s);
            s.cold().source = Some(source);
            s.destination = destination.clone();
            remember(s, base);
            return self.assign(s);
        }
        let assignment = std::mem::take(&mut s.assignment);
        let here = (std::mem::replace(&mut s.destination, destination.clone()), assignment);
        remember(s, base);
        let others = &mut s.cold().other_assignments;
        others.push(here);
        match others.iter().position(|(other, _)| Rc::ptr_eq(other, destination)) {
            Some(known) => s.assignment = others.swap_remove(known).1,
            None => self.assign(s),
        }
    }
}

/// Where the rule leads now that led to `route`.
fn same_rule<'a>(
    before: &HttpDestination,
    destination: &Rc<HttpDestination>,
    now: &'a HttpDestination,
) -> Option<&'a Rc<HttpDestination>> {
    let at = before.by_rule.iter().position(|branch| Rc::ptr_eq(branch, destination))?;
    let rule = before.listener.routes.get(at)?;
    let is_same = |other: &RouteRule| RouteRule { backend: rule.backend, ..other.clone() } == *rule;
    now.by_rule.get(now.listener.routes.iter().position(is_same)?)
}

/// The client is treated by this configuration, wherever its requests go.
fn remember(s: &mut ClientInner, base: Rc<HttpDestination>) {
    if !Rc::ptr_eq(&base, &s.destination) || s.cold.is_some() {
        s.cold().base = Some(base);
    }
}
