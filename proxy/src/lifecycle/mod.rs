//! The main thread: it starts, reloads and drains the proxy, and ends it with an exit code.
//!
//! Signals come in, and orders go to the workers through `post`. The main thread never touches a single client.

mod console;
#[cfg(test)]
mod panic_tests;
mod panics;
mod prober;
mod sockets;
#[cfg(test)]
mod tests;

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::access_log::Log;
use crate::admin::{self, Admin, Readiness, ReadyState};
use crate::config::{self, Links, Loaded, Settings};
use crate::mailbox::Message;
use crate::metrics::{BackendLimits, Limits, MemberLimits, Registry, ReloadResult};
use crate::notice;
use crate::shared::Shared;
use crate::worker;

pub use console::say;
pub use panics::tell_of_panics;
use prober::Prober;
pub use sockets::Sockets;

/// Where the configuration comes from when it is read again.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// The reference inside the program.
    Embedded,
}

impl ConfigSource {
    /// Reads it.
    ///
    /// # Errors
    /// All mistakes in it.
    pub fn load(&self) -> Result<Loaded, config::ConfigError> {
        match self {
            Self::File(path) => config::load(path),
            Self::Embedded => {
                config::parse("config.yaml (embedded)", config::REFERENCE, &|name| std::env::var(name).ok())
            }
        }
    }
}

/// A proxy that runs.
pub struct Running {
    source: ConfigSource,
    shared: Arc<Shared>,
    sockets: Sockets,
    /// Those of the present configuration, so that workers find them open.
    logs: Vec<Arc<Log>>,
    threads: Vec<JoinHandle<()>>,
    prober: Prober,
    admin: Option<Admin>,
    ready: ReadyState,
}

impl Running {
    /// Binds everything, then starts the workers.
    ///
    /// # Errors
    /// What could not be bound, in words.
    pub fn start(loaded: Loaded, source: ConfigSource) -> Result<Self, String> {
        let settings = loaded.settings;
        let sockets = Sockets::bind(&settings)?;
        let registry = Registry::new(settings.workers.get());
        let ready = ReadyState::default();
        let admin = start_admin(&settings, &registry, &ready)?;
        let builders: Vec<_> = (0..settings.workers.get()).map(|_| worker::builder()).collect();
        let workers = builders.iter().map(|builder| builder.handle.clone()).collect();
        let (bell, rung) = tokio::sync::mpsc::unbounded_channel();
        let shared = Shared::new(settings, registry, workers, bell);
        let logs = open_logs(&shared, &shared.settings())?;
        let prober =
            Prober::start(&shared, rung).map_err(|e| format!("penstock: cannot start the prober: {e}"))?;
        let threads = start_workers(builders, &shared)?;
        reserve_descriptors(&shared.settings());
        let running = Self { source, shared, sockets, logs, threads, prober, admin, ready };
        running.show_config(loaded.hash);
        if let Err(why) = running.sockets.prepare(&running.shared.workers) {
            running.end();
            return Err(why);
        }
        running.tell_workers();
        running.ready.set(Readiness::Ready);
        Ok(running)
    }

    /// The address a listener is bound to (port 0 in the configuration leaves the choice to the kernel).
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<std::net::SocketAddr> {
        self.sockets.address(listener)
    }

    /// Where the metrics are.
    #[must_use]
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.admin.as_ref().map(Admin::addr)
    }

    /// The metrics, as `/metrics` shows them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shared.registry.render()
    }

    /// Runs until SIGINT or SIGTERM, and drains. A second signal ends the drain.
    /// `tell` is called once signals are heard: whoever was told may send one.
    ///
    /// # Errors
    /// When signals cannot be had.
    pub async fn until_signal(mut self, tell: impl FnOnce(&Self)) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut rotated = signal(SignalKind::user_defined1())?;
        let mut ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        // A log that is longer than may be (RLIMIT_FSIZE) is an error of whoever writes it, once somebody handles this.
        let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        tell(&self);
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => self.reload_and_tell(),
                Some(()) = rotated.recv() => self.shared.logs.reopen(),
                () = any(&mut ends) => break,
            }
        }
        self.say("penstock: draining; a second signal ends it at once");
        let shared = self.shared.clone();
        tokio::select! {
            () = self.drain() => {}
            () = any(&mut ends) => {}
            () = reopen_at(&mut rotated, &shared) => {}
        }
        self.end();
        Ok(())
    }

    fn say(&self, text: &str) {
        say(&self.shared.settings(), text);
    }

    fn reload_and_tell(&mut self) {
        match self.reload() {
            Ok(()) => self.say("penstock: the new configuration is in use"),
            Err(why) => notice::err(&format!(
                "{why}\npenstock: the new configuration was rejected; the old one stays in use"
            )),
        }
    }

    /// Reads the configuration again. A bad one changes nothing.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn reload(&mut self) -> Result<(), String> {
        let reloads = self.shared.registry.process();
        let taken = self.try_reload();
        reloads.reloads[if taken.is_ok() { ReloadResult::Ok } else { ReloadResult::Rejected }].inc();
        taken
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let loaded = self.source.load().map_err(|mistakes| mistakes.to_string())?;
        let before = self.shared.settings();
        if loaded.settings.workers != before.workers || loaded.settings.admin != before.admin {
            return Err("`workers` and `admin` change only at a restart".to_owned());
        }
        let other_protocol = |l: &&Arc<config::Listener>| {
            before.listeners.iter().any(|old| old.name == l.name && old.protocol != l.protocol)
        };
        if let Some(listener) = loaded.settings.listeners.iter().find(other_protocol) {
            let name = &listener.name;
            return Err(format!(
                "listeners.{name}: its protocol changes only at a restart, or with its name"
            ));
        }
        loaded.warnings.iter().for_each(|warning| notice::err(&warning.to_string()));
        let logs = open_logs(&self.shared, &loaded.settings)?;
        let mut sockets = self.sockets.rebind(&loaded.settings)?;
        sockets.prepare(&self.shared.workers)?;
        if let Err(why) = sockets.apply() {
            sockets::forget(&self.shared.workers);
            return Err(why);
        }
        // From here on nothing can fail: all of the configuration is taken.
        reserve_descriptors(&loaded.settings);
        self.shared.change(loaded.settings);
        let before = std::mem::replace(&mut self.sockets, sockets);
        self.logs = logs;
        self.tell_workers();
        drop(before); // no worker accepts any more on what only this configuration had
        self.show_config(loaded.hash);
        Ok(())
    }

    /// Tells the workers that the configuration has changed, and waits until all of them go by it.
    fn tell_workers(&self) {
        let (taken, all_taken) = std::sync::mpsc::channel();
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Changed(taken.clone())));
        drop(taken);
        // Once the last of them has answered (or has ended) there is nobody left to wait for.
        while all_taken.recv_timeout(sockets::PATIENCE).is_ok() {}
    }

    /// Accepts no more, and waits until every client has ended or the time for it is over.
    pub async fn drain(&mut self) {
        self.ready.set(Readiness::Draining);
        self.shared.registry.process().draining.set(1);
        self.sockets.close();
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Drain));
        let empty = async {
            while self.clients() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let limit = self.shared.settings().drain_timeout;
        if crate::event_loop::timeout(limit, empty).await.is_err() {
            self.say(&format!("penstock: {} clients did not end in time", self.clients()));
        }
    }

    /// Ends all clients and links there are. Who comes later is served.
    pub fn kill(&self) {
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Kill));
    }

    /// Ends what is left, and the threads; last of all the access logs, when nobody writes to them any more.
    pub fn end(mut self) {
        self.kill();
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Stop));
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                notice::err("penstock: a worker panicked");
            }
        }
        self.prober.end();
        self.shared.logs.finish();
    }

    fn clients(&self) -> usize {
        self.shared.workers.iter().map(|handle| handle.load.load(Ordering::Relaxed)).sum()
    }

    fn show_config(&self, hash: u64) {
        let settings = self.shared.settings();
        let most = |listener: &config::Listener| listener.max_connections.map(NonZeroUsize::get);
        let limits = Limits {
            clients: settings.listeners.iter().map(|l| (&*l.name, most(l))).collect(),
            backends: settings.backends.iter().map(|backend| limits(backend)).collect(),
        };
        let budget = i64::try_from(settings.buffer_budget).unwrap_or(i64::MAX);
        self.shared.registry.process().buffers_limit.set(budget);
        self.shared.registry.set_config(&format!("{hash:016x}"), SystemTime::now(), &limits);
    }
}

/// All of them have taken the configuration when this returns: every metric stands there from the first scrape on.
fn start_workers(
    builders: Vec<worker::WorkerBuilder>,
    shared: &Arc<Shared>,
) -> Result<Vec<JoinHandle<()>>, String> {
    let (ready, all_ready) = std::sync::mpsc::channel();
    let start = |(i, builder)| worker::start(i, builder, shared, ready.clone());
    let threads = builders.into_iter().enumerate().map(start).collect::<io::Result<Vec<_>>>();
    let threads = threads.map_err(|e| format!("penstock: cannot start a worker: {e}"))?;
    drop(ready);
    for _ in &threads {
        all_ready.recv().map_err(|_| "penstock: a worker could not start".to_owned())?;
    }
    Ok(threads)
}

/// Keeps from clients what descriptors the links of a configuration may need, the admin server, and the process itself.
fn reserve_descriptors(settings: &Settings) {
    let own = OWN_DESCRIPTORS + settings.admin.map_or(0, |_| admin::MOST_CONNECTIONS);
    let links = |backend: &Arc<config::Backend>| {
        let Links { max_per_member, warm, .. } = &backend.links;
        let each = if backend.protocol.is_pooled() { max_per_member.get() } else { *warm };
        backend.members.len().saturating_mul(each as usize)
    };
    let links = settings.backends.iter().map(links).fold(0, usize::saturating_add);
    crate::net::reserve_descriptors(own, links);
}

/// What a reload may open at once (a socket, one like it and one for its worker for each listener), probes, and files.
const OWN_DESCRIPTORS: usize = 64;

/// The logs of a configuration. Those that are open already stay so.
fn open_logs(shared: &Shared, settings: &Settings) -> Result<Vec<Arc<Log>>, String> {
    let logs = settings.listeners.iter().filter_map(|listener| {
        let access_log = listener.access_log.as_ref()?;
        let cannot = |error| format!("listeners.{}.access_log: {error}", listener.name);
        Some(shared.logs.open(&access_log.to).map_err(cannot))
    });
    logs.collect()
}

/// Never ends.
async fn reopen_at(signals: &mut Signal, shared: &Shared) {
    loop {
        signals.recv().await;
        shared.logs.reopen();
    }
}

async fn any(signals: &mut [Signal; 2]) {
    let [interrupt, terminate] = signals;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn start_admin(
    settings: &Settings,
    registry: &Registry,
    ready: &ReadyState,
) -> Result<Option<Admin>, String> {
    let Some(bind) = settings.admin else { return Ok(None) };
    let admin = admin::start(bind, registry.clone(), ready.clone());
    admin.map(Some).map_err(|error| sockets::cannot_bind("admin", &bind, &error))
}

fn limits(backend: &config::Backend) -> BackendLimits<'_> {
    let links = backend.links.cap();
    let members = backend.members.iter().map(|m| MemberLimits { name: &m.name, links, weight: m.weight });
    BackendLimits {
        name: &backend.name,
        waiting: backend.queue.max as u64 * backend.members.len() as u64,
        members: members.collect(),
    }
}
