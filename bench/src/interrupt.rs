//! Notices Ctrl-C, so that a run ends early and keeps what it measured.

use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;

/// The exit status of a program that SIGINT ended, as shells give it.
pub(crate) const STATUS: u8 = 130;

static CAME: AtomicBool = AtomicBool::new(false);

/// Watches for SIGINT from here on. A second one ends the process at once.
pub(crate) fn watch() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    // The runtime catches the signal when the first future is made, which must be before any load.
    let first =
        runtime.block_on(async { tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt()) });
    let mut signals = first?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            signals.recv().await;
            CAME.store(true, Ordering::Relaxed);
            signals.recv().await;
            process::exit(i32::from(STATUS));
        });
    })?;
    Ok(())
}

/// Returns whether SIGINT has come.
pub(crate) fn has_come() -> bool {
    CAME.load(Ordering::Relaxed)
}
