//! Accepts clients, and gives each to the least loaded worker that may have it.
//!
//! `proxy_header` reads the PROXY header if the listener expects one.

mod any_frontend;
mod proxy_header;

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::config::{AcceptProxy, Listener};
use crate::event_loop::{PanicSite, may_panic};
use crate::frontend::{Accepted, ClientPermit};
use crate::mailbox::Message;
use crate::metrics::{AcceptError, ClientReject, ListenerCells};
use crate::net::{self, Acceptor, Descriptors, Stream};
use crate::shared::Shared;

pub(crate) use any_frontend::AnyFrontend;

/// Accepts for as long as the listener lasts. Ends when it is dropped.
pub(crate) async fn accept(
    worker: usize,
    any_frontend: AnyFrontend,
    shared: Arc<Shared>,
    acceptor: Acceptor,
) {
    let mut pause = FIRST_PAUSE;
    let mut next = worker;
    loop {
        match poll_fn(|cx| acceptor.poll_accept(cx)).await {
            Ok((stream, source)) => {
                pause = FIRST_PAUSE;
                let place = || place((worker, &mut next), &any_frontend, &shared, stream, source);
                _ = any_frontend.event_loop().contain(PanicSite::Listener, place);
                // Accepting one more client would take a descriptor that links may need.
                if !net::has_room() {
                    any_frontend.cells().accept_errors[AcceptError::Reserve].inc();
                    until_there_is_room().await;
                }
            }
            Err(error) if count(any_frontend.cells(), &error) => {
                // No descriptor is free, so clients wait in the kernel's queue until one is.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(_) => {}
        }
    }
}

/// Waits for a descriptor that clients may use. Meanwhile new clients wait in the kernel's queue.
async fn until_there_is_room() {
    loop {
        tokio::time::sleep(FIRST_PAUSE).await;
        if net::has_room_by_now() {
            return;
        }
    }
}

/// The first pause after a failed accept, which doubles up to [`LAST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Counts a failure of accept(2), and returns whether the next call would fail in the same way.
fn count(cells: &ListenerCells, error: &io::Error) -> bool {
    let kind = match error.raw_os_error() {
        Some(libc::EMFILE) => AcceptError::Emfile,
        Some(libc::ENFILE) => AcceptError::Enfile,
        Some(libc::ENOBUFS | libc::ENOMEM) => AcceptError::Enobufs,
        Some(libc::ECONNABORTED | libc::EPERM) => AcceptError::Aborted,
        _ => AcceptError::Other,
    };
    cells.accept_errors[kind].inc();
    kind != AcceptError::Aborted
}

/// Places a connection on a worker, or refuses it by dropping it. `next` is the worker whose turn it is among
/// equally loaded ones.
fn place(
    (own, next): (usize, &mut usize),
    any_frontend: &AnyFrontend,
    shared: &Shared,
    stream: Stream,
    source: SocketAddr,
) {
    let listener = any_frontend.listener();
    if let Some(why) = refused(&listener, any_frontend, source) {
        return any_frontend.cells().rejected[why].inc();
    }
    let best = least_loaded(&listener, shared, *next).unwrap_or(own);
    // Equally loaded workers take turns.
    *next = best + 1;
    let permit = ClientPermit::new(&shared.workers[best].load, any_frontend.open());
    // A client of a TCP listener needs a second descriptor for its link.
    let link = (!listener.protocol.is_pooled()).then(Descriptors::take);
    may_panic("listener.place");
    let accepted = Accepted { stream, source, permit, link };
    if best == own {
        any_frontend.accept(accepted);
    } else {
        shared.workers[best].send(Message::Client { listener, accepted });
    }
}

fn refused(listener: &Listener, any_frontend: &AnyFrontend, source: SocketAddr) -> Option<ClientReject> {
    let is_full = |most: std::num::NonZeroUsize| any_frontend.open().load(Ordering::Relaxed) >= most.get();
    if listener.max_connections.is_some_and(is_full) {
        return Some(ClientReject::Max);
    }
    let must_tell = listener.proxy_protocol == AcceptProxy::Required;
    (must_tell && !listener.trusted.contains(source.ip())).then_some(ClientReject::ProxyHeader)
}

/// Returns the worker with the fewest clients among those that may have clients of this listener, and among
/// equals the first from `next` on. Caps on shared links are divided among the workers, so that a worker may
/// have none; permits of a TCP backend are not divided.
fn least_loaded(listener: &Arc<Listener>, shared: &Shared, next: usize) -> Option<usize> {
    let settings = shared.settings();
    let may = |worker: &usize| {
        let backend = settings.backends.get(listener.backend);
        !listener.protocol.is_pooled()
            || backend.is_none_or(|b| shared.share(b, listener.backend, *worker).links > 0)
    };
    let load = |worker: &usize| shared.workers[*worker].load.load(Ordering::Relaxed);
    let workers = shared.workers.len();
    (next..next + workers).map(|worker| worker % workers).filter(may).min_by_key(load)
}
