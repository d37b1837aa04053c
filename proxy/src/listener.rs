//! Accepts clients and gives each to the least loaded worker that may have it.
//! In: a listening socket. Out: clients, on this worker or by mail on another.
//! Knows nothing of what clients say.

use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::client::{Client, Hall};
use crate::metrics::{AcceptError, ClientReject};
use crate::net::Acceptor;
use crate::post::Mail;
use crate::shared::Shared;

/// Accepts for as long as the listener lasts. Ends when it is dropped.
pub async fn accept(worker: usize, hall: Rc<Hall>, shared: Arc<Shared>, socket: TcpListener) {
    let acceptor = match Acceptor::new(socket) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            return eprintln!("penstock: worker {worker}: cannot watch a listening socket: {error}");
        }
    };
    let mut pause = FIRST_PAUSE;
    loop {
        match poll_fn(|cx| acceptor.poll_accept(cx)).await {
            Ok((stream, from)) => {
                pause = FIRST_PAUSE;
                place(worker, &hall, &shared, stream, from);
            }
            Err(error) if count(&hall, &error) => {
                // No descriptor is free: the clients wait in the kernel's queue until one is.
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(_) => {}
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Counts a failure of accept(2). True where the next call would fail alike.
fn count(hall: &Hall, error: &io::Error) -> bool {
    let kind = match error.raw_os_error() {
        Some(libc::EMFILE) => AcceptError::Emfile,
        Some(libc::ENFILE) => AcceptError::Enfile,
        Some(libc::ENOBUFS | libc::ENOMEM) => AcceptError::Enobufs,
        Some(libc::ECONNABORTED | libc::EPERM) => AcceptError::Aborted,
        _ => AcceptError::Other,
    };
    hall.cells.accept_errors[kind].inc();
    kind != AcceptError::Aborted
}

fn place(own: usize, hall: &Rc<Hall>, shared: &Shared, stream: TcpStream, from: SocketAddr) {
    let route = hall.route.borrow().clone();
    let settings = shared.settings();
    let may = |worker: &usize| {
        let backend = settings.backends.get(route.listener.backend);
        backend.is_none_or(|b| shared.share(b, route.listener.backend, *worker).links > 0)
    };
    let load = |worker: &usize| shared.posts[*worker].load.load(Ordering::Relaxed);
    let best = (0..shared.posts.len()).filter(may).min_by_key(load).unwrap_or(own);
    shared.posts[best].load.fetch_add(1, Ordering::Relaxed);
    if best != own {
        let listener = route.listener.name.clone();
        return shared.posts[best].send(Mail::Client { listener, stream, source: from.ip() });
    }
    if Client::welcome(hall, stream, from.ip()).is_err() {
        shared.posts[own].load.fetch_sub(1, Ordering::Relaxed);
        hall.cells.rejected[ClientReject::FdLimit].inc();
    }
}
