//! Grants the permits of one member of a TCP backend, and queues the sources that wait for one.
//!
//! Sources take turns, and a source that has its share is passed over while others wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::config::PerSource;

/// The permits for connections to one member. `W` receives a permit that is granted.
///
/// Each waiting source has a queue of its own, and the sources take turns. A source that has its share of the
/// permits is passed over while others wait. Nobody waits while a permit is free.
#[derive(Debug)]
pub(in crate::link) struct PermitQueue<W> {
    cap: usize,
    /// The largest number of permits of a source that gets another one while others wait.
    share: usize,
    taken: usize,
    /// The number of permits of each source. A warm link has a permit but no source yet.
    held: HashMap<IpAddr, usize>,
    /// The waiting clients by source. No queue is empty.
    lines: HashMap<IpAddr, VecDeque<PermitQueueEntry<W>>>,
    /// The waiting sources, in the order of their turns.
    turns: VecDeque<IpAddr>,
    waiting: usize,
    last: u64,
}

/// The capacity in sources that is never given back.
const FEW: usize = 1024;

/// A waiting client.
#[derive(Debug)]
struct PermitQueueEntry<W> {
    number: u64,
    event_loop: W,
}

impl<W> Default for PermitQueue<W> {
    fn default() -> Self {
        Self {
            cap: usize::MAX,
            share: usize::MAX,
            taken: 0,
            held: HashMap::new(),
            lines: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            last: 0,
        }
    }
}

impl<W> PermitQueue<W> {
    /// Sets new limits. Permits that were granted stay granted and count.
    pub(in crate::link) fn configure(&mut self, cap: Option<u32>, per_source: PerSource) {
        self.cap = cap.map_or(usize::MAX, |cap| cap as usize);
        self.share = match per_source {
            PerSource::Quarter => (self.cap / 4).max(1),
            PerSource::Unlimited => usize::MAX,
            PerSource::Most(most) => most.get() as usize,
        };
    }

    /// Takes a permit for this source, or for a warm link, if one is free, which implies that nobody waits.
    pub(in crate::link) fn take(&mut self, source: Option<IpAddr>) -> bool {
        let free = self.taken < self.cap && self.waiting == 0;
        if free {
            self.taken += 1;
            source.into_iter().for_each(|source| self.assign(source));
        }
        free
    }

    /// Assigns a permit that was taken for a warm link to a source.
    pub(in crate::link) fn assign(&mut self, source: IpAddr) {
        *self.held.entry(source).or_default() += 1;
    }

    /// Queues a client behind those of the same source, and returns its number for [`PermitQueue::leave`].
    pub(in crate::link) fn wait(&mut self, source: IpAddr, event_loop: W) -> u64 {
        self.last += 1;
        self.waiting += 1;
        let turns = &mut self.turns;
        let line = self.lines.entry(source).or_insert_with(|| {
            turns.push_back(source);
            VecDeque::new()
        });
        line.push_back(PermitQueueEntry { number: self.last, event_loop });
        self.last
    }

    /// Removes a waiting client. Returns false if the client has got its permit already.
    pub(in crate::link) fn leave(&mut self, source: IpAddr, number: u64) -> bool {
        let Some(line) = self.lines.get_mut(&source) else { return false };
        let Ok(at) = line.binary_search_by_key(&number, |waiting| waiting.number) else { return false };
        line.remove(at);
        self.waiting -= 1;
        if line.is_empty() {
            self.lines.remove(&source);
            self.turns.retain(|other| *other != source);
        }
        self.fit();
        true
    }

    /// Returns a permit.
    pub(in crate::link) fn give_back(&mut self, source: Option<IpAddr>) {
        self.taken -= 1;
        let Some(source) = source else { return };
        if let Some(held) = self.held.get_mut(&source) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&source);
                self.fit();
            }
        }
    }

    /// Shrinks the maps after a crowd has left: the queues when nobody waits, and the counts when an eighth
    /// of the sources is left, so that the cost for each is small.
    fn fit(&mut self) {
        if self.waiting == 0 && self.turns.capacity() > FEW {
            (self.lines, self.turns) = Default::default();
        }
        let held = self.held.len();
        if self.held.capacity() > FEW.max(8 * held) {
            self.held.shrink_to(2 * held);
        }
    }

    /// Returns the capacities for waiting sources and for sources with permits.
    #[cfg(test)]
    pub(in crate::link) fn room(&self) -> (usize, usize) {
        (self.lines.capacity().max(self.turns.capacity()), self.held.capacity())
    }

    /// Grants a free permit to the next waiting client, if there are both. The caller repeats this until it
    /// gets `None`.
    pub(in crate::link) fn next(&mut self) -> Option<W> {
        if self.taken >= self.cap || self.waiting == 0 {
            return None;
        }
        let may = |source: &IpAddr| self.held.get(source).is_none_or(|held| *held < self.share);
        // If all sources have their share, the one whose turn it is gets a permit nevertheless.
        let at = self.turns.iter().position(may).unwrap_or(0);
        // Sources that were passed over keep their order behind the others.
        self.turns.rotate_left(at);
        let source = self.turns.pop_front()?;
        let line = self.lines.get_mut(&source)?;
        let next = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        self.waiting -= 1;
        self.taken += 1;
        self.assign(source);
        self.fit();
        Some(next.event_loop)
    }

    /// Returns the number of waiting clients.
    pub(in crate::link) fn waiting(&self) -> usize {
        self.waiting
    }
}
