//! The origin as a whole: binds, starts the workers or the legacy threads, stops them.
//! In go the options; out come the bound addresses and the counters.
//! It knows nothing of HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answers;
use crate::clock::Now;
use crate::legacy::Legacy;
use crate::sockets;
use crate::stats::{Board, Stats};
use crate::turn::Member;
use crate::worker::Workers;

/// How an origin is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Member names and the addresses they listen on; port 0 lets the kernel choose.
    pub listen: Vec<(String, SocketAddr)>,
    /// Worker threads, at least 1. Of no account in legacy mode.
    pub threads: usize,
    /// One blocking thread for each connection, and at most so many connections on each listener;
    /// those over it are accepted and reset at once.
    pub legacy: Option<usize>,
    /// A connection that has sent nothing for so long, while something was awaited from it, is closed.
    pub idle_timeout: Option<Duration>,
    /// How many connections may wait to be accepted, on each listener.
    pub backlog: u32,
}

impl Default for Options {
    /// One worker, no listener, no idle timeout, a backlog of 4096.
    fn default() -> Self {
        Self { listen: Vec::new(), threads: 1, legacy: None, idle_timeout: None, backlog: 4096 }
    }
}

/// A running origin; it stops when it is dropped.
pub struct Origin {
    addresses: Vec<(String, SocketAddr)>,
    board: Arc<Board>,
    /// Held for their end.
    _serving: Serving,
}

/// The two ways to serve.
enum Serving {
    Workers { _workers: Workers },
    Legacy { _legacy: Legacy },
}

impl Origin {
    /// Binds all addresses and starts to serve.
    ///
    /// # Errors
    /// A member name that cannot stand in a header, an address that cannot be bound, a thread that cannot
    /// be had. Nothing is left running then.
    pub fn start(options: Options) -> io::Result<Self> {
        if let Some((name, _)) = options.listen.iter().find(|(name, _)| !is_member_name(name)) {
            let problem = format!("member name {name:?}: visible ASCII without spaces only");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let threads = if options.legacy.is_some() { 1 } else { options.threads.max(1) };
        let listeners = bind(&options)?;
        let addresses = options.listen.iter().zip(&listeners);
        let addresses = addresses.map(|((name, _), listener)| Ok((name.clone(), listener.local_addr()?)));
        let addresses: Vec<_> = addresses.collect::<io::Result<_>>()?;
        let board = Arc::new(Board::new(&addresses, threads));
        let serving = match options.legacy {
            Some(limit) => serve_legacy(&addresses, listeners, &board, limit, options.idle_timeout)?,
            None => serve_workers(&addresses, listeners, &board, threads, options.idle_timeout)?,
        };
        Ok(Self { addresses, board, _serving: serving })
    }

    /// The member names and the addresses in use, in the order of [`Options::listen`].
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The counters now. Whoever has read an answer finds it counted, and so its bytes.
    pub fn stats(&self) -> Stats {
        self.board.stats()
    }

    /// Closes all connections and waits for the threads to end, as dropping it does.
    pub fn stop(self) {
        drop(self);
    }
}

fn is_member_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn bind(options: &Options) -> io::Result<Vec<TcpListener>> {
    let bind = |(name, address): &(String, SocketAddr)| {
        sockets::listen(*address, options.backlog)
            .map_err(|error| io::Error::new(error.kind(), format!("{name} on {address}: {error}")))
    };
    options.listen.iter().map(bind).collect()
}

fn serve_workers(
    addresses: &[(String, SocketAddr)],
    listeners: Vec<TcpListener>,
    board: &Arc<Board>,
    threads: usize,
    idle_timeout: Option<Duration>,
) -> io::Result<Serving> {
    let now = Now::read().unix_seconds;
    let member = |worker: usize, listener: usize, name: &str| Member {
        answers: Answers::new(name, now),
        traffic: board.traffic(listener, worker),
        board: Arc::clone(board),
    };
    let members = |worker| {
        addresses.iter().enumerate().map(|(listener, (name, _))| member(worker, listener, name)).collect()
    };
    let members = (0..threads).map(members).collect();
    Ok(Serving::Workers { _workers: Workers::start(listeners, members, board, idle_timeout)? })
}

fn serve_legacy(
    addresses: &[(String, SocketAddr)],
    listeners: Vec<TcpListener>,
    board: &Arc<Board>,
    limit: usize,
    idle_timeout: Option<Duration>,
) -> io::Result<Serving> {
    let named = addresses.iter().map(|(name, _)| name.clone()).zip(listeners).collect();
    Ok(Serving::Legacy { _legacy: Legacy::start(named, Arc::clone(board), limit, idle_timeout)? })
}
