//! The thread that probes members, so that no worker waits for a probe.
//!
//! `link::Proof` says what is to be done, and `probe` how it is done.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, oneshot};

use super::say;
use crate::link::Proof;
use crate::notice;
use crate::probe;
use crate::shared::Shared;

/// So many members are probed at the same time.
const AT_ONCE: usize = 8;

/// See the head of this file.
pub(super) struct Prober {
    /// Dropped to end it.
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Prober {
    /// Starts the thread. It sleeps until a worker has seen an answer of a member of HTTP, or an offence.
    pub(super) fn start(shared: &Arc<Shared>, mut rung: UnboundedReceiver<Arc<Proof>>) -> io::Result<Self> {
        let (stop, mut stopped) = oneshot::channel::<()>();
        let shared = shared.clone();
        let run = async move {
            let room = Arc::new(Semaphore::new(AT_ONCE));
            loop {
                tokio::select! {
                    _ = &mut stopped => return,
                    Some(proof) = rung.recv() => {
                        tokio::task::spawn_local(attend(proof, shared.clone(), room.clone()));
                    }
                }
            }
        };
        // What is in the middle of a probe ends with its runtime.
        let thread = std::thread::Builder::new().name("prober".to_owned());
        let thread = thread.spawn(move || match runtime() {
            Ok(runtime) => runtime.block_on(run),
            Err(error) => notice::err(&format!("penstock: prober: cannot start the runtime: {error}")),
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends it, and waits for that.
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

/// Does what is to be done for a member, until there is nothing more.
async fn attend(proof: Arc<Proof>, shared: Arc<Shared>, room: Arc<Semaphore>) {
    loop {
        proof.news().into_iter().for_each(|text| say(&shared.settings(), &text));
        let Some(task) = proof.next_task(Instant::now()) else { return };
        tokio::select! {
            () = tokio::time::sleep_until(task.due.into()) => {}
            () = proof.changed() => continue,
        }
        let Ok(_place) = room.acquire().await else { return };
        let Some(accused) = proof.accused(&task) else { continue };
        let found = if task.probe { probe::quick(&accused.address, &accused.backend).await } else { Ok(()) };
        proof.conclude(&task, found, Instant::now());
    }
}
