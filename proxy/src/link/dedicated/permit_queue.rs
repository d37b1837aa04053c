//! Hands out the places of one member of a TCP backend, and keeps the queue for them.
//!
//! Sources take turns, and one that has its share is passed over while others wait.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use crate::config::PerSource;

/// As many places as there may be connections to the member. `W` is what becomes of a turn.
///
/// Sources take turns; each has a queue of its own. A source that has its share of the places already is passed over at
/// its turn while others wait. Nobody waits while a place is free.
#[derive(Debug)]
pub(in crate::link) struct PermitQueue<W> {
    cap: usize,
    /// Most places of a source that wants one more while others wait.
    share: usize,
    taken: usize,
    /// How many places the sources have. A warm link is nobody's yet.
    held: HashMap<IpAddr, usize>,
    /// Those who wait, by source; no queue is empty.
    lines: HashMap<IpAddr, VecDeque<PermitQueueEntry<W>>>,
    /// The sources that wait, in the order of their turns.
    turns: VecDeque<IpAddr>,
    waiting: usize,
    last: u64,
}

/// Room for so many sources may stay.
const FEW: usize = 1024;

/// One who waits.
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
    /// Takes limits. Who has a place keeps it, and it counts.
    pub(in crate::link) fn configure(&mut self, cap: Option<u32>, per_source: PerSource) {
        self.cap = cap.map_or(usize::MAX, |cap| cap as usize);
        self.share = match per_source {
            PerSource::Quarter => (self.cap / 4).max(1),
            PerSource::Unlimited => usize::MAX,
            PerSource::Most(most) => most.get() as usize,
        };
    }

    /// Takes a place for this source, or for a warm link, if one is free (and then nobody waits).
    pub(in crate::link) fn take(&mut self, source: Option<IpAddr>) -> bool {
        let free = self.taken < self.cap && self.waiting == 0;
        if free {
            self.taken += 1;
            source.into_iter().for_each(|source| self.assign(source));
        }
        free
    }

    /// A place that was taken for a warm link is this source's from now on.
    pub(in crate::link) fn assign(&mut self, source: IpAddr) {
        *self.held.entry(source).or_default() += 1;
    }

    /// Lets a source wait, behind those of it that wait already. Gives its number, for [`PermitQueue::leave`].
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

    /// One who waited does so no more. False where it has got its place already.
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

    /// A place is given back.
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

    /// Gives back the room of a crowd that has left: of those who waited when nobody does any more, and of those who had
    /// places when one of eight is left, so that it costs little for each.
    fn fit(&mut self) {
        if self.waiting == 0 && self.turns.capacity() > FEW {
            (self.lines, self.turns) = Default::default();
        }
        let held = self.held.len();
        if self.held.capacity() > FEW.max(8 * held) {
            self.held.shrink_to(2 * held);
        }
    }

    /// How much there is room for, of sources that wait, and of sources that have places.
    #[cfg(test)]
    pub(in crate::link) fn room(&self) -> (usize, usize) {
        (self.lines.capacity().max(self.turns.capacity()), self.held.capacity())
    }

    /// Gives a free place to the next who waits, if there are both. To be asked again until there are not.
    pub(in crate::link) fn next(&mut self) -> Option<W> {
        if self.taken >= self.cap || self.waiting == 0 {
            return None;
        }
        let may = |source: &IpAddr| self.held.get(source).is_none_or(|held| *held < self.share);
        // Where all have their share, whose turn it is gets one.
        let at = self.turns.iter().position(may).unwrap_or(0);
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

    /// How many wait.
    pub(in crate::link) fn waiting(&self) -> usize {
        self.waiting
    }
}
