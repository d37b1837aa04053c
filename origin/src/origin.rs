//! The origin as a whole: binds, starts the workers or the legacy threads, stops them.
//! In go the options; out come the bound addresses and the counters.
//! It knows nothing of HTTP.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answers;
use crate::clock::Now;
use crate::legacy::Legacy;
use crate::options::{Address, Options, Speaks};
use crate::sockets;
use crate::stats::{Board, Stats};
use crate::turn::Member;
use crate::worker::Workers;

/// A running origin; it stops when it is dropped.
pub struct Origin {
    addresses: Vec<(String, SocketAddr)>,
    paths: Vec<(String, PathBuf)>,
    stats_address: Option<SocketAddr>,
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
        if let Some(problem) = options.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        if options.speaks != Speaks::Http
            || options.proxy_protocol
            || !options.unix.is_empty()
            || options.stats.is_some()
        {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        }
        let threads = if options.legacy.is_some() { 1 } else { options.threads.max(1) };
        let listeners = bind(&options)?;
        let addresses = options.listen.iter().zip(&listeners);
        let addresses = addresses.map(|((name, _), listener)| Ok((name.clone(), listener.local_addr()?)));
        let addresses: Vec<_> = addresses.collect::<io::Result<_>>()?;
        let places: Vec<_> = addresses.iter().map(|(name, at)| (name.clone(), Address::Ip(*at))).collect();
        let board = Arc::new(Board::new(&places, places.len(), threads));
        let serving = match options.legacy {
            Some(limit) => serve_legacy(&addresses, listeners, &board, limit, options.idle_timeout)?,
            None => serve_workers(&addresses, listeners, &board, threads, options.idle_timeout)?,
        };
        Ok(Self { addresses, paths: options.unix, stats_address: options.stats, board, _serving: serving })
    }

    /// The member names and the addresses in use, in the order of [`Options::listen`].
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The member names and the paths of their Unix sockets, as in [`Options::unix`].
    pub fn paths(&self) -> &[(String, PathBuf)] {
        &self.paths
    }

    /// The address in use where `/stats` is answered beside the members ([`Options::stats`]).
    pub fn stats_address(&self) -> Option<SocketAddr> {
        self.stats_address
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
