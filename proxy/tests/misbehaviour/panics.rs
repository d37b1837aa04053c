//! Notices panics on threads that are no test's: of the proxy's workers, which would survive them, and of members.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// From now on panics are counted.
pub(crate) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let thread = thread::current();
            // The harness names the threads of tests by their paths.
            let is_test = thread.name().is_some_and(|name| name.contains("::") || name == "main");
            SEEN.fetch_add(usize::from(!is_test), Ordering::SeqCst);
            before(panic);
        }));
    });
}

/// How many there were.
pub(crate) fn seen() -> usize {
    SEEN.load(Ordering::SeqCst)
}
