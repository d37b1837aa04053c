//! The listening sockets of the process. They outlive configurations that keep their address, whatever the listener is called.

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

/// Listening sockets and the listeners that have them, in the order of the file.
#[derive(Default)]
pub struct Sockets(Vec<Bound>);

/// A listening socket of one listener.
struct Bound {
    listener: Arc<Listener>,
    socket: Arc<Listening>,
    /// Who accepts on it, counted around. A socket stays with its worker, so that no two ever accept on it at once.
    worker: usize,
    /// Its worker accepts on it already, for this listener.
    kept: bool,
    /// What is to be changed about a socket that another configuration made.
    change: Option<SocketChange>,
}

/// A listening socket, and the file by which it is found, where it has one.
struct Listening {
    socket: Stream,
    file: Option<SocketFile>,
}

/// A backlog and options that differ from those with which a socket was made.
struct SocketChange {
    before: Arc<Listener>,
    old: KernelOptions,
    new: KernelOptions,
}

/// How long a worker may take to say that it has done as it was told; most often it does so within a turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
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

    /// The sockets of another configuration. A listener keeps the socket that it has, or gets the one that another
    /// listener had at its address and has no more; else its socket is new.
    ///
    /// # Errors
    /// As [`Sockets::bind`]; then nothing has changed.
    pub fn rebind(&self, settings: &Settings) -> Result<Self, String> {
        let stays = |bound: &&Bound| settings.listeners.iter().any(|listener| bound.is_of(listener));
        let mut free: Vec<&Bound> = self.0.iter().filter(|bound| !stays(bound)).collect();
        let mut listeners: Vec<_> = settings.listeners.iter().enumerate().collect();
        // A port that the kernel chose goes to the listener that names it before it goes to one that takes any.
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

    /// Addresses overlap where they share a port and one of them is of all addresses.
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

    /// Hands each socket to the worker that is to accept on it from the next configuration on (`Message::Changed`), and
    /// waits until all workers are ready to.
    ///
    /// # Errors
    /// Why a worker cannot; then all of them stay as they are.
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

    /// Gives the sockets that another configuration made the backlog and the options of this one, and says what cannot
    /// be changed.
    ///
    /// # Errors
    /// Which socket cannot have them, and why; then all of them have what they had.
    pub fn apply(&mut self) -> Result<(), String> {
        for (i, bound) in self.0.iter().enumerate() {
            let Some(change) = &bound.change else { continue };
            if let Err(error) = bound.give(&change.new, &bound.listener) {
                let all_so_far = self.0[..=i].iter();
                all_so_far.filter_map(|bound| Some((bound, bound.change.as_ref()?))).for_each(
                    |(bound, change)| {
                        let _ = bound.give(&change.old, &change.before); // what was had once can be had again
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

    /// Where a listener is bound, if not at a Unix socket.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.of(listener)?.socket.address()
    }

    /// The socket of a listener.
    #[cfg(test)]
    pub(super) fn clone_of(&self, listener: &str) -> Stream {
        self.of(listener).unwrap().socket.socket.try_clone().unwrap()
    }

    /// Lets go of them all. Workers that accept on them let go of theirs.
    pub fn close(&mut self) {
        self.0.clear();
    }
}

impl Bound {
    /// Whether this is what the listener has had before, and is to have.
    fn is_of(&self, listener: &Listener) -> bool {
        self.listener.name == listener.name && self.is_at(&listener.bind)
    }

    /// Whether a listener that is to be bound there can have this socket.
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
    /// What is to be changed about its socket. That a socket can have the new options is tried on another one.
    fn change_to(&self, listener: &Listener) -> io::Result<SocketChange> {
        let like = net::like(&listener.bind, &listener.socket)?;
        let new = KernelOptions::of(&like, &listener.bind)?;
        let old = KernelOptions::of(&self.socket.socket, &listener.bind)?;
        Ok(SocketChange { before: self.listener.clone(), old, new })
    }

    /// Gives its socket these values, and the rest of what this listener wants.
    fn give(&self, values: &KernelOptions, listener: &Listener) -> io::Result<()> {
        values.give(&self.socket.socket, listener.backlog, &listener.socket)
    }
}

impl Listening {
    fn address(&self) -> Option<SocketAddr> {
        self.socket.local_addr().ok()?.as_socket()
    }
}

/// Tells all workers that what they were prepared for will not be.
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
