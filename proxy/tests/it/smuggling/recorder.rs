//! A member that notes every byte that comes to it, by link and in order.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::smuggling::play;
use crate::smuggling::seen::{Reading, Seen, read};

/// What was noted.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// A request, whole or cut off by the end of its link.
    Request(Seen),
    /// What came behind an upgrade.
    Raw(usize, Vec<u8>),
    /// No request at all: what is wrong, the bytes.
    Fault(String, Vec<u8>),
}

#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<Entry>>,
    open: AtomicI64,
    ended: Mutex<HashSet<usize>>,
}

impl Log {
    /// This link stands no more.
    pub(crate) fn has_ended(&self, link: usize) -> bool {
        self.ended.lock().unwrap().contains(&link)
    }

    pub(crate) fn note(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
    }

    /// More raw bytes.
    fn note_raw(&self, link: usize, bytes: &[u8]) {
        let mut entries = self.entries.lock().unwrap();
        match entries.iter_mut().find(|entry| matches!(entry, Entry::Raw(other, _) if *other == link)) {
            Some(Entry::Raw(_, raw)) => raw.extend_from_slice(bytes),
            _ => entries.push(Entry::Raw(link, bytes.to_vec())),
        }
    }

    /// Everything noted from the `from`th on.
    pub(crate) fn since(&self, from: usize) -> Vec<Entry> {
        self.entries.lock().unwrap()[from..].to_vec()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.lock().unwrap().len()
    }

    /// How many links stand.
    pub(crate) fn open(&self) -> i64 {
        self.open.load(Ordering::SeqCst)
    }
}

/// The member; it accepts no more when it is dropped.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    pub(crate) log: Arc<Log>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// One that answers as `play` says.
    pub(crate) fn start() -> Self {
        Self::serving(|mut link| link.serve())
    }

    /// One whose links are served so, each on a thread of its own.
    pub(crate) fn serving(serve: impl Fn(Link) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, stop) = (Arc::new(Log::default()), Arc::new(AtomicBool::new(false)));
        let (own, stopping, serve) = (log.clone(), stop.clone(), Arc::new(serve));
        let thread = std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, log, serve) = (stream.unwrap(), own.clone(), serve.clone());
                stream.set_nodelay(true).unwrap();
                log.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    serve(Link { number, stream, got: Vec::new(), log: log.clone() });
                    log.ended.lock().unwrap().insert(number);
                    log.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, log, stop, thread: Some(thread) }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// One connection from the proxy.
pub(crate) struct Link {
    pub(crate) number: usize,
    pub(crate) stream: TcpStream,
    got: Vec<u8>,
    pub(crate) log: Arc<Log>,
}

impl Link {
    /// Answers until the link ends or something is wrong with it.
    pub(crate) fn serve(&mut self) {
        while let Some(seen) = self.next() {
            let play = play::answer(&seen);
            if self.stream.write_all(&play.bytes).is_err() {
                return;
            }
            if play.raw {
                return self.serve_raw();
            }
        }
    }

    /// The next whole request, which is noted; what is none is noted as well.
    pub(crate) fn next(&mut self) -> Option<Seen> {
        let mut continued = false;
        loop {
            match read(&self.got) {
                Ok(Reading::Whole(mut seen, length)) => {
                    self.got.drain(..length);
                    seen.link = self.number;
                    self.log.note(Entry::Request(seen.clone()));
                    return Some(seen);
                }
                Ok(Reading::Head(seen)) if !continued => {
                    continued = true;
                    self.stream.write_all(play::interim(&seen).unwrap_or_default()).ok()?;
                }
                Ok(_) => {}
                Err(why) => {
                    while self.fill() {}
                    let got = std::mem::take(&mut self.got);
                    self.log.note(Entry::Fault(why, got));
                    return None;
                }
            }
            if !self.fill() {
                self.note_half();
                return None;
            }
        }
    }

    /// The head of a request whose body need not have come.
    pub(crate) fn next_head(&mut self) -> Option<Seen> {
        loop {
            if let Ok(Reading::Head(seen) | Reading::Whole(seen, _)) = read(&self.got) {
                return Some(seen);
            }
            if !self.fill() {
                return None;
            }
        }
    }

    /// The link ended amid a request.
    fn note_half(&self) {
        let entry = match read(&self.got) {
            Ok(Reading::Nothing) if self.got.is_empty() => return,
            Ok(Reading::Head(seen)) => Entry::Request(Seen { link: self.number, ..seen }),
            _ => Entry::Fault("the link ended amid a head".to_owned(), self.got.clone()),
        };
        self.log.note(entry);
    }

    fn serve_raw(&mut self) {
        loop {
            let bytes = std::mem::take(&mut self.got);
            self.log.note_raw(self.number, &bytes);
            if self.stream.write_all(&bytes).is_err() || !self.fill() {
                return;
            }
        }
    }

    fn fill(&mut self) -> bool {
        let mut room = [0; 65_536];
        match self.stream.read(&mut room) {
            Ok(n) if n > 0 => {
                self.got.extend_from_slice(&room[..n]);
                true
            }
            _ => false,
        }
    }
}
