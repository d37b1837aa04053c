//! Counts which sources have clients now, and at which member each source is.
//!
//! All workers share these counts. They are touched when a client comes, moves or leaves, and never for a request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// A source of a backend: the backend's and the affinity key's.
type BackendSource = (u64, IpAddr);

/// How a client's source stood when it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SourceStatus {
    /// It had no clients.
    New,
    /// It had, at this member.
    Known,
    /// It had, at this other member.
    Elsewhere(u64),
}

/// Sources with clients, by backend.
#[derive(Debug, Default)]
pub struct Sources {
    places: DashMap<BackendSource, SourceEntry>,
    /// How many there are, and the most there were since the room for them was fitted.
    count: AtomicUsize,
    most: AtomicUsize,
}

/// Room for so many sources may stay.
const FEW: usize = 4096;

#[derive(Debug)]
struct SourceEntry {
    member: u64,
    clients: u32,
}

impl Sources {
    /// A client of `source` came to `member`.
    pub fn come(&self, backend: u64, source: IpAddr, member: u64) -> SourceStatus {
        match self.places.entry((backend, source)) {
            Entry::Vacant(vacant) => {
                vacant.insert(SourceEntry { member, clients: 1 });
                let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(count, Ordering::Relaxed);
                SourceStatus::New
            }
            Entry::Occupied(mut occupied) => {
                let place = occupied.get_mut();
                place.clients += 1;
                let before = std::mem::replace(&mut place.member, member);
                if before == member { SourceStatus::Known } else { SourceStatus::Elsewhere(before) }
            }
        }
    }

    /// A client of `source` now uses `member`. Tells the member before, if its source was at another.
    pub fn go(&self, backend: u64, source: IpAddr, member: u64) -> Option<u64> {
        let mut place = self.places.get_mut(&(backend, source))?;
        let before = std::mem::replace(&mut place.member, member);
        (before != member).then_some(before)
    }

    /// A client of `source` left. Tells the member its source was at, if that was its last client.
    pub fn leave(&self, backend: u64, source: IpAddr) -> Option<u64> {
        let Entry::Occupied(mut occupied) = self.places.entry((backend, source)) else { return None };
        occupied.get_mut().clients -= 1;
        if occupied.get().clients > 0 {
            return None;
        }
        let member = occupied.remove().member; // the lock of its part goes with the entry
        let count = self.count.fetch_sub(1, Ordering::Relaxed) - 1;
        self.fit(count);
        Some(member)
    }

    /// Gives back the room of a crowd that has left: when three of four have, so that it costs little for each.
    fn fit(&self, count: usize) {
        let most = self.most.load(Ordering::Relaxed);
        let fits = most <= FEW || count > most / 4;
        if !fits && self.most.compare_exchange(most, count, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.places.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_crowd_is_given_back() {
        let sources = Sources::default();
        let source = |i: u32| IpAddr::from((0x7f00_0000 + i).to_be_bytes());
        (0..100_000).for_each(|i| assert_eq!(sources.come(1, source(i), 7), SourceStatus::New));
        assert!(sources.places.capacity() >= 100_000);
        (1000..100_000).for_each(|i| assert_eq!(sources.leave(1, source(i)), Some(7)));
        assert!(sources.places.capacity() < 40_000, "{}", sources.places.capacity());
        (0..1000).for_each(|i| assert_eq!(sources.leave(1, source(i)), Some(7)));
    }

    #[test]
    fn a_source_is_known_while_it_has_clients() {
        let sources = Sources::default();
        let source: IpAddr = "127.0.0.9".parse().unwrap();
        assert_eq!(sources.come(1, source, 7), SourceStatus::New);
        assert_eq!(sources.come(1, source, 7), SourceStatus::Known);
        assert_eq!(sources.come(2, source, 7), SourceStatus::New, "another backend");
        assert_eq!(sources.go(1, source, 8), Some(7));
        assert_eq!(sources.go(1, source, 8), None);
        assert_eq!(sources.come(1, source, 7), SourceStatus::Elsewhere(8));
        assert_eq!(sources.leave(1, source), None);
        assert_eq!(sources.leave(1, source), None);
        assert_eq!(sources.leave(1, source), Some(7));
        assert_eq!(sources.come(1, source, 8), SourceStatus::New);
    }
}
