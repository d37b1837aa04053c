//! Holds what all workers share for one member of a TCP backend: the permits, the order in which tunnels give
//! way, and the warm links.
//!
//! The number of permits is exact for the process. A lock is taken when a connection opens or closes. Moving
//! bytes costs one store, and only on a tunnel that may have to give way.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::cause::Cause;
use crate::config::{Links, QueueLimits};
use crate::event_loop::{EventLoop, Nanos, timeout};
use crate::net::{self, Peeked, Stream};

use super::permit_queue::PermitQueue;

/// The permits and the warm links of one member.
#[derive(Debug, Default)]
pub struct SharedCap {
    room: Mutex<CapState>,
    warm: Mutex<VecDeque<WarmLink>>,
    wanted: AtomicUsize,
    /// The number of clients that wait until the member answers again.
    pub(in crate::link) waiting_for_member: AtomicUsize,
    /// Wakes the task that keeps the warm links: one was taken or added, a client waits for a permit, or the
    /// configuration has changed.
    pub(in crate::link) taken: Notify,
}

/// The permits, and the tunnels that may give way for waiting clients.
#[derive(Debug, Default)]
struct CapState {
    permits: PermitQueue<Sender<()>>,
    /// The time without bytes after which a tunnel may have to give way.
    evict_idle: Option<Duration>,
    /// The tunnels that may have to give way, by number.
    tunnels: HashMap<u64, Arc<Activity>>,
    last: u64,
    /// The number of tunnels that were asked to give way and have not ended yet.
    leaving: usize,
    /// The time before which no further tunnel can have been idle for long enough.
    none_before: Option<Instant>,
}

/// The activity of a tunnel, and whether it was asked to give way, as other workers see it.
#[derive(Debug)]
struct Activity {
    /// The start of the tunnel's worker, which its times in nanoseconds are counted from.
    started: Instant,
    moved: AtomicU64,
    evicting: AtomicBool,
    /// Wakes the task of the tunnel.
    waker: Waker,
}

/// A connected link that is not in use.
#[derive(Debug)]
pub(in crate::link) struct WarmLink {
    pub(in crate::link) stream: Stream,
    pub(in crate::link) permit: LinkPermit,
}

/// The right to one connection to a member, which is returned when it is dropped.
#[derive(Debug)]
pub(in crate::link) struct LinkPermit {
    shared_cap: Arc<SharedCap>,
    source: Option<IpAddr>,
    /// The tunnel that uses the permit, if it may have to give way.
    tunnel: Option<(u64, Arc<Activity>)>,
}

impl SharedCap {
    /// Sets the limits of a configuration. Existing connections stay and count.
    pub(in crate::link) fn configure(&self, links: &Links) {
        let mut room = lock(&self.room);
        room.permits.configure(links.cap(), links.max_per_source);
        // The time computed from the old limit is no longer valid.
        if room.evict_idle != links.evict_idle {
            (room.evict_idle, room.none_before) = (links.evict_idle, None);
        }
        room.give();
        drop(room);
        self.wanted.store(links.warm as usize, Ordering::Relaxed);
        self.taken.notify_one();
    }

    /// Returns a permit for a source, or for a warm link, if one is free and nobody waits.
    pub(in crate::link) fn try_permit(self: &Arc<Self>, source: Option<IpAddr>) -> Option<LinkPermit> {
        let taken = lock(&self.room).permits.take(source);
        taken.then(|| LinkPermit { shared_cap: self.clone(), source, tunnel: None })
    }

    /// Waits for a permit behind other clients of the same source. Meanwhile tunnels that have been idle for
    /// long enough are asked to give way.
    ///
    /// # Errors
    /// Returns [`Cause::QueueFull`] or [`Cause::QueueTimeout`].
    pub(in crate::link) async fn wait(
        self: &Arc<Self>,
        source: IpAddr,
        queue: &QueueLimits,
    ) -> Result<LinkPermit, Cause> {
        let Some(mut waiting) = PermitWaiter::enter(self, source, queue.max) else {
            return Err(Cause::QueueFull);
        };
        self.taken.notify_one();
        let event_loop = async {
            loop {
                // Eviction is repeated, since a tunnel that was asked may stay.
                let again = self.make_room();
                let pause = async {
                    match again {
                        Some(at) => tokio::time::sleep_until(at.into()).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    // The sender cannot be dropped before, because it belongs to the shared cap, which the
                    // waiter holds.
                    _ = &mut waiting.event_loop => return,
                    () = pause => {}
                }
            }
        };
        timeout(queue.timeout, event_loop).await.map_err(|_| Cause::QueueTimeout)?;
        Ok(waiting.served())
    }

    /// Asks as many idle tunnels to give way as clients wait, starting with the one that is idle longest.
    /// Returns the time at which to ask again, if that makes sense.
    fn make_room(&self) -> Option<Instant> {
        // Warm links are closed before tunnels have to give way.
        let warm = lock(&self.warm).len();
        lock(&self.room).request_eviction(warm, Instant::now())
    }

    /// Returns the number of missing warm links.
    pub(in crate::link) fn missing(&self) -> usize {
        self.wanted.load(Ordering::Relaxed).saturating_sub(lock(&self.warm).len())
    }

    /// Returns whether no warm links are to be kept.
    pub(in crate::link) fn wants_none(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) == 0
    }

    /// Adds a warm link, whose permit a client may be waiting for.
    pub(in crate::link) fn put(&self, link: WarmLink) {
        lock(&self.warm).push_back(link);
        self.taken.notify_one();
    }

    /// Takes the oldest warm link. Bytes that the member has sent first stay to be read. `dead` is called for
    /// each link that the member has closed meanwhile.
    pub(in crate::link) fn take(&self, mut dead: impl FnMut()) -> Option<WarmLink> {
        if self.wants_none() {
            return None;
        }
        loop {
            let link = lock(&self.warm).pop_front()?;
            self.taken.notify_one();
            if link.is_alive() {
                return Some(link);
            }
            dead();
        }
    }

    /// Removes the warm links that the member has closed, then those that are too many or whose permit a
    /// client waits for. Returns the numbers of both.
    pub(in crate::link) fn sweep(&self) -> (usize, usize) {
        let waiting = lock(&self.room).permits.waiting();
        let mut warm = lock(&self.warm);
        let before = warm.len();
        warm.retain(WarmLink::is_alive);
        let alive = warm.len();
        warm.truncate(self.wanted.load(Ordering::Relaxed).min(alive.saturating_sub(waiting)));
        (before - alive, alive - warm.len())
    }

    /// Closes all warm links, and returns their number.
    pub(in crate::link) fn clear(&self) -> usize {
        std::mem::take(&mut *lock(&self.warm)).len()
    }
}

impl CapState {
    /// Grants free permits to waiting clients.
    fn give(&mut self) {
        while let Some(event_loop) = self.permits.next() {
            // A client that has left meanwhile returns its permit, see `PermitWaiter`.
            let _ = event_loop.send(());
        }
    }

    /// Asks tunnels to give way, see [`SharedCap::make_room`].
    fn request_eviction(&mut self, warm: usize, now: Instant) -> Option<Instant> {
        let idle = self.evict_idle?;
        let wanted = self.permits.waiting().saturating_sub(self.leaving + warm);
        if wanted > 0 && self.none_before.is_none_or(|at| at <= now) {
            let staying = self.tunnels.values().filter(|tunnel| !tunnel.evicting.load(Ordering::Relaxed));
            let mut by_age: Vec<_> = staying.map(|tunnel| (tunnel.idle_since(), tunnel)).collect();
            // Only the oldest tunnels need an order, so that selecting them is enough.
            if wanted < by_age.len() {
                by_age.select_nth_unstable_by_key(wanted, |(since, _)| *since);
            }
            let longest = wanted.min(by_age.len());
            by_age[..longest].sort_unstable_by_key(|(since, _)| *since);
            let is_idle = |since: Instant| since + idle <= now;
            let chosen = by_age.iter().take(wanted).take_while(|(since, _)| is_idle(*since)).count();
            for (_, tunnel) in &by_age[..chosen] {
                tunnel.evicting.store(true, Ordering::Relaxed);
                tunnel.waker.wake_by_ref();
            }
            self.leaving += chosen;
            self.none_before = by_age.get(chosen).map(|(since, _)| *since + idle);
        }
        // A tunnel that was asked may stay, and another may become idle for long enough; both are seen within
        // this time.
        let latest = now + idle;
        Some(self.none_before.map_or(latest, |at| at.min(latest).max(now + LEAST_PAUSE)))
    }

    /// Records that a tunnel that was asked to give way has ended or stays.
    fn end_eviction(&mut self, tunnel: &Activity) {
        if tunnel.evicting.swap(false, Ordering::Relaxed) {
            self.leaving -= 1;
        }
    }
}

/// The shortest pause in ms, which is the resolution of timers.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

impl Activity {
    fn idle_since(&self) -> Instant {
        self.started + Duration::from_nanos(self.moved.load(Ordering::Relaxed))
    }
}

impl LinkPermit {
    /// Assigns the permit to a tunnel of this source, and stores the waker of the tunnel's task.
    pub(in crate::link) fn used_by(&mut self, source: IpAddr, event_loop: &EventLoop, waker: Waker) {
        let mut room = lock(&self.shared_cap.room);
        if self.source.is_none() {
            room.permits.assign(source);
            self.source = Some(source);
        }
        // Without eviction, nothing has to be recorded for tunnels.
        if room.evict_idle.is_some() {
            let (started, moved) = (event_loop.started(), event_loop.now().into());
            let tunnel = Arc::new(Activity { started, moved, evicting: false.into(), waker });
            room.last += 1;
            let number = room.last;
            room.tunnels.insert(number, tunnel.clone());
            self.tunnel = Some((number, tunnel));
        }
    }

    /// Records that bytes have moved in the tunnel.
    pub(in crate::link) fn moved(&self, now: Nanos) {
        if let Some((_, tunnel)) = &self.tunnel {
            tunnel.moved.store(now, Ordering::Relaxed);
        }
    }

    /// Returns whether the tunnel was asked to give way.
    pub(in crate::link) fn is_wanted(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|(_, tunnel)| tunnel.evicting.load(Ordering::Relaxed))
    }

    /// Returns whether the tunnel that was asked still has to give way: nothing has moved in it meanwhile,
    /// and a client waits for which no other tunnel ends. Otherwise the tunnel stays, and another is chosen.
    pub(in crate::link) fn gives_way(&self) -> bool {
        let Some((_, tunnel)) = self.tunnel.as_ref().filter(|_| self.is_wanted()) else { return false };
        let mut room = lock(&self.shared_cap.room);
        let idle = room.evict_idle.is_some_and(|idle| tunnel.idle_since() + idle <= Instant::now());
        // Fewer clients may wait by now than tunnels were asked to give way.
        if idle && room.permits.waiting() >= room.leaving {
            return true;
        }
        room.end_eviction(tunnel);
        // This tunnel has moved, so that the time computed before is too late for others.
        room.none_before = None;
        drop(room);
        self.shared_cap.make_room();
        false
    }
}

impl Drop for LinkPermit {
    fn drop(&mut self) {
        let mut room = lock(&self.shared_cap.room);
        if let Some((number, tunnel)) = &self.tunnel {
            room.tunnels.remove(number);
            room.end_eviction(tunnel);
        }
        room.permits.give_back(self.source);
        room.give();
    }
}

impl WarmLink {
    fn is_alive(&self) -> bool {
        matches!(net::peek(&self.stream, &mut [0]), Peeked::Quiet | Peeked::Bytes(_))
    }
}

/// A waiting client, which leaves the queue when it is dropped.
struct PermitWaiter {
    shared_cap: Arc<SharedCap>,
    source: IpAddr,
    number: u64,
    event_loop: Receiver<()>,
    served: bool,
}

impl PermitWaiter {
    fn enter(shared_cap: &Arc<SharedCap>, source: IpAddr, most: usize) -> Option<Self> {
        let mut room = lock(&shared_cap.room);
        if room.permits.waiting() >= most {
            return None;
        }
        let (sender, event_loop) = channel();
        let number = room.permits.wait(source, sender);
        room.give(); // a permit may have become free since it was asked for
        Some(Self { shared_cap: shared_cap.clone(), source, number, event_loop, served: false })
    }

    /// Ends the wait and returns the permit.
    fn served(mut self) -> LinkPermit {
        self.served = true;
        LinkPermit { shared_cap: self.shared_cap.clone(), source: Some(self.source), tunnel: None }
    }
}

impl Drop for PermitWaiter {
    fn drop(&mut self) {
        if self.served {
            return;
        }
        let mut room = lock(&self.shared_cap.room);
        if !room.permits.leave(self.source, self.number) {
            // The permit was granted while the client left, so it goes to the next one.
            room.permits.give_back(Some(self.source));
            room.give();
        }
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
