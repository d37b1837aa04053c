//! Admits new connections of a listener, by the protocol that the listener speaks.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::client::{self, Client};
use crate::config::{AcceptProxy, Listener};
use crate::event_loop::EventLoop;
use crate::hall::{Guest, Newcomer};
use crate::metrics::{ClientReject, ListenerCells};
use crate::net::Socket;
use crate::tunnel;

use super::preface;

/// The hall of a listener, by its protocol.
#[derive(Clone)]
pub enum Door {
    /// Its clients speak HTTP.
    Http(Rc<client::Hall>),
    /// Nobody knows what its clients speak.
    Tcp(Rc<tunnel::Hall>),
}

impl Door {
    /// What is believed of the listener now.
    #[must_use]
    pub fn listener(&self) -> Arc<Listener> {
        match self {
            Self::Http(hall) => hall.route.borrow().listener.clone(),
            Self::Tcp(hall) => hall.route.borrow().listener.clone(),
        }
    }

    /// What is counted for it.
    #[must_use]
    pub fn cells(&self) -> &Arc<ListenerCells> {
        match self {
            Self::Http(hall) => &hall.cells,
            Self::Tcp(hall) => &hall.cells,
        }
    }

    /// How many clients it has, of all workers.
    #[must_use]
    pub fn open(&self) -> &Arc<AtomicUsize> {
        match self {
            Self::Http(hall) => &hall.open,
            Self::Tcp(hall) => &hall.open,
        }
    }

    /// Whether both are the same hall.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http(one), Self::Http(other)) => Rc::ptr_eq(one, other),
            (Self::Tcp(one), Self::Tcp(other)) => Rc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// No new configuration has it.
    pub fn close(&self) {
        match self {
            Self::Http(hall) => hall.closed.set(true),
            Self::Tcp(hall) => hall.closed.set(true),
        }
    }

    pub(super) fn event_loop(&self) -> &EventLoop {
        match self {
            Self::Http(hall) => &hall.event_loop,
            Self::Tcp(hall) => &hall.event_loop,
        }
    }

    /// Takes in a newcomer, as soon as it is known who it is.
    pub fn welcome(&self, newcomer: Newcomer) {
        let Newcomer { stream, source, pass, link } = newcomer;
        if self.event_loop().draining() {
            return self.cells().rejected[ClientReject::Draining].inc();
        }
        let Ok(socket) = Socket::new(stream) else {
            return self.cells().rejected[ClientReject::FdLimit].inc();
        };
        let guest = Guest { stream: socket, source, told: None, pass, link };
        match self.listener().proxy_protocol {
            AcceptProxy::Off => self.admit(guest.plain()),
            AcceptProxy::Required => _ = tokio::task::spawn_local(preface::introduce(self.clone(), guest)),
        }
    }

    pub(super) fn admit(&self, guest: Guest) {
        match self {
            Self::Http(hall) => Client::welcome(hall, guest),
            Self::Tcp(hall) => tunnel::welcome(hall, guest),
        }
    }
}
