//! Counts the sources that have clients, and the member of each.
//!
//! All workers share these counts. They change when a client comes, moves or leaves, and never for a request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

use crate::event_loop::Nanos;

/// A source of a backend: the backend's hash and the affinity key.
type BackendSource = (u64, IpAddr);

/// The state of a client's source before the client came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SourceStatus {
    /// The source had no clients.
    New,
    /// The source had clients at the same member.
    Known,
    /// The source had clients at this other member.
    Elsewhere(u64),
}

/// The sources with clients, by backend.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    places: DashMap<BackendSource, SourceEntry>,
    /// The number of sources, and the largest number since the map was last shrunk.
    count: AtomicUsize,
    most: AtomicUsize,
}

/// The capacity in sources that is never given back.
const FEW: usize = 4096;

#[derive(Debug)]
struct SourceEntry {
    member: u64,
    clients: u32,
    /// The time in seconds at which the source came to the member.
    since: u32,
}

/// The present member of a source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SourcePlace {
    /// The name hash of the member.
    pub member: u64,
    /// The number of clients of the source.
    pub clients: u32,
    /// The time in seconds at which the source came to the member, after the start of the process.
    pub since: u32,
}

impl Sources {
    /// Counts a new client of `source` at `member`, and returns the state of the source before.
    pub(crate) fn add_client(&self, backend: u64, source: IpAddr, member: u64, now: Nanos) -> SourceStatus {
        match self.places.entry((backend, source)) {
            Entry::Vacant(vacant) => {
                vacant.insert(SourceEntry { member, clients: 1, since: seconds(now) });
                let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
                self.most.fetch_max(count, Ordering::Relaxed);
                SourceStatus::New
            }
            Entry::Occupied(mut occupied) => {
                let place = occupied.get_mut();
                place.clients += 1;
                place.come_to(member, now).map_or(SourceStatus::Known, SourceStatus::Elsewhere)
            }
        }
    }

    /// Moves a source to `member`, and returns its previous member if that was another.
    pub(crate) fn move_client(&self, backend: u64, source: IpAddr, member: u64, now: Nanos) -> Option<u64> {
        self.places.get_mut(&(backend, source))?.come_to(member, now)
    }

    /// Returns the present member of a source that has clients.
    pub(crate) fn place(&self, backend: u64, source: IpAddr) -> Option<SourcePlace> {
        let place = self.places.get(&(backend, source))?;
        Some(SourcePlace { member: place.member, clients: place.clients, since: place.since })
    }

    /// Counts a client of `source` that left. If it was the last, returns the member of the source.
    pub(crate) fn remove_client(&self, backend: u64, source: IpAddr) -> Option<u64> {
        let Entry::Occupied(mut occupied) = self.places.entry((backend, source)) else { return None };
        occupied.get_mut().clients -= 1;
        if occupied.get().clients > 0 {
            return None;
        }
        let member = occupied.remove().member; // drops the entry, which holds the lock of its shard
        let count = self.count.fetch_sub(1, Ordering::Relaxed) - 1;
        self.fit(count);
        Some(member)
    }

    /// Returns the affinity keys of a backend's sources, and the member of each.
    ///
    /// The list is a copy, because a client that comes or goes may have to wait for the part of the map that is being read.
    pub(crate) fn of_backend(&self, backend: u64) -> Vec<(IpAddr, u64)> {
        let places = self.places.iter().filter(|place| place.key().0 == backend);
        places.map(|place| (place.key().1, place.member)).collect()
    }

    /// Shrinks the map after three quarters of its sources have left, so that the cost for each is small.
    fn fit(&self, count: usize) {
        let most = self.most.load(Ordering::Relaxed);
        let fits = most <= FEW || count > most / 4;
        if !fits && self.most.compare_exchange(most, count, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.places.shrink_to_fit();
        }
    }
}

impl SourceEntry {
    /// Notes the member of the source, and returns its previous member if that was another.
    fn come_to(&mut self, member: u64, now: Nanos) -> Option<u64> {
        let before = std::mem::replace(&mut self.member, member);
        if before == member {
            return None;
        }
        self.since = seconds(now);
        Some(before)
    }
}

/// Returns a time in whole seconds, of which 32 bits last for 136 years.
const fn seconds(now: Nanos) -> u32 {
    (now / 1_000_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn the_room_of_a_crowd_is_given_back() {
        let sources = Sources::default();
        let source = |i: u32| IpAddr::from((0x7f00_0000 + i).to_be_bytes());
        (0..100_000).for_each(|i| assert_eq!(sources.add_client(1, source(i), 7, 0), SourceStatus::New));
        assert!(sources.places.capacity() >= 100_000);
        (1000..100_000).for_each(|i| assert_eq!(sources.remove_client(1, source(i)), Some(7)));
        assert!(sources.places.capacity() < 40_000, "{}", sources.places.capacity());
        (0..1000).for_each(|i| assert_eq!(sources.remove_client(1, source(i)), Some(7)));
    }

    #[test]
    fn a_source_is_known_while_it_has_clients() {
        let sources = Sources::default();
        let source: IpAddr = "127.0.0.9".parse().unwrap();
        assert_eq!(sources.add_client(1, source, 7, 3 * SECOND), SourceStatus::New);
        assert_eq!(sources.add_client(1, source, 7, 4 * SECOND), SourceStatus::Known);
        assert_eq!(sources.place(1, source), Some(SourcePlace { member: 7, clients: 2, since: 3 }));
        assert_eq!(sources.place(3, source), None);
        assert_eq!(sources.add_client(2, source, 7, 0), SourceStatus::New, "another backend");
        assert_eq!((sources.of_backend(1), sources.of_backend(3)), (vec![(source, 7)], Vec::new()));
        assert_eq!(sources.move_client(1, source, 8, 5 * SECOND), Some(7));
        assert_eq!(sources.move_client(1, source, 8, 6 * SECOND), None);
        assert_eq!(sources.place(1, source), Some(SourcePlace { member: 8, clients: 2, since: 5 }));
        assert_eq!(sources.add_client(1, source, 7, 7 * SECOND), SourceStatus::Elsewhere(8));
        assert_eq!(sources.place(1, source), Some(SourcePlace { member: 7, clients: 3, since: 7 }));
        assert_eq!(sources.remove_client(1, source), None);
        assert_eq!(sources.remove_client(1, source), None);
        assert_eq!(sources.remove_client(1, source), Some(7));
        assert_eq!(sources.add_client(1, source, 8, 0), SourceStatus::New);
    }
}
