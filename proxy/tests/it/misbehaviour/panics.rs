//! Notices panics of the proxy's own threads, which would survive them, and of the members that misbehave.

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
            // The hook is the process's. Helpers of other rooms, which may lose their connection and panic, have no names, and the
            // harness names the threads of tests by their paths.
            let counts = thread.name().is_some_and(|name| !name.contains("::") && name != "main");
            SEEN.fetch_add(usize::from(counts), Ordering::SeqCst);
            before(panic);
        }));
    });
}

/// How many there were.
pub(crate) fn seen() -> usize {
    SEEN.load(Ordering::SeqCst)
}
