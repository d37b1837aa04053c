//! What a worker keeps for one listener, and what one configuration makes of it.
//! In: a new configuration. Out: the way that requests of this listener go.
//! Knows nothing of single clients.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::affinity::Sources;
use crate::backend::Group;
use crate::config::Listener;
use crate::metrics::{ListenerCells, RouteCells, WorkerCells};
use crate::turn::Turn;

use super::Client;

/// What all clients of one listener on one worker share. It lasts as long as the listener does.
pub struct Hall {
    /// The worker's clock, buffers and alarms.
    pub turn: Rc<Turn>,
    /// Where requests go; each client takes it anew at its next exchange.
    pub route: RefCell<Rc<Route>>,
    /// What is counted for the listener.
    pub cells: Arc<ListenerCells>,
    /// What is counted for the worker.
    pub worker_cells: Arc<WorkerCells>,
    /// Clients on this worker, for those who place new ones.
    pub load: Arc<AtomicUsize>,
    /// Who meets whom.
    pub sources: Arc<Sources>,
    /// No new configuration has this listener.
    pub closed: Cell<bool>,
}

/// The way of a listener's requests in one configuration.
pub struct Route {
    /// What is believed of the listener.
    pub listener: Arc<Listener>,
    /// Where its requests go.
    pub group: Rc<Group<Rc<Client>>>,
    /// What is counted for requests that go this way.
    pub cells: Arc<RouteCells>,
}

impl Hall {
    pub(super) fn enter(&self) {
        self.cells.accepted.inc();
        self.worker_cells.connections.inc();
    }

    /// The place was taken by the one who handed the client over.
    pub(super) fn leave(&self) {
        self.worker_cells.connections.dec();
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}
