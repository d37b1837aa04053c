//! The origin as a whole: binds, starts the workers or the legacy threads, stops them.

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

/// A running origin; it stops when it is dropped.
pub struct Origin {
    addresses: Vec<(String, SocketAddr)>,
    paths: Vec<(String, PathBuf)>,
    stats_address: Option<SocketAddr>,
    board: Arc<Board>,
    /// Before the sockets close, so that no path is seen behind which nobody is.
    _files: Vec<SocketFile>,
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
    /// A member name that cannot stand in a header, options that contradict each other, an address that cannot
    /// be bound, a thread that cannot be had. Nothing is left running then.
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
