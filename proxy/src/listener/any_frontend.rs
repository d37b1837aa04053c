//! Admits new connections of a listener, by its protocol.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::client::{self, Client, tunnel};
use crate::config::{AcceptProxy, Listener};
use crate::event_loop::{EventLoop, PanicSite};
use crate::frontend::{Accepted, Incoming};
use crate::metrics::{ClientReject, ListenerCells};
use crate::net::Socket;

use super::proxy_header;

/// The frontend of a listener, by its protocol.
#[derive(Clone)]
pub(crate) enum AnyFrontend {
    /// The listener's clients speak HTTP, or another protocol with requests and answers.
    Http(Rc<client::HttpFrontend>),
    /// The listener's clients speak an unknown protocol.
    Tcp(Rc<tunnel::TcpFrontend>),
}

impl AnyFrontend {
    /// Returns the current settings of the listener.
    #[must_use]
    pub(crate) fn listener(&self) -> Arc<Listener> {
        match self {
            Self::Http(frontend) => frontend.destination.borrow().listener.clone(),
            Self::Tcp(frontend) => frontend.destination.borrow().listener.clone(),
        }
    }

    /// Returns the counters of the listener.
    #[must_use]
    pub(crate) fn cells(&self) -> &Arc<ListenerCells> {
        match self {
            Self::Http(frontend) => &frontend.cells,
            Self::Tcp(frontend) => &frontend.cells,
        }
    }

    /// Returns the number of the listener's clients on all workers.
    #[must_use]
    pub(crate) fn open(&self) -> &Arc<AtomicUsize> {
        match self {
            Self::Http(frontend) => &frontend.open,
            Self::Tcp(frontend) => &frontend.open,
        }
    }

    /// Returns whether both are the same frontend.
    #[must_use]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => Rc::ptr_eq(one, other),
            (Self::Tcp(one), Self::Tcp(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Records that the listener was removed from the configuration.
    pub(crate) fn close(&self) {
        match self {
            Self::Http(frontend) => frontend.closed.set(true),
            Self::Tcp(frontend) => frontend.closed.set(true),
        }
    }

    pub(super) fn event_loop(&self) -> &EventLoop {
        match self {
            Self::Http(frontend) => &frontend.event_loop,
            Self::Tcp(frontend) => &frontend.event_loop,
        }
    }

    /// Admits an accepted connection, after its PROXY header if the listener expects one.
    pub(crate) fn accept(&self, accepted: Accepted) {
        let Accepted { stream, source, permit, link } = accepted;
        // The client was accepted by a worker that had not seen the drain yet.
        if self.event_loop().draining() {
            return self.cells().rejected[ClientReject::Draining].inc();
        }
        let Ok(socket) = Socket::new(stream) else {
            return self.cells().rejected[ClientReject::FdLimit].inc();
        };
        let incoming = Incoming { stream: socket, source, proxy_info: None, permit, link };
        match self.listener().proxy_protocol {
            AcceptProxy::Off => self.admit(incoming.plain()),
            AcceptProxy::Required => _ = tokio::task::spawn_local(self.clone().admit_behind_header(incoming)),
        }
    }

    /// Admits a connection as the client that its PROXY header names.
    async fn admit_behind_header(self, incoming: Incoming<Socket>) {
        let in_time = self.listener().timeouts.head;
        let event_loop = self.event_loop();
        let named = proxy_header::read_proxy_header(event_loop, in_time, self.cells(), incoming).await;
        if let Some(incoming) = named {
            event_loop.contain(PanicSite::Listener, || self.admit(incoming.plain()));
        }
    }

    fn admit(&self, incoming: Incoming) {
        match self {
            Self::Http(frontend) => Client::admit(frontend, incoming),
            Self::Tcp(frontend) => tunnel::admit(frontend, incoming),
        }
    }
}
