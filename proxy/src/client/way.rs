//! Which way a client's requests go: as whose, to which backend, and there to which member.
//! In: what a request says of it, and the configuration in force. Out: the member, while any is up.
//! Knows nothing of requests but what concerns the way.

use std::net::IpAddr;
use std::rc::Rc;

use super::state::State;
use super::{Client, Member, Route};

impl Client {
    /// The client comes to its backend (anew, after a change of configuration).
    pub(super) fn arrive(&self, s: &mut State) {
        let group = s.route.group.clone();
        s.tie.arrive(&group, s.source, &self.hall.sources);
    }

    /// The client leaves all backends that it met.
    pub(super) fn depart(&self, s: &mut State) {
        let here = (s.route.clone(), std::mem::take(&mut s.tie));
        let others = s.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.other_ties));
        for (route, mut tie) in others.into_iter().chain([here]) {
            tie.depart(&route.group, s.source, &self.hall.sources);
        }
    }

    /// The member for the next exchange; `None` while none is up.
    pub(super) fn choose(&self, s: &mut State) -> Option<Rc<Member>> {
        self.take_route(s);
        let group = s.route.group.clone();
        s.tie.choose(&group, s.source, &self.hall.sources)
    }

    /// From now on the configuration in force is the client's, too. What is under way goes to the backend of the same
    /// name, if there is one.
    pub(super) fn take_route(&self, s: &mut State) {
        if Rc::ptr_eq(&s.base, &self.hall.route.borrow()) {
            return;
        }
        let base = self.hall.route.borrow().clone();
        self.depart(s);
        let name = &s.route.group.settings.name;
        let mut routes = std::iter::once(&base).chain(&base.branches);
        s.route = routes.find(|route| route.group.settings.name == *name).unwrap_or(&base).clone();
        s.base = base;
        self.arrive(s);
    }

    /// The next request is from `source`, and goes to the backend of `route`. With nothing in flight.
    pub(super) fn turn_to(&self, s: &mut State, source: IpAddr, route: &Rc<Route>) {
        if let Some(link) = s.take_kept() {
            link.let_go();
        }
        if source != s.source {
            self.depart(s);
            s.source = source;
            s.route = route.clone();
            return self.arrive(s);
        }
        let tie = std::mem::take(&mut s.tie);
        let here = (std::mem::replace(&mut s.route, route.clone()), tie);
        let others = &mut s.rare().other_ties;
        others.push(here);
        match others.iter().position(|(other, _)| Rc::ptr_eq(other, route)) {
            Some(known) => s.tie = others.swap_remove(known).1,
            None => self.arrive(s),
        }
    }
}
