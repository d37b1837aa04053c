//! Runs the thread that probes, checks and ejects members, so that no worker waits for that.
//!
//! `link::Proof` decides what is to be probed, `checks` what is checked, and `probe` does both. `ejections` ejects.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};

use super::checks::{self, CheckedMember, Checks};
use super::ejections::{self, Ejections, JudgedBackend};
use super::states::{self, DrainingMember, Drains};
use super::{say, sockets};
use crate::config::Settings;
use crate::link::Proof;
use crate::notice;
use crate::probe;
use crate::shared::Shared;

/// The number of members that are probed at a time.
const AT_ONCE: usize = 8;

/// The members that a configuration wants to be checked, those that may be ejected, and those that drain for a limited time.
struct Watched {
    checked: Vec<CheckedMember>,
    judged: Vec<JudgedBackend>,
    draining: Vec<DrainingMember>,
}

/// The thread that probes members.
pub(super) struct Prober {
    /// Ends the thread when dropped.
    stop: oneshot::Sender<()>,
    members: UnboundedSender<(Watched, Sender<()>)>,
    thread: JoinHandle<()>,
}

impl Prober {
    /// Starts the thread. It sleeps until members are to be checked or judged, or a worker has seen an offence or an answer of
    /// an HTTP member.
    pub(super) fn start(
        shared: &Arc<Shared>,
        mut requests: UnboundedReceiver<Arc<Proof>>,
    ) -> io::Result<Self> {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (members, mut watched) = unbounded_channel::<(Watched, Sender<()>)>();
        let shared = shared.clone();
        // The future is made on the thread, because it does not leave that.
        let run = move || async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            #[cfg(test)]
            shared
                .settings()
                .listeners
                .iter()
                .for_each(|listener| crate::event_loop::injected::adopt(&listener.name));
            let mut checks = Checks::new(shared.clone());
            let mut ejections = Ejections::new(shared.clone());
            let mut drains = Drains::new(shared.clone());
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    Some((Watched { checked, judged, draining }, taken)) = watched.recv() => {
                        checks.take(checked);
                        ejections.take(judged);
                        drains.take(draining);
                        let _ = taken.send(()); // nobody waits after the patience of the main thread
                    }
                    Some(proof) = requests.recv() => {
                        tokio::task::spawn_local(attend(proof, shared.clone(), room.clone()));
                    }
                }
            }
        };
        // A probe in progress ends together with its runtime.
        let thread = std::thread::Builder::new().name("prober".to_owned());
        let thread = thread.spawn(move || match runtime() {
            Ok(runtime) => runtime.block_on(run()),
            Err(error) => notice::err(&format!("penstock: prober: cannot start the runtime: {error}")),
        })?;
        Ok(Self { stop, members, thread })
    }

    /// Checks, judges and drains the members of this configuration from now on and no others. Nothing is found about others any
    /// more when this returns.
    pub(super) fn watch(&self, shared: &Shared, settings: &Settings) {
        let (checked, judged) = (checks::members(shared, settings), ejections::backends(shared, settings));
        let draining = states::draining(shared, settings);
        let (taken, is_taken) = std::sync::mpsc::channel();
        if self.members.send((Watched { checked, judged, draining }, taken)).is_ok() {
            let _ = is_taken.recv_timeout(sockets::PATIENCE);
        }
    }

    /// Ends the thread and waits for its end.
    pub(super) fn end(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            notice::err("penstock: the prober panicked");
        }
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

/// Carries out the tasks for a member until there are none left.
async fn attend(proof: Arc<Proof>, shared: Arc<Shared>, room: Arc<Semaphore>) {
    loop {
        proof.news().into_iter().for_each(|text| say(&shared.settings(), &text));
        let Some(task) = proof.next_task(Instant::now()) else { return };
        tokio::select! {
            () = tokio::time::sleep_until(task.due.into()) => {}
            () = proof.changed() => continue,
        }
        // Probes are limited together, since many members may be due after a reload.
        let Ok(_place) = room.acquire().await else { return };
        // The member may have changed while the task waited.
        let Some(subject) = proof.subject(&task) else { continue };
        let found = if task.probe { probe::quick(&subject.address, &subject.backend).await } else { Ok(()) };
        proof.conclude(&task, found, Instant::now());
    }
}
