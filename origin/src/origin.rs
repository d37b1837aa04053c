//! Runs an origin: binds sockets, starts workers or legacy threads, and stops them.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::doors::{self, Bound, Door, SocketFile};
use crate::legacy::Legacy;
use crate::options::{Address, Options};
use crate::stats::{Board, Stats};
use crate::turn::Member;
use crate::worker::Workers;

/// A running origin, which stops when it is dropped.
pub struct Origin {
    addresses: Vec<(String, SocketAddr)>,
    paths: Vec<(String, PathBuf)>,
    stats_address: Option<SocketAddr>,
    board: Arc<Board>,
    /// The socket files, dropped before the sockets close, so that no path leads to nobody.
    _files: Vec<SocketFile>,
    /// The threads, which end when this is dropped.
    _serving: Serving,
}

/// The two ways of serving.
enum Serving {
    Workers { _workers: Workers },
    Legacy { _legacy: Legacy },
}

impl Origin {
    /// Binds all addresses and starts to serve.
    ///
    /// # Errors
    /// Returns an error for a member name that is not valid in a header, for contradictory options, and if an
    /// address cannot be bound or a thread cannot be started. Nothing is left running then.
    pub fn start(options: Options) -> io::Result<Self> {
        if let Some(problem) = options.problem() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let threads = if options.legacy.is_some() { 1 } else { options.threads.max(1) };
        let Bound { doors, members, files } = doors::bind(&options)?;
        let places: Vec<_> = doors.iter().map(|door| (door.member.clone(), door.address.clone())).collect();
        let board = Arc::new(Board::new(&places, members, threads));
        let serving = match options.legacy {
            Some(limit) => {
                Serving::Legacy { _legacy: Legacy::start(doors, Arc::clone(&board), limit, &options)? }
            }
            None => serve_workers(doors, &board, threads, options.idle_timeout)?,
        };
        let (members, beside) = places.split_at(members);
        Ok(Self {
            addresses: members.iter().filter_map(with_ip).collect(),
            paths: options.unix,
            stats_address: beside.iter().find_map(with_ip).map(|(_, address)| address),
            board,
            _files: files,
            _serving: serving,
        })
    }

    /// Returns the member names and their addresses, in the order of [`Options::listen`].
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// Returns the member names and the paths of their Unix sockets, as in [`Options::unix`].
    pub fn paths(&self) -> &[(String, PathBuf)] {
        &self.paths
    }

    /// Returns the additional address for `/stats` ([`Options::stats`]).
    pub fn stats_address(&self) -> Option<SocketAddr> {
        self.stats_address
    }

    /// Returns the present counters. An answer that was read has been counted, and so have its bytes.
    pub fn stats(&self) -> Stats {
        self.board.stats()
    }

    /// Closes all connections and waits for the threads to end, as dropping does.
    pub fn stop(self) {
        drop(self);
    }
}

fn with_ip((member, address): &(String, Address)) -> Option<(String, SocketAddr)> {
    match address {
        Address::Ip(address) => Some((member.clone(), *address)),
        Address::Unix(_) => None,
    }
}

fn serve_workers(
    doors: Vec<Door>,
    board: &Arc<Board>,
    threads: usize,
    idle_timeout: Option<Duration>,
) -> io::Result<Serving> {
    let members = |worker| {
        let doors = doors.iter().enumerate();
        doors
            .map(|(listener, door)| {
                Member::new(&door.member, door.manner, &door.service, board, listener, worker)
            })
            .collect()
    };
    let members = (0..threads).map(members).collect();
    Ok(Serving::Workers { _workers: Workers::start(doors, members, board, idle_timeout)? })
}
