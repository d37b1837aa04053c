//! Queues requests that wait for a link, in the order of their arrival but fair by source.
//!
//! Each source has a queue for each kind of request, and the sources of a kind take turns, so that a thousand
//! requests of one source do not starve a single one of another (deficit round robin with one request a turn;
//! Shreedhar and Varghese, 1995). Requests of a class that holds links ([`super::holders`]) wait in lines of
//! their own, so that they can be passed over at no cost while they may not have more links.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use crate::event_loop::Nanos;

/// The kind of link that a request needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// The request may share a link with others like it.
    Shared,
    /// The request needs a link with nothing in flight, and nothing is sent behind it until its answer has
    /// ended.
    Alone,
    /// As [`Sharing::Alone`], and on a new link if one may be opened, because the request is sent for the
    /// second time.
    Fresh,
    /// As [`Sharing::Alone`], for as long as its client likes. At least one link is left to the others.
    Own,
}

/// The source of a request for the purpose of fairness: an IPv4 address, or the first half of an IPv6
/// address, which one host or one customer has (RFC 6177).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct SourceKey(pub u64);

/// Everything that the pool must know of a request to place it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Demand {
    /// The kind of link that the request needs.
    pub sharing: Sharing,
    /// The source of the request.
    pub source: SourceKey,
    /// The request class, by which service times and holders are learned; 0 if unknown.
    pub class: u32,
    /// Whether a part of the request is still to come from the client, so that it may hold its link for any
    /// time.
    pub open_ended: bool,
}

impl From<IpAddr> for SourceKey {
    fn from(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(v4) => u64::from(v4.to_bits()) | 1 << 32,
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 | 1 << 63,
        })
    }
}

impl From<Sharing> for Demand {
    fn from(sharing: Sharing) -> Self {
        Self { sharing, source: SourceKey::default(), class: 0, open_ended: false }
    }
}

/// Two lines for each kind of request: one for requests that do not hold links, one for those that may.
#[derive(Debug)]
pub(super) struct WaitQueue<W> {
    /// All waiting requests, by the number of their arrival.
    waiting: BTreeMap<u64, QueueEntry<W>>,
    wait_queue: [SourceQueues; LINES],
    arrivals: u64,
}

const WANTS: usize = 4;
const LINES: usize = 2 * WANTS;

#[derive(Debug)]
struct QueueEntry<W> {
    demand: Demand,
    since: Nanos,
    who: W,
}

/// The queues of the sources in one line, and the order of their turns.
#[derive(Debug, Default)]
struct SourceQueues {
    turns: VecDeque<SourceKey>,
    /// The arrivals of each source, oldest first. No queue is empty, and its front is a request that still
    /// waits.
    queues: HashMap<SourceKey, VecDeque<u64>>,
    count: usize,
}

/// The next request of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct NextInQueue {
    pub(super) demand: Demand,
    arrival: u64,
    line: usize,
}

impl<W> Default for WaitQueue<W> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            wait_queue: std::array::from_fn(|_| SourceQueues::default()),
            arrivals: 0,
        }
    }
}

impl<W> WaitQueue<W> {
    /// Appends a request to the queue of its source. `holds` says that its class is one that holds links.
    pub(super) fn push(&mut self, demand: Demand, holds: bool, who: W, now: Nanos) {
        self.arrivals += 1;
        self.wait_queue[place(demand.sharing, holds)].push(demand.source, self.arrivals);
        self.waiting.insert(self.arrivals, QueueEntry { demand, since: now, who });
    }

    /// Returns the number of waiting requests of all kinds.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the number of waiting requests of this kind.
    #[must_use]
    pub(super) fn count(&self, sharing: Sharing) -> usize {
        self.wait_queue[place(sharing, false)].count + self.wait_queue[place(sharing, true)].count
    }

    /// Returns whether any other source than this one waits.
    #[must_use]
    pub(super) fn others_than(&self, source: SourceKey) -> bool {
        self.wait_queue
            .iter()
            .any(|line| line.turns.len() > 1 || line.turns.front().is_some_and(|s| *s != source))
    }

    /// Returns the next request among those that need one of these kinds: of the first in each line, the
    /// oldest. `held` says whether classes that hold links may have one more link, and `may` whether a source
    /// may have one.
    #[must_use]
    pub(super) fn next(
        &self,
        wants: &[Sharing],
        held: bool,
        may: impl Fn(SourceKey) -> bool,
    ) -> Option<NextInQueue> {
        if self.waiting.is_empty() {
            return None; // the usual case, after each answer
        }
        let wait_queue = wants.iter().flat_map(|sharing| [place(*sharing, false), place(*sharing, true)]);
        let open = wait_queue.filter(|line| held || *line < WANTS);
        open.filter_map(|line| self.next_in(line, &may)).min_by_key(|next| next.arrival)
    }

    fn next_in(&self, line: usize, may: impl Fn(SourceKey) -> bool) -> Option<NextInQueue> {
        let SourceQueues { turns, queues, .. } = &self.wait_queue[line];
        let source = turns.iter().find(|source| may(**source))?;
        let arrival = *queues.get(source)?.front()?;
        Some(NextInQueue { demand: self.waiting.get(&arrival)?.demand, arrival, line })
    }

    /// Removes the given request. The next turn of its source comes after those of all others.
    pub(super) fn take(&mut self, next: NextInQueue) -> Option<(W, Nanos)> {
        self.wait_queue[next.line].pop(next.demand.source);
        self.waiting.remove(&next.arrival).map(|waiter| (waiter.who, waiter.since))
    }

    /// Moves a request to the line for classes that hold links, because its class has become known as one
    /// since it came. Its source keeps its turn.
    pub(super) fn set_aside(&mut self, next: NextInQueue) {
        let source = next.demand.source;
        self.wait_queue[next.line].pop(source);
        self.wait_queue[place(next.demand.sharing, true)].push(source, next.arrival);
        // `pop` has put the source at the end of the turns, where it does not belong.
        if let Some(at) = self.wait_queue[next.line].turns.iter().rposition(|other| *other == source) {
            self.wait_queue[next.line].turns.remove(at);
            self.wait_queue[next.line].turns.push_front(source);
        }
    }

    /// Removes all requests that came at `latest` or before.
    pub(super) fn pop_older(&mut self, latest: Nanos) -> Vec<W> {
        let mut out = Vec::new();
        while let Some(first) = self.waiting.first_entry() {
            if first.get().since > latest {
                break;
            }
            out.push(first.remove().who);
        }
        self.forget(!out.is_empty());
        out
    }

    /// Removes all requests for which `gone` holds.
    pub(super) fn remove(&mut self, mut gone: impl FnMut(&W) -> bool) -> Vec<W> {
        let left: Vec<_> =
            self.waiting.iter().filter(|(_, w)| gone(&w.who)).map(|(arrival, _)| *arrival).collect();
        let out: Vec<_> =
            left.iter().filter_map(|arrival| self.waiting.remove(arrival)).map(|w| w.who).collect();
        self.forget(!out.is_empty());
        out
    }

    /// Removes the newest request of the source with the most waiting requests, if that source has more than
    /// `than` would have. Thus a source that fills the queue finds it full, and no other does.
    pub(super) fn displace(&mut self, than: SourceKey) -> Option<W> {
        // If every source has one request, which is usual in a full queue of many sources, none has more than
        // the others.
        if self.waiting.len() == self.wait_queue.iter().map(|line| line.turns.len()).sum::<usize>() {
            return None;
        }
        let of = |source: SourceKey| {
            self.wait_queue
                .iter()
                .filter_map(|line| line.queues.get(&source))
                .map(VecDeque::len)
                .sum::<usize>()
        };
        // In the order of their turns, so that the same requests always meet the same fate.
        let counted = |line: &SourceQueues, source| line.queues.get(source).map_or(0, VecDeque::len);
        let sources =
            self.wait_queue.iter().flat_map(|line| line.turns.iter().map(|s| (*s, counted(line, s))));
        let (greedy, _) = sources.max_by_key(|(_, count)| *count)?;
        if of(greedy) <= of(than) + 1 {
            return None;
        }
        let back = |line: &SourceQueues| line.queues.get(&greedy).and_then(VecDeque::back).copied();
        // Of the source's lines, the one with its newest request.
        let line = self.wait_queue.iter_mut().max_by_key(|line| back(line))?;
        let last = line.pop_back(greedy)?;
        self.waiting.remove(&last).map(|waiter| waiter.who)
    }

    /// Returns the time at which the oldest request came.
    #[must_use]
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.waiting.first_key_value().map(|(_, waiter)| waiter.since)
    }

    /// Removes requests that no longer wait from all lines. This costs as much as finding the requests did.
    fn forget(&mut self, some: bool) {
        if some {
            self.wait_queue
                .iter_mut()
                .for_each(|line| line.retain(|arrival| self.waiting.contains_key(&arrival)));
        }
    }
}

impl SourceQueues {
    fn push(&mut self, source: SourceKey, arrival: u64) {
        self.count += 1;
        let queue = self.queues.entry(source).or_default();
        if queue.is_empty() {
            self.turns.push_back(source);
        }
        queue.push_back(arrival);
    }

    /// Removes the first request of a source. The source's next turn comes after those of all others.
    fn pop(&mut self, source: SourceKey) {
        let Some(queue) = self.queues.get_mut(&source) else { return };
        self.count -= usize::from(queue.pop_front().is_some());
        let over = queue.is_empty();
        if over {
            self.queues.remove(&source);
        }
        // The source is usually at the front, so that the search is short.
        let Some(at) = self.turns.iter().position(|other| *other == source) else { return };
        self.turns.remove(at);
        if !over {
            self.turns.push_back(source);
        }
    }

    /// Removes the last request of a source.
    fn pop_back(&mut self, source: SourceKey) -> Option<u64> {
        let queue = self.queues.get_mut(&source)?;
        let last = queue.pop_back();
        self.count -= usize::from(last.is_some());
        if queue.is_empty() {
            self.queues.remove(&source);
            self.turns.retain(|other| *other != source);
        }
        last
    }

    fn retain(&mut self, waits: impl Fn(u64) -> bool) {
        self.queues.retain(|_, queue| {
            queue.retain(|arrival| waits(*arrival));
            !queue.is_empty()
        });
        self.turns.retain(|source| self.queues.contains_key(source));
        self.count = self.queues.values().map(VecDeque::len).sum();
    }
}

fn place(sharing: Sharing, holds: bool) -> usize {
    sharing as usize + if holds { WANTS } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Sharing; 4] = [Sharing::Shared, Sharing::Alone, Sharing::Fresh, Sharing::Own];

    fn of(source: u64, sharing: Sharing) -> Demand {
        Demand { source: SourceKey(source), ..sharing.into() }
    }

    fn pop<W>(wait_queue: &mut WaitQueue<W>, wants: &[Sharing]) -> Option<W> {
        let next = wait_queue.next(wants, true, |_| true)?;
        wait_queue.take(next).map(|(who, _)| who)
    }

    #[test]
    fn the_first_of_the_kinds_asked_for() {
        let mut wait_queue = WaitQueue::default();
        wait_queue.push(Sharing::Alone.into(), false, 'a', 1);
        wait_queue.push(Sharing::Shared.into(), false, 'b', 2);
        wait_queue.push(Sharing::Alone.into(), false, 'c', 3);
        assert_eq!(wait_queue.next(&[Sharing::Fresh], true, |_| true), None);
        assert_eq!(pop(&mut wait_queue, &[Sharing::Shared, Sharing::Alone]), Some('a'));
        assert_eq!(pop(&mut wait_queue, &[Sharing::Shared, Sharing::Alone]), Some('b'));
        assert_eq!(pop(&mut wait_queue, &[Sharing::Shared]), None);
        assert_eq!(pop(&mut wait_queue, &ALL), Some('c'));
    }

    #[test]
    fn those_who_waited_too_long_leave() {
        let mut wait_queue = WaitQueue::default();
        for (sharing, since) in [(Sharing::Shared, 1), (Sharing::Fresh, 2), (Sharing::Shared, 5)] {
            wait_queue.push(sharing.into(), false, since, since);
        }
        assert_eq!(wait_queue.oldest(), Some(1));
        assert_eq!(wait_queue.pop_older(2), [1, 2]);
        assert_eq!(
            (wait_queue.len(), wait_queue.count(Sharing::Shared), wait_queue.count(Sharing::Fresh)),
            (1, 1, 0)
        );
        assert_eq!(pop(&mut wait_queue, &ALL), Some(5));
    }

    #[test]
    fn those_who_left_are_removed_in_place() {
        let mut wait_queue = WaitQueue::default();
        (0..5).for_each(|i| wait_queue.push(Sharing::Shared.into(), false, i, 0));
        assert_eq!(wait_queue.remove(|i| i % 2 == 1), [1, 3]);
        let kept: Vec<_> = std::iter::from_fn(|| pop(&mut wait_queue, &ALL)).collect();
        assert_eq!(kept, [0, 2, 4]);
    }

    #[test]
    fn sources_take_turns() {
        let mut wait_queue = WaitQueue::default();
        (0..1000).for_each(|i| wait_queue.push(of(1, Sharing::Shared), false, (1, i), 0));
        (0..2).for_each(|i| wait_queue.push(of(2, Sharing::Shared), false, (2, i), 0));
        wait_queue.push(of(3, Sharing::Shared), false, (3, 0), 0);
        let first: Vec<_> = std::iter::from_fn(|| pop(&mut wait_queue, &ALL)).take(6).collect();
        assert_eq!(first, [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)]);
    }

    #[test]
    fn a_source_that_may_have_no_more_is_passed_over_and_keeps_its_turn() {
        let mut wait_queue = WaitQueue::default();
        (0..2).for_each(|i| wait_queue.push(of(1, Sharing::Alone), false, (1, i), 0));
        wait_queue.push(of(2, Sharing::Alone), false, (2, 0), 0);
        let next = wait_queue.next(&ALL, true, |source| source != SourceKey(1)).unwrap();
        assert_eq!(wait_queue.take(next), Some(((2, 0), 0)));
        assert_eq!(wait_queue.next(&ALL, true, |source| source != SourceKey(1)), None);
        assert!(!wait_queue.others_than(SourceKey(1)) && wait_queue.others_than(SourceKey(2)));
        assert_eq!(pop(&mut wait_queue, &ALL), Some((1, 0)));
    }

    #[test]
    fn what_holds_links_stands_aside_while_it_may_not_have_more() {
        let mut wait_queue = WaitQueue::default();
        wait_queue.push(of(1, Sharing::Alone), true, 'h', 0);
        wait_queue.push(of(1, Sharing::Alone), false, 'x', 1);
        wait_queue.push(of(1, Sharing::Alone), false, 'q', 2);
        let next = wait_queue.next(&ALL, false, |_| true).unwrap();
        assert_eq!(next.demand.source, SourceKey(1));
        wait_queue.set_aside(next);
        let next = wait_queue.next(&ALL, false, |_| true).unwrap();
        assert_eq!(wait_queue.take(next), Some(('q', 2)));
        assert_eq!(wait_queue.next(&ALL, false, |_| true), None);
        assert_eq!((pop(&mut wait_queue, &ALL), pop(&mut wait_queue, &ALL)), (Some('h'), Some('x')));
        assert_eq!(wait_queue.len(), 0);
    }

    #[test]
    fn who_fills_the_queue_makes_room_for_others() {
        let mut wait_queue = WaitQueue::default();
        (0..3).for_each(|i| wait_queue.push(of(1, Sharing::Alone), false, (1, i), 0));
        wait_queue.push(of(2, Sharing::Alone), false, (2, 0), 0);
        assert_eq!(wait_queue.displace(SourceKey(1)), None, "its own");
        assert_eq!(wait_queue.displace(SourceKey(2)), Some((1, 2)), "the last of the one with the most");
        assert_eq!(wait_queue.displace(SourceKey(2)), None, "one more would be as many");
        assert_eq!(wait_queue.displace(SourceKey(3)), Some((1, 1)));
        assert_eq!(wait_queue.displace(SourceKey(3)), None);
        assert_eq!(wait_queue.len(), 2);
    }
}
