//! Counts the rights to open links to one member, those that workers have, and the requests of workers.
//!
//! There are never more than were configured. This file takes no lock; `loans` puts a lock around it.

use std::collections::VecDeque;

/// Rights of one kind. `W` identifies a worker.
#[derive(Debug)]
pub(in crate::link) struct Rights<W> {
    cap: usize,
    given: usize,
    asks: VecDeque<(W, RightRequest)>,
}

/// The urgency with which a worker needs a right.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(in crate::link) struct RightRequest {
    /// None of the worker's links can serve its waiting requests: it has no link, or clients keep all of
    /// them.
    pub(in crate::link) starving: bool,
    /// The worker has less than its share.
    pub(in crate::link) owed: bool,
}

impl<W> Default for Rights<W> {
    fn default() -> Self {
        Self { cap: 0, given: 0, asks: VecDeque::new() }
    }
}

impl<W: Clone + PartialEq> Rights<W> {
    /// Sets the number of rights. Rights that workers have stay with them and count.
    pub(in crate::link) fn configure(&mut self, cap: usize) {
        self.cap = cap;
    }

    /// Takes up to `most` rights that no worker has, and returns their number.
    pub(in crate::link) fn take(&mut self, most: usize) -> usize {
        let taken = self.cap.saturating_sub(self.given).min(most);
        self.given += taken;
        taken
    }

    /// Asks for a right that other workers have. A repeated request replaces the urgency of the first.
    pub(in crate::link) fn ask(&mut self, who: &W, ask: RightRequest) {
        match self.asks.iter_mut().find(|(other, _)| other == who) {
            Some((_, before)) => *before = ask,
            None => self.asks.push_back((who.clone(), ask)),
        }
    }

    /// Withdraws the request of a worker.
    pub(in crate::link) fn withdraw(&mut self, who: &W) {
        self.asks.retain(|(other, _)| other != who);
    }

    /// Returns rights. Those that are free now go to workers that ask, which are returned.
    pub(in crate::link) fn give_back(&mut self, count: usize) -> Vec<W> {
        self.given -= count;
        let mut granted = Vec::new();
        // Nobody asks while a right is free, so that returned rights go on at once.
        while self.given < self.cap
            && let Some((who, _)) = self.asks.pop_front()
        {
            self.given += 1;
            granted.push(who);
        }
        granted
    }

    /// Returns the first request of another worker than `me`; starving workers come first.
    pub(in crate::link) fn first(&self, me: &W) -> Option<RightRequest> {
        let others = self.asks.iter().filter(|(who, _)| who != me).map(|(_, ask)| *ask);
        others.clone().find(|ask| ask.starving).or_else(|| others.clone().next())
    }

    /// Returns the number of requests, and the number of urgent ones among them.
    pub(in crate::link) fn asked(&self) -> (usize, usize) {
        let urgent = self.asks.iter().filter(|(_, ask)| ask.starving || ask.owed).count();
        (self.asks.len(), urgent)
    }
}

#[cfg(test)]
mod tests {
    use super::{RightRequest, Rights};

    #[test]
    fn never_more_are_given_than_there_are() {
        let mut rights = Rights::default();
        rights.configure(3);
        assert_eq!((rights.take(2), rights.take(2), rights.take(1)), (2, 1, 0));
        rights.ask(&'a', RightRequest::default());
        rights.ask(&'b', RightRequest::default());
        rights.ask(&'a', RightRequest { starving: true, owed: false });
        assert_eq!(rights.asked(), (2, 1));
        assert_eq!(rights.first(&'a'), Some(RightRequest::default()), "nobody lends to itself");
        assert_eq!(rights.give_back(1), ['a'], "who asked first");
        assert_eq!(rights.take(1), 0);
        rights.configure(1);
        assert!(rights.give_back(2).is_empty(), "a lowered number holds as they are given back");
        assert_eq!(rights.give_back(1), ['b']);
        assert_eq!((rights.asked(), rights.take(9)), ((0, 0), 0));
    }

    #[test]
    fn who_has_left_gets_none() {
        let mut rights = Rights::default();
        rights.configure(1);
        assert_eq!(rights.take(1), 1);
        rights.ask(&'a', RightRequest::default());
        rights.withdraw(&'a');
        assert!(rights.give_back(1).is_empty());
        assert_eq!(rights.take(1), 1);
    }
}
