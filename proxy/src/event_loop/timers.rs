//! Lazy timers: a deadline may move with every exchange, and its one entry moves only when it has to be earlier.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::nanos::Nanos;

/// Registrants by key, and when to look at them.
///
/// An entry is made only when a registrant wants to be looked at *earlier* than it will be anyway. A place that
/// is given to a registrant keeps the entry of the one before: it costs a look too many, never one too few, and
/// so the entries do not pile up however fast registrants come and go. The lowest places are given first, so that those
/// at the end become free after a crowd has left, and their memory is given back.
#[derive(Debug)]
pub struct Timers<R> {
    places: Vec<TimerSlot<R>>,
    free: BinaryHeap<Reverse<u32>>,
    entries: BinaryHeap<Reverse<(Nanos, u32)>>,
    /// With so many free places it is tried to do with fewer.
    shrink_at: usize,
}

#[derive(Debug)]
struct TimerSlot<R> {
    registrant: Option<R>,
    armed: Nanos,
}

const NEVER: Nanos = Nanos::MAX;
/// So few free places may stay.
const FEW: usize = 1024;

impl<R> Default for Timers<R> {
    fn default() -> Self {
        Self { places: Vec::new(), free: BinaryHeap::new(), entries: BinaryHeap::new(), shrink_at: FEW }
    }
}

impl<R: Clone> Timers<R> {
    /// The key that the next registrant gets.
    #[must_use]
    pub fn next_key(&self) -> u32 {
        self.free.peek().map_or_else(|| key(self.places.len()), |Reverse(key)| *key)
    }

    /// Gives a place to a registrant.
    pub fn register(&mut self, who: R) -> u32 {
        if let Some(Reverse(key)) = self.free.pop() {
            self.places[key as usize].registrant = Some(who);
            return key;
        }
        self.places.push(TimerSlot { registrant: Some(who), armed: NEVER });
        key(self.places.len() - 1)
    }

    /// Its place is free again.
    pub fn unregister(&mut self, key: u32) -> Option<R> {
        let gone = self.places.get_mut(key as usize)?.registrant.take();
        if gone.is_some() {
            self.free.push(Reverse(key));
            let (free, places) = (self.free.len(), self.places.len());
            let was_last = key as usize + 1 == places && places > FEW && free >= places / 2;
            if free >= self.shrink_at || was_last {
                self.shrink();
            }
        }
        gone
    }

    /// Gives up the free places at the end. The next time is when half of those who are there now have gone as well, or the
    /// last in the row, so that all of these times together cost little for each who goes.
    fn shrink(&mut self) {
        let used =
            self.places.iter().rposition(|place| place.registrant.is_some()).map_or(0, |last| last + 1);
        self.places.truncate(used);
        self.places.shrink_to_fit();
        self.free.retain(|Reverse(key)| (*key as usize) < used);
        self.free.shrink_to_fit();
        let places = &self.places;
        self.entries.retain(|Reverse((at, key))| places.get(*key as usize).is_some_and(|p| p.armed == *at));
        self.entries.shrink_to_fit();
        self.shrink_at = self.free.len() + ((used - self.free.len()) / 2).max(FEW);
    }

    /// Look at `key` no later than `at`. One who has gone is not looked at.
    pub fn arm(&mut self, key: u32, at: Nanos) {
        let Some(place) = self.places.get_mut(key as usize) else { return };
        if at < place.armed {
            place.armed = at;
            self.entries.push(Reverse((at, key)));
        }
    }

    /// The next who is due at `now`.
    pub fn due(&mut self, now: Nanos) -> Option<(u32, R)> {
        while let Some(Reverse((at, key))) = self.entries.peek().copied() {
            if at > now {
                return None;
            }
            self.entries.pop();
            let Some(place) = self.places.get_mut(key as usize) else { continue };
            if place.armed != at {
                continue; // an earlier entry has been made since, and was served
            }
            place.armed = NEVER;
            if let Some(who) = place.registrant.clone() {
                return Some((key, who));
            }
        }
        None
    }

    /// When the next entry is due.
    #[must_use]
    pub fn next(&self) -> Option<Nanos> {
        self.entries.peek().map(|Reverse((at, _))| *at)
    }

    /// All who live here.
    pub fn registrants(&self) -> impl Iterator<Item = &R> {
        self.places.iter().filter_map(|place| place.registrant.as_ref())
    }
}

/// Descriptors run out long before the keys do.
fn key(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_each_at_the_earliest_time_asked_for() {
        let mut timers = Timers::default();
        let (a, b) = (timers.register('a'), timers.register('b'));
        timers.arm(a, 30);
        timers.arm(a, 10);
        timers.arm(a, 20);
        timers.arm(b, 15);
        assert_eq!(timers.due(9), None);
        assert_eq!(timers.due(15), Some((a, 'a')));
        assert_eq!(timers.due(15), Some((b, 'b')));
        assert_eq!(timers.due(100), None, "the later entry of `a` is stale");
    }

    #[test]
    fn entries_do_not_pile_up() {
        let mut timers = Timers::default();
        for i in 0..100_000 {
            let key = timers.register(i);
            timers.arm(key, 60_000 + i);
            timers.unregister(key);
        }
        assert_eq!(timers.entries.len(), 1);
    }

    #[test]
    fn what_a_crowd_took_is_given_back_and_who_stays_is_looked_at() {
        let mut timers = Timers::default();
        let keys: Vec<_> = (0..100_000_u64).map(|i| (i, timers.register(i))).collect();
        keys.iter().for_each(|(i, key)| timers.arm(*key, 1000 + i));
        for (i, key) in &keys {
            if i % 1000 != 0 || *i > 50_000 {
                assert_eq!(timers.unregister(*key), Some(*i));
            }
        }
        assert!(timers.places.capacity() <= 51_000 && timers.entries.capacity() <= 51_000);
        timers.arm(99_999, 1); // who has gone may still say so
        let late = timers.register(7_777_777);
        assert_eq!(late, 1, "the lowest place is given first");
        timers.arm(late, 500);
        let due: Vec<_> = std::iter::from_fn(|| timers.due(u64::MAX - 1).map(|(_, who)| who)).collect();
        assert_eq!(due[0], 7_777_777);
        assert!(due[1..].iter().copied().eq((0..=50).map(|i| i * 1000)));
        (0..=50).for_each(|i| _ = timers.unregister(keys[i * 1000].1));
        assert_eq!(timers.unregister(late), Some(7_777_777));
        assert!(timers.places.capacity() <= 2 * FEW);
    }

    /// The first to leave may be the last who came, the first, or anybody.
    #[test]
    fn nothing_is_kept_for_long_in_whatever_order_they_leave() {
        for step in [1, 99_999, 31_337] {
            let mut timers = Timers::default();
            let stays = timers.register(u64::MAX);
            let keys: Vec<_> = (0..100_000).map(|i| timers.register(i)).collect();
            for i in 0..100_000_u64 {
                let who = i * step % 100_000;
                assert_eq!(timers.unregister(keys[who as usize]), Some(who));
            }
            assert!(timers.places.capacity() <= 2 * FEW, "{step}: {}", timers.places.capacity());
            assert_eq!(timers.unregister(stays), Some(u64::MAX));
        }
    }

    #[test]
    fn a_newcomer_is_looked_at_in_time_in_an_old_place() {
        let mut timers = Timers::default();
        let old = timers.register("old");
        timers.arm(old, 50);
        timers.unregister(old);
        let new = timers.register("new");
        timers.arm(new, 70);
        assert_eq!(timers.due(60), Some((new, "new")), "a look too many");
        timers.arm(new, 70);
        assert_eq!(timers.due(70), Some((new, "new")));
    }

    #[test]
    fn keeps_every_deadline_under_random_use() {
        let mut random = 7_u64;
        let mut next = move |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % below
        };
        let mut timers = Timers::default();
        let mut wanted = std::collections::HashMap::new();
        for now in 0..20_000 {
            if wanted.len() < 50 {
                wanted.insert(timers.register(()), NEVER);
            }
            if let Some(key) = wanted.keys().nth(next(50) as usize).copied() {
                let at = now + 1 + next(100);
                timers.arm(key, at);
                wanted.entry(key).and_modify(|w| *w = at.min(*w));
            }
            while let Some((key, ())) = timers.due(now) {
                wanted.insert(key, NEVER);
            }
            assert!(wanted.values().all(|at| *at > now), "a deadline was missed at {now}");
        }
    }
}
