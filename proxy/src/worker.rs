//! One thread that owns clients, links, buffers and timers.
//! In: mail: clients accepted elsewhere, listening sockets, new configurations, the end. Out: traffic.
//! Knows nothing of other workers but how to hand them a client.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::task::AbortOnDropHandle;

use crate::affinity::name_hash;
use crate::backend::{Group, Member};
use crate::client::{Client, Hall, Route};
use crate::config::{Backend, Settings};
use crate::link::Shelf;
use crate::listener;
use crate::metrics::WorkerCells;
use crate::post::{Mail, Post};
use crate::shared::{MemberKey, Shared};
use crate::turn::Turn;

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
            runtime.block_on(Worker::new(index, seed.post.load.clone(), shared).run(seed.mail, ready));
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

type Members = HashMap<MemberKey, Rc<Member<Rc<Client>>>>;

struct Worker {
    index: usize,
    shared: Arc<Shared>,
    turn: Rc<Turn>,
    load: Arc<AtomicUsize>,
    cells: Arc<WorkerCells>,
    halls: HashMap<Arc<str>, Rc<Hall>>,
    members: Members,
    accepting: HashMap<Arc<str>, AbortOnDropHandle<()>>,
}

impl Worker {
    fn new(index: usize, load: Arc<AtomicUsize>, shared: Arc<Shared>) -> Self {
        let cells = shared.registry.worker(index);
        shared.registry.follow_thread(index, rustix::thread::gettid().as_raw_pid());
        Self {
            index,
            turn: Turn::new(),
            load,
            cells,
            halls: HashMap::new(),
            members: HashMap::new(),
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
                Mail::Client { listener, stream, source } => self.welcome(&listener, stream, source),
                Mail::Listen(name, socket) => self.listen(&name, socket),
                Mail::Changed => self.take(&self.shared.settings()),
                Mail::Drain => {
                    self.accepting.clear();
                    self.turn.drain();
                }
                Mail::Kill => self.turn.kill(),
                Mail::Stop => break,
            }
        }
    }

    fn welcome(&self, listener: &str, stream: TcpStream, source: IpAddr) {
        let welcomed = match self.halls.get(listener) {
            Some(hall) if !self.turn.draining() => Client::welcome(hall, stream, source).is_ok(),
            _ => false, // the listener went while the client was on its way
        };
        if !welcomed {
            self.load.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn listen(&mut self, name: &Arc<str>, socket: TcpListener) {
        let Some(hall) = self.halls.get(name) else { return };
        let accept = listener::accept(self.index, hall.clone(), self.shared.clone(), socket);
        let task = AbortOnDropHandle::new(tokio::task::spawn_local(accept));
        self.accepting.insert(name.clone(), task);
    }

    /// Makes the worker's view of a configuration. What has the same name (and address) stays what it is.
    fn take(&mut self, settings: &Settings) {
        let mut members = HashMap::new();
        let groups: Vec<_> =
            settings.backends.iter().enumerate().map(|(i, b)| self.group(i, b, &mut members)).collect();
        for (key, gone) in std::mem::replace(&mut self.members, members) {
            if !self.members.contains_key(&key) {
                gone.shelf.retire();
            }
        }
        let names: Vec<_> = settings.listeners.iter().map(|l| l.name.clone()).collect();
        self.halls.retain(|name, hall| {
            names.contains(name) || {
                hall.closed.set(true);
                false
            }
        });
        self.accepting.retain(|name, _| names.contains(name));
        for listener in &settings.listeners {
            let group = groups[listener.backend].clone();
            let cells = self.shared.registry.route(self.index, &listener.name, &group.settings.name);
            let route = Rc::new(Route { listener: listener.clone(), group, cells });
            self.open_hall(&listener.name, route);
        }
        self.turn.reconsider();
    }

    fn open_hall(&mut self, name: &Arc<str>, route: Rc<Route>) {
        if let Some(hall) = self.halls.get(name) {
            *hall.route.borrow_mut() = route;
            return;
        }
        let hall = Hall {
            turn: self.turn.clone(),
            route: route.into(),
            cells: self.shared.registry.listener(self.index, name),
            worker_cells: self.cells.clone(),
            load: self.load.clone(),
            sources: self.shared.sources.clone(),
            closed: false.into(),
        };
        self.halls.insert(name.clone(), Rc::new(hall));
    }

    fn group(&self, index: usize, settings: &Arc<Backend>, members: &mut Members) -> Rc<Group<Rc<Client>>> {
        let cells = self.shared.registry.backend(self.index, &settings.name);
        let share = self.shared.share(settings, index, self.index);
        let member = |m: &crate::config::Member| {
            let key = (settings.name.clone(), m.name.clone(), m.address.clone());
            let shelf = match self.members.get(&key) {
                Some(old) => {
                    old.shelf.configure(settings, share);
                    old.shelf.clone()
                }
                None => {
                    let own = self.shared.registry.member(self.index, &settings.name, &m.name);
                    let health = self.shared.health(&key);
                    Shelf::new(&self.turn, settings, m.address.clone(), share, health, (cells.clone(), own))
                }
            };
            let old = self.members.get(&key).filter(|old| old.candidate.weight == m.weight).cloned();
            let member = old.unwrap_or_else(|| {
                let cells = self.shared.registry.member(self.index, &settings.name, &m.name);
                Rc::new(Member {
                    candidate: Member::<Rc<Client>>::candidate(&m.name, m.weight),
                    shelf,
                    cells,
                    clients: 0.into(),
                })
            });
            members.insert(key, member.clone());
            member
        };
        let members = settings.members.iter().map(member).collect();
        Rc::new(Group {
            settings: settings.clone(),
            hash: name_hash(&settings.name),
            cells: cells.clone(),
            share: share.links,
            members,
        })
    }
}
