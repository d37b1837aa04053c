//! Chooses where a client's requests go: by source and rule to a backend, and there to a member.

use std::net::IpAddr;
use std::rc::Rc;

use crate::backend::Assignment;
use crate::config::RouteRule;
use crate::proto::http::RequestHead;

use super::{Client, ClientParts, HttpDestination, HttpMember, HttpPool};

/// The way of a client's requests, and the source that they are from.
pub(super) enum Route {
    /// All requests go where the configuration sends its clients, and the source is the connected peer.
    Direct { destination: Rc<HttpDestination>, assignment: Assignment<HttpPool> },
    /// A rule has chosen, or the peer has named another source. Boxed, because most clients never need it.
    Chosen(Box<ChosenRoute>),
}

/// The state of a client whose requests may go different ways.
pub(super) struct ChosenRoute {
    /// The configuration that applies to the client.
    base: Rc<HttpDestination>,
    /// The source that the peer says it speaks for.
    source: Option<IpAddr>,
    /// The destination of the last request.
    destination: Rc<HttpDestination>,
    assignment: Assignment<HttpPool>,
    /// The client's assignments to other backends that its requests went to before.
    others: Vec<(Rc<HttpDestination>, Assignment<HttpPool>)>,
}

impl Route {
    pub(super) fn new(destination: Rc<HttpDestination>) -> Self {
        Self::Direct { destination, assignment: Assignment::default() }
    }

    /// Returns the destination of the last request.
    pub(super) fn destination(&self) -> &Rc<HttpDestination> {
        match self {
            Self::Direct { destination, .. } => destination,
            Self::Chosen(chosen) => &chosen.destination,
        }
    }

    /// Returns the configuration that applies to the client: its requests go there if no rule says otherwise.
    pub(super) fn base(&self) -> &Rc<HttpDestination> {
        match self {
            Self::Direct { destination, .. } => destination,
            Self::Chosen(chosen) => &chosen.base,
        }
    }

    pub(super) fn assignment(&self) -> &Assignment<HttpPool> {
        match self {
            Self::Direct { assignment, .. } => assignment,
            Self::Chosen(chosen) => &chosen.assignment,
        }
    }

    fn assignment_mut(&mut self) -> &mut Assignment<HttpPool> {
        match self {
            Self::Direct { assignment, .. } => assignment,
            Self::Chosen(chosen) => &mut chosen.assignment,
        }
    }

    /// Returns the source of the client whose connected peer is `peer`.
    pub(super) fn source(&self, peer: IpAddr) -> IpAddr {
        match self {
            Self::Direct { .. } => peer,
            Self::Chosen(chosen) => chosen.source.unwrap_or(peer),
        }
    }

    /// Makes this a route that can be chosen, and lends it.
    fn chosen(&mut self) -> &mut ChosenRoute {
        if let Self::Direct { destination, assignment } = self {
            let (destination, assignment) = (destination.clone(), std::mem::take(assignment));
            let base = destination.clone();
            let chosen = ChosenRoute { base, source: None, destination, assignment, others: Vec::new() };
            *self = Self::Chosen(Box::new(chosen));
        }
        match self {
            Self::Chosen(chosen) => chosen,
            Self::Direct { .. } => unreachable!("it has just been made one that is chosen"),
        }
    }

    /// Puts the client under the configuration `base` from now on; its requests go to `destination`.
    fn turn_to(&mut self, base: Rc<HttpDestination>, destination: Rc<HttpDestination>) {
        match self {
            Self::Direct { destination: before, .. } if Rc::ptr_eq(&base, &destination) => {
                *before = destination
            }
            _ => {
                let chosen = self.chosen();
                (chosen.base, chosen.destination) = (base, destination);
            }
        }
    }
}

impl Client {
    /// Returns the source of the client: the connected peer, or the one that this peer says it speaks for.
    pub(super) fn source(&self, s: &ClientParts) -> IpAddr {
        s.route.source(self.peer)
    }

    /// Assigns the client to its backend. `before` is the hash of the member that it was at, if it is assigned anew after a
    /// change of configuration.
    pub(super) fn assign(&self, route: &mut Route, before: Option<u64>) {
        let (group, source) = (route.destination().group.clone(), route.source(self.peer));
        let now = self.frontend.event_loop.now();
        route.assignment_mut().assign(&group, source, before, &self.frontend.sources, now);
    }

    /// Ends the assignments of the client to all backends.
    pub(super) fn unassign(&self, route: &mut Route) {
        let source = route.source(self.peer);
        let here = (route.destination().clone(), std::mem::take(route.assignment_mut()));
        let others = match route {
            Route::Direct { .. } => Vec::new(),
            Route::Chosen(chosen) => std::mem::take(&mut chosen.others),
        };
        for (destination, mut assignment) in others.into_iter().chain([here]) {
            assignment.unassign(&destination.group, source, &self.frontend.sources);
        }
    }

    /// Chooses the member for the next exchange. The member is down only where none is up.
    pub(super) fn choose(&self, route: &mut Route) -> Option<Rc<HttpMember>> {
        self.take_destination(route);
        let (group, source) = (route.destination().group.clone(), route.source(self.peer));
        let now = self.frontend.event_loop.now();
        route.assignment_mut().choose(&group, source, &self.frontend.sources, now)
    }

    /// Puts the client under the configuration in force. Requests under way go to the backend of the same name, else to where
    /// their rule leads now, else to the listener's own.
    pub(super) fn take_destination(&self, route: &mut Route) {
        if Rc::ptr_eq(route.base(), &self.frontend.destination.borrow()) {
            return;
        }
        let base = self.frontend.destination.borrow().clone();
        let before = route.assignment().member().map(|member| member.candidate.hash);
        self.unassign(route);
        let name = &route.destination().group.settings.name;
        let mut ways = std::iter::once(&base).chain(&base.by_rule);
        // The backend of the same name is most often the same backend with other settings.
        let same = ways.find(|way| way.group.settings.name == *name);
        let destination =
            same.or_else(|| same_rule(route.base(), route.destination(), &base)).unwrap_or(&base);
        route.turn_to(base.clone(), destination.clone());
        self.assign(route, before);
    }

    /// Finds the source of a request and the backend that it goes to. Returns false where earlier requests, which have no
    /// answer yet, went elsewhere.
    pub(super) fn find_route(&self, s: &mut ClientParts, head: &RequestHead<'_, '_>) -> bool {
        let base = s.route.base();
        let source: IpAddr = head.source(self.peer, &base.listener.http);
        let destination = head.rule(&base.listener.routes).map_or(base, |rule| &base.by_rule[rule]);
        if source == self.source(s) && Rc::ptr_eq(destination, s.route.destination()) {
            return true;
        }
        // All in flight share one link, so that answers stay in order.
        if s.exchanges.in_flight() > 0 {
            return false;
        }
        let destination = destination.clone();
        // A kept link leads to a member of the other backend, or belongs to another source.
        if let Some(link) = s.exchanges.take_kept_link() {
            link.release();
        }
        self.switch_to(&mut s.route, source, destination);
        true
    }

    /// Sends the next request, which is from `source`, to `destination`.
    fn switch_to(&self, route: &mut Route, source: IpAddr, destination: Rc<HttpDestination>) {
        // Assignments are made by source: with another one all of them are void.
        if source != route.source(self.peer) {
            self.unassign(route);
            let chosen = route.chosen();
            (chosen.source, chosen.destination) = (Some(source), destination);
            return self.assign(route, None);
        }
        let chosen = route.chosen();
        let before = std::mem::replace(&mut chosen.destination, destination);
        chosen.others.push((before, std::mem::take(&mut chosen.assignment)));
        // The client returns to an earlier assignment, so that it meets the same member again.
        let is_known = |(other, _): &(Rc<HttpDestination>, _)| Rc::ptr_eq(other, &chosen.destination);
        match chosen.others.iter().position(is_known) {
            Some(known) => chosen.assignment = chosen.others.swap_remove(known).1,
            None => self.assign(route, None),
        }
    }
}

/// Returns the present destination of the rule that led to `destination`.
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
