//! The channel by which the main thread and other workers reach a worker, and the messages that go through it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Listener;
use crate::hall::Newcomer;
use crate::net::Stream;

/// What is sent to a worker.
pub enum Mail {
    /// A client that another worker accepted for this one.
    Client {
        /// The listener that accepted it, as it was then.
        listener: Arc<Listener>,
        /// What is known of it.
        newcomer: Newcomer,
    },
    /// Get ready to accept on these sockets, and on no others, when [`Mail::Changed`] comes.
    Prepare {
        /// All sockets that the worker is to accept on.
        sockets: Vec<Accept>,
        /// Is told when the worker is ready, or which listener's socket it cannot accept on and why.
        ready: Sender<Result<(), (Arc<str>, io::Error)>>,
    },
    /// What was prepared will not be.
    Forget,
    /// The configuration has changed. The sender is told when this worker goes by it.
    Changed(Sender<()>),
    /// Accept no more, let exchanges end, start none.
    Drain,
    /// End all that is left.
    Kill,
    /// All clients are gone: the thread ends.
    Stop,
}

/// A listening socket that a worker is to accept on.
pub struct Accept {
    /// Whose it is.
    pub listener: Arc<str>,
    /// The socket; none where the worker accepts on it for this listener already.
    pub socket: Option<Stream>,
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
