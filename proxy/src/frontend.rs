//! A listener on one worker: what its clients share, and what one configuration makes of it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::access_log::LogWriter;
use crate::affinity::Sources;
use crate::backend::Group;
use crate::config::Listener;
use crate::event_loop::EventLoop;
use crate::metrics::{ListenerCells, RouteCells, WorkerCells};
use crate::net::{self, Descriptors, Pipes, Socket};
use crate::stream::Stream;

/// What all clients of one listener on one worker share. It lasts as long as the listener does.
pub struct Frontend<W> {
    /// The worker's clock, buffers and timers.
    pub event_loop: Rc<EventLoop>,
    /// The worker's pipes.
    pub pipes: Rc<Pipes>,
    /// Where clients (or their requests) go; each client takes it anew at its next exchange.
    pub destination: RefCell<Rc<Destination<W>>>,
    /// What is counted for the listener.
    pub cells: Arc<ListenerCells>,
    /// What is counted for the worker.
    pub worker_cells: Arc<WorkerCells>,
    /// Who meets whom.
    pub sources: Arc<Sources>,
    /// Clients of the listener, of all workers.
    pub open: Arc<AtomicUsize>,
    /// No new configuration has this listener.
    pub closed: Cell<bool>,
}

/// The way on from a listener in one configuration.
pub struct Destination<W> {
    /// What is believed of the listener.
    pub listener: Arc<Listener>,
    /// Where its clients go.
    pub group: Rc<Group<W>>,
    /// What is counted for what goes this way.
    pub cells: Arc<RouteCells>,
    /// What notes its exchanges, if anything does.
    pub log_writer: Option<Rc<LogWriter>>,
    /// Where requests go for which one of the listener's rules holds, in the order of the rules.
    pub by_rule: Vec<Rc<Self>>,
}

impl<W> Frontend<W> {
    /// A client came.
    pub fn enter(&self) {
        self.cells.accepted.inc();
        self.worker_cells.connections.inc();
    }

    /// It left.
    pub fn leave(&self) {
        self.worker_cells.connections.dec();
    }
}

/// A connection that was accepted, on its way to its worker.
pub struct Accepted {
    /// Its socket, non-blocking.
    pub stream: net::Stream,
    /// Who it is from, by the kernel.
    pub source: SocketAddr,
    /// Its place in the counts of those who place clients.
    pub permit: ClientPermit,
    /// The descriptor of the link that it is to have, where it gets one of its own.
    pub link: Option<Descriptors<1>>,
}

/// A connection at its worker, about to be a client; a mere `Socket` while its PROXY header is awaited.
pub struct Incoming<S = Stream> {
    /// Its bytes.
    pub stream: S,
    /// Who it is from: by the kernel, or by a PROXY header that is believed.
    pub source: SocketAddr,
    /// What a PROXY header told besides.
    pub proxy_info: Option<Box<ProxyInfo>>,
    /// Its place in the counts of those who place clients.
    pub permit: ClientPermit,
    /// The descriptor of the link that it is to have, where it gets one of its own.
    pub link: Option<Descriptors<1>>,
}

impl Incoming<Socket> {
    /// All that it sends and gets from here on goes over its socket as it is.
    #[must_use]
    pub fn plain(self) -> Incoming {
        let Self { stream, source, proxy_info, permit, link } = self;
        Incoming { stream: Stream::Plain(stream), source, proxy_info, permit, link }
    }
}

/// What a PROXY header tells of a connection, besides its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyInfo {
    /// The address it was made to.
    pub destination: Option<SocketAddr>,
    /// The name it was made to.
    pub authority: Option<Box<[u8]>>,
    /// What it is called in the logs of whoever sent the header.
    pub unique_id: Option<Box<[u8]>>,
}

/// A client's place in the load of its worker and among the clients of its listener, for as long as it lasts.
pub struct ClientPermit {
    load: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    _descriptor: Descriptors<1>,
}

impl ClientPermit {
    /// Counts one more client of a worker with this load, and of a listener with so many open, and its descriptor.
    #[must_use]
    pub fn new(load: &Arc<AtomicUsize>, open: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        open.fetch_add(1, Ordering::Relaxed);
        Self { load: load.clone(), open: open.clone(), _descriptor: Descriptors::take() }
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}
