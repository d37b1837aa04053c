//! Serves in the legacy way: a blocking thread for each connection, and a limited number of connections.
//!
//! Connections over the limit are reset or wait.

mod connection;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::Socket;

use self::connection::serve;
use crate::doors::{Door, Manner};
use crate::options::{Options, OverLimit, Speaks};
use crate::service::Service;
use crate::sockets;
use crate::stats::{Board, Gate, Seat};
use crate::turn::Member;

/// The running acceptors. When this is dropped, acceptors and connections stop, and the drop waits for them.
pub(crate) struct Legacy {
    shared: Arc<Shared>,
    acceptors: Vec<(Arc<Socket>, JoinHandle<()>)>,
}

/// The state that acceptors and connections share.
struct Shared {
    board: Arc<Board>,
    limit: usize,
    idle_timeout: Option<Duration>,
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Default)]
struct Stage {
    stopping: bool,
    last_id: u64,
    /// The sockets of open connections, by which a stop ends their blocking reads.
    open: HashMap<u64, Arc<Socket>>,
}

impl Legacy {
    /// Starts an acceptor for each listening socket. `limit` applies to each of them.
    pub(crate) fn start(
        doors: Vec<Door>,
        board: Arc<Board>,
        limit: usize,
        options: &Options,
    ) -> io::Result<Self> {
        let idle_timeout = options.idle_timeout;
        let shared = Shared { board, limit, idle_timeout, stage: Mutex::default(), changed: Condvar::new() };
        let mut legacy = Self { shared: Arc::new(shared), acceptors: Vec::new() };
        for (index, door) in doors.into_iter().enumerate() {
            let listener = Arc::new(door.socket);
            let acceptor = Acceptor {
                index,
                over_limit: options.over_limit.unwrap_or_else(|| usual(door.manner.speaks)),
                member: door.member,
                manner: door.manner,
                service: door.service,
                shared: Arc::clone(&legacy.shared),
            };
            let name = format!("origin-accept-{index}");
            let thread = thread::Builder::new().name(name).spawn({
                let listener = Arc::clone(&listener);
                move || acceptor.run(&listener)
            })?;
            legacy.acceptors.push((listener, thread));
        }
        Ok(legacy)
    }
}

/// Returns what happens over the limit by default: an old HTTP server sheds load, and an old service of its
/// own protocol accepts no more.
fn usual(speaks: Speaks) -> OverLimit {
    if speaks == Speaks::Http { OverLimit::Reset } else { OverLimit::Wait }
}

impl Drop for Legacy {
    fn drop(&mut self) {
        self.shared.stop();
        for (listener, thread) in self.acceptors.drain(..) {
            // On Linux this ends the blocking accept of the thread.
            let _ = listener.shutdown(Shutdown::Both);
            // A panic of the thread has been reported on stderr.
            let _ = thread.join();
        }
        self.shared.wait_until_empty();
    }
}

struct Acceptor {
    index: usize,
    member: String,
    manner: Manner,
    service: Arc<Service>,
    over_limit: OverLimit,
    shared: Arc<Shared>,
}

impl Acceptor {
    fn run(&self, listener: &Socket) {
        let gate = self.shared.board.gate(self.index);
        loop {
            if self.over_limit == OverLimit::Wait {
                self.shared.wait_for_place(&gate);
            }
            let accepted = listener.accept();
            if self.shared.stage().stopping {
                return;
            }
            match accepted {
                Ok((stream, source)) => match gate.enter(Some(self.shared.limit)) {
                    Some(seat) => self.take_on(stream, source.as_socket(), seat),
                    None => sockets::reset_on_close(&stream),
                },
                Err(error) => drop(self.shared.sleep_until(Instant::now() + sockets::back_off(&error))),
            }
        }
    }

    /// Starts a thread for the connection. If that fails, the connection is closed.
    fn take_on(&self, stream: Socket, source: Option<SocketAddr>, seat: Seat) {
        let stream = Arc::new(stream);
        let Some(id) = self.shared.enter(&stream) else { return };
        let shared = Arc::clone(&self.shared);
        let member = Member::new(&self.member, self.manner, &self.service, &shared.board, self.index, 0);
        let thread = thread::Builder::new().name(format!("origin-{id}")).spawn(move || {
            let leave = Leave { shared: Arc::clone(&shared), id, seat: Some(seat) };
            let number = leave.seat.as_ref().map_or(0, Seat::number);
            serve(&stream, source, number, member, &shared);
            drop(stream);
            drop(leave);
        });
        if thread.is_err() {
            self.shared.leave(id);
        }
    }
}

/// Removes a connection from the shared state when its thread ends in any way.
struct Leave {
    shared: Arc<Shared>,
    id: u64,
    seat: Option<Seat>,
}

impl Drop for Leave {
    fn drop(&mut self) {
        // The seat goes first, so that the counters are final once no connection is left.
        self.seat = None;
        self.shared.leave(self.id);
    }
}

impl Shared {
    /// Locks the state, which is consistent between any two statements, so that a panic elsewhere does no
    /// harm.
    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, stream: &Arc<Socket>) -> Option<u64> {
        let mut stage = self.stage();
        if stage.stopping {
            return None;
        }
        stage.last_id += 1;
        let id = stage.last_id;
        stage.open.insert(id, Arc::clone(stream));
        Some(id)
    }

    fn leave(&self, id: u64) {
        self.stage().open.remove(&id);
        self.changed.notify_all();
    }

    fn stop(&self) {
        let mut stage = self.stage();
        stage.stopping = true;
        for stream in stage.open.values() {
            // An error means that the connection is closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(stage);
        self.changed.notify_all();
    }

    /// Waits until another connection can be served, or the origin stops. A seat is returned before the
    /// change is announced.
    fn wait_for_place(&self, gate: &Gate) {
        let mut stage = self.stage();
        while !stage.stopping && gate.is_full(self.limit) {
            stage = self.changed.wait(stage).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn wait_until_empty(&self) {
        let mut stage = self.stage();
        while !stage.open.is_empty() {
            stage = self.changed.wait(stage).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sleeps until a time. Returns false if a stop interrupted the sleep.
    fn sleep_until(&self, until: Instant) -> bool {
        let mut stage = self.stage();
        while !stage.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let woken = self.changed.wait_timeout(stage, left);
            stage = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}
