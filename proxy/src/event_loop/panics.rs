//! Contains panics: a panic in the code of one client, link or member is counted and affects no other.
//!
//! A panic is a fault of penstock. It is caught where the code of one client, link or member ends and shared
//! code begins, and the code that catches it cleans up. `docs/decisions/0024-a-panic-ends-one.md` says why.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::EventLoop;

/// The code in which a panic occurred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum PanicSite {
    /// The code of a client, which is closed.
    Client,
    /// The code of a link, which is closed. Exchanges in flight on it fail or move to another link.
    Link,
    /// The code of a tunnel, whose connections are both reset.
    Tunnel,
    /// The duties of a member, which are started again.
    Member,
    /// The code that accepts clients. The accepted client is closed.
    Listener,
    /// Any other code on a worker.
    Worker,
}

impl PanicSite {
    /// All sites, in the order of the discriminants.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Link, Self::Tunnel, Self::Member, Self::Listener, Self::Worker];

    /// Returns the value of the metric's label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Link => "link",
            Self::Tunnel => "tunnel",
            Self::Member => "member",
            Self::Listener => "listener",
            Self::Worker => "worker",
        }
    }
}

/// An object whose panics affect nothing else.
pub trait Contained {
    /// Returns the site to which its panics are counted.
    fn site(&self) -> PanicSite;
    /// Cleans up after a call that panicked. This function must not panic, and may borrow only cells that are
    /// certainly free.
    fn panicked(&self);
}

/// The pause before a duty that panicked is started again.
const REST: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Runs code that may panic. A panic is counted and returns `None`, and the caller cleans up. Cells that
    /// were borrowed are free again, but anything else may be half done.
    pub fn contain<R>(&self, site: PanicSite, run: impl FnOnce() -> R) -> Option<R> {
        let done = catch_unwind(AssertUnwindSafe(run)).ok();
        if done.is_none()
            && let Some(count) = &*self.panics.borrow()
        {
            count(site);
        }
        done
    }

    /// Calls an object, and tells it if the call panicked.
    pub(super) fn call<C: Contained + ?Sized, R>(&self, who: &C, call: impl FnOnce(&C) -> R) -> Option<R> {
        let done = self.contain(who.site(), || call(who));
        if done.is_none() {
            who.panicked();
        }
        done
    }

    /// Polls a future to its end, or returns `None` if it panicked. Everything that it owned has been dropped
    /// then.
    pub async fn contain_task<F: Future>(&self, site: PanicSite, future: F) -> Option<F::Output> {
        // A boxed future is stored once; otherwise the task would contain it twice.
        let mut future = Box::pin(future);
        let polled = |future: &mut Pin<Box<F>>, cx: &mut std::task::Context<'_>| match self
            .contain(site, || future.as_mut().poll(cx))
        {
            Some(polled) => polled.map(Some),
            None => Poll::Ready(None),
        };
        poll_fn(|cx| polled(&mut future, cx)).await
    }

    /// Runs a duty to its end on this thread, and starts it again after a pause if it panics.
    pub fn spawn_duty<F: Future<Output = ()>>(self: &Rc<Self>, duty: impl Fn() -> F + 'static) {
        let event_loop = self.clone();
        tokio::task::spawn_local(async move {
            while event_loop.contain_task(PanicSite::Member, duty()).await.is_none() {
                tokio::time::sleep(REST).await;
            }
        });
    }

    /// Sets the function that counts panics.
    pub fn count_panics(&self, count: impl Fn(PanicSite) + 'static) {
        *self.panics.borrow_mut() = Some(Box::new(count));
    }
}

/// The function that counts panics.
pub(super) type PanicCounter = Box<dyn Fn(PanicSite)>;

/// Marks a place where tests inject a panic. Outside of tests this function does nothing.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn may_panic(_place: &str) {}

#[cfg(test)]
pub(crate) use injected::may_panic;

#[cfg(test)]
pub(crate) mod injected {
    //! Injects panics into the threads of one proxy, by the name of a place.

    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    /// The panics of one proxy.
    #[derive(Debug, Default)]
    pub(crate) struct Injector(Mutex<Injections>);

    #[derive(Debug, Default)]
    struct Injections {
        /// The place of the next one, and how often it may still be passed before.
        armed: Option<(String, u32)>,
        fired: u32,
    }

    thread_local! {
        static MINE: RefCell<Option<Arc<Injector>>> = const { RefCell::new(None) };
    }

    /// The injectors of whole proxies, by the name of a listener that only this proxy has.
    static ALL: Mutex<BTreeMap<String, Arc<Injector>>> = Mutex::new(BTreeMap::new());

    /// Returns the injector for the workers of the proxy with this listener.
    pub(crate) fn injector(listener: &str) -> Arc<Injector> {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(listener.to_owned()).or_default().clone()
    }

    /// Makes this thread use the injector of the proxy with this listener.
    pub(crate) fn adopt(listener: &str) {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(injector) = all.get(listener) {
            MINE.set(Some(injector.clone()));
        }
    }

    impl Injector {
        /// Makes the next thread that reaches this place panic, after others have passed it so many times.
        pub(crate) fn arm(&self, place: &str, passes: u32) {
            self.lock().armed = Some((place.to_owned(), passes));
        }

        /// Returns the number of threads that have panicked.
        pub(crate) fn fired(&self) -> u32 {
            self.lock().fired
        }

        fn is_due(&self, place: &str) -> bool {
            let mut injections = self.lock();
            match &mut injections.armed {
                Some((armed, passes)) if armed == place && *passes > 0 => *passes -= 1,
                Some((armed, _)) if armed == place => {
                    injections.armed = None;
                    injections.fired += 1;
                    return true;
                }
                _ => {}
            }
            false
        }

        fn lock(&self) -> MutexGuard<'_, Injections> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// Panics if that is due at this place.
    #[track_caller]
    pub(crate) fn may_panic(place: &str) {
        let due = MINE.with_borrow(|mine| mine.as_ref().is_some_and(|mine| mine.is_due(place)));
        assert!(!due, "injected at {place}");
    }
}
