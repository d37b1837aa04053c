//! Those who wait for a link, in the order in which they came.
//! In: waiters of four kinds. Out: whose turn it is on a link that can take certain kinds.
//! Knows nothing of links, bytes or sockets.

use std::collections::VecDeque;

use crate::turn::Nanos;

/// What a request needs of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// It may share a link with others like it.
    Shared,
    /// It needs a link with nothing in flight, and nothing is sent behind it until its answer has ended.
    Alone,
    /// As [`Want::Alone`], and on a new link where one may be opened: it is sent for the second time.
    Fresh,
    /// As [`Want::Alone`], for as long as its client likes. One link at least is left to the others.
    Own,
}

/// A line for each want; the head of each is the one who came first.
#[derive(Debug)]
pub(super) struct Lines<W> {
    lines: [VecDeque<Waiter<W>>; 4],
    arrivals: u64,
}

#[derive(Debug)]
struct Waiter<W> {
    arrival: u64,
    since: Nanos,
    who: W,
}

impl<W> Default for Lines<W> {
    fn default() -> Self {
        Self { lines: std::array::from_fn(|_| VecDeque::new()), arrivals: 0 }
    }
}

impl<W> Lines<W> {
    /// To the end of its line.
    pub(super) fn push(&mut self, want: Want, who: W, now: Nanos) {
        self.arrivals += 1;
        self.lines[want as usize].push_back(Waiter { arrival: self.arrivals, since: now, who });
    }

    /// How many wait, of every kind.
    #[must_use]
    pub(super) fn len(&self) -> usize {
        self.lines.iter().map(VecDeque::len).sum()
    }

    /// How many of this kind wait.
    #[must_use]
    pub(super) fn count(&self, want: Want) -> usize {
        self.lines[want as usize].len()
    }

    /// Who of these kinds came first, and of which kind.
    #[must_use]
    pub(super) fn first(&self, wants: &[Want]) -> Option<Want> {
        let arrival = |want: &Want| self.lines[*want as usize].front().map(|w| w.arrival);
        wants.iter().copied().filter(|w| arrival(w).is_some()).min_by_key(arrival)
    }

    /// Takes the head of this line.
    pub(super) fn pop(&mut self, want: Want) -> Option<(W, Nanos)> {
        self.lines[want as usize].pop_front().map(|w| (w.who, w.since))
    }

    /// Takes out all who came at `latest` or before.
    pub(super) fn pop_older(&mut self, latest: Nanos) -> Vec<W> {
        let mut out = Vec::new();
        for line in &mut self.lines {
            while line.front().is_some_and(|w| w.since <= latest) {
                out.extend(line.pop_front().map(|w| w.who));
            }
        }
        out
    }

    /// Takes out all for whom `gone` holds.
    pub(super) fn remove(&mut self, mut gone: impl FnMut(&W) -> bool) -> Vec<W> {
        let mut out = Vec::new();
        for line in &mut self.lines {
            let (left, kept): (Vec<_>, Vec<_>) = line.drain(..).partition(|w| gone(&w.who));
            line.extend(kept);
            out.extend(left.into_iter().map(|w| w.who));
        }
        out
    }

    /// When the first of them all came.
    #[must_use]
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.lines.iter().filter_map(|line| line.front().map(|w| w.since)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_kinds_asked_for() {
        let mut lines = Lines::default();
        lines.push(Want::Alone, 'a', 1);
        lines.push(Want::Shared, 'b', 2);
        lines.push(Want::Alone, 'c', 3);
        assert_eq!(lines.first(&[Want::Shared]), Some(Want::Shared));
        assert_eq!(lines.first(&[Want::Shared, Want::Alone]), Some(Want::Alone));
        assert_eq!(lines.first(&[Want::Fresh]), None);
        assert_eq!(lines.pop(Want::Alone), Some(('a', 1)));
        assert_eq!(lines.first(&[Want::Shared, Want::Alone]), Some(Want::Shared));
    }

    #[test]
    fn those_who_waited_too_long_leave() {
        let mut lines = Lines::default();
        for (want, since) in [(Want::Shared, 1), (Want::Shared, 5), (Want::Fresh, 2)] {
            lines.push(want, since, since);
        }
        assert_eq!(lines.oldest(), Some(1));
        assert_eq!(lines.pop_older(2), [1, 2]);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn those_who_left_are_removed_in_place() {
        let mut lines = Lines::default();
        (0..5).for_each(|i| lines.push(Want::Shared, i, 0));
        assert_eq!(lines.remove(|i| i % 2 == 1), [1, 3]);
        let kept: Vec<_> = std::iter::from_fn(|| lines.pop(Want::Shared)).map(|(i, _)| i).collect();
        assert_eq!(kept, [0, 2, 4]);
    }
}
