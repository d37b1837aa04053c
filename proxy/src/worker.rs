//! Runs a worker: a thread that owns clients, links, buffers and timers, and receives messages through its
//! channel.

#[cfg(test)]
mod tests;
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

use crate::backend::KnownMembers;
use crate::config::Listener;
use crate::event_loop::{EventLoop, PanicSite, may_panic};
use crate::frontend::Accepted;
use crate::listener::{self, AnyFrontend};
use crate::mailbox::{ListenOn, Message, WorkerHandle};
use crate::metrics::WorkerCells;
use crate::net::{Acceptor, Pipes};
use crate::notice;
use crate::shared::Shared;

use view::MemberPools;

/// A worker that has not been started.
pub(crate) struct WorkerBuilder {
    messages: UnboundedReceiver<Message>,
    /// The sending end of the worker's channel.
    pub handle: WorkerHandle,
}

/// Makes the channel of a worker that will be started later.
#[must_use]
pub(crate) fn builder() -> WorkerBuilder {
    let (handle, messages) = WorkerHandle::new();
    WorkerBuilder { messages, handle }
}

/// Starts the thread of worker `index`, which uses `ready` when it has adopted the configuration.
///
/// # Errors
/// Returns an error if the thread cannot be started.
pub(crate) fn start(
    index: usize,
    seed: WorkerBuilder,
    shared: &Arc<Shared>,
    ready: Sender<()>,
) -> io::Result<JoinHandle<()>> {
    let shared = shared.clone();
    let run = move || match runtime() {
        Ok(runtime) => {
            runtime.block_on(Worker::new(index, shared).run(seed.messages, ready));
        }
        Err(error) => notice::err(&format!("penstock: worker {index}: cannot start the runtime: {error}")),
    };
    std::thread::Builder::new().name(format!("worker-{index}")).spawn(run)
}

/// Makes a runtime whose turns take in everything that is ready, because what is read in one turn is written
/// in one write.
fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_all()
        .event_interval(4096)
        .global_queue_interval(1024)
        .on_thread_park(|| {
            EVENT_LOOP.with_borrow(|event_loop| {
                if let Some(event_loop) = event_loop {
                    event_loop.before_park()
                }
            })
        })
        .build_local(LocalOptions::default())
}

thread_local! {
    /// The event loop of the worker that runs on this thread.
    static EVENT_LOOP: std::cell::RefCell<Option<Rc<EventLoop>>> = const { std::cell::RefCell::new(None) };
}

struct Worker {
    index: usize,
    shared: Arc<Shared>,
    event_loop: Rc<EventLoop>,
    pipes: Rc<Pipes>,
    cells: Arc<WorkerCells>,
    register: Rc<KnownMembers>,
    frontends: HashMap<Arc<str>, AnyFrontend>,
    pools: MemberPools,
    accepting: HashMap<Arc<str>, AbortOnDropHandle<()>>,
    /// The listeners to accept for from the next configuration on, once it is prepared: each with a new
    /// socket, or with none if the present one stays.
    prepared: Option<Vec<(Arc<str>, Option<Acceptor>)>>,
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Self {
        let cells = shared.registry.worker(index);
        shared.registry.follow_thread(index, rustix::thread::gettid().as_raw_pid());
        Self {
            index,
            event_loop: EventLoop::new(),
            pipes: Rc::default(),
            cells,
            register: KnownMembers::new(&shared.registry, index),
            frontends: HashMap::new(),
            pools: MemberPools::default(),
            accepting: HashMap::new(),
            prepared: None,
            shared,
        }
    }

    async fn run(mut self, mut messages: UnboundedReceiver<Message>, ready: Sender<()>) {
        EVENT_LOOP.set(Some(self.event_loop.clone()));
        #[cfg(test)]
        self.shared
            .settings()
            .listeners
            .iter()
            .for_each(|listener| crate::event_loop::injected::adopt(&listener.name));
        // The kernel may otherwise delay timers by 50 us, which the pauses of the pacer would feel.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1000));
        let _both = self.begin();
        self.take(&self.shared.settings());
        let _ = ready.send(()); // nobody waits if the start was given up
        while let Some(messages) = messages.recv().await {
            match messages {
                Message::Client { listener, accepted } => {
                    _ = self.event_loop.contain(PanicSite::Listener, || self.accept(&listener, accepted));
                }
                Message::Prepare { sockets, ready } => _ = ready.send(self.prepare(sockets)),
                Message::Forget => self.prepared = None,
                Message::Changed(taken) => {
                    let event_loop = self.event_loop.clone();
                    event_loop.contain(PanicSite::Worker, || {
                        may_panic("worker.take");
                        self.take(&self.shared.settings());
                    });
                    event_loop.contain(PanicSite::Worker, || self.accept_prepared());
                    let _ = taken.send(()); // nobody waits after the patience of the main thread
                }
                Message::Health { member, change } => {
                    let event_loop = self.event_loop.clone();
                    event_loop.contain(PanicSite::Worker, || self.health_changed(&member, change));
                }
                Message::Drain => {
                    // A drain stops accepting before anything else, so that no client comes in between.
                    self.accepting.clear();
                    self.prepared = None;
                    self.event_loop.drain();
                }
                Message::Kill => self.event_loop.kill(),
                Message::Stop => {
                    tokio::task::yield_now().await; // lets killed clients close their sockets
                    break;
                }
            }
        }
    }

    /// Starts the two tasks that all others rely on: one flushes, and one looks at timers.
    fn begin(&self) -> [AbortOnDropHandle<()>; 2] {
        let (event_loop, cells) = (self.event_loop.clone(), self.cells.clone());
        let counts = cells.clone();
        event_loop.count_panics(move |site| counts.panics[site].inc());
        self.event_loop.buffers.show(move |used| cells.buffers.set(used as i64));
        let cells = self.cells.clone();
        let flusher = tokio::task::spawn_local(async move { event_loop.run_flusher().await });
        let event_loop = self.event_loop.clone();
        let late = move |nanos| cells.scheduler_delay.observe_nanos(nanos);
        let ticker = tokio::task::spawn_local(async move { event_loop.run_ticker(late).await });
        [flusher, ticker].map(AbortOnDropHandle::new)
    }

    /// Takes a client that another worker accepted. If the configuration has changed since, the client
    /// belongs to the listener that has the address now. If no listener has it, the client is dropped.
    fn accept(&self, listener: &Listener, accepted: Accepted) {
        may_panic("worker.welcome");
        // Several listeners may be bound to port 0, so that the address does not identify one.
        let has_address = listener.bind.ip().is_none_or(|ip| ip.port() != 0);
        let is_there =
            |any_frontend: &&AnyFrontend| has_address && any_frontend.listener().bind == listener.bind;
        let same = self.frontends.get(&listener.name);
        let any_frontend = same.filter(is_there).or_else(|| self.frontends.values().find(is_there)).or(same);
        if let Some(any_frontend) = any_frontend {
            any_frontend.accept(accepted);
        }
    }

    /// Registers the new sockets. Accepting goes on unchanged for now.
    fn prepare(&mut self, sockets: Vec<ListenOn>) -> Result<(), (Arc<str>, io::Error)> {
        let ready = |ListenOn { listener, socket }: ListenOn| match socket.map(Acceptor::new).transpose() {
            Ok(acceptor) => Ok((listener, acceptor)),
            Err(error) => Err((listener, error)),
        };
        self.prepared = Some(sockets.into_iter().map(ready).collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Accepts on the prepared sockets, and on nothing else. Connections in the queue of a socket that moved
    /// to another listener are accepted for that listener.
    fn accept_prepared(&mut self) {
        let Some(prepared) = self.prepared.take() else { return };
        let mut before = std::mem::take(&mut self.accepting);
        for (name, acceptor) in prepared {
            let task = match (acceptor, self.frontends.get(&name)) {
                (None, _) => before.remove(&name),
                (Some(_), None) => None, // cannot happen, every listener has a frontend
                (Some(acceptor), Some(any_frontend)) => {
                    let accept =
                        listener::accept(self.index, any_frontend.clone(), self.shared.clone(), acceptor);
                    Some(AbortOnDropHandle::new(tokio::task::spawn_local(accept)))
                }
            };
            self.accepting.extend(task.map(|task| (name, task)));
        }
    }
}
