//! Provides the channel by which the main thread and other workers reach a worker, and its messages.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Sender;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::backend::{HealthChange, MemberKey};
use crate::config::Listener;
use crate::frontend::Accepted;
use crate::net::Stream;

/// A message to a worker.
pub enum Message {
    /// A client that another worker has accepted for this one.
    Client {
        /// The settings of the listener at the time when it accepted the client.
        listener: Arc<Listener>,
        /// The accepted connection.
        accepted: Accepted,
    },
    /// Prepares to accept on these sockets, and on no others, once [`Message::Changed`] comes.
    Prepare {
        /// All sockets that the worker will accept on.
        sockets: Vec<ListenOn>,
        /// Receives the result: the worker is ready, or it cannot accept on the socket of this listener.
        ready: Sender<Result<(), (Arc<str>, io::Error)>>,
    },
    /// Drops what was prepared.
    Forget,
    /// Announces a changed configuration. The sender is used when this worker has adopted it.
    Changed(Sender<()>),
    /// Announces a change of a member's state that no worker has found: the prober or the operator has.
    Health {
        /// The member.
        member: MemberKey,
        /// The change, which one worker shows for all.
        change: HealthChange,
    },
    /// Stops accepting, lets exchanges end, and starts none.
    Drain,
    /// Ends all remaining clients.
    Kill,
    /// Ends the thread, after all clients have gone.
    Stop,
}

/// A listening socket that a worker will accept on.
pub struct ListenOn {
    /// The name of the listener.
    pub listener: Arc<str>,
    /// The socket; `None` if the worker already accepts on it for this listener.
    pub socket: Option<Stream>,
}

/// The sending end of a worker's channel.
#[derive(Clone)]
pub struct WorkerHandle {
    messages: UnboundedSender<Message>,
    /// The number of clients on the worker or on their way to it.
    pub load: Arc<AtomicUsize>,
}

impl WorkerHandle {
    /// Makes a worker's channel, and returns both ends.
    #[must_use]
    pub fn new() -> (Self, UnboundedReceiver<Message>) {
        let (sender, messages) = unbounded_channel();
        (Self { messages: sender, load: Arc::new(AtomicUsize::new(0)) }, messages)
    }

    /// Sends a message. The message is dropped if the worker has ended.
    pub fn send(&self, messages: Message) {
        let _ = self.messages.send(messages);
    }
}
