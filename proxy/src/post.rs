//! How others reach a worker: mail, and the box it is dropped into.
//! In: mail from the main thread or another worker. Out: the same, in order, on the worker's own thread.
//! Knows nothing of what workers do with it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::hall::Newcomer;
use crate::net::Stream;

/// What is sent to a worker.
pub enum Mail {
    /// A client that another worker accepted for this one.
    Client {
        /// The listener that accepted it.
        listener: Arc<str>,
        /// What is known of it.
        newcomer: Newcomer,
    },
    /// Accept the clients of this listener.
    Listen(Arc<str>, Stream),
    /// The configuration has changed.
    Changed,
    /// Accept no more, let exchanges end, start none.
    Drain,
    /// End all that is left.
    Kill,
    /// All clients are gone: the thread ends.
    Stop,
}

/// How others reach a worker.
#[derive(Clone)]
pub struct Post {
    mail: UnboundedSender<Mail>,
    /// Clients on it, or on their way to it.
    pub load: Arc<AtomicUsize>,
}

impl Post {
    /// A way to reach a worker, and the worker's end of it.
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<Mail>) {
        let (sender, mail) = unbounded_channel();
        (Self { mail: sender, load: Arc::new(AtomicUsize::new(0)) }, mail)
    }

    /// Sends mail. A worker that has ended takes none, and needs none.
    pub fn send(&self, mail: Mail) {
        let _ = self.mail.send(mail);
    }
}
