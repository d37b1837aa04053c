//! Manages the listening sockets of the process. A socket survives a new configuration that keeps its
//! address, even if its listener has another name.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::config::{Address, Listener, Settings};
use crate::mailbox::{ListenOn, Message, WorkerHandle};
use crate::net::{self, KernelOptions, SocketFile, Stream};
use crate::notice;

/// The listening sockets and their listeners, in the order of the file.
#[derive(Default)]
pub struct Sockets(Vec<Bound>);

/// A listening socket of one listener.
struct Bound {
    listener: Arc<Listener>,
    socket: Arc<Listening>,
    /// The worker that accepts on the socket, modulo the number of workers. A socket keeps its worker, so
    /// that two workers never accept on one socket at a time.
    worker: usize,
    /// Whether its worker accepts on it already for this listener.
    kept: bool,
    /// The change to a socket that another configuration made.
    change: Option<SocketChange>,
}

/// A listening socket, and its file if it is a Unix socket.
struct Listening {
    socket: Stream,
    file: Option<SocketFile>,
}

/// A backlog and options that differ from those that a socket was made with.
struct SocketChange {
    before: Arc<Listener>,
    old: KernelOptions,
    new: KernelOptions,
}

/// The time that a worker may take to answer. Usually it answers within a turn of its loop.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

impl Sockets {
    /// Binds all sockets or none.
    ///
    /// # Errors
    /// Returns a message that says which socket could not be bound, why, and what may help.
    pub fn bind(settings: &Settings) -> Result<Self, String> {
        Self::default().rebind(settings)
    }

    /// Returns the sockets of another configuration. A listener keeps its socket, or gets the socket at its
    /// address from a listener that no longer has it, or gets a new one.
    ///
    /// # Errors
    /// Returns an error as [`Sockets::bind`] does; nothing has changed then.
    pub fn rebind(&self, settings: &Settings) -> Result<Self, String> {
        let stays = |bound: &&Bound| settings.listeners.iter().any(|listener| bound.is_of(listener));
        let mut free: Vec<&Bound> = self.0.iter().filter(|bound| !stays(bound)).collect();
        let mut listeners: Vec<_> = settings.listeners.iter().enumerate().collect();
        // A listener that names a port gets the socket with that port before a listener of any port could
        // take it.
        listeners.sort_by_key(|(_, listener)| takes_any_port(&listener.bind));
        let bound = listeners.into_iter().map(|(place, listener)| {
            if let Some(old) = self.0.iter().find(|old| old.is_of(listener)) {
                return old.handed_to(listener, true);
            }
            if let Some(at) = free.iter().position(|old| old.is_at(&listener.bind)) {
                return free.remove(at).handed_to(listener, false);
            }
            self.bind_new(listener, place)
        });
        bound.collect::<Result<_, String>>().map(Self)
    }

    fn bind_new(&self, listener: &Arc<Listener>, place: usize) -> Result<Bound, String> {
        let socket = net::listen(&listener.bind, listener.backlog, &listener.socket)
            .map_err(|error| self.cannot_bind(listener, &error))?;
        let file = match &listener.bind {
            Address::Ip(_) => None,
            Address::Unix(path) => SocketFile::at(path),
        };
        let worker = self.of(&listener.name).map_or(place, |old| old.worker);
        let socket = Arc::new(Listening { socket, file });
        Ok(Bound { listener: listener.clone(), socket, worker, kept: false, change: None })
    }

    /// Describes a failure to bind. Addresses overlap if they share a port and one of them stands for all
    /// addresses.
    fn cannot_bind(&self, listener: &Listener, error: &io::Error) -> String {
        let what = format!("listeners.{}", listener.name);
        let port = |address: SocketAddr| address.port();
        let wanted = listener.bind.ip().map(port);
        let in_use = error.kind() == io::ErrorKind::AddrInUse;
        let own =
            self.0.iter().find(|old| in_use && old.socket.address().map(port) == wanted && wanted.is_some());
        match own {
            None => cannot_bind(&what, &listener.bind, error),
            Some(own) => format!(
                "penstock: {what}: cannot bind {}: {error}; listener {} is bound to {}, and from one address to \
                 another of the same port a listener moves only at a restart",
                listener.bind, own.listener.name, own.listener.bind
            ),
        }
    }

    /// Passes each socket to the worker that accepts on it from the next configuration on
    /// (`Message::Changed`), and waits until all workers are ready.
    ///
    /// # Errors
    /// Returns a message that says why a worker cannot accept. All workers then stay as they are.
    pub fn prepare(&self, workers: &[WorkerHandle]) -> Result<(), String> {
        let prepared = self.try_prepare(workers);
        if prepared.is_err() {
            forget(workers);
        }
        prepared
    }

    fn try_prepare(&self, workers: &[WorkerHandle]) -> Result<(), String> {
        let mut of_workers: Vec<Vec<ListenOn>> = workers.iter().map(|_| Vec::new()).collect();
        for bound in &self.0 {
            let listener = bound.listener.name.clone();
            // A worker that already accepts on the socket needs no second descriptor.
            let clone = (!bound.kept).then(|| bound.socket.socket.try_clone()).transpose();
            let socket = clone.map_err(|error| cannot_accept(&listener, &error))?;
            of_workers[bound.worker % workers.len()].push(ListenOn { listener, socket });
        }
        let (ready, all_ready) = channel();
        for (handle, sockets) in workers.iter().zip(of_workers) {
            handle.send(Message::Prepare { sockets, ready: ready.clone() });
        }
        drop(ready);
        for _ in workers {
            let answer = all_ready.recv_timeout(PATIENCE);
            let prepared = answer.map_err(|_| "penstock: a worker does not answer".to_owned())?;
            prepared.map_err(|(listener, error)| cannot_accept(&listener, &error))?;
        }
        Ok(())
    }

    /// Gives sockets of an earlier configuration the backlog and options of this one, and prints which
    /// options cannot be changed.
    ///
    /// # Errors
    /// Returns a message that names the socket and the reason. All sockets then have their old options.
    pub fn apply(&mut self) -> Result<(), String> {
        for (i, bound) in self.0.iter().enumerate() {
            let Some(change) = &bound.change else { continue };
            // Sockets that were changed already get their old options back.
            if let Err(error) = bound.give(&change.new, &bound.listener) {
                let all_so_far = self.0[..=i].iter();
                all_so_far.filter_map(|bound| Some((bound, bound.change.as_ref()?))).for_each(
                    |(bound, change)| {
                        let _ = bound.give(&change.old, &change.before); // accepted before, so again
                    },
                );
                return Err(format!("penstock: listeners.{}.socket: {error}", bound.listener.name));
            }
        }
        for bound in &mut self.0 {
            let Some(SocketChange { before, .. }) = bound.change.take() else { continue };
            let (before, now) = (&before.socket, &bound.listener.socket);
            let fixed = |before: Option<usize>, now: Option<usize>| before.is_some() && now.is_none();
            if fixed(before.send_buffer, now.send_buffer) || fixed(before.receive_buffer, now.receive_buffer)
            {
                let name = &bound.listener.name;
                let what = "a fixed buffer size becomes `auto` only at a restart";
                notice::err(&format!("penstock: listeners.{name}: {what}"));
            }
        }
        Ok(())
    }

    fn of(&self, listener: &str) -> Option<&Bound> {
        self.0.iter().find(|bound| *bound.listener.name == *listener)
    }

    /// Returns the address that a listener is bound to; `None` for a Unix socket.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.of(listener)?.socket.address()
    }

    /// Returns a copy of a listener's socket.
    #[cfg(test)]
    pub(super) fn clone_of(&self, listener: &str) -> Stream {
        self.of(listener).unwrap().socket.socket.try_clone().unwrap()
    }

    /// Closes all sockets. Workers close their copies when they drain.
    pub fn close(&mut self) {
        self.0.clear();
    }
}

impl Bound {
    /// Returns whether this socket already belongs to the listener, at the same address.
    fn is_of(&self, listener: &Listener) -> bool {
        self.listener.name == listener.name && self.is_at(&listener.bind)
    }

    /// Returns whether a listener that will be bound to this address can have this socket.
    fn is_at(&self, bind: &Address) -> bool {
        self.listener.bind == *bind || bind.ip().is_some_and(|ip| self.socket.address() == Some(ip))
    }

    fn handed_to(&self, listener: &Arc<Listener>, kept: bool) -> Result<Self, String> {
        let same = self.listener.backlog == listener.backlog && self.listener.socket == listener.socket;
        let change = (!same).then(|| self.change_to(listener)).transpose();
        let change =
            change.map_err(|error| format!("penstock: listeners.{}.socket: {error}", listener.name))?;
        let (listener, socket) = (listener.clone(), self.socket.clone());
        Ok(Self { listener, socket, worker: self.worker, kept, change })
    }
}

impl Bound {
    /// Computes the change of options. A new socket shows whether the options are accepted.
    fn change_to(&self, listener: &Listener) -> io::Result<SocketChange> {
        let like = net::like(&listener.bind, &listener.socket)?;
        let new = KernelOptions::of(&like, &listener.bind)?;
        let old = KernelOptions::of(&self.socket.socket, &listener.bind)?;
        Ok(SocketChange { before: self.listener.clone(), old, new })
    }

    /// Sets these values and the other options of the listener on the socket.
    fn give(&self, values: &KernelOptions, listener: &Listener) -> io::Result<()> {
        values.give(&self.socket.socket, listener.backlog, &listener.socket)
    }
}

impl Listening {
    fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }
}

/// Tells all workers to drop what they have prepared.
pub(super) fn forget(workers: &[WorkerHandle]) {
    workers.iter().for_each(|handle| handle.send(Message::Forget));
}

fn takes_any_port(bind: &Address) -> bool {
    bind.ip().is_some_and(|ip| ip.port() == 0)
}

fn cannot_accept(listener: &str, error: &io::Error) -> String {
    format!("penstock: listeners.{listener}: its worker cannot accept on its socket: {error}")
}

pub(super) fn cannot_bind(what: &str, bind: &dyn Display, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; is another server (or another penstock) running there? `ss -ltnp` shows it"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
        _ => "",
    };
    format!("penstock: {what}: cannot bind {bind}: {error}{hint}")
}
