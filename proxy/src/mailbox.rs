//! The channel by which the main thread and other workers reach a worker, and the messages that go through it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::config::Listener;
use crate::frontend::Accepted;
use crate::net::Stream;

/// What is sent to a worker.
pub enum Message {
    /// A client that another worker accepted for this one.
    Client {
        /// The listener that accepted it, as it was then.
        listener: Arc<Listener>,
        /// What is known of it.
        accepted: Accepted,
    },
    /// Get ready to accept on these sockets, and on no others, when [`Message::Changed`] comes.
    Prepare {
        /// All sockets that the worker is to accept on.
        sockets: Vec<ListenOn>,
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
pub struct ListenOn {
    /// Whose it is.
    pub listener: Arc<str>,
    /// The socket; none where the worker accepts on it for this listener already.
    pub socket: Option<Stream>,
}

/// How others reach a worker.
#[derive(Clone)]
pub struct WorkerHandle {
    messages: UnboundedSender<Message>,
    /// Clients on it, or on their way to it.
    pub load: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// A way to reach a worker, and the worker's end of it.
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<Message>) {
        let (sender, messages) = unbounded_channel();
        (Self { messages: sender, load: Arc::new(AtomicUsize::new(0)) }, messages)
    }

    /// Sends a message. A worker that has ended takes none, and needs none.
    pub fn send(&self, messages: Message) {
        let _ = self.messages.send(messages);
    }
}
