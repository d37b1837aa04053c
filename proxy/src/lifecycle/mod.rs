//! Runs the main thread: it starts, reloads and drains the proxy, and ends it with an exit code.
//!
//! Signals come in, and messages go to the workers through `mailbox`. The main thread never touches a client.

mod checks;
mod console;
mod ejections;
mod moves;
#[cfg(test)]
mod panic_tests;
mod panics;
mod prober;
mod sockets;
mod states;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{Receiver, channel};

use crate::access_log::Log;
use crate::admin::{self, Admin, ControlAnswer, ControlCommand, ControlServer, Readiness, ReadyState};
use crate::config::{self, Address, Links, Loaded, Settings};
use crate::mailbox::Message;
use crate::metrics::{BackendLimits, Limits, MemberLimits, Registry, ReloadResult};
use crate::notice;
use crate::shared::Shared;
use crate::worker;

pub use console::say;
pub use panics::report_panics;
use prober::Prober;
pub use sockets::Sockets;
use states::MemberStates;
pub use watch::ConfigWatch;

/// The place that the configuration is read from, also at a reload.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// The reference configuration in the program.
    Embedded,
}

impl ConfigSource {
    /// Returns the file that a user has named, else `config.yaml` if it is there, else the reference configuration.
    #[must_use]
    pub fn named_or_usual(path: Option<&Path>) -> Self {
        let usual = Path::new("config.yaml");
        match path {
            Some(path) => Self::File(path.to_owned()),
            None if usual.exists() => Self::File(usual.to_owned()),
            None => Self::Embedded,
        }
    }

    /// Loads the configuration.
    ///
    /// # Errors
    /// Returns all mistakes in it.
    pub fn load(&self) -> Result<Loaded, config::ConfigError> {
        match self {
            Self::File(path) => config::load(path),
            Self::Embedded => {
                let env = |name: &str| std::env::var(name).ok();
                config::parse(&self.to_string(), config::REFERENCE, &env)
            }
        }
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Embedded => f.write_str("config.yaml (embedded)"),
        }
    }
}

/// A running proxy.
pub struct Running {
    source: ConfigSource,
    shared: Arc<Shared>,
    sockets: Sockets,
    /// The access logs of the present configuration, held so that workers find them open.
    logs: Vec<Arc<Log>>,
    threads: Vec<JoinHandle<()>>,
    prober: Prober,
    admin: Option<Admin>,
    /// Held because the control server stops when it is dropped.
    _control: Option<ControlServer>,
    /// The commands that have come over the control socket.
    commands: Receiver<ControlCommand>,
    /// The changes of the file, if it is watched.
    watch: Option<ConfigWatch>,
    ready: ReadyState,
}

/// The number of commands that may wait for the main thread. The connections of further ones wait.
const MOST_COMMANDS: usize = 8;

impl Running {
    /// Binds all sockets, then starts the workers.
    ///
    /// # Errors
    /// Returns a message that says what could not be bound or started.
    pub fn start(loaded: Loaded, source: ConfigSource) -> Result<Self, String> {
        let settings = loaded.settings;
        let sockets = Sockets::bind(&settings)?;
        let registry = Registry::new(settings.workers.get());
        let ready = ReadyState::default();
        let admin = start_admin(&settings, &registry, &ready)?;
        let builders: Vec<_> = (0..settings.workers.get()).map(|_| worker::builder()).collect();
        let workers = builders.iter().map(|builder| builder.handle.clone()).collect();
        let (prober, requests) = tokio::sync::mpsc::unbounded_channel();
        let shared = Shared::new(settings, registry, workers, prober);
        let (control, commands) = start_control(&shared, &ready)?;
        let logs = open_logs(&shared, &shared.settings())?;
        let prober = Prober::start(&shared, requests)
            .map_err(|e| format!("penstock: cannot start the prober: {e}"))?;
        let states = MemberStates::of(&shared, &shared.settings());
        states.apply(&shared);
        let threads = start_workers(builders, &shared)?;
        prober.watch(&shared, &shared.settings());
        reserve_descriptors(&shared.settings());
        let running = Self {
            source,
            shared,
            sockets,
            logs,
            threads,
            prober,
            admin,
            _control: control,
            commands,
            watch: None,
            ready,
        };
        running.show_config(loaded.hash);
        if let Err(why) = running.sockets.prepare(&running.shared.workers) {
            running.end();
            return Err(why);
        }
        running.notify_workers();
        running.ready.set(Readiness::Ready);
        Ok(running)
    }

    /// Returns the address that a listener is bound to, with the port that the kernel chose for port 0.
    #[must_use]
    pub fn address(&self, listener: &str) -> Option<std::net::SocketAddr> {
        self.sockets.address(listener)
    }

    /// Returns the address of the admin server.
    #[must_use]
    pub fn admin_address(&self) -> Option<std::net::SocketAddr> {
        self.admin.as_ref().map(Admin::addr)
    }

    /// Returns the metrics in the format of `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.shared.registry.render()
    }

    /// Reloads the configuration whenever this watch notices a change.
    #[must_use]
    pub fn with_watch(mut self, watch: Option<ConfigWatch>) -> Self {
        self.watch = watch;
        self
    }

    /// Runs until SIGINT or SIGTERM, and drains. A second signal ends the drain. `tell` is called once
    /// signals are handled, so that whoever it informs may send one.
    ///
    /// # Errors
    /// Returns an error if signals cannot be handled.
    pub async fn until_signal(mut self, tell: impl FnOnce(&Self)) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut rotated = signal(SignalKind::user_defined1())?;
        let mut ends = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        // Once this signal is handled, a log that exceeds RLIMIT_FSIZE causes an error for its writer and not
        // the end of the process.
        let _too_large = signal(SignalKind::from_raw(libc::SIGXFSZ))?;
        tell(&self);
        loop {
            tokio::select! {
                Some(()) = hangup.recv() => drop(self.reload_and_report()),
                Some(command) = self.commands.recv() => self.obey(command),
                () = changed(&mut self.watch) => drop(self.reload_and_report()),
                Some(()) = rotated.recv() => self.shared.logs.reopen(),
                () = any(&mut ends) => break,
            }
        }
        self.commands = channel(1).1; // answers those who wait that this process is draining
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

    /// Reloads, and prints what came of it. Returns what was printed.
    fn reload_and_report(&mut self) -> ControlAnswer {
        let moves = self.reload().map_err(|why| {
            let text =
                format!("{why}\npenstock: the new configuration was rejected; the old one stays in use");
            notice::err(&text);
            text
        })?;
        let text = format!("penstock: the new configuration is in use; {moves}");
        self.say(&text);
        Ok(text)
    }

    /// Carries out a command, and answers it.
    fn obey(&mut self, command: ControlCommand) {
        let (done, answer) = match command {
            // Nobody waits for the answer any more, so that the command was taken back.
            ControlCommand::Reload { answer, .. } if answer.is_closed() => return,
            ControlCommand::Reload { dry_run: false, answer } => (self.reload_and_report(), answer),
            ControlCommand::Reload { dry_run: true, answer } => (self.rehearse(), answer),
        };
        let _ = answer.send(done); // fails only if nobody waits any more
    }

    /// Says what a reload would do now. Whether sockets can be bound and logs be opened, only the reload itself shows.
    fn rehearse(&self) -> ControlAnswer {
        let loaded = self.load_next()?;
        let moves = moves::describe(&moves::moves(&self.shared, &loaded.settings));
        Ok(format!("penstock: {} can be loaded; {moves}", self.source))
    }

    /// Loads the configuration again. An invalid one changes nothing. Returns a sentence about the sources that move.
    ///
    /// # Errors
    /// Returns a message that says what is wrong.
    pub fn reload(&mut self) -> Result<String, String> {
        if let Some(watch) = &mut self.watch {
            watch.note_loading();
        }
        let reloads = self.shared.registry.process();
        let taken = self.try_reload();
        reloads.reloads[if taken.is_ok() { ReloadResult::Ok } else { ReloadResult::Rejected }].inc();
        taken
    }

    /// Loads the configuration that a reload would take.
    fn load_next(&self) -> Result<Loaded, String> {
        let loaded = self.source.load().map_err(|mistakes| mistakes.to_string())?;
        let (before, next) = (self.shared.settings(), &loaded.settings);
        // Worker threads and these two sockets live as long as the process.
        let fixed = [
            ("workers", next.workers != before.workers),
            ("admin", next.admin != before.admin),
            ("control", next.control != before.control),
        ];
        if let Some((name, _)) = fixed.iter().find(|(_, changes)| *changes) {
            return Err(format!("{}: `{name}` changes only at a restart", self.source));
        }
        let other_protocol = |l: &&Arc<config::Listener>| {
            before.listeners.iter().any(|old| old.name == l.name && old.protocol != l.protocol)
        };
        // Clients that are connected speak the old protocol.
        if let Some(listener) = loaded.settings.listeners.iter().find(other_protocol) {
            let name = &listener.name;
            return Err(format!(
                "listeners.{name}: its protocol changes only at a restart, or with its name"
            ));
        }
        Ok(loaded)
    }

    fn try_reload(&mut self) -> Result<String, String> {
        let loaded = self.load_next()?;
        loaded.warnings.iter().for_each(|warning| notice::err(&warning.to_string()));
        let logs = open_logs(&self.shared, &loaded.settings)?;
        let mut sockets = self.sockets.rebind(&loaded.settings)?;
        // Everything that can fail happens before the first change takes effect.
        sockets.prepare(&self.shared.workers)?;
        if let Err(why) = sockets.apply() {
            sockets::forget(&self.shared.workers);
            return Err(why);
        }
        // From here on nothing can fail, so the configuration is adopted as a whole.
        let moves = moves::describe(&moves::moves(&self.shared, &loaded.settings));
        reserve_descriptors(&loaded.settings);
        // Nothing may be found about a member that leaves after the workers have left it.
        self.prober.watch(&self.shared, &loaded.settings);
        let states = MemberStates::of(&self.shared, &loaded.settings);
        self.shared.change(loaded.settings);
        let before = std::mem::replace(&mut self.sockets, sockets);
        self.logs = logs;
        // No client may be assigned to a member in maintenance, nor to one that comes into use anew.
        states.apply(&self.shared);
        self.notify_workers();
        states.apply(&self.shared);
        drop(before); // closes sockets that no worker accepts on any more
        self.show_config(loaded.hash);
        Ok(moves)
    }

    /// Tells the workers that the configuration has changed, and waits until all of them have adopted it.
    fn notify_workers(&self) {
        let (taken, all_taken) = std::sync::mpsc::channel();
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Changed(taken.clone())));
        drop(taken);
        // The channel closes when the last worker has answered or ended.
        while all_taken.recv_timeout(sockets::PATIENCE).is_ok() {}
    }

    /// Stops accepting, and waits until all clients have gone or the drain timeout is over.
    pub async fn drain(&mut self) {
        self.ready.set(Readiness::Draining);
        self.shared.registry.process().draining.set(1);
        // Closing first lets a new process bind the addresses during the drain.
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

    /// Ends all present clients and links. Later clients are served.
    pub fn kill(&self) {
        self.shared.workers.iter().for_each(|handle| handle.send(Message::Kill));
    }

    /// Ends the remaining clients and the threads, and then the access logs, which nobody writes to any more.
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

/// Starts the workers, and waits until all have adopted the configuration, so that every metric exists from
/// the first scrape on.
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

/// Reserves descriptors for the links of a configuration, the admin server, and the process itself.
fn reserve_descriptors(settings: &Settings) {
    let servers = usize::from(settings.admin.is_some()) + usize::from(settings.control.is_some());
    let own = OWN_DESCRIPTORS + servers * admin::MOST_CONNECTIONS;
    let links = |backend: &Arc<config::Backend>| {
        let Links { max_per_member, warm, .. } = &backend.links;
        let each = if backend.protocol.is_pooled() { max_per_member.get() } else { *warm };
        backend.members.len().saturating_mul(each as usize)
    };
    let links = settings.backends.iter().map(links).fold(0, usize::saturating_add);
    crate::net::reserve_descriptors(own, links);
}

/// The number of descriptors for the process: sockets that a reload opens at once (up to three for each
/// listener), probes, and files.
const OWN_DESCRIPTORS: usize = 64;

/// Opens the logs of a configuration. Open ones stay open.
fn open_logs(shared: &Shared, settings: &Settings) -> Result<Vec<Arc<Log>>, String> {
    let logs = settings.listeners.iter().filter_map(|listener| {
        let access_log = listener.access_log.as_ref()?;
        let cannot = |error| format!("listeners.{}.access_log: {error}", listener.name);
        Some(shared.logs.open(&access_log.to).map_err(cannot))
    });
    logs.collect()
}

/// Reopens the logs at each signal, without end.
async fn reopen_at(signals: &mut Signal, shared: &Shared) {
    loop {
        signals.recv().await;
        shared.logs.reopen();
    }
}

/// Waits until the file has changed; for ever if it is not watched.
async fn changed(watch: &mut Option<ConfigWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
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

/// Starts the control server, if there is to be one, and returns the commands that it will receive.
fn start_control(
    shared: &Arc<Shared>,
    ready: &ReadyState,
) -> Result<(Option<ControlServer>, Receiver<ControlCommand>), String> {
    let (sender, commands) = channel(MOST_COMMANDS);
    let Some(path) = &shared.settings().control else { return Ok((None, commands)) };
    let mut pages = admin::command_pages(&sender);
    pages.push(admin::placement_page(shared));
    let control = admin::start_control(path, shared.registry.clone(), ready.clone(), pages);
    let cannot = |error| sockets::cannot_bind("control", &Address::Unix(path.clone()), &error);
    Ok((Some(control.map_err(cannot)?), commands))
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
