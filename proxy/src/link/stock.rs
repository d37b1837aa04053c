//! What all workers share of the way to one member of a TCP backend: its places, and its warm links.
//! In: those who want a connection of their own. Out: a place for each, exact for the process, in order.
//! Touched when a connection is opened or closed, never for what it carries.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::cause::Cause;
use crate::config::{Links, WaitQueue};
use crate::net::{self, Sight, Stream};

/// See the head of this file.
#[derive(Debug)]
pub struct Stock {
    places: Arc<Semaphore>,
    cap: Mutex<usize>,
    /// Places that were taken back while they were in use: they go when they are given back.
    debt: AtomicUsize,
    waiting: AtomicUsize,
    warm: Mutex<VecDeque<WarmLink>>,
    wanted: AtomicUsize,
    /// Wakes the one who keeps the warm links: one was taken or added, somebody waits for a place, or the
    /// configuration has changed.
    pub(super) taken: Notify,
}

/// A connected, unused link.
#[derive(Debug)]
pub(super) struct WarmLink {
    pub(super) stream: Stream,
    pub(super) place: Place,
}

/// The right to one connection to a member. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    stock: Arc<Stock>,
}

impl Default for Stock {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            cap: Mutex::new(Semaphore::MAX_PERMITS),
            debt: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            warm: Mutex::default(),
            wanted: AtomicUsize::new(0),
            taken: Notify::new(),
        }
    }
}

impl Stock {
    /// Takes the limits of a configuration. Connections that stand stay, and count.
    pub(super) fn configure(&self, links: &Links) {
        let cap = links.cap().map_or(Semaphore::MAX_PERMITS, |cap| cap as usize);
        let mut before = lock(&self.cap);
        let (more, less) = (cap.saturating_sub(*before), before.saturating_sub(cap));
        self.places.add_permits(more - self.pay(more));
        let gone = self.places.forget_permits(less);
        self.debt.fetch_add(less - gone, Ordering::Relaxed);
        *before = cap;
        self.wanted.store(links.warm as usize, Ordering::Relaxed);
        self.taken.notify_one();
    }

    /// Takes at most so much off the debt, and tells how much.
    fn pay(&self, most: usize) -> usize {
        let less = |debt: usize| (debt > 0 && most > 0).then(|| debt.saturating_sub(most));
        let before = self.debt.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        before.map_or(0, |debt| debt.min(most))
    }

    /// A place, if one is free and nobody waits for it.
    pub(super) fn try_place(self: &Arc<Self>) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        Some(Place { permit: Some(permit), stock: self.clone() })
    }

    /// Waits for a place, behind those who wait already.
    ///
    /// # Errors
    /// [`Cause::QueueFull`] or [`Cause::QueueTimeout`].
    pub(super) async fn wait(self: &Arc<Self>, queue: &WaitQueue) -> Result<Place, Cause> {
        let Some(_waiting) = Waiting::enter(&self.waiting, queue.max) else { return Err(Cause::QueueFull) };
        self.taken.notify_one();
        let place = tokio::time::timeout(queue.timeout, self.places.clone().acquire_owned()).await;
        // The semaphore is never closed.
        let permit = place.map_err(|_| Cause::QueueTimeout)?.map_err(|_| Cause::Internal)?;
        Ok(Place { permit: Some(permit), stock: self.clone() })
    }

    /// How many warm links are missing.
    pub(super) fn missing(&self) -> usize {
        self.wanted.load(Ordering::Relaxed).saturating_sub(lock(&self.warm).len())
    }

    /// Whether no warm links are to be kept.
    pub(super) fn wants_none(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) == 0
    }

    /// One more warm link. Somebody may wait for its place.
    pub(super) fn put(&self, link: WarmLink) {
        lock(&self.warm).push_back(link);
        self.taken.notify_one();
    }

    /// The warm link that has waited longest; what the member sent on it first stays to be read. `dead` is called
    /// for each that the member has closed meanwhile.
    pub(super) fn take(&self, mut dead: impl FnMut()) -> Option<WarmLink> {
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

    /// Takes out the warm links that the member has closed, and those that are too many or whose place somebody
    /// waits for; tells how many they were of either kind.
    pub(super) fn sweep(&self) -> (usize, usize) {
        let mut warm = lock(&self.warm);
        let before = warm.len();
        warm.retain(WarmLink::is_alive);
        let alive = warm.len();
        let spare = alive.saturating_sub(self.waiting.load(Ordering::Relaxed));
        warm.truncate(self.wanted.load(Ordering::Relaxed).min(spare));
        (before - alive, alive - warm.len())
    }

    /// Closes all warm links, and tells how many they were.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *lock(&self.warm)).len()
    }
}

impl WarmLink {
    fn is_alive(&self) -> bool {
        matches!(net::look(&self.stream, &mut [0]), Sight::Quiet | Sight::Bytes(_))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take()
            && self.stock.pay(1) == 1
        {
            permit.forget();
        }
    }
}

/// One of those who wait, for as long as it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let entered = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(entered)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
