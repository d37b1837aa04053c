//! The limit on descriptors, and how many of them are kept from clients, so that connected clients can be served.
//!
//! Whatever comes and goes with clients is counted here when it comes and when it goes, never per request: a client, the
//! link that a client of a TCP backend has for itself, a link that became a tunnel, and pipes. Descriptors are reserved for all else.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::notice;

/// What the process itself may need, and what links that clients share may.
static OWN: AtomicUsize = AtomicUsize::new(0);
static LINKS: AtomicUsize = AtomicUsize::new(0);
/// How many are for clients and what comes with them, and how many of these are taken.
static ROOM: AtomicUsize = AtomicUsize::new(usize::MAX);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Lets this process open as many descriptors as it is allowed to.
pub(crate) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        notice::err(&format!("penstock: cannot raise the limit on descriptors: {error}"));
    }
}

/// Keeps descriptors from clients: `own` for the process itself, and `links` for links that clients share. Where few are
/// free, clients may have a quarter of them all the same. The first call tells from what is open what is always needed.
pub(crate) fn reserve_descriptors(own: usize, links: usize) {
    OWN.store(own, Ordering::Relaxed);
    LINKS.store(links, Ordering::Relaxed);
    look_at_limit();
}

/// The limit may have been changed from outside (prlimit(1)).
fn look_at_limit() {
    static USED: OnceLock<usize> = OnceLock::new();
    let used = *USED.get_or_init(used);
    let (own, links) = (OWN.load(Ordering::Relaxed), LINKS.load(Ordering::Relaxed));
    let limit = getrlimit(Resource::Nofile).current.and_then(|most| usize::try_from(most).ok());
    ROOM.store(limit.map_or(usize::MAX, |limit| room(limit, used, own, links)), Ordering::Relaxed);
}

fn room(limit: usize, used: usize, own: usize, links: usize) -> usize {
    let free = limit.saturating_sub(used);
    free - own.min(free / 4) - links.min(free / 2)
}

/// How many are open, as long as none was closed: the kernel gives the lowest number that is free. The standard error is
/// open in any case.
fn used() -> usize {
    let next = rustix::io::fcntl_dupfd_cloexec(io::stderr(), 0);
    next.map_or(0, |next| usize::try_from(next.as_raw_fd()).unwrap_or(0))
}

/// Whether a descriptor is left that a client may have.
#[must_use]
pub(crate) fn has_room() -> bool {
    TAKEN.load(Ordering::Relaxed) < ROOM.load(Ordering::Relaxed)
}

/// As [`has_room`], by the limit as it is now.
#[must_use]
pub(crate) fn has_room_by_now() -> bool {
    look_at_limit();
    has_room()
}

/// So many descriptors that a client has taken, or something that comes with it, for as long as this lasts.
#[derive(Debug)]
pub struct Descriptors<const COUNT: usize>(());

impl<const COUNT: usize> Descriptors<COUNT> {
    /// Takes them, whether they are left or not.
    #[must_use]
    pub fn take() -> Self {
        TAKEN.fetch_add(COUNT, Ordering::Relaxed);
        Self(())
    }

    /// Takes them, if one at least is left.
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
