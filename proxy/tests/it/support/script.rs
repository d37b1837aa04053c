//! A member that does exactly what a test tells it, as a play for each connection; the included origin does not do that.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::wire::Wire;

/// A scripted member; it accepts no more when it is dropped.
pub(crate) struct Script {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Script {
    /// Each connection is played by `play`, on a thread of its own, with its number from 0.
    pub(crate) fn start(play: impl Fn(usize, Wire) + Send + Sync + 'static) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), play)
    }

    /// As [`Script::start`], at this address.
    pub(crate) fn start_at(at: SocketAddr, play: impl Fn(usize, Wire) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopping, play) = (connections.clone(), stop.clone(), Arc::new(play));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (number, play) = (count.fetch_add(1, Ordering::SeqCst), play.clone());
                let stream = stream.unwrap();
                std::thread::spawn(move || play(number, Wire::new(stream)));
            }
        });
        Self { address, connections, stop, thread: Some(thread) }
    }

    /// Answers each request, on every connection, with these bytes; closes behind the first where told.
    pub(crate) fn always(answer: &'static str, close: bool) -> Self {
        Self::start(move |_, mut wire| {
            while wire.next_head().is_some() {
                wire.send(answer);
                if close {
                    return;
                }
            }
        })
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
