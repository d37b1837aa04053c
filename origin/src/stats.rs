//! Counts what the origin does, and makes snapshots of the counters.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::options::Address;
use crate::register::{ClientStats, Register};

/// A snapshot of all counters, with one entry for each listener in the order of
/// [`Options::listen`](crate::Options::listen), then of [`Options::unix`](crate::Options::unix).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The entries of the listeners.
    pub listeners: Vec<ListenerStats>,
}

/// The counters of one listener since it was bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerStats {
    /// The member's name, which each answer has in `X-Member`.
    pub member: String,
    /// The bound address.
    pub address: Address,
    /// The number of open connections.
    pub open: u64,
    /// The largest number of connections that were open at one time.
    pub peak: u64,
    /// The number of connections served, without those refused.
    pub accepted: u64,
    /// The number of connections that were accepted and reset at once, because of the legacy limit.
    /// Connections that wait are not known.
    pub refused: u64,
    /// The number of completed answers, including error answers and without those to `/stats`.
    pub requests: u64,
    /// The number of bytes read from the sockets, including `/stats` and without PROXY headers.
    pub received_bytes: u64,
    /// The number of bytes written to the sockets, including `/stats`.
    pub sent_bytes: u64,
    /// The number of valid PROXY headers.
    pub headers_good: u64,
    /// The number of connections closed because their PROXY header was malformed, missing or incomplete.
    pub headers_bad: u64,
    /// The fault in the last invalid header.
    pub headers_problem: Option<&'static str>,
    /// The last 1,000 clients, oldest first; empty if the member speaks HTTP without PROXY headers.
    pub clients: Vec<ClientStats>,
}

impl Stats {
    /// Returns the sums over all listeners. `member` is `total`, `address` is unspecified, and there are no
    /// clients and problems. `peak` is the sum of the listeners' peaks, which need not have coincided.
    pub fn total(&self) -> ListenerStats {
        let sum = |field: fn(&ListenerStats) -> u64| self.listeners.iter().map(field).sum();
        ListenerStats {
            member: "total".to_owned(),
            address: Address::Ip(SocketAddr::from(([0, 0, 0, 0], 0))),
            open: sum(|l| l.open),
            peak: sum(|l| l.peak),
            accepted: sum(|l| l.accepted),
            refused: sum(|l| l.refused),
            requests: sum(|l| l.requests),
            received_bytes: sum(|l| l.received_bytes),
            sent_bytes: sum(|l| l.sent_bytes),
            headers_good: sum(|l| l.headers_good),
            headers_bad: sum(|l| l.headers_bad),
            headers_problem: None,
            clients: Vec::new(),
        }
    }
}

/// The live counters, which `/stats` and [`Origin::stats`](crate::Origin::stats) read.
pub(crate) struct Board {
    entries: Vec<Entry>,
    /// The number of entries that are members. Later entries exist for their counters only.
    members: usize,
}

struct Entry {
    member: String,
    address: Address,
    gate: Arc<Gate>,
    register: Arc<Register>,
    /// The counters of each worker, apart from each other so that no two share a cache line.
    traffic: Vec<Arc<Traffic>>,
}

impl Board {
    /// Makes counters. The first `members` of the addresses appear in snapshots.
    pub(crate) fn new(addresses: &[(String, Address)], members: usize, workers: usize) -> Self {
        let entry = |(member, address): &(String, Address)| Entry {
            member: member.clone(),
            address: address.clone(),
            gate: Arc::default(),
            register: Arc::default(),
            traffic: (0..workers).map(|_| Arc::default()).collect(),
        };
        Self { entries: addresses.iter().map(entry).collect(), members }
    }

    pub(crate) fn gate(&self, listener: usize) -> Arc<Gate> {
        Arc::clone(&self.entries[listener].gate)
    }

    pub(crate) fn register(&self, listener: usize) -> Arc<Register> {
        Arc::clone(&self.entries[listener].register)
    }

    pub(crate) fn traffic(&self, listener: usize, worker: usize) -> Arc<Traffic> {
        Arc::clone(&self.entries[listener].traffic[worker])
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats { listeners: self.entries[..self.members].iter().map(Entry::stats).collect() }
    }
}

impl Entry {
    fn stats(&self) -> ListenerStats {
        let sum =
            |field: fn(&Traffic) -> &AtomicU64| self.traffic.iter().map(|t| field(t).load(Relaxed)).sum();
        let (headers_good, headers_bad, headers_problem) = self.register.headers();
        ListenerStats {
            member: self.member.clone(),
            address: self.address.clone(),
            open: self.gate.open.load(Relaxed),
            peak: self.gate.peak.load(Relaxed),
            accepted: self.gate.accepted.load(Relaxed),
            refused: self.gate.refused.load(Relaxed),
            requests: sum(|t| &t.requests),
            received_bytes: sum(|t| &t.received_bytes),
            sent_bytes: sum(|t| &t.sent_bytes),
            headers_good,
            headers_bad,
            headers_problem,
            clients: self.register.clients(),
        }
    }
}

/// Counts the connections of one listener, and refuses those over the limit.
#[derive(Default)]
pub(crate) struct Gate {
    open: AtomicU64,
    peak: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Gate {
    /// Counts a connection, unless `limit` are open. Only the listener's one acceptor calls this, so that
    /// checking and counting need not be atomic.
    pub(crate) fn enter(self: &Arc<Self>, limit: Option<usize>) -> Option<Seat> {
        if limit.is_some_and(|limit| self.is_full(limit)) {
            self.refused.fetch_add(1, Relaxed);
            return None;
        }
        let number = self.accepted.fetch_add(1, Relaxed) + 1;
        let open = self.open.fetch_add(1, Relaxed) + 1;
        self.peak.fetch_max(open, Relaxed);
        Some(Seat { gate: Arc::clone(self), number })
    }

    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.open.load(Relaxed) >= limit as u64
    }
}

/// The place of a connection among the open ones, which is returned when it is dropped.
pub(crate) struct Seat {
    gate: Arc<Gate>,
    number: u64,
}

impl Seat {
    /// Returns the connection's number among those served, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Relaxed);
    }
}

/// The traffic of one worker for one listener.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Traffic {
    requests: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
}

impl Traffic {
    pub(crate) fn answered(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts bytes *before* they are written, so that an answer that was read has been counted;
    /// [`Traffic::unsent`] subtracts those that the kernel did not accept.
    pub(crate) fn sending(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn unsent(&self, bytes: usize) {
        self.sent_bytes.fetch_sub(bytes as u64, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_refuses_over_its_limit_and_counts_who_left() {
        let gate = Arc::new(Gate::default());
        let first = gate.enter(Some(2));
        let second = gate.enter(Some(2));
        assert!(first.is_some() && second.is_some());
        assert!(gate.enter(Some(2)).is_none());
        drop(first);
        assert!(gate.enter(Some(2)).is_some());
        drop(second);
        assert_eq!(gate.accepted.load(Relaxed), 3);
        assert_eq!(gate.refused.load(Relaxed), 1);
        assert_eq!(gate.peak.load(Relaxed), 2);
        assert_eq!(gate.open.load(Relaxed), 0);
    }
}
