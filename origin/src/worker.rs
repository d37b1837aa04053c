//! Runs a worker: a thread with a current-thread runtime that serves its share of the clients.

mod alarm;
mod arrival;
mod connection;
mod dialogue;
mod outbox;
mod stream;
mod timer;

use std::cell::RefCell;
use std::future::pending;
use std::io::{self, Write as _};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::time::sleep;

use self::arrival::Arrival;
use self::stream::Listening;
use self::timer::Timers;
use crate::doors::Door;
use crate::sockets;
use crate::stats::{Board, Gate};
use crate::turn::Member;

/// The number of connections that are accepted before other tasks run.
const ACCEPT_BATCH: usize = 64;
/// The number of bytes in one read.
const READ_SIZE: usize = 64 * 1024;

/// The state that the connections of one worker share.
struct Worker {
    scratch: RefCell<Scratch>,
    members: Vec<RefCell<Member>>,
    idle_timeout: Option<Duration>,
    timers: Rc<Timers>,
}

/// The buffers for bytes read and answers made within one turn. No connection keeps them.
struct Scratch {
    input: Vec<u8>,
    output: Vec<u8>,
}

/// The running workers. When this is dropped, they stop, and the drop waits for them.
pub(crate) struct Workers {
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts a thread for each list of members. The first thread also accepts for all.
    pub(crate) fn start(
        doors: Vec<Door>,
        members: Vec<Vec<Member>>,
        board: &Arc<Board>,
        idle_timeout: Option<Duration>,
    ) -> io::Result<Self> {
        let mut workers = Self { stop: watch::Sender::new(false), threads: Vec::new() };
        let (inboxes, outlets): (Vec<_>, Vec<_>) = members.iter().map(|_| unbounded_channel()).unzip();
        let gates = (0..doors.len()).map(|listener| board.gate(listener));
        let mut doors = Some(doors.into_iter().zip(gates).collect());
        for (members, arrivals) in members.into_iter().zip(outlets) {
            let doors = doors.take().map(|doors| Doors { doors, inboxes: inboxes.clone() });
            workers.spawn(Share { members, arrivals, doors, idle_timeout })?;
        }
        Ok(workers)
    }

    fn spawn(&mut self, share: Share) -> io::Result<()> {
        let stop = self.stop.subscribe();
        let (report, started) = mpsc::channel();
        let name = format!("origin-{}", self.threads.len());
        let thread = thread::Builder::new().name(name).spawn(move || match build_runtime() {
            Ok((runtime, timers)) => {
                // The other side waits for exactly this message.
                let _ = report.send(Ok(()));
                share.run(&runtime, timers, stop);
            }
            Err(error) => drop(report.send(Err(error))),
        })?;
        self.threads.push(thread);
        started.recv().map_err(io::Error::other)?
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            // A panic of a worker has been reported on stderr.
            let _ = thread.join();
        }
    }
}

/// Makes a runtime with a long event interval, so that all connections that are ready get a turn before the
/// next poll.
fn build_runtime() -> io::Result<(LocalRuntime, Timers)> {
    let mut builder = Builder::new_current_thread();
    builder.enable_io().enable_time().event_interval(1024);
    let runtime = builder.build_local(LocalOptions::default())?;
    let timers = runtime.block_on(async { Timers::new() })?;
    Ok((runtime, timers))
}

/// The part of the origin that a worker's thread serves.
struct Share {
    members: Vec<Member>,
    arrivals: UnboundedReceiver<Arrival>,
    doors: Option<Doors>,
    idle_timeout: Option<Duration>,
}

/// The listening sockets, and the workers that take connections.
struct Doors {
    doors: Vec<(Door, Arc<Gate>)>,
    inboxes: Vec<UnboundedSender<Arrival>>,
}

impl Share {
    fn run(mut self, runtime: &LocalRuntime, timers: Timers, mut stop: watch::Receiver<bool>) {
        let scratch = Scratch { input: vec![0; READ_SIZE], output: Vec::with_capacity(2 * READ_SIZE) };
        let worker = Rc::new(Worker {
            scratch: RefCell::new(scratch),
            members: self.members.into_iter().map(RefCell::new).collect(),
            idle_timeout: self.idle_timeout,
            timers: Rc::new(timers),
        });
        runtime.block_on(async {
            if let Some(doors) = self.doors {
                doors.open();
            }
            tokio::select! {
                // An error means that the sender of the stop is gone, which is a stop, too.
                _ = stop.wait_for(|stop| *stop) => {}
                () = take_on(&worker, &mut self.arrivals) => {}
                () = worker.timers.run() => {}
            }
        });
    }
}

async fn take_on(worker: &Rc<Worker>, arrivals: &mut UnboundedReceiver<Arrival>) {
    while let Some(arrival) = arrivals.recv().await {
        arrival.take_on(worker);
    }
    pending().await
}

impl Doors {
    fn open(self) {
        for (index, (door, gate)) in self.doors.into_iter().enumerate() {
            let inboxes = self.inboxes.clone();
            tokio::task::spawn_local(accept(index, door, gate, inboxes));
        }
    }
}

/// Accepts on one socket, and gives the clients to the workers in turn.
async fn accept(index: usize, door: Door, gate: Arc<Gate>, inboxes: Vec<UnboundedSender<Arrival>>) {
    let listening = match Listening::new(door.socket, &door.address) {
        Ok(listening) => listening,
        Err(error) => {
            // The thread continues whether or not anybody reads this.
            let _ = writeln!(io::stderr(), "origin: {} cannot be watched: {error}", door.member);
            return;
        }
    };
    let mut turns = inboxes.iter().cycle();
    let mut hand_over = |accepted, source| {
        let (Some(seat), Some(inbox)) = (gate.enter(None), turns.next()) else { return };
        // The socket is closed if its worker has stopped.
        let _ = inbox.send(Arrival { accepted, source, listener: index, seat });
    };
    loop {
        for _ in 0..ACCEPT_BATCH {
            match listening.accept().await {
                Ok((accepted, source)) => hand_over(accepted, source),
                Err(error) => sleep(sockets::back_off(&error)).await,
            }
        }
        tokio::task::yield_now().await;
    }
}
