//! Holds the state of a listener on one worker: what its clients share, and the destination that one
//! configuration gives them.

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

/// The state that all clients of one listener share on one worker. It lasts as long as the listener.
pub(crate) struct Frontend<W> {
    /// The worker's clock, buffers and timers.
    pub event_loop: Rc<EventLoop>,
    /// The worker's pipes.
    pub pipes: Rc<Pipes>,
    /// The destination of clients or their requests. A client reads it again for its next exchange.
    pub destination: RefCell<Rc<Destination<W>>>,
    /// The counters of the listener.
    pub cells: Arc<ListenerCells>,
    /// The counters of the worker.
    pub worker_cells: Arc<WorkerCells>,
    /// The members of all sources.
    pub sources: Arc<Sources>,
    /// The number of clients of the listener on all workers.
    pub open: Arc<AtomicUsize>,
    /// Whether the listener was removed from the configuration.
    pub closed: Cell<bool>,
}

/// The settings of a listener, its backend, counters and log, in one configuration.
pub(crate) struct Destination<W> {
    /// The settings of the listener.
    pub listener: Arc<Listener>,
    /// The backend for its clients.
    pub group: Rc<Group<W>>,
    /// The counters for this listener and backend.
    pub cells: Arc<RouteCells>,
    /// The writer of the access log, if there is one.
    pub log_writer: Option<Rc<LogWriter>>,
    /// The destinations of requests that match a rule of the listener, in the order of the rules.
    pub by_rule: Vec<Rc<Self>>,
}

impl<W> Frontend<W> {
    /// Counts an accepted client.
    pub(crate) fn enter(&self) {
        self.cells.accepted.inc();
        self.worker_cells.connections.inc();
    }

    /// Counts a client that left.
    pub(crate) fn leave(&self) {
        self.worker_cells.connections.dec();
    }
}

/// An accepted connection that has not reached its worker yet.
pub struct Accepted {
    /// The socket, which is non-blocking.
    pub stream: net::Stream,
    /// The address of the other end, as the kernel knows it.
    pub source: SocketAddr,
    /// The permit of the client, by which it counts for placing others.
    pub permit: ClientPermit,
    /// The descriptor reserved for the client's link, if the client will get a dedicated one.
    pub link: Option<Descriptors<1>>,
}

/// A connection that has reached its worker and will become a client. `S` is a `Socket` until its PROXY
/// header has been read.
pub(crate) struct Incoming<S = Stream> {
    /// The connection.
    pub stream: S,
    /// The address of the client: from the kernel, or from a trusted PROXY header.
    pub source: SocketAddr,
    /// Further information from a PROXY header.
    pub proxy_info: Option<Box<ProxyInfo>>,
    /// The permit of the client, by which it counts for placing others.
    pub permit: ClientPermit,
    /// The descriptor reserved for the client's link, if the client will get a dedicated one.
    pub link: Option<Descriptors<1>>,
}

impl Incoming<Socket> {
    /// Converts the socket to a stream whose bytes travel unchanged.
    #[must_use]
    pub(crate) fn plain(self) -> Incoming {
        let Self { stream, source, proxy_info, permit, link } = self;
        Incoming { stream: Stream::Plain(stream), source, proxy_info, permit, link }
    }
}

/// The information of a PROXY header about a connection, besides its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProxyInfo {
    /// The address that the client connected to.
    pub destination: Option<SocketAddr>,
    /// The host name that the client connected to.
    pub authority: Option<Box<[u8]>>,
    /// The name of the connection in the logs of the sender.
    pub unique_id: Option<Box<[u8]>>,
}

/// A client's part in the load of its worker and in the number of clients of its listener, until it is
/// dropped.
pub struct ClientPermit {
    load: Arc<AtomicUsize>,
    open: Arc<AtomicUsize>,
    _descriptor: Descriptors<1>,
}

impl ClientPermit {
    /// Counts a client for a worker and for a listener, and its descriptor.
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
