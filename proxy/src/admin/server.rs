//! The admin server's socket and thread.
//! In: an address and pages. Out: a handle that tells the bound address and stops the thread.
//! Knows nothing of what the pages say.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use axum::Router;
use tokio::sync::oneshot;

use super::ReadyState;
use super::pages::{Page, router};
use crate::metrics::Registry;

/// A running admin server. It stops when this is dropped.
pub struct Admin {
    addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds `bind` and serves the admin pages on a thread of their own.
///
/// # Errors
/// If the address cannot be bound or the thread not be started.
pub fn start(bind: SocketAddr, registry: Registry, ready: ReadyState) -> io::Result<Admin> {
    start_with(bind, registry, ready, Vec::new())
}

/// [`start`] with more pages; each stands in the index, too.
///
/// # Errors
/// If the address cannot be bound or the thread not be started.
///
/// # Panics
/// If two pages have the same path.
pub fn start_with(
    bind: SocketAddr,
    registry: Registry,
    ready: ReadyState,
    more: Vec<Page>,
) -> io::Result<Admin> {
    let router = router(registry, ready, more);
    let listener = TcpListener::bind(bind)?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _within = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let serve = move || runtime.block_on(serve(listener, router, stopped));
    let thread = thread::Builder::new().name("admin".into()).spawn(serve)?;
    Ok(Admin { addr, stop: Some(stop), thread: Some(thread) })
}

/// Serves until `stopped`; then connections are cut, as an answer here is never worth a delayed exit.
async fn serve(listener: tokio::net::TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    tokio::select! {
        // Failures of accept are retried within.
        _ = axum::serve(listener, router).into_future() => {}
        _ = stopped => {}
    }
}

impl Admin {
    /// The address it is bound to; the port is the kernel's where 0 was asked for.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops it; the address is free when this returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error says that it has ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic there was printed there.
            let _ = thread.join();
        }
    }
}
