//! The listening sockets of the process. They outlive configurations that keep them.
//! In: a configuration. Out: a bound socket for each listener, handed to the worker that accepts.
//! Knows nothing of clients.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Address, Listener, Settings};
use crate::net::{self, Stream};
use crate::post::Mail;
use crate::shared::Shared;

/// Listening sockets by the listener's name.
#[derive(Default)]
pub struct Sockets(HashMap<Arc<str>, Bound>);

struct Bound {
    wanted: Address,
    socket: Arc<Listening>,
    /// Who accepts on it, counted around. A listener stays with its worker, which thus lets go of its old socket
    /// when it gets one at another address.
    worker: usize,
    /// No worker accepts on it yet.
    new: bool,
}

/// A listening socket, and the path that goes with it.
struct Listening {
    socket: Stream,
    path: Option<Arc<Path>>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path); // if somebody else did so, all the better
        }
    }
}

impl Sockets {
    /// Binds them all, or none.
    ///
    /// # Errors
    /// Which one could not be bound, why, and what may help.
    pub fn bind(settings: &Settings) -> Result<Self, String> {
        Self::default().rebind(settings)
    }

    /// The sockets of another configuration: those that stay are the same.
    ///
    /// # Errors
    /// As [`Sockets::bind`]; then nothing has changed.
    pub fn rebind(&self, settings: &Settings) -> Result<Self, String> {
        let listeners = settings.listeners.iter().enumerate();
        let bound = listeners.map(|(i, l)| Ok((l.name.clone(), self.bound(l, i)?)));
        bound.collect::<Result<_, String>>().map(Self)
    }

    fn bound(&self, listener: &Listener, place: usize) -> Result<Bound, String> {
        let old = self.0.get(&listener.name);
        let worker = old.map_or(place, |old| old.worker);
        if let Some(old) = old.filter(|old| old.wanted == listener.bind) {
            return Ok(Bound { wanted: old.wanted.clone(), socket: old.socket.clone(), worker, new: false });
        }
        let socket = net::listen(&listener.bind, listener.backlog, &listener.socket)
            .map_err(|error| cannot_bind(&format!("listeners.{}", listener.name), &listener.bind, &error))?;
        let path = match &listener.bind {
            Address::Ip(_) => None,
            Address::Unix(path) => Some(path.clone()),
        };
        let socket = Arc::new(Listening { socket, path });
        Ok(Bound { wanted: listener.bind.clone(), socket, worker, new: true })
    }

    /// Gives each new socket to a worker to accept on.
    pub fn hand_out(&self, shared: &Shared) {
        for (name, bound) in self.0.iter().filter(|(_, bound)| bound.new) {
            let post = &shared.posts[bound.worker % shared.posts.len()];
            match bound.socket.socket.try_clone() {
                Ok(socket) => post.send(Mail::Listen(name.clone(), socket)),
                Err(error) => eprintln!("penstock: listener {name}: {error}"),
            }
        }
    }

    /// Where a listener is bound, if not at a Unix socket.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.0.get(listener)?.socket.socket.local_addr().ok()?.as_socket()
    }

    /// Lets go of them all. Workers that accept on them let go of theirs.
    pub fn close(&mut self) {
        self.0.clear();
    }
}

pub(super) fn cannot_bind(what: &str, bind: &dyn Display, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server (or another penstock) running there? `ss -ltnp` tells"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    format!("penstock: {what}: cannot bind {bind}: {error}{hint}")
}
