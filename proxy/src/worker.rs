//! One thread that owns clients, links, buffers and timers.
//! In: mail: clients accepted elsewhere, listening sockets, new configurations, the end. Out: traffic.
//! Knows nothing of other workers but how to hand them a client.

mod view;

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::AbortOnDropHandle;

use crate::hall::Newcomer;
use crate::listener::{self, Door};
use crate::metrics::WorkerCells;
use crate::net::{Pipes, Stream};
use crate::post::{Mail, Post};
use crate::shared::Shared;
use crate::turn::Turn;

use view::Ways;

/// A worker that has not been started.
pub struct Seed {
    mail: UnboundedReceiver<Mail>,
    /// How others reach it.
    pub post: Post,
}

/// The address of a worker that is about to be.
#[must_use]
pub fn seed() -> Seed {
    let (post, mail) = Post::new();
    Seed { mail, post }
}

/// Starts the thread of worker `index`. It tells `ready` when it has taken the configuration.
///
/// # Errors
/// When the thread or its runtime cannot be made.
pub fn start(
    index: usize,
    seed: Seed,
    shared: &Arc<Shared>,
    ready: Sender<()>,
) -> io::Result<JoinHandle<()>> {
    let shared = shared.clone();
    let run = move || match runtime() {
        Ok(runtime) => {
            runtime.block_on(Worker::new(index, shared).run(seed.mail, ready));
        }
        Err(error) => eprintln!("penstock: worker {index}: no runtime: {error}"),
    };
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)
}

/// A turn should take in all that is ready: what is read in one turn is written in one write.
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .event_interval(4096)
        .global_queue_interval(1024)
        .on_thread_park(|| {
            TURN.with_borrow(|turn| {
                if let Some(turn) = turn {
                    turn.before_park()
                }
            })
        })
        .build_local(LocalOptions::default())
}

thread_local! {
    /// The turn of the worker whose thread this is.
    static TURN: std::cell::RefCell<Option<Rc<Turn>>> = const { std::cell::RefCell::new(None) };
}

struct Worker {
    index: usize,
    shared: Arc<Shared>,
    turn: Rc<Turn>,
    pipes: Rc<Pipes>,
    cells: Arc<WorkerCells>,
    doors: HashMap<Arc<str>, Door>,
    ways: Ways,
    accepting: HashMap<Arc<str>, AbortOnDropHandle<()>>,
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        let cells = shared.registry.worker(index);
        shared.registry.follow_thread(index, rustix::thread::gettid().as_raw_pid());
        Self {
            index,
            turn: Turn::new(),
            pipes: Rc::default(),
            cells,
            doors: HashMap::new(),
            ways: Ways::default(),
            accepting: HashMap::new(),
            shared,
        }
    }

    async fn run(mut self, mut mail: UnboundedReceiver<Mail>, ready: Sender<()>) {
        TURN.set(Some(self.turn.clone()));
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1000));
        let (turn, cells) = (self.turn.clone(), self.cells.clone());
        let flusher = tokio::task::spawn_local(async move { turn.run_flusher().await });
        let turn = self.turn.clone();
        let late = move |nanos| cells.scheduler_delay.observe_nanos(nanos);
        let ticker = tokio::task::spawn_local(async move { turn.run_ticker(late).await });
        let _both = (AbortOnDropHandle::new(flusher), AbortOnDropHandle::new(ticker));
        self.take(&self.shared.settings());
        let _ = ready.send(()); // who started it and did not wait does not care
        while let Some(mail) = mail.recv().await {
            match mail {
                Mail::Client { listener, newcomer } => self.welcome(&listener, newcomer),
                Mail::Listen(name, socket) => self.listen(&name, socket),
                Mail::Changed => self.take(&self.shared.settings()),
                Mail::Drain => {
                    self.accepting.clear();
                    self.turn.drain();
                }
                Mail::Kill => self.turn.kill(),
                Mail::Stop => {
                    tokio::task::yield_now().await; // those that were killed just now close their sockets
                    break;
                }
            }
        }
    }

    fn welcome(&self, listener: &str, newcomer: Newcomer) {
        // Without a door the listener went while the client was on its way.
        if let Some(door) = self.doors.get(listener) {
            door.welcome(newcomer);
        }
    }

    fn listen(&mut self, name: &Arc<str>, socket: Stream) {
        let Some(door) = self.doors.get(name) else { return };
        let accept = listener::accept(self.index, door.clone(), self.shared.clone(), socket);
        let task = AbortOnDropHandle::new(tokio::task::spawn_local(accept));
        self.accepting.insert(name.clone(), task);
    }
}
