//! What the proxy has counted by the end of a run, and whether that is what the other ends count.

use crate::cause::Cause;
use crate::event_loop::PanicSite;
use crate::metrics::{
    Acquire, ClientClose, ClientState, CodeClass, HoldReason, LinkClose, LinkState, PipelineFault,
    RetryReason, RetryResult,
};
use crate::stream::sim::Peer;

use super::super::Counts;
use super::{World, clients};

impl World {
    /// What the proxy has counted of how its requests came to links, and how those ended.
    pub(super) fn counted(&self) -> Counts {
        let registry = &self.shared.registry;
        let (backend, route) = (registry.backend(0, "app"), registry.route(0, "web", "app"));
        let mut counts = Counts::new();
        let mut add = |what: String, count: u64| *counts.entry(what).or_insert(0) += count;
        Acquire::ALL
            .iter()
            .for_each(|how| add(format!("acquired: {}", how.name()), backend.acquires[*how].get()));
        HoldReason::ALL.iter().for_each(|why| add(format!("held: {}", why.name()), backend.held[*why].get()));
        PipelineFault::ALL
            .iter()
            .for_each(|how| add(format!("offence: {}", how.name()), backend.offences[*how].get()));
        Cause::ALL
            .iter()
            .for_each(|cause| add(format!("cause: {}", cause.name()), route.errors[*cause].get()));
        for reason in RetryReason::ALL {
            for result in RetryResult::ALL {
                let count = backend.retries[*reason][*result].get();
                add(format!("retry: {}, {}", reason.name(), result.name()), count);
            }
        }
        for i in 0..self.scene.members {
            let member = registry.member(0, "app", &format!("m{i}"));
            LinkClose::ALL
                .iter()
                .for_each(|why| add(format!("link: {}", why.name()), member.closed[*why].get()));
        }
        counts.retain(|_, count| *count > 0);
        counts
    }

    pub(super) fn count(&self) {
        let registry = &self.shared.registry;
        let (listener, backend) = (registry.listener(0, "web"), registry.backend(0, "app"));
        let worker = &self.worker.cells;
        assert_eq!(worker.connections.get(), 0, "clients of the worker");
        assert_eq!(worker.buffers.get(), 0, "bytes that are held");
        PanicSite::ALL.iter().for_each(|site| assert_eq!(worker.panics[*site].get(), 0, "panics: {site:?}"));
        assert_eq!(listener.in_flight.get(), 0, "requests in flight");
        assert_eq!(backend.waiting.get(), 0, "requests that wait");
        for state in ClientState::ALL {
            assert_eq!(listener.connections[*state].get(), 0, "clients that are {state:?}");
        }
        assert_eq!(listener.accepted.get(), self.accepted, "clients that came");
        let now = self.clients.iter().map(|client| &client.peer);
        let (read, written) = bytes(self.past.0.iter().chain(now));
        assert_eq!(listener.received_bytes.get(), read, "bytes of clients");
        assert_eq!(listener.sent_bytes.get(), written, "bytes to clients");
        let members: Vec<_> =
            (0..self.scene.members).map(|i| registry.member(0, "app", &format!("m{i}"))).collect();
        for member in &members {
            assert_eq!(member.in_flight.get(), 0, "attempts in flight");
            for state in LinkState::ALL {
                assert_eq!(member.connections[*state].get(), 0, "links that are {state:?}");
            }
        }
        let standing = self.places.iter().flat_map(|place| &place.links).map(|link| &link.peer);
        let (read, written) = bytes(self.past.1.iter().chain(standing));
        assert_eq!(members.iter().map(|m| m.received_bytes.get()).sum::<u64>(), read, "bytes of members");
        assert_eq!(members.iter().map(|m| m.sent_bytes.get()).sum::<u64>(), written, "bytes to members");
        self.count_repeats();
        if self.framing.is_none() {
            self.count_answers();
        }
    }

    /// Whatever was sent twice was counted as such, and without a budget nobody is rescued.
    fn count_repeats(&self) {
        let retries = &self.shared.registry.backend(0, "app").retries;
        let rescued = retries[RetryReason::Rescue][RetryResult::Ok].get();
        let again = rescued + retries[RetryReason::Stale][RetryResult::Ok].get();
        let twice = self.exchanges.counts.get("sent twice").copied().unwrap_or(0);
        assert!(twice <= again, "{twice} were sent twice, and {again} were counted");
        assert!(rescued == 0 || self.scene.rescue_budget != "0%", "{rescued} rescued without a budget");
    }

    /// What clients read is what was counted, and no more than those who left may have missed.
    fn count_answers(&self) {
        let unseen = self.exchanges.counts.get(clients::CUT_UNSEEN).copied().unwrap_or(0);
        let cut = self.shared.registry.listener(0, "web").closed[ClientClose::Error].get();
        let most = if self.scene.is_calm() { 0 } else { cut };
        assert!(unseen <= most, "{unseen} connections ended instead of an answer, and {cut} were cut");
        let route = self.shared.registry.route(0, "web", "app");
        let missed = self.exchanges.counts.get("left").copied().unwrap_or(0);
        for class in CodeClass::ALL {
            let counted = route.requests[*class].get();
            let read = self.exchanges.answers.get(&(*class as u16 + 1)).copied().unwrap_or(0);
            assert!(counted >= read, "{counted} answers of {class:?}, and {read} were read");
            assert!(
                missed > 0 || counted == read || !self.scene.is_calm(),
                "{counted} of {class:?}, {read} read"
            );
        }
        if self.scene.is_calm() {
            let of_members =
                [Cause::BackendReset, Cause::BadResponse, Cause::Truncated, Cause::ConnectRefused];
            of_members.iter().for_each(|cause| assert_eq!(route.errors[*cause].get(), 0, "{cause:?}"));
        }
    }
}

/// How many bytes the proxy has read of these, and written to them.
fn bytes<'a>(peers: impl Iterator<Item = &'a Peer>) -> (u64, u64) {
    peers.map(Peer::traffic).fold((0, 0), |sum, (read, written)| (sum.0 + read.bytes, sum.1 + written.bytes))
}
