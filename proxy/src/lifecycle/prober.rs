//! Runs the thread that probes and checks members, so that no worker waits for that.
//!
//! `link::Proof` decides what is to be probed, `checks` what is checked, and `probe` does both.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, oneshot};

use super::checks::{self, CheckedMember, Checks};
use super::states::{self, DrainingMember, Drains};
use super::{say, sockets};
use crate::config::Settings;
use crate::link::Proof;
use crate::notice;
use crate::probe;
use crate::shared::Shared;

/// The number of members that are probed at a time.
const AT_ONCE: usize = 8;

/// The thread that probes members.
pub(super) struct Prober {
    /// Ends the thread when dropped.
    stop: oneshot::Sender<()>,
    members: UnboundedSender<(Attended, Sender<()>)>,
    thread: JoinHandle<()>,
}

/// The members that something is done about for as long as they are configured.
pub(super) struct Attended {
    checked: Vec<CheckedMember>,
    draining: Vec<DrainingMember>,
}

impl Attended {
    /// Returns those of this configuration.
    pub(super) fn of(shared: &Shared, settings: &Settings) -> Self {
        Self { checked: checks::members(shared, settings), draining: states::draining(shared, settings) }
    }
}

impl Prober {
    /// Starts the thread. It sleeps until members are to be checked, or a worker has seen an offence or an answer of an HTTP
    /// member.
    pub(super) fn start(
        shared: &Arc<Shared>,
        mut requests: UnboundedReceiver<Arc<Proof>>,
    ) -> io::Result<Self> {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (members, mut attended) = unbounded_channel::<(Attended, Sender<()>)>();
        let shared = shared.clone();
        let run = async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            let mut checks = Checks::new(shared.clone());
            let mut drains = Drains::new(shared.clone());
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    Some((members, taken)) = attended.recv() => {
                        checks.take(members.checked);
                        drains.take(members.draining);
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
            Ok(runtime) => runtime.block_on(run),
            Err(error) => notice::err(&format!("penstock: prober: cannot start the runtime: {error}")),
        })?;
        Ok(Self { stop, members, thread })
    }

    /// Attends to these members from now on and to no others. The checks of others have ended when this returns.
    pub(super) fn attend_to(&self, members: Attended) {
        let (taken, is_taken) = std::sync::mpsc::channel();
        if self.members.send((members, taken)).is_ok() {
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
