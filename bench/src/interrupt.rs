//! Notices Ctrl-C, so that a run ends early and keeps what it measured.

use std::io;
use std::process;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// The exit status of a program that SIGINT ended, as shells give it.
pub(crate) const STATUS: u8 = 130;

static CAME: AtomicBool = AtomicBool::new(false);
static CHILDREN: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Watches for SIGINT from here on. A second one ends the process and its children at once.
pub(crate) fn watch() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            signals.recv().await;
            CAME.store(true, Ordering::Relaxed);
            signals.recv().await;
            for child in CHILDREN.lock().map(|pids| pids.clone()).unwrap_or_default() {
                // A child that has ended needs no signal.
                let _ = kill(Pid::from_raw(child.cast_signed()), Signal::SIGKILL);
            }
            process::exit(i32::from(STATUS));
        });
    })?;
    Ok(())
}

/// Returns whether SIGINT has come.
pub(crate) fn has_come() -> bool {
    CAME.load(Ordering::Relaxed)
}

/// Has a child end with this process if a second SIGINT comes.
pub(crate) fn end_too(pid: u32) {
    if let Ok(mut pids) = CHILDREN.lock() {
        pids.push(pid);
    }
}
