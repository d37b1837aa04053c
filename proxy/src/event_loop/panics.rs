//! Contains panics: the code of one client, link or member runs here, and its panic is counted and goes no further.
//!
//! A panic is a fault of penstock. It is caught where the code of one client, link or member ends and that of all begins, and
//! the code that catches it cleans up. `docs/decisions/0024-a-panic-ends-one.md` says why.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::EventLoop;

/// Whose code panicked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum PanicSite {
    /// A client's: that client is closed.
    Client,
    /// A link's: that link is closed, and what was in flight on it fails or goes elsewhere.
    Link,
    /// A tunnel's: both its connections are reset.
    Tunnel,
    /// What looks after a member: it is begun again.
    Member,
    /// What takes clients in: the client that came is closed.
    Listener,
    /// Anything else on a worker.
    Worker,
}

impl PanicSite {
    /// Every site, in the order of the discriminants.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Link, Self::Tunnel, Self::Member, Self::Listener, Self::Worker];

    /// The label's value.
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

/// Something that others call, and that ends alone where a call of it panics.
pub trait Contained {
    /// Whose code it is.
    fn site(&self) -> PanicSite;
    /// A call of it has panicked. This must not, and borrows nothing that it cannot have.
    fn panicked(&self);
}

/// How long a duty rests that has panicked.
const REST: Duration = Duration::from_secs(1);

impl EventLoop {
    /// Runs what belongs to one of many. `None` where it panicked, which has been counted then: the caller cleans up.
    /// Cells that were borrowed are free again; whatever else was half done is the caller's to mend.
    pub fn contain<R>(&self, site: PanicSite, run: impl FnOnce() -> R) -> Option<R> {
        let done = catch_unwind(AssertUnwindSafe(run)).ok();
        if done.is_none()
            && let Some(count) = &*self.panics.borrow()
        {
            count(site);
        }
        done
    }

    /// Calls something, which is told where that panics.
    pub(super) fn call<C: Contained + ?Sized, R>(&self, who: &C, call: impl FnOnce(&C) -> R) -> Option<R> {
        let done = self.contain(who.site(), || call(who));
        if done.is_none() {
            who.panicked();
        }
        done
    }

    /// Polls a future to its end; `None` where it panicked. What it owned has been dropped then.
    pub async fn contain_task<F: Future>(&self, site: PanicSite, future: F) -> Option<F::Output> {
        // In a box, so that it is not in the task twice.
        let mut future = Box::pin(future);
        let polled = |future: &mut Pin<Box<F>>, cx: &mut std::task::Context<'_>| match self
            .contain(site, || future.as_mut().poll(cx))
        {
            Some(polled) => polled.map(Some),
            None => Poll::Ready(None),
        };
        poll_fn(|cx| polled(&mut future, cx)).await
    }

    /// Runs a duty to its end, on this thread. Where it panics it is begun again after a rest.
    pub fn spawn_duty<F: Future<Output = ()>>(self: &Rc<Self>, duty: impl Fn() -> F + 'static) {
        let event_loop = self.clone();
        tokio::task::spawn_local(async move {
            while event_loop.contain_task(PanicSite::Member, duty()).await.is_none() {
                tokio::time::sleep(REST).await;
            }
        });
    }

    /// Panics are counted by this from now on.
    pub fn count_panics(&self, count: impl Fn(PanicSite) + 'static) {
        *self.panics.borrow_mut() = Some(Box::new(count));
    }
}

/// How panics are counted.
pub(super) type PanicCounter = Box<dyn Fn(PanicSite)>;

/// A place where tests let this thread panic; nothing at all in a program that is not a test of this crate.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn may_panic(_place: &str) {}

#[cfg(test)]
pub(crate) use injected::may_panic;

#[cfg(test)]
pub(crate) mod injected {
    //! Panics on demand: by the name of a place, on the threads of one proxy.

    use std::cell::RefCell;
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex, PoisonError};

    /// The place at which the next panic is due, and how many panics there were.
    #[derive(Debug, Default)]
    pub(crate) struct Injector(Mutex<(Option<String>, u32)>);

    thread_local! {
        static MINE: RefCell<Option<Arc<Injector>>> = const { RefCell::new(None) };
    }

    /// Those of whole proxies, by the name of a listener that no other proxy has.
    static ALL: Mutex<BTreeMap<String, Arc<Injector>>> = Mutex::new(BTreeMap::new());

    /// The one for the workers of the proxy that has a listener of this name.
    pub(crate) fn injector(listener: &str) -> Arc<Injector> {
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(listener.to_owned()).or_default().clone()
    }

    /// This thread is a worker of the proxy that has this listener.
    pub(crate) fn adopt(listener: &str) {
        let all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(injector) = all.get(listener) {
            MINE.set(Some(injector.clone()));
        }
    }

    impl Injector {
        /// The next thread that comes to this place panics there.
        pub(crate) fn arm(&self, place: &str) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = Some(place.to_owned());
        }

        /// How many threads have panicked.
        pub(crate) fn fired(&self) -> u32 {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).1
        }

        fn is_due(&self, place: &str) -> bool {
            let mut armed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let due = armed.0.as_deref() == Some(place);
            if due {
                *armed = (None, armed.1 + 1);
            }
            due
        }
    }

    /// Panics, if that is due here.
    #[track_caller]
    pub(crate) fn may_panic(place: &str) {
        let due = MINE.with_borrow(|mine| mine.as_ref().is_some_and(|mine| mine.is_due(place)));
        assert!(!due, "injected at {place}");
    }
}
