//! Who meets whom: the sources that have clients now, and the member each is at.
//! In: a client that came, moved or left. Out: whether its source was known, and whether it went elsewhere.
//! Shared by all workers, touched when a client comes or goes, never per request.

use std::net::IpAddr;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;

/// A source of a backend: the backend's and the affinity key's.
type Key = (u64, IpAddr);

/// How a client's source stood when it came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meeting {
    /// It had no clients.
    New,
    /// It had, at this member.
    Known,
    /// It had, at this other member.
    Elsewhere(u64),
}

/// Sources with clients, by backend.
#[derive(Debug, Default)]
pub struct Sources(DashMap<Key, Place>);

#[derive(Debug)]
struct Place {
    member: u64,
    clients: u32,
}

impl Sources {
    /// A client of `source` came to `member`.
    pub fn come(&self, backend: u64, source: IpAddr, member: u64) -> Meeting {
        match self.0.entry((backend, source)) {
            Entry::Vacant(vacant) => {
                vacant.insert(Place { member, clients: 1 });
                Meeting::New
            }
            Entry::Occupied(mut occupied) => {
                let place = occupied.get_mut();
                place.clients += 1;
                let before = std::mem::replace(&mut place.member, member);
                if before == member { Meeting::Known } else { Meeting::Elsewhere(before) }
            }
        }
    }

    /// A client of `source` now uses `member`. Tells the member before, if its source was at another.
    pub fn go(&self, backend: u64, source: IpAddr, member: u64) -> Option<u64> {
        let mut place = self.0.get_mut(&(backend, source))?;
        let before = std::mem::replace(&mut place.member, member);
        (before != member).then_some(before)
    }

    /// A client of `source` left. Tells the member its source was at, if that was its last client.
    pub fn leave(&self, backend: u64, source: IpAddr) -> Option<u64> {
        let Entry::Occupied(mut occupied) = self.0.entry((backend, source)) else { return None };
        occupied.get_mut().clients -= 1;
        (occupied.get().clients == 0).then(|| occupied.remove().member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_while_it_has_clients() {
        let sources = Sources::default();
        let source: IpAddr = "127.0.0.9".parse().unwrap();
        assert_eq!(sources.come(1, source, 7), Meeting::New);
        assert_eq!(sources.come(1, source, 7), Meeting::Known);
        assert_eq!(sources.come(2, source, 7), Meeting::New, "another backend");
        assert_eq!(sources.go(1, source, 8), Some(7));
        assert_eq!(sources.go(1, source, 8), None);
        assert_eq!(sources.come(1, source, 7), Meeting::Elsewhere(8));
        assert_eq!(sources.leave(1, source), None);
        assert_eq!(sources.leave(1, source), None);
        assert_eq!(sources.leave(1, source), Some(7));
        assert_eq!(sources.come(1, source, 8), Meeting::New);
    }
}
