//! A member that accepts with a window of 4 KiB, and reads nothing until it is told to.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// See the head of this file.
pub(crate) struct Member {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    reads: AtomicBool,
    ends: AtomicBool,
    came: AtomicU64,
}

/// Tells how many requests have ended with these bytes, given what was read of one connection before.
pub(crate) type Ends = fn(&mut Vec<u8>, &[u8]) -> usize;

impl Member {
    pub(crate) fn start(ends: Ends, answer: &'static [u8]) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap(); // those who are accepted inherit it
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        socket.listen(1024).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let state = Arc::<State>::default();
        let shared = state.clone();
        thread::spawn(move || {
            while let Ok((conn, _)) = socket.accept() {
                if shared.ends.load(Ordering::Relaxed) {
                    break;
                }
                let state = shared.clone();
                thread::spawn(move || serve(conn.into(), &state, ends, answer));
            }
        });
        Self { address, state }
    }

    /// From now on it reads.
    pub(crate) fn read(&self) {
        self.state.reads.store(true, Ordering::Relaxed);
    }

    /// From now on it reads nothing, but for what it is about to read.
    pub(crate) fn pause(&self) {
        self.state.reads.store(false, Ordering::Relaxed);
    }

    /// Bytes that it has read.
    pub(crate) fn came(&self) -> u64 {
        self.state.came.load(Ordering::Relaxed)
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        self.read();
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut conn: TcpStream, state: &State, ends: Ends, answer: &[u8]) {
    let (mut bytes, mut kept) = (vec![0; 64 << 10], Vec::new());
    loop {
        while !state.reads.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        let n = conn.read(&mut bytes).unwrap_or(0);
        if n == 0 {
            break;
        }
        state.came.fetch_add(n as u64, Ordering::Relaxed);
        let answers = answer.repeat(ends(&mut kept, &bytes[..n]));
        if conn.write_all(&answers).is_err() {
            break;
        }
    }
}
