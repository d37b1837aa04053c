//! Sets the limit on descriptors, and reserves some of them so that connected clients can be served.
//!
//! Descriptors that come and go with clients are counted here when they open and close, never per request:
//! those of clients, dedicated links, links that became tunnels, and pipes. The rest is reserved.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::notice;

/// The number of descriptors for the process itself.
static OWN: AtomicUsize = AtomicUsize::new(0);
/// The number of descriptors for links that clients share.
static LINKS: AtomicUsize = AtomicUsize::new(0);
/// The number of descriptors for clients and everything that comes with them.
static ROOM: AtomicUsize = AtomicUsize::new(usize::MAX);
/// The number of these that are taken.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Raises the limit on descriptors to the allowed maximum.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        notice::err(&format!("penstock: cannot raise the limit on descriptors: {error}"));
    }
}

/// Reserves descriptors: `own` for the process itself, and `links` for links that clients share. If few are
/// free, clients may still have a quarter of them. The first call counts what is open as always needed.
pub(crate) fn reserve_descriptors(own: usize, links: usize) {
    OWN.store(own, Ordering::Relaxed);
    LINKS.store(links, Ordering::Relaxed);
    look_at_limit();
}

/// Reads the limit again, because it may have been changed from outside (prlimit(1)).
fn look_at_limit() {
    static USED: OnceLock<usize> = OnceLock::new();
    let used = *USED.get_or_init(used);
    let (own, links) = (OWN.load(Ordering::Relaxed), LINKS.load(Ordering::Relaxed));
    let limit = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    ROOM.store(limit.map_or(usize::MAX, |limit| room(limit, used, own, links)), Ordering::Relaxed);
}

fn room(limit: usize, used: usize, own: usize, links: usize) -> usize {
    let free = limit.saturating_sub(used);
    // At least a quarter is left for clients, however much is to be reserved.
    free - own.min(free / 4) - links.min(free / 2)
}

/// Returns the number of open descriptors, provided that none was closed, since the kernel assigns the lowest
/// free number. The standard error is certainly open.
fn used() -> usize {
    let next = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 0);
    next.map_or(0, |next| usize::try_from(next.as_raw_fd()).unwrap_or(0))
}

/// Returns whether a descriptor is left for a client.
#[must_use]
pub(crate) fn has_room() -> bool {
    TAKEN.load(Ordering::Relaxed) < ROOM.load(Ordering::Relaxed)
}

/// Works like [`has_room`] with the present limit.
#[must_use]
pub(crate) fn has_room_by_now() -> bool {
    look_at_limit();
    has_room()
}

/// A number of descriptors that a client, or something that comes with it, takes until this is dropped.
#[derive(Debug)]
pub struct Descriptors<const COUNT: usize>(());

impl<const COUNT: usize> Descriptors<COUNT> {
    /// Takes the descriptors, even if none is left.
    #[must_use]
    pub fn take() -> Self {
        TAKEN.fetch_add(COUNT, Ordering::Relaxed);
        Self(())
    }

    /// Takes the descriptors if at least one is left.
    #[must_use]
    pub fn try_take() -> Option<Self> {
        has_room().then(Self::take)
    }
}

impl<const COUNT: usize> Drop for Descriptors<COUNT> {
    fn drop(&mut self) {
        TAKEN.fetch_sub(COUNT, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::room;

    #[test]
    fn clients_have_what_nobody_else_needs_and_a_quarter_at_least() {
        for (limit, used, links, clients) in [
            (1_048_576, 30, 64, 1_048_382),
            (20_000, 30, 2_176, 17_694),
            (1024, 24, 10_000, 400),
            (130, 30, 64, 25),
            (30, 30, 64, 0),
            (0, 30, 64, 0),
        ] {
            assert_eq!(room(limit, used, 100, links), clients, "{limit}");
        }
    }
}
