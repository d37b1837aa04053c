//! The counters of the origin, and the snapshot of them that others read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;

use crate::options::Address;
use crate::register::{ClientStats, Register};

/// A snapshot of all counters, one entry for each listener in the order of
/// [`Options::listen`](crate::Options::listen), then of [`Options::unix`](crate::Options::unix).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// One entry for each listener.
    pub listeners: Vec<ListenerStats>,
}

/// What happened on one listener since it was bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListenerStats {
    /// The member's name, as each answer carries it in `X-Member`.
    pub member: String,
    /// The bound address.
    pub address: Address,
    /// Connections open now.
    pub open: u64,
    /// The most connections that were open at one time.
    pub peak: u64,
    /// Connections taken on; those refused are not among them.
    pub accepted: u64,
    /// Connections accepted and reset at once, because the legacy limit was reached. Those that wait are unknown.
    pub refused: u64,
    /// Answers completed, error answers included, those to `/stats` excluded.
    pub requests: u64,
    /// Bytes read from the sockets, `/stats` included, PROXY headers excluded.
    pub received_bytes: u64,
    /// Bytes written to the sockets, `/stats` included.
    pub sent_bytes: u64,
    /// PROXY headers understood.
    pub headers_good: u64,
    /// Connections closed because their PROXY header was malformed, missing or cut off.
    pub headers_bad: u64,
    /// What was wrong with the last bad one, in words.
    pub headers_problem: Option<&'static str>,
    /// The last 1,000 clients, oldest first; none where the member speaks HTTP without PROXY headers.
    pub clients: Vec<ClientStats>,
}

impl Stats {
    /// The sums over all listeners. `member` is `total`, `address` is unspecified, and there are no clients and problems;
    /// `peak` is the sum of the listeners' peaks, which need not have coincided.
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

/// All live counters: what `/stats` and [`Origin::stats`](crate::Origin::stats) read.
pub(crate) struct Board {
    entries: Vec<Entry>,
    /// So many of the entries are members; what is behind them is for the counters only.
    members: usize,
}

struct Entry {
    member: String,
    address: Address,
    gate: Arc<Gate>,
    register: Arc<Register>,
    /// One for each worker, so that none shares a cache line with another.
    traffic: Vec<Arc<Traffic>>,
}

impl Board {
    /// The first `members` of the addresses are told of.
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
    /// Only the listener's one acceptor calls this, so looking and counting need not be one step.
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

/// A connection's place among the open ones; it is given back when dropped.
pub(crate) struct Seat {
    gate: Arc<Gate>,
    number: u64,
}

impl Seat {
    /// Of the connection among those that were taken on, from 1 on.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.gate.open.fetch_sub(1, Relaxed);
    }
}

/// What one worker carried for one listener.
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

    /// Called *before* the write, so that whoever has read an answer finds it counted;
    /// [`Traffic::unsent`] takes back what the kernel did not accept.
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
